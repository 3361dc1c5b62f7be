//! What a provider is sent at most, and what a client may send.
//!
//! A key that changes nothing is an error: whoever writes it expects a limit that is not there. Invariant: a limit
//! limits something.

use super::super::place::At;
use super::super::scalar::{Wrong, length, switch, wrong};
use super::findings::{Findings, whole_at};
use crate::decide::limit::Rate;
use crate::decide::policy::{ClientLimit, RateLimit, WhenFull};
use crate::decide::units::Millis;

/// A client waits at most so long for an answer to begin, by the official SDKs.
const LONGEST_WAIT: Millis = Millis(600_000);
/// Of a minute's requests, those that may come at once where the file says nothing: ten seconds' worth.
const BURST: u32 = 6;

/// A provider's limit; `None`: it has none.
pub(super) fn provider(at: &At, findings: &mut Findings<'_>) -> Option<RateLimit> {
    if !at.fits() {
        return None;
    }
    let count = |key: &str, findings: &mut Findings<'_>| {
        let at = at.key(key);
        findings.given(&at, |text| whole_at(&at, text))
    };
    let requests = requests(at, findings);
    if at.has("burst") && !at.has("requests_per_minute") {
        findings.error(at, "`burst` stands without `requests_per_minute`", "add the one, or remove the other");
    }
    let tokens = count("tokens_per_minute", findings).map(|tokens| Rate::new(tokens, tokens));
    let in_flight = count("in_flight", findings);
    let nothing = !["requests_per_minute", "tokens_per_minute", "in_flight"].into_iter().any(|key| at.has(key));
    if nothing && !at.has("burst") && !at.has_unknown_key() {
        findings.error(
            at,
            "this limits nothing",
            "write `requests_per_minute`, `tokens_per_minute` or `in_flight`, or remove it",
        );
    }
    let when_full = findings.choice(
        &at.key("when_full"),
        "is not what becomes of a request",
        &[
            ("fallback", WhenFull::Fallback),
            ("wait", WhenFull::Wait),
            ("refuse", WhenFull::Refuse),
            ("observe", WhenFull::Observe),
        ],
    );
    let wait_at = at.key("wait");
    let wait = findings.value(&wait_at, wait);
    let waits = matches!(when_full, WhenFull::Fallback | WhenFull::Wait);
    if at.has("wait") && !waits {
        let word = if when_full == WhenFull::Refuse { "refuse" } else { "observe" };
        findings.error(
            &wait_at,
            format!("with `when_full: {word}` no request waits"),
            "remove it, or write `when_full: wait`",
        );
    } else if when_full == WhenFull::Wait && wait == Millis(0) {
        findings.error(&wait_at, "with `when_full: wait` this refuses at once", "write `when_full: refuse`");
    }
    let follow_headers = findings.value(&at.key("follow_headers"), switch);
    if follow_headers && !nothing && requests.is_none() && tokens.is_none() && at.key("follow_headers").fits() {
        findings.error(
            &at.key("follow_headers"),
            "there is nothing that headers could lower",
            "add `requests_per_minute` or `tokens_per_minute`, or remove it",
        );
    }
    Some(RateLimit { requests, tokens, in_flight, when_full, wait, follow_headers })
}

/// A client's limit; `None`: it has none.
pub(super) fn client(at: &At, findings: &mut Findings<'_>) -> Option<ClientLimit> {
    if !at.fits() {
        return None;
    }
    let requests = requests(at, findings);
    let observe = findings.choice(
        &at.key("when_full"),
        "is neither `refuse` nor `observe`",
        &[("refuse", false), ("observe", true)],
    );
    Some(ClientLimit { requests: requests?, observe })
}

fn requests(at: &At, findings: &mut Findings<'_>) -> Option<Rate> {
    let (rate_at, burst_at) = (at.key("requests_per_minute"), at.key("burst"));
    let per_minute = findings.given(&rate_at, |text| whole_at(&rate_at, text));
    let burst = findings.given(&burst_at, |text| whole_at(&burst_at, text));
    let per_minute = per_minute?;
    Some(Rate::new(per_minute, burst.unwrap_or((per_minute / BURST).max(1))))
}

fn wait(text: &str) -> Result<Millis, Wrong> {
    match length(text)? {
        wait if wait <= LONGEST_WAIT => Ok(wait),
        _ => wrong(format!("is more than {LONGEST_WAIT}"), format!("write at most `{LONGEST_WAIT}`")),
    }
}

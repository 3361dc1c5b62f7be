//! What happens when a provider fails: which provider answers then, what is retried, and the deadlines.
//!
//! Reads the keys of a rollout and the breaker of a provider; what is done with them is decided per attempt, elsewhere.
//! A key that promises something which another key prevents is an error or, where no user is harmed, a warning.

use crate::decide::endpoint::GENERATING;
use crate::decide::policy::{Backoff, BreakerRule, Fallback, First, Retry, StreamMode};
use crate::decide::units::{Millis, ProviderId};

use super::super::place::At;
use super::super::scalar::{Wrong, length, rate, some_length, switch, wrong};
use super::findings::{Findings, Named};
use super::names::{provider_named, wants_canary};

/// Clients wait at most some minutes for a response, all pauses included.
const LONGEST_BACKOFF: Millis = Millis(60_000);
/// The longest text of a last resort, in bytes.
const LONGEST_TEXT: usize = 2000;

/// When requests to a provider stop for a while; `None`: never.
pub(super) fn breaker(at: &At, findings: &mut Findings<'_>) -> Option<BreakerRule> {
    if at.text().is_some() {
        let off = |text: &str| match text {
            "off" => Ok(()),
            _ => wrong("is not a breaker", "write `off`, or `{ failures: 5, open_for: 60s }`"),
        };
        findings.given(at, off);
        return None;
    }
    Some(BreakerRule {
        failures: findings.whole(&at.key("failures")),
        open_for: findings.value(&at.key("open_for"), some_length),
    })
}

/// What a rollout says about failures.
pub(super) struct Recovery {
    pub(super) fallback: Fallback,
    pub(super) fallback_4xx: bool,
    pub(super) give_up_after: Millis,
    pub(super) hold: Millis,
    pub(super) retry: Retry,
    pub(super) stream_mode: StreamMode,
}

/// Reads the rollout at `at`, whose stable is this one.
pub(super) fn recovery(
    at: &At,
    providers: &[&str],
    stable: Option<ProviderId>,
    findings: &mut Findings<'_>,
) -> Recovery {
    let fallback = fallback(&at.key("fallback"), providers, findings);
    if !at.has("canary") && !wants_canary(at) && fallback == Fallback::List(stable.into_iter().collect()) {
        findings.error(
            &at.key("fallback"),
            "a plain route falls back to its own provider",
            "name another one, or remove this",
        );
    }
    let fallback_4xx = findings.value(&at.key("fallback_4xx"), switch);
    let give_up_after = findings.value(&at.key("give_up_after"), some_length);
    if fallback == Fallback::Nobody {
        if at.has("fallback_4xx") && fallback_4xx {
            findings.error(
                &at.key("fallback_4xx"),
                "with `fallback: false` a refused request is never sent to stable",
                "remove one of the two",
            );
        }
        if at.has("give_up_after") {
            let problem = "this changes nothing: with `fallback: false` no other provider can answer";
            findings.warn(&at.key("give_up_after"), problem);
        }
    }
    Recovery {
        fallback,
        fallback_4xx,
        give_up_after,
        hold: findings.value(&at.key("hold"), length),
        retry: retry(&at.key("retry"), findings),
        stream_mode: findings.choice(
            &at.key("stream_mode"),
            "is not a stream mode",
            &[("live", StreamMode::Live), ("buffered", StreamMode::Buffered)],
        ),
    }
}

/// What a client is told when every candidate failed. Only answers that are text can say it.
pub(super) fn last_resort(at: &At, findings: &mut Findings<'_>) -> Option<String> {
    let given = at.key("last_resort");
    let said = |text: &str| match text.trim() {
        "" => {
            wrong("says nothing", "write what users are to read, such as `We are busy, please try again in a minute.`")
        }
        text if text.len() > LONGEST_TEXT => {
            wrong("is longer than 2000 bytes", "write a sentence or two: users read it in place of an answer")
        }
        text => Ok(text.to_owned()),
    };
    let text = findings.given(&given.key("text"), said)?;
    let endpoints = at.key("match").key("endpoints");
    let has_text = |endpoint: &str| GENERATING.contains(&endpoint.trim_matches('/'));
    if endpoints.fits() && !endpoints.texts().is_empty() && !endpoints.texts().into_iter().any(has_text) {
        let problem = "this changes nothing: only chat/completions, completions, responses and messages are answered \
                       with a text, and `match.endpoints` has none of them";
        findings.warn(&given, problem);
    }
    Some(text)
}

fn fallback(at: &At, providers: &[&str], findings: &mut Findings<'_>) -> Fallback {
    if !at.fits() {
        return Fallback::OtherArm;
    }
    if at.text().is_some() {
        let meant = |text: &str| match switch(text) {
            Ok(true) => Ok(Fallback::OtherArm),
            Ok(false) => Ok(Fallback::Nobody),
            Err(Wrong { problem, remedy }) => match provider_named(providers, text) {
                Ok(provider) => Ok(Fallback::List(vec![provider])),
                // `yes` and its like are not misspelt providers.
                Err(_) if remedy != "write `true` or `false`" => wrong(problem, remedy),
                Err(error) => Err(error),
            },
        };
        return findings.named(at, Named::Provider, meant).unwrap_or(Fallback::OtherArm);
    }
    let names = at.items();
    if names.is_empty() {
        findings.error(at, "the list of providers is empty", "name one, or write `false`");
    }
    let mut list: Vec<ProviderId> = Vec::new();
    for at in names {
        let named = |text: &str| provider_named(providers, text);
        let Some(provider) = findings.named(&at, Named::Provider, named) else { continue };
        if list.contains(&provider) {
            findings.error(&at, "this provider is named twice", "name it once: the providers are tried in order");
        } else {
            list.push(provider);
        }
    }
    Fallback::List(list)
}

fn retry(at: &At, findings: &mut Findings<'_>) -> Retry {
    let attempts = findings.whole(&at.key("attempts"));
    if attempts == 1 {
        for key in ["budget", "backoff", "first"].into_iter().filter(|key| at.has(key)) {
            findings.warn(&at.key(key), "this changes nothing: with `attempts: 1` there is no retry");
        }
    }
    Retry {
        attempts: u8::try_from(attempts).unwrap_or(u8::MAX),
        budget: findings.value(&at.key("budget"), rate),
        backoff: findings.value(&at.key("backoff"), backoff),
        first: findings.choice(
            &at.key("first"),
            "is neither `other` nor `same`",
            &[("other", First::Other), ("same", First::Same)],
        ),
    }
}

/// `500ms..8s`: two lengths of time, the shorter one first.
fn backoff(text: &str) -> Result<Backoff, Wrong> {
    let Some((from, to)) = text.split_once("..") else {
        return wrong("is not a range of pauses", "write the first one and the longest one, such as `500ms..8s`");
    };
    let (from, to) = (length(from.trim())?, length(to.trim())?);
    if from > to {
        return wrong("begins above its end", format!("write the shorter one first: `{to}..{from}`"));
    }
    if to > LONGEST_BACKOFF {
        return wrong("makes a client wait too long", format!("write at most `{LONGEST_BACKOFF}`"));
    }
    Ok(Backoff { from, to })
}

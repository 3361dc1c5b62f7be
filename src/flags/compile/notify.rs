//! The targets of notifications.
//!
//! A target that cannot be used is an error, since nobody would notice that it is silent. Its address and its secret
//! are hidden wherever the file is shown. Connects to nothing. Invariant: a target has the secret that its format
//! needs, and no other.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::findings::Findings;
use crate::decide::policy::{NotifyEvent, NotifyFormat, NotifyTarget, NotifyUrl, Secret};
use crate::decide::units::Millis;
use crate::flags::place::At;
use crate::flags::scalar::{Wrong, length, name, wrong};
use crate::flags::url;

const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// What the path of PagerDuty's events ends with; that of its change events is made from it.
const ENQUEUE: &str = "/v2/enqueue";
const ALERTS: &str = "/api/v2/alerts";
/// What a signing secret begins with.
const SIGNING: &str = "whsec_";
const LONGEST_INTERVAL: Millis = Millis(24 * 60 * 60 * 1000);
/// Events of the design that nothing sends yet.
const LATER: [&str; 4] = ["model_retires", "key_refused", "budget", "fleet"];

/// Reads all of them.
pub(super) fn notify(at: &At, findings: &mut Findings<'_>) -> Vec<NotifyTarget> {
    let mut targets: Vec<NotifyTarget> = Vec::new();
    for at in at.items().iter().filter(|at| at.fits()) {
        let Some(target) = target(at, findings) else { continue };
        if targets.iter().any(|other| other.name == target.name) {
            let problem = format!("a second target named `{}`", target.name);
            findings.error(&at.key("name"), problem, "give each its own name");
        } else {
            targets.push(target);
        }
    }
    targets
}

fn target(at: &At, findings: &mut Findings<'_>) -> Option<NotifyTarget> {
    let formats = [NotifyFormat::Standard, NotifyFormat::Slack, NotifyFormat::Pagerduty, NotifyFormat::Alertmanager];
    let formats = formats.map(|format| (format.as_str(), format));
    let format = findings.choice(&at.key("format"), "is not a format of notifications", &formats);
    let name = findings.given(&at.key("name"), name);
    let url = address(at, format, findings);
    let secret = secret(at, format, findings);
    let on = events(&at.key("on"), format, findings);
    let min_interval = interval(&at.key("min_interval"), format, findings);
    let secret = secret?;
    Some(NotifyTarget { name: name?, url: url?, secret, on, format, min_interval })
}

fn address(at: &At, format: NotifyFormat, findings: &mut Findings<'_>) -> Option<NotifyUrl> {
    let here = at.key("url");
    if !here.fits() {
        match format {
            _ if at.has("url") => {}
            NotifyFormat::Pagerduty => return url::notify_url(PAGERDUTY).ok(),
            _ if at.has_unknown_key() => {}
            _ => findings.error(at, "this target has no `url`", "add the address that notifications are posted to"),
        }
        return None;
    }
    if here.text().is_some_and(|text| !text.contains("${") && (format == NotifyFormat::Slack || text.contains('@'))) {
        findings
            .warn(&here, "the file contains a secret; keep it in a variable (`${NAME}`) or a file (`${file:/path}`)");
    }
    let text = findings.hidden(&here, |text| fitting(text.trim(), format).map(|_| text.trim().to_owned()))?;
    fitting(&text, format).ok()
}

/// The address, as its format needs it.
fn fitting(text: &str, format: NotifyFormat) -> Result<NotifyUrl, Wrong> {
    let mut url = url::notify_url(text)?;
    let path = url.path.reveal();
    match format {
        NotifyFormat::Pagerduty if !path.ends_with(ENQUEUE) => {
            return wrong("does not end with `/v2/enqueue`", format!("write `{PAGERDUTY}`, or remove `url`"));
        }
        NotifyFormat::Alertmanager if !path.ends_with(ALERTS) => {
            if path.contains('?') {
                return wrong("has a query", "write the address of the server, such as `http://alertmanager:9093`");
            }
            url.path = Secret::new(format!("{}{ALERTS}", path.trim_end_matches('/')));
        }
        _ => {}
    }
    Ok(url)
}

/// `None`: there was an error; `Some(None)`: there is none, and none is needed.
#[expect(clippy::option_option, reason = "no secret is no error for every format")]
fn secret(at: &At, format: NotifyFormat, findings: &mut Findings<'_>) -> Option<Option<Secret>> {
    let here = at.key("secret");
    let needed = matches!(format, NotifyFormat::Standard | NotifyFormat::Pagerduty);
    match (here.fits(), needed) {
        (true, true) => {
            let fits = move |text: &str| match format {
                NotifyFormat::Standard => signing_secret(text),
                _ => integration_key(text),
            };
            findings.own_secret(&here, fits).map(Some)
        }
        (true, false) => {
            let problem = format!("a target with `format: {}` has no secret", format.as_str());
            findings.error(&here, problem, "remove `secret`; what its address holds is kept secret as well");
            None
        }
        (false, true) => {
            let (what, remedy) = match format {
                NotifyFormat::Pagerduty => ("the integration key", "add it as `secret: \"${PAGERDUTY_KEY}\"`"),
                _ => (
                    "the signing secret",
                    "add `secret: \"${NAME}\"` with a value such as the output of `echo whsec_$(openssl rand -base64 32)`",
                ),
            };
            // Of a format that is not known nobody can say what it needs.
            let known = at.key("format").text().is_none_or(|written| written == format.as_str());
            if known && !at.has("secret") && !at.has_unknown_key() {
                findings.error(at, format!("this target has no `secret`: {what}"), remedy);
            }
            None
        }
        (false, false) => Some(None),
    }
}

fn signing_secret(text: &str) -> Result<(), Wrong> {
    const REMEDY: &str = "write the output of `echo whsec_$(openssl rand -base64 32)` into it";
    let Some(encoded) = text.strip_prefix(SIGNING) else {
        return wrong("the secret does not begin with `whsec_`", REMEDY);
    };
    match STANDARD.decode(encoded) {
        Ok(bytes) if (24..=64).contains(&bytes.len()) => Ok(()),
        Ok(bytes) => wrong(format!("the secret has {} bytes, not 24 to 64", bytes.len()), REMEDY),
        Err(_) => wrong("the secret is not base64 after `whsec_`", REMEDY),
    }
}

fn integration_key(text: &str) -> Result<(), Wrong> {
    if text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    wrong("the secret is not an integration key of letters and digits", "copy it from the service's integration")
}

fn events(at: &At, format: NotifyFormat, findings: &mut Findings<'_>) -> BTreeSet<NotifyEvent> {
    let event = |text: &str| match NotifyEvent::ALL.into_iter().find(|event| event.as_str() == text) {
        Some(NotifyEvent::Digest) if format.keeps_open() => {
            wrong(format!("is no problem, and `format: {}` is for problems", format.as_str()), "remove it")
        }
        Some(event) => Ok(event),
        None if LATER.contains(&text) => wrong("is not in this version", "remove it"),
        None => {
            let known: Vec<_> = NotifyEvent::ALL.iter().map(|event| format!("`{}`", event.as_str())).collect();
            wrong("is not an event", format!("write one of {}", known.join(", ")))
        }
    };
    if !at.fits() {
        return at.texts_or_default().into_iter().filter_map(|text| event(text).ok()).collect();
    }
    if at.texts().is_empty() {
        findings.error(at, "this target is notified of nothing", "name an event such as `rolled_back`, or remove `on`");
    }
    at.items().iter().filter_map(|at| findings.given(at, event)).collect()
}

fn interval(at: &At, format: NotifyFormat, findings: &mut Findings<'_>) -> Millis {
    let interval = findings.value(at, |text| match length(text)? {
        interval if interval <= LONGEST_INTERVAL => Ok(interval),
        _ => wrong("is more than 1d", "write at most `1d`"),
    });
    if interval > Millis(0) && format.keeps_open() {
        findings.error(
            at,
            format!("`format: {}` groups notifications by itself", format.as_str()),
            "remove `min_interval`",
        );
    }
    interval
}

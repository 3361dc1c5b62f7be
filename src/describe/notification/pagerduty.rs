//! The body of a PagerDuty event (Events API v2).
//!
//! A problem triggers, and its end resolves, under one `dedup_key`: the rollout and its attempt. Everything else is a
//! change event, which pages nobody and goes to another path. Invariant: a summary has at most 1,024 characters and a
//! key at most 255, the limits of the API.

use serde_json::{Map, Value, json};

use super::{Letter, affected, causes, command, kind, title, why};
use crate::decide::notification::Turn;
use crate::decide::policy::NotifyEvent;
use crate::decide::timestamp::Timestamp;
use crate::describe::format::shortened;

const LONGEST_SUMMARY: usize = 1024;
const LONGEST_KEY: usize = 255;

/// The body. `key` is the integration's.
#[must_use]
pub fn body(letter: &Letter<'_>, key: &str) -> String {
    let notification = letter.notification;
    let links = letter.links();
    let links: Vec<Value> = links.into_iter().map(|(text, href)| json!({"href": href, "text": text})).collect();
    let reason = why(notification);
    let summary = title(notification);
    let summary = if reason.is_empty() { summary } else { format!("{summary}: {reason}") };
    let mut details = Map::new();
    details.insert("reason".to_owned(), reason.into());
    details.insert("command".to_owned(), command(notification).into());
    if let Some(transition) = letter.transition() {
        details.insert("affected".to_owned(), affected(transition).into());
        details.insert("causes".to_owned(), causes(transition).into());
    }
    let payload = json!({
        "summary": shortened(&summary, LONGEST_SUMMARY),
        "timestamp": Timestamp(notification.at),
        "source": letter.base,
        "custom_details": details,
    });
    let mut event = json!({"routing_key": key, "payload": payload, "links": links});
    let action = match letter.turn {
        Turn::Tells => return event.to_string(),
        Turn::Opens => "trigger",
        Turn::Closes => "resolve",
    };
    event["event_action"] = action.into();
    event["dedup_key"] = shortened(&format!("serin/{}", letter.problem), LONGEST_KEY).into();
    event["payload"]["severity"] = severity(notification.on).into();
    event["payload"]["component"] = letter.problem.into();
    event["payload"]["class"] = kind(notification).into();
    event.to_string()
}

/// How urgent it is.
pub(super) const fn severity(on: Option<NotifyEvent>) -> &'static str {
    match on {
        Some(NotifyEvent::RolledBack) => "critical",
        Some(NotifyEvent::BreakerOpened | NotifyEvent::KeyRefused | NotifyEvent::ReloadFailed) => "error",
        Some(NotifyEvent::Held) => "warning",
        _ => "info",
    }
}

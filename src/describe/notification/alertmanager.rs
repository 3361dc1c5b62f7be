//! The body of a request to Alertmanager's API v2: a list of alerts.
//!
//! An alert is known by its labels, so that none of them may change while it stands: what changes is in the
//! annotations. A rollout that is held and then rolled back is another alert; each body ends the other one. Invariant:
//! an alert that is not said to stand has an end.

use serde_json::{Map, Value, json};

use super::pagerduty::severity;
use super::{Letter, affected, causes, command, title, why};
use crate::decide::notification::{Subject, Turn};
use crate::decide::policy::NotifyEvent;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

/// How long the alert of a test stands.
const TEST: u64 = 60_000;

/// The body. The end of an alert that never stood changes nothing at the receiver.
#[must_use]
pub fn body(letter: &Letter<'_>) -> String {
    let notification = letter.notification;
    let annotations = annotations(letter);
    let alert = |name: &str, on: Option<NotifyEvent>, ends: Option<UnixMillis>| {
        let mut labels = labels(letter);
        labels.insert("alertname".to_owned(), name.into());
        labels.insert("severity".to_owned(), severity(on).into());
        let mut alert = json!({
            "labels": labels,
            "annotations": annotations,
            "startsAt": Timestamp(notification.at),
            "generatorURL": format!("{}/", letter.base),
        });
        if let Some(ends) = ends {
            alert["startsAt"] = Timestamp(notification.at.min(ends)).to_string().into();
            alert["endsAt"] = Timestamp(ends).to_string().into();
        }
        alert
    };
    if notification.subject == Subject::Test {
        let ends = UnixMillis(letter.now.0 + TEST);
        return json!([alert("SerinTest", None, Some(ends))]).to_string();
    }
    let stands = |on: NotifyEvent| letter.turn == Turn::Opens && notification.on == Some(on);
    let alerts = names(letter.problem).iter().map(|(name, on)| {
        let ends = (!stands(*on)).then_some(notification.at);
        alert(name, Some(*on), ends)
    });
    Value::Array(alerts.collect()).to_string()
}

/// The alerts of a lane.
fn names(problem: &str) -> &'static [(&'static str, NotifyEvent)] {
    match problem.split_once(':') {
        Some(("file", _)) => &[("SerinReloadFailed", NotifyEvent::ReloadFailed)],
        Some(("breaker", _)) => &[("SerinBreakerOpened", NotifyEvent::BreakerOpened)],
        Some(("key", _)) => &[("SerinKeyRefused", NotifyEvent::KeyRefused)],
        _ => &[("SerinRolledBack", NotifyEvent::RolledBack), ("SerinHeld", NotifyEvent::Held)],
    }
}

fn labels(letter: &Letter<'_>) -> Map<String, Value> {
    let mut labels = Map::new();
    match letter.problem.split_once(':') {
        Some(("breaker", provider)) => drop(labels.insert("provider".to_owned(), provider.into())),
        Some(("key", key)) => {
            let (provider, position) = key.rsplit_once(':').unwrap_or((key, ""));
            labels
                .extend([("provider", provider), ("key", position)].map(|(name, text)| (name.to_owned(), text.into())));
        }
        Some(_) => {}
        None => {
            if let Some(rollout) = letter.transition().and_then(|transition| transition.event.rollout.as_deref()) {
                labels.insert("rollout".to_owned(), rollout.into());
            }
        }
    }
    labels
}

fn annotations(letter: &Letter<'_>) -> Map<String, Value> {
    let notification = letter.notification;
    let mut texts = vec![
        ("summary".to_owned(), title(notification)),
        ("description".to_owned(), why(notification)),
        ("command".to_owned(), command(notification)),
    ];
    if let Some(transition) = letter.transition() {
        texts.extend(affected(transition).map(|text| ("affected".to_owned(), text)));
        texts.push(("causes".to_owned(), causes(transition).join("\n")));
    }
    texts.extend(letter.links().into_iter().map(|(name, url)| (name.to_owned(), url)));
    // An empty annotation is one that is absent.
    texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.into())).collect()
}

//! The request of one try: address, headers, body.
//!
//! Written anew for each try, since its time and its signature are of the try; the id is of the notification. Sends
//! nothing. Invariant: a secret is in a header or in a body that is posted to its own target, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::digest::{SHA256, digest};

use super::deliver::Post;
use super::signature::sign;
use crate::decide::event::Event;
use crate::decide::notification::{Notification, Subject, Turn};
use crate::decide::policy::{NotifyFormat, NotifyTarget, NotifyUrl, Secret};
use crate::decide::units::UnixMillis;
use crate::describe::notification::{Letter, alertmanager, pagerduty, slack, standard};

/// The path of an event and that of a change event, at PagerDuty.
const ENQUEUE: &str = "/v2/enqueue";
const CHANGE: &str = "/v2/change/enqueue";

pub(super) fn post(target: &NotifyTarget, letter: &Letter<'_>) -> Post {
    let mut headers = Vec::new();
    let mut url = target.url.clone();
    let secret = target.secret.as_ref();
    let body = match target.format {
        NotifyFormat::Standard => {
            let body = standard::body(letter);
            let (id, timestamp) = (&letter.notification.id, letter.now.0 / 1000);
            headers.push(("webhook-id", id.clone()));
            headers.push(("webhook-timestamp", timestamp.to_string()));
            if let Some(secret) = secret {
                headers.push(("webhook-signature", sign(secret, id, timestamp, body.as_bytes())));
            }
            body
        }
        NotifyFormat::Slack => slack::body(letter),
        NotifyFormat::Pagerduty => {
            if letter.turn == Turn::Tells {
                url = change_url(&url);
            }
            pagerduty::body(letter, secret.map_or("", Secret::reveal))
        }
        NotifyFormat::Alertmanager => alertmanager::body(letter),
    };
    if let Some(credentials) = &url.credentials {
        headers.push(("authorization", format!("Basic {}", STANDARD.encode(credentials.reveal()))));
    }
    let headers = headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
    Post { url, headers, body: Bytes::from(body) }
}

fn change_url(url: &NotifyUrl) -> NotifyUrl {
    let path = url.path.reveal();
    let path = path.strip_suffix(ENQUEUE).map_or_else(|| path.to_owned(), |before| format!("{before}{CHANGE}"));
    NotifyUrl { path: Secret::new(path), ..url.clone() }
}

/// The id of a notification: the same for the same event.
pub(super) fn id(event: &Event) -> String {
    // The shapes of events have no failing parts.
    let text = serde_json::to_string(event).unwrap_or_default();
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(16).fold("evt_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

/// A notification that tests a target.
pub(super) fn test(now: UnixMillis) -> Notification {
    Notification { id: format!("test_{}", now.0), at: now, on: None, subject: Subject::Test, others: 0 }
}

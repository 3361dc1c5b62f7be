//! Who is notified of what: the targets of `notify:` in flags.yaml.
//!
//! Shapes only. `flags` reads them, control queues the notifications, and the composition root sends them. The address
//! of a target may itself be a secret (a Slack webhook is), so its path, its query and its credentials are never shown.
//! Invariant: a target has a host, at least one event, and the secret that its format needs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use crate::decide::units::Millis;

/// How many targets a file may have.
pub const MOST_NOTIFY_TARGETS: usize = 16;

/// One target of notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyTarget {
    /// As the file names it; also its label in metrics.
    pub name: String,
    pub url: NotifyUrl,
    /// What signs a notification, or the key of the receiver's integration; `None`: the format has none.
    pub secret: Option<Secret>,
    /// What is sent.
    pub on: BTreeSet<NotifyEvent>,
    pub format: NotifyFormat,
    /// The least time between two notifications; zero: none.
    pub min_interval: Millis,
}

/// Shorter parts of an address are words, and no secrets.
const SHORTEST_SECRET: usize = 6;

impl NotifyTarget {
    /// A text of the receiver without what is secret of the target, since a receiver may repeat what it was sent.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        let of_path = self.url.path.reveal().split(['/', '?', '&', '=']);
        let of_credentials = self.url.credentials.iter().flat_map(|secret| secret.reveal().split(':'));
        let secrets = of_path.chain(of_credentials).chain(self.secret.as_ref().map(Secret::reveal));
        let secrets = secrets.filter(|secret| secret.len() >= SHORTEST_SECRET);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// The address of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyUrl {
    /// Whether to speak TLS.
    pub https: bool,
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// Explicit or the scheme's own.
    pub port: u16,
    /// Path and query. Begins with a slash.
    pub path: Secret,
    /// `user:password`, percent-decoded.
    pub credentials: Option<Secret>,
}

/// What the body of a notification looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyFormat {
    /// Standard Webhooks, signed.
    Standard,
    /// A Slack incoming webhook.
    Slack,
    /// PagerDuty Events API v2.
    Pagerduty,
    /// Alertmanager API v2.
    Alertmanager,
}

impl NotifyFormat {
    /// Its word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotifyFormat::Standard => "standard",
            NotifyFormat::Slack => "slack",
            NotifyFormat::Pagerduty => "pagerduty",
            NotifyFormat::Alertmanager => "alertmanager",
        }
    }

    /// Whether a problem stays open at the receiver until it is told that it is over.
    #[must_use]
    pub const fn keeps_open(self) -> bool {
        matches!(self, NotifyFormat::Pagerduty | NotifyFormat::Alertmanager)
    }
}

/// Something that a target may be notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// More users are on the canary.
    Promoted,
    /// The ramp does not go on: held, paused, being confirmed, or blocked.
    Held,
    /// Users were moved back to stable.
    RolledBack,
    /// It goes on.
    Resumed,
    /// The ramp came to its end.
    Completed,
    /// A ramp began, or began again.
    AttemptStarted,
    /// The weekly summary.
    Digest,
    /// A version of flags.yaml was refused.
    ReloadFailed,
    /// A provider's breaker opened.
    BreakerOpened,
    /// A provider takes a model away.
    ModelRetires,
    /// A provider refused one of Serin's keys.
    KeyRefused,
}

impl NotifyEvent {
    pub const ALL: [NotifyEvent; 11] = [
        NotifyEvent::Promoted,
        NotifyEvent::Held,
        NotifyEvent::RolledBack,
        NotifyEvent::Resumed,
        NotifyEvent::Completed,
        NotifyEvent::AttemptStarted,
        NotifyEvent::Digest,
        NotifyEvent::ReloadFailed,
        NotifyEvent::BreakerOpened,
        NotifyEvent::ModelRetires,
        NotifyEvent::KeyRefused,
    ];

    /// Its word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotifyEvent::Promoted => "promoted",
            NotifyEvent::Held => "held",
            NotifyEvent::RolledBack => "rolled_back",
            NotifyEvent::Resumed => "resumed",
            NotifyEvent::Completed => "completed",
            NotifyEvent::AttemptStarted => "attempt_started",
            NotifyEvent::Digest => "digest",
            NotifyEvent::ReloadFailed => "reload_failed",
            NotifyEvent::BreakerOpened => "breaker_opened",
            NotifyEvent::ModelRetires => "model_retires",
            NotifyEvent::KeyRefused => "key_refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_repeats_is_masked() {
        let url = NotifyUrl {
            https: true,
            host: "hooks.slack.com".to_owned(),
            port: 443,
            path: Secret::new("/services/T0/B0123456/xyzzy-secret?key=another-secret".to_owned()),
            credentials: Some(Secret::new("serin:password".to_owned())),
        };
        let (name, on) = ("ops".to_owned(), BTreeSet::new());
        let secret = Some(Secret::new("whsec_AAAA".to_owned()));
        let target = NotifyTarget { name, url, secret, on, format: NotifyFormat::Slack, min_interval: Millis(0) };
        let said = "Cannot POST /services/T0/B0123456/xyzzy-secret?key=another-secret by password, whsec_AAAA";
        assert_eq!(target.masked(said), "Cannot POST /***/T0/***/***?key=*** by ***, ***");
        assert_eq!(target.masked("invalid_payload"), "invalid_payload");
    }
}

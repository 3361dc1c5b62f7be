//! Targets of notifications, as the API has them: what waits, what was delivered, and what a test gave.
//!
//! Names and counts; neither an address nor a secret. The counts are since the start of the process. Refuses to tell a
//! target that the file in force does not have. Invariant: a target that never failed has no error.

use serde::{Deserialize, Serialize};

use crate::decide::policy::NotifyFormat;
use crate::decide::timestamp::Timestamp;
use crate::state::inbox::NotifyTestResult;
use crate::state::status::NotifyTargetStatus;

/// A target of notifications, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTarget {
    pub name: String,
    /// `standard`, `slack`, `pagerduty` or `alertmanager`.
    pub format: String,
    /// Notifications that wait.
    pub queued: u64,
    pub delivered: u64,
    /// Tries that failed and were followed by others.
    pub retried: u64,
    pub given_up: u64,
    /// Notifications that were never tried.
    pub dropped: u64,
    pub last_delivered_at: Option<Timestamp>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// Whether it answered 410 and gets nothing more until the next reload.
    pub ended: bool,
}

impl NotifyTarget {
    /// `None`: the file in force does not have it.
    #[must_use]
    pub fn of(status: &NotifyTargetStatus) -> Option<NotifyTarget> {
        Some(NotifyTarget {
            name: status.name.clone(),
            format: status.format.map(NotifyFormat::as_str)?.to_owned(),
            queued: status.queued,
            delivered: status.delivered,
            retried: status.retried,
            given_up: status.given_up,
            dropped: status.dropped,
            last_delivered_at: status.last_delivered.map(Timestamp),
            last_error: status.last_error.clone(),
            ended: status.ended,
        })
    }
}

/// `POST /api/v1/notify/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTestReply {
    /// One for each target that was asked.
    pub results: Vec<NotifyTest>,
}

/// What a target made of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTest {
    pub target: String,
    /// Whether it accepted the test.
    pub ok: bool,
    /// What it answered.
    pub status: Option<u16>,
    /// The beginning of an error's body, or why there is no answer.
    pub error: Option<String>,
}

impl From<NotifyTestResult> for NotifyTest {
    fn from(result: NotifyTestResult) -> NotifyTest {
        let NotifyTestResult { target, answer } = result;
        match answer {
            Ok((status, said)) => {
                let error = Some(said).filter(|said| !said.is_empty());
                NotifyTest { target, ok: (200..300).contains(&status), status: Some(status), error }
            }
            Err(error) => NotifyTest { target, ok: false, status: None, error: Some(error) },
        }
    }
}

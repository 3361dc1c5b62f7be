//! What is known of a target since the process began: its counts, and whether it may be asked now.
//!
//! Plain data; the [`notifier`](super::notifier) changes it. Counts of a target that left the file stay for the
//! metrics, up to a bound. Invariant: at most one try is under way.

use std::collections::BTreeMap;

use super::queue::has_come;
use crate::decide::policy::NotifyFormat;
use crate::decide::units::UnixMillis;
use crate::state::status::NotifyTargetStatus;

/// Targets of earlier files whose counts are kept.
const MOST_GONE: usize = 64;

#[derive(Debug, Default)]
pub(super) struct TargetState {
    /// The number of the notification that is being sent.
    pub(super) in_flight: Option<u64>,
    /// It asked for that.
    pub(super) not_before: UnixMillis,
    /// The last delivery.
    pub(super) last_sent: Option<UnixMillis>,
    /// It said that it is gone.
    pub(super) ended: bool,
    pub(super) delivered: u64,
    pub(super) retried: u64,
    pub(super) given_up: u64,
    pub(super) dropped: u64,
    pub(super) last_error: Option<String>,
}

impl TargetState {
    /// Whether a try may begin.
    pub(super) fn is_free(&self, now: UnixMillis) -> bool {
        self.in_flight.is_none() && !self.ended && has_come(self.not_before, now)
    }

    /// A file is in force that has this target.
    pub(super) fn begin_again(&mut self) {
        (self.ended, self.not_before) = (false, UnixMillis(0));
    }

    /// Bounds how many are kept of targets that are not in the file.
    pub(super) fn forget_oldest(states: &mut BTreeMap<String, TargetState>, known: impl Fn(&str) -> bool) {
        let gone: Vec<String> = states.keys().filter(|name| !known(name)).cloned().collect();
        for name in gone.iter().take(gone.len().saturating_sub(MOST_GONE)) {
            states.remove(name);
        }
    }

    pub(super) fn report(&self, name: &str, format: Option<NotifyFormat>, queued: usize) -> NotifyTargetStatus {
        NotifyTargetStatus {
            name: name.to_owned(),
            format,
            queued: queued as u64,
            delivered: self.delivered,
            retried: self.retried,
            given_up: self.given_up,
            dropped: self.dropped,
            last_delivered: self.last_sent,
            last_error: self.last_error.clone(),
            ended: self.ended,
        }
    }
}

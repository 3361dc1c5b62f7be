//! The weekly digest: what it says of each rollout.
//!
//! Shares and decisions come from the history, requests from the series, which count since the start of the process at
//! most. Does no I/O: the event loop reads the history. When it is due is said by
//! [`digest_schedule`](super::digest_schedule). Invariant: it goes to the targets that ask for it, and to no other.

use std::collections::BTreeMap;

use super::dispatch::Engine;
use crate::control::evidence::recent_traffic::totals;
use crate::control::now::Now;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::event::{Action, Event};
use crate::decide::notification::{Digest, Notification, RolloutDigest, Subject};
use crate::decide::policy::{Counting, NotifyEvent};
use crate::decide::units::UnixMillis;
use crate::describe::notification::digest::MOST;
use crate::state::status::RolloutStatus;

/// What of the history a digest is made of: no number of events that decide nothing takes the place of a decision.
pub(in crate::control) fn decisions_since(from: UnixMillis) -> HistoryFilter {
    let actions = Action::ALL.into_iter().filter(|action| !action.decides_nothing()).collect();
    HistoryFilter { since: Some(from), actions, ..HistoryFilter::default() }
}

impl Engine {
    /// The week whose digest is due now. It is due once.
    pub(in crate::control) fn digest_due(&mut self, now: Now) -> Option<(UnixMillis, UnixMillis)> {
        self.digest.due(self.notifier.wants(NotifyEvent::Digest), now.unix)
    }

    /// Queues the digest of a week, given its history, newest first.
    pub(in crate::control) fn send_digest(&mut self, (from, to): (UnixMillis, UnixMillis), events: &[Event]) {
        let mut counted = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.rollout.is_some()) {
            counted.insert(entry.spec.name.clone(), totals(&entry.spec.name, &self.series));
        }
        let status = self.status.load_full();
        let with_canary: Vec<_> = status.rollouts.iter().filter(|rollout| rollout.canary.is_some()).collect();
        let shown = with_canary.iter().take(MOST).map(|rollout| {
            let counting = self.counting(&rollout.name);
            let counts = counted.get(&rollout.name).map(|now| {
                let before = self.digest.before.get(&rollout.name).copied().unwrap_or_default();
                [0, 1].map(|arm: usize| {
                    let since = now[arm].since(&before[arm]);
                    (since.requests, since.failed(counting))
                })
            });
            of_rollout(rollout, counts, events, from)
        });
        let digest = Digest {
            from,
            to,
            counted_from: self.digest.since,
            rollouts: shown.collect(),
            more: with_canary.len().saturating_sub(MOST),
        };
        let id = format!("digest_{}", to.0);
        let on = Some(NotifyEvent::Digest);
        let notification = Notification { id, at: to, on, subject: Subject::Digest(digest), others: 0 };
        self.notifier.tell_all(&notification, NotifyEvent::Digest, &mut self.outbox.notifications);
        (self.digest.since, self.digest.before) = (to, counted);
    }

    fn counting(&self, rollout: &str) -> Counting {
        let canary = self.policy.rollout(rollout).and_then(|rollout| rollout.canary.as_ref());
        canary.map_or_else(Counting::default, |canary| canary.guard.counting)
    }
}

fn of_rollout(
    rollout: &RolloutStatus,
    counts: Option<[(u64, u64); 2]>,
    events: &[Event],
    from: UnixMillis,
) -> RolloutDigest {
    let of_week = |event: &&Event| event.at >= from && event.rollout.as_deref() == Some(&rollout.name);
    let week: Vec<&Event> = events.iter().filter(of_week).filter(|event| !event.action.decides_nothing()).collect();
    let back = |event: &&&Event| matches!(event.action, Action::Rollback | Action::StepBack) && event.to < event.from;
    RolloutDigest {
        name: rollout.name.clone(),
        from: week.last().map_or(rollout.percent, |first| first.from),
        to: rollout.percent,
        phase: rollout.phase.as_str().to_owned(),
        decisions: week.iter().rev().map(|event| (event.at, event.action.to_string(), event.to)).collect(),
        counts,
        incidents: u32::try_from(week.iter().filter(back).count()).unwrap_or(u32::MAX),
        waiting_for: rollout.waiting_for.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_made_of_decisions_alone() {
        let wanted = decisions_since(UnixMillis(7)).actions;
        assert!(wanted.contains(&Action::Rollback) && wanted.contains(&Action::Promote));
        assert!(!wanted.contains(&Action::Notified) && !wanted.contains(&Action::Advise));
    }
}

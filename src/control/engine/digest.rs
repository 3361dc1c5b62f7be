//! The weekly digest: when it is due, and what it says of each rollout.
//!
//! Due each Monday at 09:00 UTC while a target asks for it; a process that does not run then sends none. Shares and
//! decisions come from the history, requests from the series, which count since the start of the process at most.
//! Does no I/O: the event loop reads the history. Invariant: one digest a week.

use std::collections::BTreeMap;

use super::dispatch::Engine;
use crate::control::evidence::recent_traffic::{TrafficCounts, totals};
use crate::control::now::Now;
use crate::decide::event::{Action, Event};
use crate::decide::notification::{Digest, Notification, RolloutDigest, Subject};
use crate::decide::policy::{Counting, NotifyEvent};
use crate::decide::units::UnixMillis;
use crate::describe::notification::digest::MOST;
use crate::state::status::RolloutStatus;

const DAY: u64 = 24 * 60 * 60 * 1000;
const WEEK: u64 = 7 * DAY;
/// The first Monday after the epoch, a Thursday, at 09:00.
const FIRST: u64 = 4 * DAY + 9 * 60 * 60 * 1000;

/// What is remembered from one digest to the next.
#[derive(Debug, Default)]
pub(super) struct DigestState {
    next: Option<UnixMillis>,
    /// Since when requests are counted, and what the series had come to then.
    since: UnixMillis,
    before: BTreeMap<String, [TrafficCounts; 2]>,
}

impl DigestState {
    pub(super) fn starting(now: UnixMillis) -> DigestState {
        DigestState { next: None, since: now, before: BTreeMap::new() }
    }
}

impl Engine {
    /// The week whose digest is due now. It is due once.
    pub(in crate::control) fn digest_due(&mut self, now: Now) -> Option<(UnixMillis, UnixMillis)> {
        if !self.notifier.wants(NotifyEvent::Digest) {
            self.digest.next = None;
            return None;
        }
        let next = *self.digest.next.get_or_insert_with(|| after(now.unix));
        if now.unix < next {
            return None;
        }
        self.digest.next = Some(after(now.unix));
        Some((UnixMillis(next.0.saturating_sub(WEEK)), next))
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

/// The next Monday at 09:00 UTC.
fn after(now: UnixMillis) -> UnixMillis {
    let weeks = (now.0 + WEEK).saturating_sub(FIRST) / WEEK;
    UnixMillis(FIRST + weeks * WEEK)
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
    use crate::decide::timestamp::Timestamp;

    #[test]
    fn it_is_due_on_mondays_at_nine() {
        let next = |at: u64| Timestamp(after(UnixMillis(at))).to_string();
        // 2026-11-30 is a Monday.
        let monday = 1_796_029_200_000;
        assert_eq!(next(monday - 1), "2026-11-30T09:00:00.000Z");
        assert_eq!(next(monday), "2026-12-07T09:00:00.000Z");
        assert_eq!(next(monday + 3 * DAY), "2026-12-07T09:00:00.000Z");
        assert_eq!(next(0), "1970-01-05T09:00:00.000Z");
    }
}

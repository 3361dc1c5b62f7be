//! When each stable is looked at and asked by a probe, and what its last probe came to.
//!
//! Kept by provider: rollouts with the same stable share a probe. Sends nothing itself, and knows no rollout. Invariant:
//! at most one probe of a stable is under way, and none of a stable to which nobody would have to return.

use std::collections::BTreeMap;

use super::providers::Identity;
use crate::decide::units::Millis;

/// Between two looks.
const LOOK_INTERVAL: Millis = Millis(1000);
/// Between two readings of a provider's headers.
const HEADERS_INTERVAL: Millis = Millis(2_000);
/// A stable is asked when nothing has come from it for so long.
const ASK_AFTER: Millis = Millis(300_000);
/// Between two questions to a stable that does not answer.
const ASK_AGAIN: Millis = Millis(30_000);

#[derive(Debug, Default)]
pub(super) struct StableWatch {
    looked: Option<Millis>,
    headers_wanted: Option<Millis>,
    stables: BTreeMap<Identity, WatchedStable>,
}

#[derive(Debug, Default)]
pub(super) struct WatchedStable {
    /// Since when users would have to return to it.
    since: Millis,
    asked: Option<Millis>,
    asking: bool,
    /// When it answered a probe.
    answered: Option<Millis>,
    /// Whether it did not answer the last one.
    failed: bool,
}

impl StableWatch {
    /// Begins a look, if it is time, and says whether headers are to be read again.
    pub(super) fn look(&mut self, now: Millis) -> Option<bool> {
        if !is_due(self.looked, LOOK_INTERVAL, now) {
            return None;
        }
        self.looked = Some(now);
        let wants = is_due(self.headers_wanted, HEADERS_INTERVAL, now);
        if wants {
            self.headers_wanted = Some(now);
        }
        Some(wants)
    }

    /// Watches these stables and no others.
    pub(super) fn retain(&mut self, needed: impl Iterator<Item = Identity>, now: Millis) {
        let mut before = std::mem::take(&mut self.stables);
        for identity in needed {
            let known = before.remove(&identity);
            self.stables
                .entry(identity)
                .or_insert_with(|| known.unwrap_or_else(|| WatchedStable { since: now, ..WatchedStable::default() }));
        }
    }

    /// What is known of a stable; `None`: nobody would have to return to it.
    pub(super) fn of(&self, stable: &Identity) -> Option<&WatchedStable> {
        self.stables.get(stable)
    }

    /// Whether a probe of this stable is due, which has answered a request at `served`. Then it counts as begun.
    pub(super) fn begin_check(&mut self, stable: &Identity, served: Option<Millis>, now: Millis) -> bool {
        let Some(stable) = self.stables.get_mut(stable) else { return false };
        let interval = if stable.failed { ASK_AGAIN } else { ASK_AFTER };
        let due = !stable.asking && stable.silent_for(served, now) >= ASK_AFTER && is_due(stable.asked, interval, now);
        if due {
            (stable.asking, stable.asked) = (true, Some(now));
        }
        due
    }

    /// A probe of this stable has ended.
    pub(super) fn end_check(&mut self, stable: &Identity, answered: bool, now: Millis) {
        if let Some(stable) = self.stables.get_mut(stable) {
            (stable.asking, stable.failed) = (false, !answered);
            if answered {
                stable.answered = Some(now);
            }
        }
    }
}

impl WatchedStable {
    /// For how long it has answered neither a request (the last one at `served`) nor a probe.
    pub(super) fn silent_for(&self, served: Option<Millis>, now: Millis) -> Millis {
        now.since(served.max(self.answered).unwrap_or_default().max(self.since))
    }

    /// Whether it did not answer the last probe, and no request since.
    pub(super) fn failed_since(&self, served: Option<Millis>) -> bool {
        self.failed && self.asked > served
    }
}

fn is_due(last: Option<Millis>, interval: Millis, now: Millis) -> bool {
    last.is_none_or(|at| now.since(at) >= interval)
}

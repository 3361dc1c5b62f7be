//! When each stable is looked at and asked by a probe, and what its last probe came to.
//!
//! Kept by provider: rollouts with the same stable share a probe. Sends nothing itself, and knows no rollout. Invariant:
//! at most one probe of a stable is under way, and none of a stable to which nobody would have to return.

use std::collections::BTreeMap;

use super::providers::Identity;
use crate::decide::units::Millis;

/// Between two looks.
const LOOK_INTERVAL: Millis = Millis(1000);
/// The longest time between two looks that counts.
const MOST_AT_ONCE: Millis = Millis(5_000);
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
    /// For how long it has answered nothing, by the time in which it was watched.
    silent: Millis,
    /// When it was seen to answer a request last.
    served: Option<Millis>,
    asked: Option<Millis>,
    asking: bool,
    /// Whether it did not answer the last one.
    failed: bool,
}

impl StableWatch {
    /// Begins a look, if it is time: the time since the last one, and whether headers are to be read again.
    pub(super) fn look(&mut self, now: Millis) -> Option<(Millis, bool)> {
        if !is_due(self.looked, LOOK_INTERVAL, now) {
            return None;
        }
        let passed = self.looked.replace(now).map_or(Millis(0), |before| now.since(before));
        let wants = is_due(self.headers_wanted, HEADERS_INTERVAL, now);
        if wants {
            self.headers_wanted = Some(now);
        }
        Some((passed, wants))
    }

    /// Watches these stables and no others; each has answered a request last at that time. A suspended machine watches
    /// nothing: what is longer than a few looks is no silence.
    pub(super) fn retain(&mut self, needed: impl Iterator<Item = (Identity, Option<Millis>)>, passed: Millis) {
        let passed = passed.min(MOST_AT_ONCE);
        let mut before = std::mem::take(&mut self.stables);
        for (identity, served) in needed {
            let known = before.remove(&identity);
            let stable = self.stables.entry(identity).or_insert_with(|| match known {
                Some(known) => WatchedStable { silent: known.silent.plus(passed), ..known },
                None => WatchedStable { served, ..WatchedStable::default() },
            });
            if served > stable.served {
                stable.served = served;
                stable.silent = Millis(0);
            }
        }
    }

    /// What is known of a stable; `None`: nobody would have to return to it.
    pub(super) fn of(&self, stable: &Identity) -> Option<&WatchedStable> {
        self.stables.get(stable)
    }

    /// Whether a probe of this stable is due. Then it counts as begun.
    pub(super) fn begin_check(&mut self, stable: &Identity, now: Millis) -> bool {
        let Some(stable) = self.stables.get_mut(stable) else { return false };
        let interval = if stable.failed { ASK_AGAIN } else { ASK_AFTER };
        let due = !stable.asking && stable.silent >= ASK_AFTER && is_due(stable.asked, interval, now);
        if due {
            (stable.asking, stable.asked) = (true, Some(now));
        }
        due
    }

    /// A probe of this stable has ended.
    pub(super) fn end_check(&mut self, stable: &Identity, answered: bool) {
        if let Some(stable) = self.stables.get_mut(stable) {
            (stable.asking, stable.failed) = (false, !answered);
            if answered {
                stable.silent = Millis(0);
            }
        }
    }
}

impl WatchedStable {
    /// For how long it has answered neither a request nor a probe.
    pub(super) const fn silent(&self) -> Millis {
        self.silent
    }

    /// Whether it did not answer the last probe, and no request since.
    pub(super) fn failed(&self) -> bool {
        self.failed && self.asked > self.served
    }
}

fn is_due(last: Option<Millis>, interval: Millis, now: Millis) -> bool {
    last.is_none_or(|at| now.since(at) >= interval)
}

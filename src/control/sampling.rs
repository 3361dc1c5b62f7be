//! What cores tell of requests one by one, on its way to the rollouts that it belongs to.
//!
//! Owns whose each sample is: evidence has a number, and which rollout it is of changes with epochs and files only, so
//! that a sample is looked up and not searched for among what may be a thousand rollouts. A sample of an epoch that is
//! over says who waits no more, and nothing else. Decides nothing. Samples that found no room are counted by the metrics, and the history
//! has a notice of them, once an hour at most: a guard that misses what it judges by must not do so unseen.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::{Engine, Now, Tracked};
use crate::decide::event::Notice;
use crate::decide::guard::waiting::second_of;
use crate::decide::units::Millis;
use crate::state::samples::CAPACITY;

/// Between two notices of lost samples.
const BETWEEN_NOTICES: Millis = Millis(3_600_000);

/// Whose samples are whose, and what was told of those that were lost.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    // By the number of the evidence.
    owners: HashMap<u64, usize>,
    // The file, and how many blocks of evidence there were, when the owners were looked up.
    seen: Option<(u64, u64)>,
    lost: u64,
    told_at: Option<Millis>,
}

impl Sampling {
    fn know(&mut self, rollouts: &[Tracked], seen: (u64, u64)) {
        if self.seen.replace(seen) != Some(seen) {
            let now = |tracked: &Tracked| Some(tracked.moving.as_ref()?.observer.blocks().collect::<Vec<_>>());
            let owned = rollouts.iter().map(now).enumerate();
            self.owners = owned.flat_map(|(index, ids)| ids.into_iter().flatten().map(move |id| (id, index))).collect();
        }
    }

    /// How many were lost since the last notice, where it is time for another.
    fn untold(&mut self, lost: u64, now: Millis) -> Option<u64> {
        let more = lost.saturating_sub(self.lost);
        let due = self.told_at.is_none_or(|at| now.since(at) >= BETWEEN_NOTICES);
        (more > 0 && due).then(|| {
            (self.lost, self.told_at) = (lost, Some(now));
            more
        })
    }
}

impl Engine {
    /// Hands what has come since the last time to whom it belongs.
    pub(super) fn take_samples(&mut self, now: Now) {
        self.sampling.know(&self.rollouts, (self.flags.generation, self.blocks.made));
        let samples = Arc::clone(&self.blocks.samples);
        let (owners, rollouts) = (&self.sampling.owners, &mut self.rollouts);
        samples.drain(|sample| {
            let owner = owners.get(&sample.evidence).and_then(|index| rollouts.get_mut(*index));
            let Some(Tracked { rollout, moving: Some(moving), .. }) = owner else { return };
            if let Some(canary) = &rollout.canary {
                moving.observer.sample(&sample, &canary.guard, now.mono);
            }
        });
        samples.set_second(second_of(now.mono));
        let lost = samples.lost();
        for moving in self.rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut()) {
            moving.observer.lost(lost, now.mono);
        }
        if let Some(lost) = self.sampling.untold(samples.lost(), now.mono) {
            self.notice(Notice::SamplesLost { lost, most: CAPACITY }, now);
        }
    }
}

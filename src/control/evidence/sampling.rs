//! What cores tell of requests one by one, on its way to the rollouts that it belongs to.
//!
//! Owns whose each sample is: evidence has a number, and which rollout it is of changes with epochs and files only, so
//! that a sample is looked up and not searched for among what may be a thousand rollouts. A sample of an epoch that is
//! over says who waits no more, and nothing else. Decides nothing. Samples that found no room are counted by the metrics,
//! and the history has a notice of them, once an hour at most: a guard that misses what it judges by must not do so unseen.

use std::collections::HashMap;

use crate::control::engine::context::Context;
use crate::control::engine::entry::Tracked;
use crate::control::engine::rollout::Seen;
use crate::decide::event::Notice;
use crate::decide::guard::waiting::second_of;
use crate::decide::units::Millis;
use crate::state::samples::CAPACITY;

/// Between two notices of lost samples.
const BETWEEN_NOTICES: Millis = Millis(3_600_000);

/// Whose samples are whose, and what was told of those that were lost.
#[derive(Debug, Default)]
pub(in crate::control) struct Sampling {
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
            let now = |tracked: &Tracked| Some(tracked.moving.as_ref()?.observer().blocks().collect::<Vec<_>>());
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

    /// Hands what has come since the last time to whom it belongs; returns what is to be told of what was lost.
    pub(in crate::control) fn hand_out(
        &mut self,
        rollouts: &mut [Tracked],
        context: &Context,
        now: Millis,
    ) -> Option<Notice> {
        self.know(rollouts, (context.flags.generation, context.blocks.made()));
        let samples = &context.blocks.samples;
        samples.drain(|sample| {
            let owner = self.owners.get(&sample.evidence).and_then(|index| rollouts.get_mut(*index));
            if let Some(moving) = owner.and_then(|tracked| tracked.moving.as_mut()) {
                moving.see(Seen::Sample(&sample), now);
            }
        });
        samples.set_second(second_of(now));
        let lost = samples.lost();
        for moving in rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut()) {
            moving.see(Seen::Lost(lost), now);
        }
        self.untold(lost, now).map(|lost| Notice::SamplesLost { lost, most: CAPACITY })
    }
}

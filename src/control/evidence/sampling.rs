//! Delivers the samples of requests to the rollouts that they belong to.
//!
//! A sample carries the number of its evidence block. Which rollout owns a block changes only with the file and with
//! epochs, so owners are kept in a table and not searched for. A sample of an earlier epoch says only that a request no
//! longer waits. Dropped samples are counted by a metric, and the history has an alert of them at most once an hour,
//! because the guard cannot judge what it does not see. Decides nothing.

use std::collections::HashMap;

use crate::decide::event::Alert;
use crate::decide::guard::waiting::second_of;
use crate::decide::units::Millis;
use crate::state::samples::{CAPACITY, Sample, Samples};

/// Between two alerts of lost samples.
const ALERT_INTERVAL: Millis = Millis(3_600_000);

#[derive(Debug, Default)]
pub(in crate::control) struct Sampling {
    // The index of a rollout in the file, by the number of the evidence block.
    owners: HashMap<u64, usize>,
    // The generation of the file and the number of blocks that the owners are for.
    version: Option<(u64, u64)>,
    reported_dropped: u64,
    reported_at: Option<Millis>,
}

impl Sampling {
    /// Rebuilds the table of owners if the version has changed. `blocks`: the numbers of each rollout's evidence
    /// blocks, in the order of the file.
    pub(in crate::control) fn update_owners<B: IntoIterator<Item = u64>, R: Iterator<Item = B>>(
        &mut self,
        version: (u64, u64),
        blocks: impl FnOnce() -> R,
    ) {
        if self.version.replace(version) != Some(version) {
            let owned = blocks().enumerate();
            self.owners = owned.flat_map(|(index, ids)| ids.into_iter().map(move |id| (id, index))).collect();
        }
    }

    /// Delivers each new sample with the index of its rollout.
    pub(in crate::control) fn drain(&self, samples: &Samples, now: Millis, mut deliver: impl FnMut(usize, &Sample)) {
        samples.drain(|sample| {
            if let Some(owner) = self.owners.get(&sample.evidence) {
                deliver(*owner, &sample);
            }
        });
        samples.set_second(second_of(now));
    }

    /// The alert of samples that were lost since the last alert, if one is due. `lost`: since the start.
    pub(in crate::control) fn dropped_alert(&mut self, lost: u64, now: Millis) -> Option<Alert> {
        let more = lost.saturating_sub(self.reported_dropped);
        let due = self.reported_at.is_none_or(|at| now.since(at) >= ALERT_INTERVAL);
        (more > 0 && due).then(|| {
            (self.reported_dropped, self.reported_at) = (lost, Some(now));
            Alert::SamplesLost { lost: more, most: CAPACITY }
        })
    }
}

//! When the evidence of a rollout is written, so that a restart continues the same attempt.
//!
//! Every action writes the whole state. Between actions the evidence is written once a minute and when the process
//! begins to stop, so a crash loses at most a minute of it. Rollouts are written in a few groups per minute and not one
//! by one, since each group is one write to the disk. A rollout without new evidence is left out. Writes nothing
//! itself.

use crate::decide::policy::Canary;
use crate::decide::rollout::retry_after_rollback::waits_before_retry;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::Millis;

/// Between two checkpoints of a rollout, in milliseconds.
const INTERVAL: u64 = 60_000;
/// In how many groups all rollouts are written in that time.
const GROUPS: usize = 12;

#[derive(Debug, Default)]
pub(in crate::control) struct Checkpoint {
    due: Option<Millis>,
    written: Option<Box<RolloutState>>,
}

/// The first checkpoint of the rollout at this index in the file.
const fn first(index: usize, now: Millis) -> Millis {
    Millis(now.0 + INTERVAL - (index % GROUPS) as u64 * (INTERVAL / GROUPS as u64))
}

impl Checkpoint {
    /// Whether the checkpoint of the rollout at this index in the file is due. The next one is due a minute later.
    pub(in crate::control) fn is_due(&mut self, index: usize, now: Millis) -> bool {
        let due = self.due.get_or_insert_with(|| first(index, now));
        if now < *due {
            return false;
        }
        due.0 += (now.since(*due).0 / INTERVAL + 1) * INTERVAL;
        true
    }

    /// Whether the state has changed since the last checkpoint.
    pub(in crate::control) fn has_changed(&mut self, canary: &Canary, state: &RolloutState) -> bool {
        let mut current = state.clone();
        if !waits_before_retry(canary, &current) {
            // Without a retry to wait for, the time waited means nothing.
            current.waited = Millis(0);
        }
        let changed = self.written.as_deref() != Some(&current);
        if changed {
            self.written = Some(Box::new(current));
        }
        changed
    }
}

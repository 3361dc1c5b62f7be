//! Commands without effect: what each would do now, by the step that would carry it out.
//!
//! Reads the engine and changes nothing of it: no state, no event, no snapshot, no write. A command that would be
//! refused is refused here with the same sentence. Invariant: an answer holds for the moment at which it was asked for.

use super::dispatch::Engine;
use super::entry::Entry;
use crate::control::now::Now;
use crate::decide::rollout::dry_run::{DryRun, pinned_on_canary};
use crate::decide::rollout::in_force::in_force;
use crate::state::inbox::{Command, CommandError};

impl Engine {
    /// The effect of a command on each rollout that it is for.
    pub fn dry_run(&self, command: &Command, now: Now) -> Result<Vec<DryRun>, CommandError> {
        let mut runs = Vec::new();
        for index in self.targets(command)? {
            let entry @ Entry { spec, stable, rollout, .. } = &self.entries[index];
            let Some(rollout) = rollout else { continue };
            let preview = rollout.preview(command, &self.context, now);
            let step = preview.map_err(|denied| self.refusal_text(&spec.name, &denied))?;
            let from = rollout.share_in_force(&self.context);
            let to = in_force(&rollout.view(&self.context), &step.next);
            let [before, after] = [from, to].map(|share| pinned_on_canary(&spec.pins, &share));
            runs.push(DryRun {
                rollout: spec.name.clone(),
                stable: stable.name.clone(),
                canary: rollout.config().provider.name.clone(),
                verb: command.verb.clone(),
                from,
                to,
                pinned: before.abs_diff(after),
                open_on_canary: entry.open_on_canary(),
                hard: false,
                notes: step.notes,
            });
        }
        Ok(runs)
    }
}

//! Commands whose change waits for the disk: each is answered when its proposal is committed.
//!
//! A command is refused if something else withdraws its proposal, or if the disk takes longer than [`TIMEOUT`]. Owns
//! who waits; the rollout owns the proposal. Invariant: each command is answered once.

use tokio::sync::oneshot;

use crate::decide::units::Millis;
use crate::state::inbox::{CommandError, Receipt};

/// A proposal that is not written by then is withdrawn.
pub(super) const TIMEOUT: Millis = Millis(2000);

pub(super) type Reply = oneshot::Sender<Result<Receipt, CommandError>>;

#[derive(Debug)]
pub(super) struct PendingCommand {
    pub(super) rollout: String,
    /// Remarks for the sender.
    pub(super) notes: Vec<String>,
    pub(super) until: Millis,
    pub(super) reply: Reply,
}

#[derive(Debug, Default)]
pub(super) struct PendingCommands(Vec<PendingCommand>);

impl PendingCommands {
    pub(super) fn add(&mut self, command: PendingCommand) {
        self.0.push(command);
    }

    /// Removes the commands of this rollout.
    pub(super) fn take(&mut self, rollout: &str) -> Vec<PendingCommand> {
        self.0.extract_if(.., |command| command.rollout == rollout).collect()
    }

    /// Refuses the commands of this rollout. Returns whether there were any.
    pub(super) fn refuse(&mut self, rollout: &str, refusal: &CommandError) -> bool {
        let refused = self.take(rollout);
        let any = !refused.is_empty();
        // The sender may be gone.
        refused.into_iter().for_each(|command| drop(command.reply.send(Err(refusal.clone()))));
        any
    }

    /// The rollouts that commands wait for, and until when.
    pub(super) fn rollouts(&self) -> Vec<(String, Millis)> {
        self.0.iter().map(|command| (command.rollout.clone(), command.until)).collect()
    }
}

//! The effects of an input on a rollout, for the engine to carry out.
//!
//! Values only: a rollout that returns them has logged nothing, written nothing and published nothing. A state in force
//! is written before a proposal that was made from it, and events are emitted before alerts. Invariant: a rollout has
//! no effect but these.

use crate::control::persist::outbox::Proposal;
use crate::decide::event::{Alert, Event};
use crate::decide::rollout::command_result::{CommandNote, CommandRefusal};
use crate::decide::rollout::state::RolloutState;
use crate::decide::rollout::step::WithdrawWaiting;

#[derive(Debug, Default)]
pub(in crate::control) struct Effects {
    /// For the log and the history, oldest first.
    pub(in crate::control) events: Vec<Event>,
    /// For the log only: the history got them with the proposal.
    pub(super) committed_events: Vec<Event>,
    /// For the log and the history, after the events.
    pub(super) alerts: Vec<Alert>,
    /// A state in force to write. It replaces a proposal.
    pub(in crate::control) state: Option<RolloutState>,
    /// A proposal to write before it comes into force.
    pub(in crate::control) proposal: Option<Proposal>,
    /// Which requests stop waiting for the canary. The rollout releases them itself.
    pub(in crate::control) withdraw_waiting: Option<WithdrawWaiting>,
    pub(in crate::control) result: InputResult,
}

/// What the caller needs to know about its input.
#[derive(Debug, Default)]
pub(in crate::control) struct InputResult {
    /// Whether a new snapshot has to be published, after all rollouts got the same input.
    pub(in crate::control) publish: bool,
    /// Why it was denied. Then nothing changed.
    pub(in crate::control) denied: Option<Denied>,
    /// Remarks for the sender of a command.
    pub(super) notes: Vec<CommandNote>,
    /// Whether the change waits for the disk.
    pub(in crate::control) proposed: bool,
    /// Whether the pending proposal was committed or abandoned.
    pub(in crate::control) proposal_ended: bool,
}

/// Why a command is denied.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) enum Denied {
    /// The state machine refuses it.
    Refused(CommandRefusal),
    /// It has to be written first, and the disk cannot be written, for this reason.
    Unwritable(String),
}

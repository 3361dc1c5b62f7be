//! What follows from something that happened to a rollout, for the engine to carry out.
//!
//! Values only: whoever returns them has told nobody, written nothing and published nothing. A state that is in force is
//! written before a proposal that was made from it, and events are told before notices. Invariant: nothing else leaves a
//! rollout.

use crate::control::persist::outbox::Proposal;
use crate::decide::event::{Event, Notice};
use crate::decide::rollout::answer::{Note, Refusal};
use crate::decide::rollout::state::RolloutState;
use crate::decide::rollout::step::Rescue;

/// What follows.
#[derive(Debug, Default)]
pub(in crate::control) struct Effects {
    /// For the log and the history, oldest first.
    pub(in crate::control) events: Vec<Event>,
    /// For the log alone: the history has them.
    pub(in crate::control) landed: Vec<Event>,
    /// For both, after the events: what is not as it should be.
    pub(in crate::control) notices: Vec<Notice>,
    /// To be written in place of what was proposed.
    pub(in crate::control) state: Option<RolloutState>,
    /// To be written before it comes into force.
    pub(in crate::control) proposal: Option<Proposal>,
    /// Whose requests that wait for the canary ask somebody else; the rollout sees to it itself.
    pub(in crate::control) rescue: Option<Rescue>,
    /// For whoever handed it in.
    pub(in crate::control) answer: Answer,
}

/// What whoever handed something in is told of it.
#[derive(Debug, Default)]
pub(in crate::control) struct Answer {
    /// Whether anything has to be published, when all rollouts have had the same.
    pub(in crate::control) publish: bool,
    /// Why it was not done; then nothing changed.
    pub(in crate::control) denied: Option<Denied>,
    /// What to know besides.
    pub(in crate::control) notes: Vec<Note>,
    /// Whether it is in force only when it has been written.
    pub(in crate::control) proposed: bool,
    /// Whether what was proposed came to its end.
    pub(in crate::control) settled: bool,
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) enum Denied {
    /// It does not fit.
    Refused(Refusal),
    /// It has to be written first, and nothing can be, for this reason.
    Unwritable(String),
}

//! What has to be written, until the shell takes it: the engine fills it, and never waits for it.
//!
//! Of a rollout the newest state stays, and of a version of flags.yaml the last; events are kept in their order.
//! Invariant: what is proposed for a rollout was made from the state that is written beside it, or from an older writing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decide::event::Event;
use crate::decide::rollout::state::{Identity, RolloutState};

/// A step by which users follow: to be written first, so that nothing was ever in force that a restart forgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The state that comes into force.
    pub state: RolloutState,
    /// Its part of the history, oldest first; never empty.
    pub events: Vec<Event>,
}

/// What has to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The newest state of each rollout that changed. It takes the place of what was proposed for it before.
    pub states: BTreeMap<Identity, RolloutState>,
    /// What comes into force when it is written, and not before.
    pub proposals: BTreeMap<Identity, Proposal>,
    /// For the history, oldest first.
    pub events: Vec<Event>,
    /// A flags.yaml that was accepted.
    pub last_good: Option<Arc<str>>,
}

impl Outbox {
    /// Has the state of a rollout written that is in force, in place of what was proposed for it.
    pub(in crate::control) fn write(&mut self, identity: &Identity, state: RolloutState) {
        self.proposals.remove(identity);
        self.states.insert(identity.clone(), state);
    }

    pub(in crate::control) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.proposals.is_empty() && self.events.is_empty() && self.last_good.is_none()
    }
}

//! What must be written, until the write queue takes it. The engine fills it and never waits for the disk.
//!
//! Holds the newest state of each rollout, the last accepted flags.yaml, and events in order. Invariant: a proposal was
//! made from the state that is written beside it or was written before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decide::event::Event;
use crate::decide::incident::Incident;
use crate::decide::notification::QueuedNotification;
use crate::decide::rollout::state::{Identity, RolloutState};

/// A step that sends users to the canary. It is written before it comes into force, so that a restart cannot undo it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The state that will be in force.
    pub state: RolloutState,
    /// Its events for the history, oldest first. Never empty.
    pub events: Vec<Event>,
}

/// What must be written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The newest state in force of each rollout that changed. It replaces an earlier proposal.
    pub states: BTreeMap<Identity, RolloutState>,
    /// Proposals, which come into force when they are written.
    pub proposals: BTreeMap<Identity, Proposal>,
    /// For the history, oldest first.
    pub events: Vec<Event>,
    /// Notifications by number: as they are now, or that they are gone.
    pub notifications: BTreeMap<u64, Option<QueuedNotification>>,
    /// Incident reports, new or completed.
    pub incidents: Vec<Arc<Incident>>,
    /// The text of an accepted flags.yaml.
    pub last_good: Option<Arc<str>>,
    /// What is known of the providers' keys.
    pub keys: Option<Arc<str>>,
    /// What is known of copies to canaries.
    pub copies: Option<Arc<str>>,
}

impl Outbox {
    /// Adds a state in force, and drops the proposal of the same rollout.
    pub(in crate::control) fn write(&mut self, identity: &Identity, state: RolloutState) {
        self.proposals.remove(identity);
        self.states.insert(identity.clone(), state);
    }

    pub(in crate::control) fn is_empty(&self) -> bool {
        self.states.is_empty()
            && self.proposals.is_empty()
            && self.events.is_empty()
            && self.notifications.is_empty()
            && self.incidents.is_empty()
            && self.last_good.is_none()
            && self.keys.is_none()
            && self.copies.is_none()
    }
}

//! What a rollout receives: inputs, which are decided upon, and signals, which are recorded.
//!
//! Values only. An [`Input`] goes through the state machine and may change the state. A [`Signal`] is evidence: it is
//! stored, and the next tick decides upon it. A [`Probe`] is a request for a signal: the event loop sends it and
//! returns its result. Invariant: a result names the epoch it was requested in, so that a late one is recognised.

use std::sync::Arc;

use crate::control::persist::outbox::Proposal;
use crate::decide::policy::Provider;
use crate::decide::rollout::state::{Identity, Lock};
use crate::decide::units::Arm;
use crate::state::inbox::{Command, Rejection};
use crate::state::samples::Sample;

/// Changes the state of a rollout, if the state machine accepts it.
pub(super) enum Input<'a> {
    /// Time has passed. `index`: position of the rollout in the file. `bypassed`: how many requests stable's
    /// breaker has kept from it since the start, and whether it would keep one from it now.
    Tick { index: usize, bypassed: (u64, bool) },
    /// An operator's command.
    Command(&'a Command),
    /// A file came into force. `fresh`: evidence starts over.
    PolicyChanged { fresh: bool },
    /// A lock file was found.
    LockFound(Lock),
    /// An operator moved everything that the canary keeps.
    StateMoved,
    /// The canary rejected a request that stable may accept.
    Rejected(Rejection),
    /// These proposals are on the disk. One of them may belong to this rollout.
    Written(&'a [(Identity, Proposal)]),
    /// These proposals could not be written.
    NotWritten(&'a [(Identity, Proposal)]),
    /// Withdraws the proposal, if there is one.
    Withdraw,
    /// The process is stopping.
    Drain,
}

/// Evidence about the requests of a rollout or about its providers.
pub(super) enum Signal<'a> {
    Sample(&'a Sample),
    /// How many samples were dropped since the process began, because there was no room.
    SamplesDropped(u64),
    /// The result of a probe. It is ignored if the epoch has changed since.
    ProbeFinished(&'a Probe, &'a Result<(), String>),
}

/// A request to find out whether a provider answers.
#[derive(Debug)]
pub struct Probe {
    /// The rollout that needs to know.
    pub rollout: Identity,
    /// Which of its providers.
    pub arm: Arm,
    /// The epoch of the rollout at the time of the request.
    pub epoch: u64,
    /// The provider to probe.
    pub provider: Arc<Provider>,
}

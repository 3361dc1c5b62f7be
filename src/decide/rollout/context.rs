//! The inputs of a step besides the state: the file, the machine's health, and what was observed.
//!
//! Plain values, built anew for each step by the caller and read by [`step`](super::step) and everything below it.
//! Keeps nothing. Invariant: a decision depends on nothing but these values and the state.

use std::sync::Arc;

use crate::decide::cause::CauseCount;
use crate::decide::comparison::rehearsal::RehearsalWait;
use crate::decide::guard::Arms;
use crate::decide::guard::first_output::FirstOutputs;
use crate::decide::guard::slow::{SlowThreshold, SlowThresholds};
use crate::decide::guard::sources::TickBySource;
use crate::decide::guard::tick::Tick;
use crate::decide::policy::{Canary, Intent};
use crate::decide::rollback_ready::NotReady;
use crate::decide::window::Counts;

/// What the file and the machine's health say of a rollout.
#[derive(Clone, Copy, Debug)]
pub struct RolloutContext<'a> {
    pub name: &'a str,
    /// What the file asks for.
    pub canary: &'a Canary,
    /// Why no users may be sent to the canary; `None`: they may.
    pub blocked: Option<&'a str>,
    /// Why state that could be written before cannot be just now: promotions wait for it.
    pub unwritable: Option<&'a str>,
    /// Whether its next step is on its way to the disk: the guard goes on watching, and nothing else follows by itself.
    pub writing: bool,
    /// Whether state could never be written: then the ramp is a function of `ramp.from` and the clock.
    pub by_clock: bool,
    /// The version of the file, for the history.
    pub generation: u64,
}

impl RolloutContext<'_> {
    /// Whether what has to be written first can be begun by itself.
    pub(super) const fn may_write(&self) -> bool {
        self.unwritable.is_none() && !self.writing
    }
}

/// What was seen of both arms in the current epoch, and what probes said in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// A length of time for the guard; `None`: its time has not come.
    pub tick: Option<Tick>,
    /// The same by source, where there are several.
    pub by_source: Option<Box<TickBySource>>,
    /// Over the guard's window, users capped.
    pub window: Arms,
    /// The same of the canary, of those sources that decide: what a ceiling is held against.
    pub ceiling_counts: Counts,
    /// Whether the process was suspended for a while: requests in flight then are no evidence.
    pub was_suspended: bool,
    /// How the canary answered its last probe; `None`: not yet.
    pub canary_answers: Option<Result<(), String>>,
    /// Whether stable's breaker diverted requests: the rest of its users are no fair comparison.
    pub stable_breaker_open: bool,
    /// Whether the canary answers no request either.
    pub canary_dead: bool,
    /// Whether stable has just answered a probe; `None`: it was not asked.
    pub stable_answers: Option<bool>,
    /// What a slow answer is by now.
    pub slow_threshold: Option<SlowThresholds>,
    /// What a slow pace between the outputs of a stream is by now.
    pub pace_threshold: Option<SlowThreshold>,
    /// The canary's first outputs at this share.
    pub first_outputs: FirstOutputs,
    /// Why stable could not take everybody back; empty: it could.
    pub not_ready: Arc<[NotReady]>,
    /// What the rehearsal lacks; `None`: there is none, or it was passed.
    pub rehearsal: Option<Arc<RehearsalWait>>,
    /// What the canary refuses most.
    pub most_rejected: Option<Arc<str>>,
    /// Why the canary's requests failed at this share, the commonest cause first.
    pub causes: Arc<[CauseCount]>,
    /// Users behind the failures of stable and canary at this share.
    pub users: [u32; 2],
}

/// Why no users may be sent to a rollout's canary, if so. `unfit`: what is wrong with its provider or the locks;
/// `never_writable`: why state could never be written since the start.
#[must_use]
pub fn blocked<'w>(
    canary: &Canary,
    unfit: Option<Blocked<'w>>,
    never_writable: Option<&'w str>,
) -> Option<Blocked<'w>> {
    let forgotten = never_writable.filter(|_| canary.percent == Intent::Auto && canary.ramp.from.is_none());
    unfit.or(forgotten.map(Blocked::Forgotten))
}

/// Why no users may be sent to a rollout's canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked<'w> {
    /// Its provider cannot be asked.
    Unusable {
        /// The provider's name.
        provider: &'w str,
        /// What it lacks.
        why: &'w str,
    },
    /// It is unknown whether a human locked it.
    LocksUnread {
        /// Of which state directory.
        dir: &'w str,
        /// What the system said.
        error: &'w str,
    },
    /// A ramp could not be remembered, since state cannot be written for this reason.
    Forgotten(&'w str),
}

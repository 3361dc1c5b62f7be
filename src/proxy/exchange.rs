//! One request's account: begun once, ended once.
//!
//! It is charged to the arm that the split chose and to the snapshot by which it was dispatched. What was seen decides:
//! an answer that reached its announced length or its end is complete, even if the connection is dropped right after.
//! A drop before that is the client's leaving, or Serin's own doing while it cuts or unwinds. Invariant: every
//! exchange that began ends with exactly one outcome.

use std::rc::Rc;
use std::time::Instant;

use super::attempt::{Cause, Failure};
use super::core::{Core, InUse};
use super::error::Problem;
use super::upstream::SendError;
use crate::clock;
use crate::decide::outcome::{BodyEnd, Ending, classify};
use crate::decide::route::{Plan, Reason};
use crate::decide::units::Arm;
use crate::state::counters::Series;

/// One request's account.
#[derive(Debug)]
pub(crate) struct Exchange {
    core: Rc<Core>,
    /// What was in force when it was dispatched.
    in_use: Rc<InUse>,
    plan: Plan,
    arrived: Instant,
    own_key: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not dispatched yet.
    Planned,
    /// Sent, no head of an answer yet.
    Dispatched,
    /// A head with this status came.
    Answered { status: u16, output: bool },
    /// Accounted for, or never to be.
    Over,
}

impl Exchange {
    /// For a request that is about to be dispatched by this plan.
    pub(crate) fn planned(core: &Rc<Core>, in_use: &Rc<InUse>, plan: Plan, arrived: Instant) -> Exchange {
        let own_key = in_use.prepared.outbound(plan.provider).own_key;
        Exchange { core: Rc::clone(core), in_use: Rc::clone(in_use), plan, arrived, own_key, stage: Stage::Planned }
    }

    /// The last look before the request leaves: begins the account and says true if the plan still stands. A newer
    /// snapshot that changes nothing for this request does not send it back.
    pub(crate) fn dispatch(&mut self) -> bool {
        let now = self.core.in_use();
        if !Rc::ptr_eq(&now, &self.in_use) {
            if !self.still_stands(&now) {
                return false;
            }
            if self.stage == Stage::Planned {
                self.in_use = now;
            }
        }
        self.begin();
        true
    }

    fn still_stands(&self, now: &InUse) -> bool {
        if !Rc::ptr_eq(&now.prepared, &self.in_use.prepared) {
            return false;
        }
        self.plan.rollout.is_none_or(|id| {
            let (old, new) = (self.in_use.snapshot.in_force(id), now.snapshot.in_force(id));
            old.percent == new.percent && old.closed == new.closed
        })
    }

    fn begin(&mut self) {
        if self.stage != Stage::Planned {
            return;
        }
        self.stage = Stage::Dispatched;
        let series = self.series();
        series.begin(self.core.id);
        if self.plan.anonymous {
            series.count_anonymous(self.core.id);
        }
        if self.plan.reason == Reason::Unheld {
            series.count_unheld(self.core.id);
        }
        if let (Some(rollout), Some(arm), true) = (self.plan.rollout, self.plan.arm, self.plan.counted) {
            self.in_use.snapshot.in_force(rollout).evidence.begin(self.core.id, arm);
        }
    }

    /// The request is planned anew, under another account. One that had been sent, on a connection that was dead by
    /// then, says nothing about the provider.
    pub(crate) fn forget(mut self) {
        match self.stage {
            Stage::Planned => self.stage = Stage::Over,
            _ => self.end(Ending::CutBySerin),
        }
    }

    /// There will be no answer: ends the account, and says why.
    pub(crate) fn failed(mut self, failure: &Failure) -> Problem {
        self.end(failure.ending);
        if let Cause::Send(SendError::ClientPaused(limit)) = failure.cause {
            return Problem::Paused(limit);
        }
        Problem::NoAnswer {
            provider: self.in_use.snapshot.policy.provider(self.plan.provider).name.clone(),
            arm: self.plan.arm,
            ending: failure.ending,
            detail: failure.cause.to_string(),
        }
    }

    /// The provider switched to a protocol that nobody asked for.
    pub(crate) fn unasked_upgrade(mut self) -> Problem {
        self.end(Ending::NoHead);
        Problem::NoAnswer {
            provider: self.in_use.snapshot.policy.provider(self.plan.provider).name.clone(),
            arm: self.plan.arm,
            ending: Ending::NoHead,
            detail: "it answered 101 to a request that asked for no upgrade".to_owned(),
        }
    }

    /// Where it went.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// By what it was dispatched.
    pub(crate) fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// The head of an answer came.
    pub(crate) fn answered(&mut self, status: u16) {
        self.stage = Stage::Answered { status, output: false };
    }

    /// A piece of the answer's body came; `last`: it completes the answer.
    pub(crate) fn output(&mut self, last: bool) {
        let Stage::Answered { status, output } = self.stage else { return };
        if output && !last {
            return;
        }
        let now = clock::instant();
        if !output {
            self.stage = Stage::Answered { status, output: true };
            self.series().first_output.record(self.seconds(now));
        }
        if last {
            self.end_at(Ending::Answered { status, body: BodyEnd::Complete }, now);
        }
    }

    /// The answer's body ended.
    pub(crate) fn body_ended(&mut self, body: BodyEnd) {
        if let Stage::Answered { status, .. } = self.stage {
            self.end(Ending::Answered { status, body });
        }
    }

    /// It is over. Whatever follows changes nothing.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.stage != Stage::Over {
            self.end_at(ending, clock::instant());
        }
    }

    fn end_at(&mut self, ending: Ending, now: Instant) {
        self.begin();
        self.stage = Stage::Over;
        let outcome = classify(ending, self.own_key);
        let series = self.series();
        series.end_attempt(self.core.id, outcome);
        series.end(self.core.id, outcome);
        series.duration.record(self.seconds(now));
        if let (Some(rollout), Some(arm), true) = (self.plan.rollout, self.plan.arm, self.plan.counted) {
            self.in_use.snapshot.in_force(rollout).evidence.end(self.core.id, arm, outcome);
        }
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.arrived).as_secs_f64()
    }

    fn series(&self) -> &Series {
        let snapshot = &self.in_use.snapshot;
        match self.plan.rollout {
            Some(rollout) => {
                let arm = self.plan.arm.unwrap_or(Arm::Stable);
                snapshot.in_force(rollout).series(arm, self.plan.provider)
            }
            None => snapshot.unsplit(self.plan.provider),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(if self.core.is_cutting() { Ending::CutBySerin } else { Ending::ClientLeft });
    }
}

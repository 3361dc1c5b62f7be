//! What one request belongs to: the core that serves it, what was in force when it was dispatched, and its plan.
//!
//! Owns what follows from these alone: in which series it is counted, where the guard's report goes, its deadline, and
//! the error messages for its client. One value, since an account keeps it for as long as the request lives, and
//! earlier plans beyond that. Counts nothing. Invariant: a request is charged to the arm that the split chose.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::decide::guard::waiting::ResponseKind;
use crate::decide::outcome::{BodyEnd, Ending};
use crate::decide::policy::Rollout;
use crate::decide::route::Plan;
use crate::decide::units::{Arm, Percent, ProviderId};
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::attempt::guard_report::GuardSink;
use crate::proxy::attempt::withdrawal::CanaryCut;
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::call::FAIR_SHARE;
use crate::proxy::response::error::ProxyError;
use crate::state::counters::Series;
use crate::state::pause_masks::Attribution;
use crate::state::snapshot::RolloutInForce;

/// What a request belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) core: Rc<Core>,
    /// What was in force when it was dispatched.
    pub(crate) in_use: Rc<InUse>,
    pub(crate) plan: Plan,
    /// How it asks for its answer.
    pub(crate) kind: ResponseKind,
}

impl Scope {
    /// Whether this provider is the one that the split chose.
    pub(crate) fn is_chosen(&self, id: ProviderId) -> bool {
        id == self.plan.provider
    }

    pub(crate) fn rollout(&self) -> Option<&Arc<Rollout>> {
        self.plan.rollout.map(|id| &self.in_use.snapshot.policy.rollouts[usize::from(id.0)])
    }

    pub(crate) fn in_force(&self) -> Option<&RolloutInForce> {
        self.plan.rollout.map(|id| self.in_use.snapshot.in_force(id))
    }

    /// Whether this provider is the canary, and the split chose it.
    pub(crate) fn is_chosen_canary(&self, id: ProviderId) -> bool {
        self.is_chosen(id) && self.plan.arm == Some(Arm::Canary)
    }

    /// Whether this provider was chosen, and is no canary: its users were not moved.
    pub(crate) fn is_chosen_stable(&self, id: ProviderId) -> bool {
        self.is_chosen(id) && self.plan.arm != Some(Arm::Canary)
    }

    /// Whether the client's credentials were meant for this provider: for stable, and for any provider where nothing is
    /// split.
    pub(crate) fn is_trusted(&self, id: ProviderId) -> bool {
        id == self.plan.default_provider
    }

    /// Whether this provider has to answer in the request's API and as it was asked: any that the client's credentials
    /// were not meant for.
    pub(crate) fn is_strict(&self, id: ProviderId) -> bool {
        !self.is_trusted(id)
    }

    /// Its counts at this provider.
    pub(crate) fn series(&self, id: ProviderId) -> &Arc<Series> {
        let snapshot = &self.in_use.snapshot;
        match self.in_force() {
            // Another rollout's canary, asked for the state that it may have.
            Some(in_force) if self.plan.bound.is_bound() && !in_force.has_series(id) => snapshot.unsplit(id),
            Some(in_force) => in_force.series(self.plan.arm.unwrap_or(Arm::Stable), id),
            None => snapshot.unsplit(id),
        }
    }

    /// Where the guard's report goes; `None`: the request belongs to no rollout.
    pub(crate) fn guard(&self) -> Option<GuardSink<'_>> {
        let (in_force, arm) = (self.in_force()?, self.plan.arm?);
        let whose = Attribution { arm, source: self.plan.source, slot: self.plan.slot };
        let evidence = &in_force.evidence;
        Some(GuardSink { evidence, core: self.core.id, whose, kind: self.kind })
    }

    /// Until when the provider that the split chose is waited for, if the request is sent to it now; `None`: as long as
    /// its `timeouts` say. Stable has a deadline only while it answers no request: then a whole answer is waited for no
    /// longer than a streamed one.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        Some(match self.plan.arm? {
            Arm::Canary => Deadline::new(self.rollout()?.give_up_after, self.kind == ResponseKind::Whole),
            Arm::Stable => Deadline::new(self.in_force()?.evidence.withdrawal.stable_waits(self.kind)?, false),
        })
    }

    /// How long a provider must have had for a call whose client then stops waiting, so that this counts as its
    /// timeout: what the file allows, and no more than a second.
    pub(crate) fn fair_share(&self, id: ProviderId) -> Duration {
        let first_output = self.in_use.snapshot.policy.provider(id).timeouts.first_output;
        let patience = self.rollout().map_or(first_output, |rollout| rollout.give_up_after.min(first_output));
        patience.duration().min(FAIR_SHARE)
    }

    /// Whether an operator has ended what was under way at this provider when this request was.
    pub(crate) fn is_cut(&self, id: ProviderId) -> bool {
        CanaryCut::of(&self.in_use, &self.plan, id).is_some_and(CanaryCut::is_cut)
    }

    /// Whether what is in force now changes nothing for a request that is about to be sent to this provider; `first`:
    /// for the first time.
    pub(crate) fn still_stands(&self, now: &InUse, id: ProviderId, first: bool) -> bool {
        if !Rc::ptr_eq(&now.prepared, &self.in_use.prepared) {
            return false;
        }
        if self.plan.bound.is_bound() {
            // It stays where its state is, whatever the percent, unless that was moved too.
            return id == self.plan.default_provider || !now.snapshot.is_state_moved(self.plan.matched, id);
        }
        let (Some(rollout), Some(old)) = (self.plan.rollout, self.in_force()) else { return true };
        let on_canary = self.rollout().is_some_and(|rollout| rollout.moves_to(id));
        if !first && !on_canary {
            // A failure sent it to this provider, and not the split.
            return true;
        }
        let new = now.snapshot.in_force(rollout);
        old.percent == new.percent
            && old.buckets_only == new.buckets_only
            && !(on_canary && new.percent == Percent::ZERO)
    }

    pub(crate) fn name(&self, id: ProviderId) -> &str {
        &self.in_use.snapshot.policy.provider(id).name
    }

    /// The message for a client whose answer broke off.
    pub(crate) fn break_message(&self, id: ProviderId, body: BodyEnd) -> String {
        let how = match body {
            BodyEnd::Silent => "stalled within its response",
            BodyEnd::NoOutput => "sent no output in time",
            _ => "ended its response before its end",
        };
        format!("provider `{}` {how}: the response is incomplete; send the request again (from Serin)", self.name(id))
    }

    /// Why there is no answer, for the client.
    pub(crate) fn problem(&self, id: ProviderId, ending: Ending, detail: String) -> ProxyError {
        ProxyError::NoAnswer { provider: self.name(id).to_owned(), arm: self.plan.arm, ending, detail, is_final: false }
    }
}

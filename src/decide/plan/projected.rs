//! What would be in force for a rollout once a new file is: the steps of a reload, taken without effect.
//!
//! Owns the order of these steps, which is that of the control loop: the state that is known of the rollout or a new
//! one, the lock that belongs to its name, the edited file, then its lock file. A share that is not known is assumed:
//! the stage of the ramp at which most users would move. Changes nothing.

use std::collections::BTreeMap;

use super::takers::Taker;
use super::users::{Split, moves};
use super::{Begins, BlockedBy, RolloutPlan, TakerPlan, settings};
use crate::decide::policy::{Canary, Intent, Policy, Rollout};
use crate::decide::rollout::context::{Blocked, RolloutContext, blocked};
use crate::decide::rollout::identity::identity;
use crate::decide::rollout::in_force::{EffectiveShare, in_force};
use crate::decide::rollout::rules_fingerprint::rules_fingerprint;
use crate::decide::rollout::state::{Identity, Lock, Phase, RolloutState};
use crate::decide::rollout::step::{Input, step};
use crate::decide::route::RouteShare;
use crate::decide::units::{Arm, Percent, UnixMillis};

/// What is known when a file is compared.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// Every state that is known, of rollouts of the policy and of others.
    pub states: BTreeMap<Identity, RolloutState>,
    /// Lock files, by rollout.
    pub locks: BTreeMap<String, Lock>,
    /// Why the locks cannot be read.
    pub locks_unread: Option<(&'a str, &'a str)>,
    /// Why state could never be written since the start.
    pub never_writable: Option<&'a str>,
    /// Whether the states are those in force. If not, a ramp may be at any of its stages.
    pub is_live: bool,
    pub now: UnixMillis,
}

/// A rollout at one side of the edit.
struct Projected {
    share: EffectiveShare,
    begins: Vec<Begins>,
    blocked: Option<BlockedBy>,
}

const NO_PINS: &BTreeMap<String, Arm> = &BTreeMap::new();

impl Situation<'_> {
    /// Who takes these requests before and after, and who of their users moves.
    pub(super) fn compare(&self, new: &Policy, before: &Taker<'_>, after: &Taker<'_>) -> RolloutPlan {
        let known = self.compare_at(new, before, after, None);
        if self.is_live {
            return known;
        }
        let stages = match before {
            Taker::Rollout(rollout) => rollout.canary.as_ref().map_or(&[][..], |canary| match canary.percent {
                Intent::Auto => &canary.ramp.stages,
                Intent::Pinned(_) => &[],
            }),
            Taker::Nobody => &[],
        };
        let assumed = stages.iter().map(|stage| self.compare_at(new, before, after, Some(*stage)));
        let assumed = assumed.chain([known]);
        // Of several that move as many, the first stage.
        let most = assumed.reduce(|most, plan| if plan.users.share() > most.users.share() { plan } else { most });
        let most = most.unwrap_or_else(|| self.compare_at(new, before, after, None));
        if !most.users.is_nobody() {
            return most;
        }
        let mut plan = RolloutPlan { assumed: None, ..most };
        let is_ramp = |side: &TakerPlan| side.intent == Some(Intent::Auto);
        if is_ramp(&plan.before) {
            (plan.before.percent, plan.before.phase) = (None, None);
        }
        if is_ramp(&plan.after) && !plan.begins.contains(&Begins::Rollout) {
            (plan.after.percent, plan.after.phase) = (None, None);
        }
        plan
    }

    fn compare_at(&self, new: &Policy, before: &Taker<'_>, after: &Taker<'_>, stage: Option<Percent>) -> RolloutPlan {
        let now = self.side_now(before, stage);
        let then = self.side_then(new, before, after, stage);
        let (split_now, taker_now) = split(self.policy, before, now.as_ref());
        let (split_then, taker_then) = split(new, after, then.as_ref());
        let was_blocked = now.and_then(|side| side.blocked);
        let (begins, blocked) = then.map_or_else(Default::default, |side| (side.begins, side.blocked));
        RolloutPlan {
            users: moves(&split_now, &split_then),
            before: taker_now,
            after: taker_then,
            requests: Vec::new(),
            assumed: stage,
            begins,
            blocked: blocked.filter(|_| was_blocked.is_none()),
            edited: match (before, after) {
                (Taker::Rollout(old), Taker::Rollout(new)) if old.name == new.name => settings::rollout_edits(old, new),
                _ => Vec::new(),
            },
        }
    }

    fn side_now(&self, taker: &Taker<'_>, stage: Option<Percent>) -> Option<Projected> {
        let Taker::Rollout(rollout) = taker else { return None };
        let canary = rollout.canary.as_ref()?;
        let (state, _) = self.state_of(self.policy, rollout, canary, stage);
        let blocked = self.blocked(self.policy, canary, rollout, &state);
        let share = in_force(&self.view(rollout, canary, blocked.is_some()), &state);
        Some(Projected { share, begins: Vec::new(), blocked })
    }

    fn side_then(
        &self,
        new: &Policy,
        before: &Taker<'_>,
        after: &Taker<'_>,
        stage: Option<Percent>,
    ) -> Option<Projected> {
        let Taker::Rollout(rollout) = after else { return None };
        let canary = rollout.canary.as_ref()?;
        let same_taker = before.name() == Some(rollout.name.as_str());
        let stage = stage.filter(|_| same_taker && self.has(&identity(new, rollout, canary)));
        let (mut state, is_known) = self.state_of(new, rollout, canary, stage);
        let mut begins = Vec::new();
        if !self.has(&identity(new, rollout, canary)) {
            begins.push(if is_known { Begins::KnownRollout } else { Begins::Rollout });
        }
        let of_name = self.policy.rollout(&rollout.name).and_then(|old| {
            let canary = old.canary.as_ref()?;
            self.states.get(&identity(self.policy, old, canary))?.lock.clone()
        });
        if state.lock.is_none() && of_name.is_some() {
            state.lock = of_name;
            begins.push(Begins::LockKept);
        }
        let blocked = self.blocked(new, canary, rollout, &state);
        let view = self.view(rollout, canary, blocked.is_some());
        let fresh = state.judged_by.is_some_and(|by| by != rules_fingerprint(&canary.guard, &canary.ramp));
        if fresh {
            begins.push(Begins::Evidence);
        }
        if canary.attempt > state.attempt {
            begins.push(Begins::Attempt);
        }
        let mut next = step(&view, &state, &Input::PolicyChanged { fresh }, self.now).next;
        if let Some(lock) = self.locks.get(&rollout.name) {
            next = step(&view, &next, &Input::LockFound(lock.clone()), self.now).next;
        }
        Some(Projected { share: in_force(&view, &next), begins, blocked })
    }

    /// Whether the policy in force has this rollout.
    fn has(&self, wanted: &Identity) -> bool {
        let of = |rollout: &Rollout| Some(identity(self.policy, rollout, rollout.canary.as_ref()?));
        self.policy.rollouts.iter().any(|rollout| of(rollout).as_ref() == Some(wanted))
    }

    /// The known state, or a new one, and whether it was known. `stage`: where the ramp is assumed to be.
    fn state_of(
        &self,
        policy: &Policy,
        rollout: &Rollout,
        canary: &Canary,
        stage: Option<Percent>,
    ) -> (RolloutState, bool) {
        let known = self.states.get(&identity(policy, rollout, canary));
        let mut state = known.cloned().unwrap_or_else(|| RolloutState::new(canary.attempt, self.now));
        if let Some(stage) = stage {
            (state.phase, state.percent, state.in_force) = (Phase::Ramping, stage, stage);
        }
        if !self.is_live {
            // The evidence of a ramp that is under way was gathered by the rules in force.
            let rules = self.policy.rollout(&rollout.name).and_then(|old| old.canary.as_ref());
            state.judged_by = rules.filter(|_| stage.is_some()).map(|old| rules_fingerprint(&old.guard, &old.ramp));
            state.attempt = rules.filter(|_| stage.is_some()).map_or(canary.attempt, |old| old.attempt);
        }
        (state, known.is_some())
    }

    fn blocked(&self, policy: &Policy, canary: &Canary, rollout: &Rollout, state: &RolloutState) -> Option<BlockedBy> {
        let provider = policy.provider(canary.provider);
        let unusable = provider.unusable.as_deref().map(|why| Blocked::Unusable { provider: &provider.name, why });
        let needs_no_stable = || {
            crate::decide::unusable_stable::is_completed(canary, state)
                && policy.provider(rollout.stable).unusable.is_some()
        };
        let locks = self.locks_unread.map(|(dir, error)| Blocked::LocksUnread { dir, error });
        let locks = locks.filter(|_| !needs_no_stable());
        blocked(canary, unusable.or(locks), self.never_writable).map(BlockedBy::from)
    }

    fn view<'v>(&self, rollout: &'v Rollout, canary: &'v Canary, is_blocked: bool) -> RolloutContext<'v> {
        RolloutContext {
            name: &rollout.name,
            canary,
            blocked: is_blocked.then_some(""),
            unwritable: None,
            writing: false,
            by_clock: self.never_writable.is_some() && canary.ramp.from.is_some(),
            generation: 0,
        }
    }
}

fn split<'p>(policy: &'p Policy, taker: &Taker<'p>, side: Option<&Projected>) -> (Split<'p>, TakerPlan) {
    let Taker::Rollout(rollout) = *taker else {
        let stable = policy.unmatched.provider().map(|id| &**policy.provider(id));
        let share = RouteShare { percent: Percent::ZERO, buckets_only: true };
        let split = Split { salt: "", pins: NO_PINS, share, stable, canary: None };
        let stable = stable.map(|provider| provider.name.clone());
        let (percent, rollout) = (Some(Percent::ZERO), None);
        return (split, TakerPlan { rollout, stable, canary: None, percent, intent: None, phase: None });
    };
    let stable = policy.provider(rollout.stable);
    let canary = rollout.canary.as_ref();
    let provider = canary.map(|canary| &**policy.provider(canary.provider));
    let percent = side.map_or(Percent::ZERO, |side| side.share.percent);
    let share = RouteShare { percent, buckets_only: side.is_none_or(|side| side.share.buckets_only) };
    let split = Split { salt: &rollout.salt, pins: &rollout.pins, share, stable: Some(stable), canary: provider };
    let taker = TakerPlan {
        rollout: Some(rollout.name.clone()),
        stable: Some(stable.name.clone()),
        canary: provider.map(|provider| provider.name.clone()),
        percent: Some(percent),
        intent: canary.map(|canary| canary.percent),
        phase: side.map(|side| side.share.phase),
    };
    (split, taker)
}

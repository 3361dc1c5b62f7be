//! The comparison itself: every kind of request that either policy knows, with who takes it before and after.
//!
//! Kinds that the same two rollouts take are one entry of the plan. A file that would be refused is compared no further.
//! Changes nothing. Invariant: an entry is in the plan only if the edit touches it.

use std::collections::BTreeSet;

use super::projected::Situation;
use super::takers::{Taker, classes};
use super::{MOST_ENTRIES, Plan, RolloutPlan, settings};
use crate::decide::policy::Policy;
use crate::decide::reload_refusal::refusal;

/// Compares the policy in force with the new one.
#[must_use]
pub fn plan(situation: &Situation<'_>, new: &Policy) -> Plan {
    let old = situation.policy;
    if let Some(refused) = refusal(old, new, |identity| situation.states.get(identity)) {
        return Plan { refused: Some(refused), ..Plan::default() };
    }
    let (mut rollouts, left_out) = compare_rollouts(situation, new);
    let more = left_out + rollouts.len().saturating_sub(MOST_ENTRIES);
    rollouts.truncate(MOST_ENTRIES);
    Plan {
        refused: None,
        rollouts,
        more,
        providers: settings::provider_edits(old, new),
        settings: settings::other_edits(old, new),
        restart: settings::fixed_edits(&old.fixed, &new.fixed),
        fits: Vec::new(),
    }
}

/// What becomes of each rollout, and how many kinds of requests are not compared.
fn compare_rollouts(situation: &Situation<'_>, new: &Policy) -> (Vec<RolloutPlan>, usize) {
    let old = situation.policy;
    let (classes, left_out) = classes(new, old);
    let mut plans: Vec<(RolloutPlan, bool)> = Vec::new();
    let names: BTreeSet<&str> = old.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
    for class in classes {
        let (before, after) = (Taker::of(old, &class), Taker::of(new, &class));
        let whole = before.name() == after.name() || (before.name().is_none() != after.name().is_none());
        let known = plans.iter_mut().find(|(plan, _)| {
            plan.before.rollout.as_deref() == before.name() && plan.after.rollout.as_deref() == after.name()
        });
        match known {
            Some((plan, _)) => plan.requests.push(class),
            None => {
                let mut plan = situation.compare(new, &before, &after);
                plan.requests.push(class);
                plans.push((plan, whole));
            }
        }
    }
    // What no rollout takes, before and after.
    plans.push((situation.compare(new, &Taker::Nobody, &Taker::Nobody), true));
    let several = |name: Option<&str>, plans: &[(RolloutPlan, bool)]| {
        name.is_some_and(|name| {
            plans.iter().filter(|(plan, _)| plan.before.rollout.as_deref() == Some(name)).count() > 1
        })
    };
    let split: Vec<bool> = plans
        .iter()
        .map(|(plan, _)| several(plan.before.rollout.as_deref().filter(|name| names.contains(name)), &plans))
        .collect();
    let touched = plans
        .into_iter()
        .zip(split)
        .filter(|((plan, _), _)| plan.is_touched())
        .map(|((plan, whole), split)| {
            // All that a rollout takes needs no list.
            let requests = if whole && !split { Vec::new() } else { plan.requests };
            RolloutPlan { requests, ..plan }
        })
        .collect();
    (touched, left_out)
}

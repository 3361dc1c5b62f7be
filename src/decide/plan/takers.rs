//! Which rollout takes a kind of request, before and after an edit.
//!
//! A [`RequestClass`] is an endpoint or a path with a model and headers, as a `match` names them. The first rollout
//! whose match has all of a class takes it, as in [`route`](crate::decide::route). Of an endpoint that one rollout takes
//! for some models only, each model is a class of its own. Reads no request.

use std::collections::{BTreeMap, BTreeSet};

use super::RequestClass;
use crate::decide::policy::{Match, Pattern, Policy, Rollout};
use crate::decide::route::takes_path;

/// Kinds of requests that are compared: control does nothing else meanwhile.
const MOST_CLASSES: usize = 1000;

/// Every kind of request that a rollout of either policy names, those of the first policy first, up to a bound; and how
/// many are left out.
pub(super) fn classes(first: &Policy, second: &Policy) -> (Vec<RequestClass>, usize) {
    let mut known = BTreeSet::new();
    let rollouts = first.rollouts.iter().chain(&second.rollouts);
    let mut classes: Vec<RequestClass> =
        rollouts.flat_map(|rollout| of_match(&rollout.matches)).filter(|class| known.insert(class.clone())).collect();
    let left_out = classes.len().saturating_sub(MOST_CLASSES);
    classes.truncate(MOST_CLASSES);
    (classes, left_out)
}

fn of_match(matches: &Match) -> Vec<RequestClass> {
    let text = |pattern: &Pattern| pattern.0.clone();
    let headers: BTreeMap<String, String> =
        matches.headers.iter().map(|(name, pattern)| (name.clone(), text(pattern))).collect();
    let class = |path: String, pattern: bool| RequestClass {
        path,
        pattern,
        model: matches.model.as_ref().map(text),
        headers: headers.clone(),
    };
    match &matches.path {
        Some(path) => vec![class(text(path), true)],
        None => matches.endpoints.iter().map(|endpoint| class(endpoint.clone(), false)).collect(),
    }
}

/// Who takes a kind of request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taker<'p> {
    Rollout(&'p Rollout),
    /// No rollout does.
    Nobody,
}

impl<'p> Taker<'p> {
    pub(super) fn of(policy: &'p Policy, class: &RequestClass) -> Taker<'p> {
        let path = format!("/{}", class.path);
        let takes = |rollout: &&std::sync::Arc<Rollout>| takes(&rollout.matches, class, &path);
        policy.rollouts.iter().find(takes).map_or(Taker::Nobody, |rollout| Taker::Rollout(rollout))
    }

    pub(super) fn name(&self) -> Option<&'p str> {
        match self {
            Taker::Rollout(rollout) => Some(&rollout.name),
            Taker::Nobody => None,
        }
    }
}

/// Whether a match takes every request of a class. `below_mount`: its path, with a slash.
fn takes(matches: &Match, class: &RequestClass, below_mount: &str) -> bool {
    let path = match (&matches.path, class.pattern) {
        (Some(path), true) => includes(path, &class.path),
        (None, true) => false,
        _ => takes_path(matches, below_mount),
    };
    let model = |model: &Pattern| class.model.as_ref().is_some_and(|of_class| includes(model, of_class));
    let header = |(name, pattern): (&String, &Pattern)| {
        class.headers.get(name).is_some_and(|of_class| includes(pattern, of_class))
    };
    path && matches.model.as_ref().is_none_or(model) && matches.headers.iter().all(header)
}

/// Whether everything that fits the second pattern fits the first. A star of the second is a text like any other here,
/// which only a star of the first takes.
fn includes(pattern: &Pattern, other: &str) -> bool {
    pattern.0 == other || pattern.fits(other.as_bytes())
}

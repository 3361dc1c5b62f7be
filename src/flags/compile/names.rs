//! What the parts of a file call each other: the names of providers, and the keys by which a rollout asks for a canary.
//!
//! Below the files that compile rollouts and their parts, which all need it. A name that nothing has is answered with
//! the ones that could be meant.

use super::super::place::At;
use super::super::scalar::{Wrong, wrong};
use crate::decide::suggest;
use crate::decide::units::ProviderId;

pub(super) fn provider_named(names: &[&str], name: &str) -> Result<ProviderId, Wrong> {
    let index = names.iter().position(|known| *known == name).and_then(|index| u16::try_from(index).ok());
    index.map_or_else(|| wrong("is not a provider", there_are("provider", name, names)), |index| Ok(ProviderId(index)))
}

/// What could be written in the place of an unknown name.
pub(super) fn there_are(what: &str, written: &str, known: &[&str]) -> String {
    let known: Vec<&str> = known.iter().copied().filter(|name| !name.is_empty()).collect();
    match suggest::nearest(written, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("there is no {what} yet: add it, or remove this"),
        None => {
            let mut shown = known;
            shown.dedup();
            shown.truncate(10);
            format!("name one of the {what}s: {}", shown.join(", "))
        }
    }
}

/// Keys that say how users get to the canary.
pub(super) const NEED_CANARY: [&str; 14] = [
    "percent",
    "ramp",
    "guard",
    "on_regression",
    "rollback_to",
    "try_again_after",
    "attempt",
    "force",
    "pin_users",
    "exclude",
    "fallback_4xx",
    "give_up_after",
    "rehearse",
    "compare",
];

/// Whether a rollout without a canary was to have one: what it lacks is told of it.
pub(super) fn wants_canary(at: &At) -> bool {
    at.has_unknown_key() || NEED_CANARY.iter().any(|key| at.has(key))
}

//! Sentences for a stable that cannot be used, as an error of the file: the problem and the remedy.
//!
//! Lowercase fragments, like every error of the file. The reason is inserted unchanged: it names a variable or a file,
//! and never its content.

use crate::decide::unusable_stable::UnusableStable;

/// The problem, as a lowercase fragment.
#[must_use]
pub fn problem(unserved: &UnusableStable) -> String {
    let UnusableStable { rollout, provider, reason } = unserved;
    let whom = match rollout {
        Some(rollout) => format!("the stable of `{rollout}`"),
        None => "the provider for unmatched requests".to_owned(),
    };
    format!("`{provider}` is {whom} and cannot be used: {reason}")
}

/// The remedy, as a lowercase fragment.
#[must_use]
pub fn remedy(unserved: &UnusableStable) -> String {
    let over = match unserved.rollout {
        Some(_) => "; if the move is over, write `percent: 100%`, or make the canary the stable",
        None => "; or write `unmatched: reject`",
    };
    format!("set the variable or fix the file that it needs{over}")
}

//! Users of stable whom nobody can serve, as an error of the file: what is wrong, and how to mend it.
//!
//! Lowercase fragments, as every error of the file has them. Why a provider cannot be asked goes in as it was found: it
//! names a variable or a file, and never what is in it.

use crate::decide::unserved::Unserved;

/// What is wrong, as a lowercase fragment.
#[must_use]
pub fn problem(unserved: &Unserved) -> String {
    let Unserved { rollout, provider, reason } = unserved;
    let whom = match rollout {
        Some(rollout) => format!("the stable of `{rollout}`"),
        None => "the provider for unmatched requests".to_owned(),
    };
    format!("`{provider}` is {whom} and cannot be used: {reason}")
}

/// How to mend it, as a lowercase fragment.
#[must_use]
pub fn remedy(unserved: &Unserved) -> String {
    let over = match unserved.rollout {
        Some(_) => "; if the move is over, write `percent: 100%`, or make the canary the stable",
        None => "; or write `unmatched: reject`",
    };
    format!("set the variable or fix the file that it needs{over}")
}

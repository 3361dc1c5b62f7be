//! What is unusual about a process and its file, in a sentence, and what a file is refused for because of it.
//!
//! The same at the start, where it is said only, and with a reload, which may be refused for it. Addresses go in as they are
//! shown, without what may be secret in them.

use crate::decide::warning::{TakenBack, Warning};

/// The sentence.
#[must_use]
pub fn sentence(warning: &Warning) -> String {
    match warning {
        Warning::FixedEdit { key, old, new } => {
            let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
            let (old, new) = (word(old), word(new));
            format!("`{key}` was changed from {old} to {new}, which needs a restart: {old} stays in force")
        }
        Warning::FewerConnections { asked, most } => format!(
            "limits.connections: {most} are in force instead of {asked}, since the process may open too few files; raise \
             its limit (`ulimit -n`, LimitNOFILE), or write {most}"
        ),
        Warning::StrayLock { rollout } => {
            format!("a lock exists for `{rollout}`, which is not a rollout of flags.yaml")
        }
        Warning::StableTakenBack(TakenBack { rollout, stable, other }) => {
            format!("the stable of `{rollout}`, {stable}, is the canary of `{other}`, which was rolled back")
        }
    }
}

/// Why a file is refused that brings such a stable.
#[must_use]
pub fn refusal(TakenBack { rollout, stable, other }: &TakenBack) -> String {
    format!(
        "rollouts `{rollout}`: its new stable {stable} is the canary of `{other}`, which was rolled back; `serin \
         resume {other}` first if that provider has recovered"
    )
}

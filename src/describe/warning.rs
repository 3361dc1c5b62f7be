//! Sentences for warnings about the process and its file, and for refusing a file because of one.
//!
//! A start shows the warning; a reload may be refused with it. Addresses are inserted in their shown form, without
//! secrets.

use crate::decide::warning::{RolledBackStable, Warning};

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
        Warning::StableTakenBack(RolledBackStable { rollout, stable, other }) => {
            format!("the stable of `{rollout}`, {stable}, is the canary of `{other}`, which was rolled back")
        }
    }
}

/// Why a file with such a stable is refused.
#[must_use]
pub fn refusal(RolledBackStable { rollout, stable, other }: &RolledBackStable) -> String {
    format!(
        "rollouts `{rollout}`: its new stable {stable} is the canary of `{other}`, which was rolled back; `serin \
         resume {other}` first if that provider has recovered"
    )
}

//! What stays on a provider after a rollback, because it keeps what requests name.
//!
//! Owns the sentences for the command line and whoever else says it. Decides nothing, and reads no clock: how long ago
//! something was comes in as words.

use super::format::grouped;

/// `1,204 ids of responses, files and the like`.
#[must_use]
pub fn ids(count: u64) -> String {
    let noun = if count == 1 { "id" } else { "ids" };
    format!("{} {noun} of responses, files and the like", grouped(count))
}

/// After a rollback. `used`: how long ago the last of them was used; `hard`: whether they were moved as well; `whole`:
/// whether no user is left there, so that they can be moved.
#[must_use]
pub fn after_rollback(count: u64, provider: &str, used: &str, hard: bool, whole: bool) -> String {
    let what = ids(count);
    if hard {
        return format!(
            "`{provider}` has {what} (last used {used}): requests that name them go to stable now, which may not know them"
        );
    }
    let advice = if whole { "; `--hard` ends that too" } else { "" };
    format!("{what} stay on `{provider}` (last used {used}): requests that name them go there{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_counted() {
        assert_eq!(ids(1), "1 id of responses, files and the like");
        assert_eq!(
            after_rollback(1204, "new", "3m ago", false, true),
            "1,204 ids of responses, files and the like stay on `new` (last used 3m ago): requests that name them go \
             there; `--hard` ends that too"
        );
        assert!(after_rollback(2, "new", "3m ago", false, false).ends_with("requests that name them go there"));
        assert!(after_rollback(2, "new", "3m ago", true, true).ends_with("go to stable now, which may not know them"));
    }
}

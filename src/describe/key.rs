//! Sentences about a provider's keys: refused, taken again, in use for long.
//!
//! A key is named by its position in the file and its last four characters. No sentence has more of it. What to do is
//! said where there is something to do.

use crate::decide::event::{KeyChange, KeyName};
use crate::decide::units::Millis;

/// A key as people know it: `key 2 (...wxyz)`.
#[must_use]
pub fn name(KeyName { position, tail }: &KeyName) -> String {
    if tail.is_empty() { format!("key {position}") } else { format!("key {position} (...{tail})") }
}

/// A change of a provider's key.
#[must_use]
pub fn change(provider: &str, key: &KeyName, turn: KeyChange) -> String {
    let key = name(key);
    match turn {
        KeyChange::Refused { status, others } => {
            let others = match others {
                0 => "it is the last one, and requests fail with it".to_owned(),
                1 => "the other key is used".to_owned(),
                others => format!("the other {others} keys are used"),
            };
            format!(
                "{provider} refuses {key} with status {status}: {others}; it is tried again every 10m, and at once when \
                 another stands in its place"
            )
        }
        KeyChange::Accepted => format!("{provider} accepts {key} again"),
        KeyChange::Replaced => format!("{key} of {provider}, which was refused, was taken out of the file or replaced"),
    }
}

/// A key that is to be replaced.
#[must_use]
pub fn old(provider: &str, key: &KeyName, age: Millis) -> String {
    let days = age.0 / 86_400_000;
    format!(
        "{} of {provider} has been in use for {days} days: replace it, or change `providers.{provider}.keys.warn_after`",
        name(key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_position_and_end_alone() {
        let key = |tail: &str| KeyName { position: 2, tail: tail.to_owned() };
        assert_eq!([name(&key("wxyz")), name(&key(""))], ["key 2 (...wxyz)", "key 2"]);
        let refused = |others| change("new", &key("wxyz"), KeyChange::Refused { status: 401, others });
        assert!(refused(0).starts_with("new refuses key 2 (...wxyz) with status 401: it is the last one"));
        assert!(refused(1).contains("the other key is used"));
        assert!(refused(2).contains("the other 2 keys are used"));
        assert_eq!(change("new", &key(""), KeyChange::Accepted), "new accepts key 2 again");
        assert!(old("new", &key(""), Millis(91 * 86_400_000)).starts_with("key 2 of new has been in use for 91 days"));
    }
}

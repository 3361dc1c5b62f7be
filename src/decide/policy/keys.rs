//! How a provider's own keys are used: which comes first, when that changes, and for how long one rests.
//!
//! Shapes, and the one rule that follows from them alone: which key a request begins with. What a key's answers mean is
//! [`key_rest`](crate::decide::key_rest)'s. Invariant: requests of one user begin with the same key as long as the list
//! of keys, the rotation and the user's id stay, since a provider keeps its prompt caches by account.

use crate::decide::units::{Millis, UnixMillis};

/// How a provider's keys are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// Which key a request begins with.
    pub order: KeyOrder,
    /// After how long another key is the first; `None`: never.
    pub rotate_every: Option<Millis>,
    /// The first rest of an account whose quota is spent.
    pub cool_down: Millis,
    /// After how long in use a key is to be replaced; `None`: nobody is reminded.
    pub warn_after: Option<Millis>,
    /// The account of each key, by its index; a key that has no name here has an account of its own.
    pub accounts: Vec<Option<String>>,
}

/// Which key a request begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// The first that is usable.
    #[default]
    First,
    /// One by the hash of the user.
    Spread,
}

impl Default for KeyRules {
    fn default() -> KeyRules {
        KeyRules {
            order: KeyOrder::First,
            rotate_every: None,
            cool_down: Millis(60_000),
            warn_after: None,
            accounts: Vec::new(),
        }
    }
}

impl KeyRules {
    /// Whether every request begins with the first key.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.order == KeyOrder::First && self.rotate_every.is_none()
    }

    /// The index of the key that a request of this user begins with, of so many.
    #[must_use]
    pub fn home(&self, keys: usize, user: u16, now: impl FnOnce() -> UnixMillis) -> usize {
        let turn = match self.rotate_every {
            Some(every) => now().0.checked_div(every.0).unwrap_or_default(),
            None => 0,
        };
        let begin = if self.order == KeyOrder::Spread { u64::from(user) } else { 0 };
        let keys = u64::try_from(keys).unwrap_or(u64::MAX);
        let home = begin.wrapping_add(turn).checked_rem(keys).unwrap_or_default();
        usize::try_from(home).unwrap_or_default()
    }

    /// Whether so many keys are all of one account.
    #[must_use]
    pub fn are_of_one_account(&self, keys: usize) -> bool {
        keys < 2 || self.account(0).is_some_and(|first| (1..keys).all(|key| self.account(key) == Some(first)))
    }

    /// The name of a key's account, if it was given one.
    #[must_use]
    pub fn account(&self, key: usize) -> Option<&str> {
        self.accounts.get(key)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn homes(rules: &KeyRules, keys: usize, hour: u64) -> Vec<usize> {
        (0..4).map(|user| rules.home(keys, user, || UnixMillis(hour * HOUR))).collect()
    }

    #[test]
    fn a_request_begins_with_the_first_key_or_with_its_user_s_and_both_turn() {
        let first = KeyRules::default();
        assert_eq!(homes(&first, 3, 7), [0; 4]);
        let turning = KeyRules { rotate_every: Some(Millis(HOUR)), ..first.clone() };
        assert_eq!([0, 1, 2, 3].map(|hour| homes(&turning, 3, hour)[0]), [0, 1, 2, 0]);
        let spread = KeyRules { order: KeyOrder::Spread, ..first };
        assert_eq!(homes(&spread, 3, 7), [0, 1, 2, 0]);
        let both = KeyRules { rotate_every: Some(Millis(HOUR)), ..spread };
        assert_eq!([homes(&both, 3, 0), homes(&both, 3, 1)], [[0, 1, 2, 0], [1, 2, 0, 1]]);
        assert!(!both.is_plain() && !turning.is_plain() && KeyRules::default().is_plain());
    }

    #[test]
    fn without_keys_there_is_none_to_begin_with() {
        assert_eq!(homes(&KeyRules { order: KeyOrder::Spread, ..KeyRules::default() }, 0, 1), [0; 4]);
    }
}

//! Keys that the design names and this version does not read.
//!
//! Someone who writes one of them must be told so, and not that it is unknown. A key leaves this table when it is
//! described among the others; until then it is an error as any unknown key is, since a file that is half obeyed is
//! worse than one that is refused.

/// Keys not read yet, by the place of the map they would stand in.
const LATER: [(&str, &[&str]); 3] =
    [("", &["budgets", "cache", "fleet"]), ("rollouts[]", &["holdback"]), ("rollouts[].compare", &["keep"])];

/// Whether this key of the map at `place` (`providers.*`) belongs to a later version.
pub(super) fn is_later(place: &str, key: &str) -> bool {
    LATER.iter().any(|(at, keys)| *at == place && keys.contains(&key))
}

#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    LATER.iter().flat_map(|(place, keys)| keys.iter().map(move |key| (*place, *key)))
}

//! How much of everything a file may have.
//!
//! The limits that are no value of a key: what lies beyond one of them is a mistake, not a configuration. The schema
//! and the compiler read the same constants. The limits of the text itself, before anything is parsed, are in
//! [`text`](super::text).

/// Errors found before the list is cut off; nobody corrects more than that at once.
pub(super) const MOST_ERRORS: usize = 100;
/// Entries of a list or a map; each would cost its share of every reading.
pub(super) const MOST_ENTRIES: usize = 1000;
/// The same for user ids.
pub(super) const MOST_IDS: usize = 100_000;
/// Providers that `fallback` may name.
pub(super) const MOST_FALLBACKS: usize = crate::decide::fallback::LONGEST_FALLBACK_LIST;
/// A body is held until its answer has begun, so one client must not hold all that there is.
pub(super) const MOST_REPLAY_BODY: u64 = 64 * 1024 * 1024;
/// What `set_fields` of one provider may add to every request, in bytes of JSON.
pub(super) const MOST_SET: usize = 64 * 1024;
/// How deep a field may lie that a rule names.
pub(super) const DEEPEST_FIELD: usize = 16;
/// Variants of a flag, and rules of one.
pub(super) const MOST_VARIANTS: usize = 100;
pub(super) const MOST_RULES: usize = 100;
/// How deep conditions of a rule may be nested in `all`, `any` and `not`.
pub(super) const DEEPEST_CONDITION: usize = 8;
/// Origins that `admin.cors` may name.
pub(super) const MOST_ORIGINS: usize = 100;

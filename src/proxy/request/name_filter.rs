//! Sorts out most header names that are not in a list, by their first letter and their length.
//!
//! A name is compared with a list only if one of the list begins alike and is as long. Names are lower case, as those
//! of a header map are. Holds no names. Invariant: it may pass a name that is not in the list, and never drops one that
//! is.

/// The lengths of a list's names, by their first letter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameFilter([u64; 32]);

impl NameFilter {
    pub(crate) const fn of(names: &[&str], beginnings: &[&str]) -> NameFilter {
        let mut filter = NameFilter([0; 32]);
        let mut at = 0;
        while at < names.len() {
            filter.add(names[at]);
            at += 1;
        }
        at = 0;
        while at < beginnings.len() {
            filter.add_beginning(beginnings[at]);
            at += 1;
        }
        filter
    }

    /// One more name.
    pub(crate) const fn add(&mut self, name: &str) {
        let (row, length) = place(name);
        self.0[row] |= 1 << length;
    }

    /// All names that begin so.
    pub(super) const fn add_beginning(&mut self, beginning: &str) {
        let (row, length) = place(beginning);
        self.0[row] |= u64::MAX << length;
    }

    pub(super) const fn may_have(&self, name: &str) -> bool {
        let (row, length) = place(name);
        self.0[row] >> length & 1 != 0
    }
}

/// The row of a name's first letter, and its length; long names share the last.
const fn place(name: &str) -> (usize, usize) {
    let length = if name.len() < 63 { name.len() } else { 63 };
    match name.as_bytes() {
        [first, ..] => ((*first & 31) as usize, length),
        [] => (0, length),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn most_names_are_told_apart() {
        let filter = NameFilter::of(&["authorization", "x-api-key"], &["x-amz-"]);
        for name in ["host", "accept", "user-agent", "content-type", "content-length", "x-a", "apple", ""] {
            assert!(!filter.may_have(name), "{name}");
        }
        assert!(["authorization", "x-api-key", "x-amz-", "x-amz-date"].iter().all(|name| filter.may_have(name)));
    }

    proptest! {
        #[test]
        fn no_name_of_the_list_is_missed(names in prop::collection::vec("[a-z0-9-]{1,80}", 0..5), rest in "[a-z-]{0,80}") {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (exact, beginnings) = (NameFilter::of(&names, &[]), NameFilter::of(&[], &names));
            for name in names {
                prop_assert!(exact.may_have(name));
                let longer = format!("{name}{rest}");
                prop_assert!(beginnings.may_have(&longer));
            }
        }
    }
}

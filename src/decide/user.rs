//! The user id of a request.
//!
//! The sources are read in the policy's order, and the first id that is present wins. An id is taken as the bytes that
//! were sent: not trimmed, not folded, so that the application, other tools and `serin bucket` compute the same bucket.
//! A placeholder such as `null` counts as absent: it would put all users without an id into a single bucket.

use std::borrow::Cow;

use http::header;

use super::policy::UserSource;
use super::route::facts::Facts;
use crate::wire::{cookie, query};

/// Placeholders for "no user", in lower case: printed null values (of JavaScript, Python, SQL and Go), ids that stand
/// for none, and words such as "anonymous". Words that may be real ids (`user`, `test`, `admin`) are left out: a wrong
/// entry takes a real user's id away, a missing one can be worked around in the application.
const NOBODY: [&[u8]; 13] = [
    b"null",
    b"undefined",
    b"[object object]",
    b"none",
    b"<nil>",
    b"0",
    b"-1",
    b"00000000-0000-0000-0000-000000000000",
    b"anonymous",
    b"anon",
    b"default",
    b"guest",
    b"unknown",
];

/// Whether an id counts as absent: empty, blank, or a placeholder, in any case and with any padding.
#[must_use]
pub fn is_placeholder(id: &[u8]) -> bool {
    // Most have nothing to trim, which their ends show.
    let id = if let [b'!'..=b'~', .., b'!'..=b'~'] = id { id } else { trimmed(id) };
    id.is_empty() || NOBODY.iter().any(|word| id.eq_ignore_ascii_case(word))
}

fn trimmed(id: &[u8]) -> &[u8] {
    match str::from_utf8(id) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => id.trim_ascii(),
    }
}

/// The id of the user who sent a request, from the first source that has one.
#[must_use]
pub fn user_id<'a>(sources: &[UserSource], facts: &Facts<'a>) -> Option<Cow<'a, [u8]>> {
    sources.iter().find_map(|source| match source {
        UserSource::Header(name) => {
            present(facts.headers.get_all(name.as_str()).iter().map(|value| Cow::Borrowed(value.as_bytes())))
        }
        UserSource::Cookie(name) => {
            let headers = facts.headers.get_all(header::COOKIE).iter();
            present(headers.flat_map(|value| cookie::values(value.as_bytes(), name.as_bytes())).map(Cow::Borrowed))
        }
        UserSource::Query(name) => present(query::values(facts.query?, name)),
        UserSource::Body(path) => present(facts.body?.text(path).into_iter().map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })),
    })
}

fn present<'a>(mut ids: impl Iterator<Item = Cow<'a, [u8]>>) -> Option<Cow<'a, [u8]>> {
    ids.find(|id| !is_placeholder(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_stand_ins_are_nobody() {
        for id in ["", " ", "\t\u{a0}", "anonymous", "Anonymous", "DEFAULT", "0", " null ", "[object Object]", "<nil>"]
        {
            assert!(is_placeholder(id.as_bytes()), "{id:?}");
        }
    }

    #[test]
    fn names_that_somebody_may_have_are_somebody() {
        for id in ["user", "test", "00", "0x0", "nullable", "a", "-", "anonymous-17", "Nil", "None of yours"] {
            assert!(!is_placeholder(id.as_bytes()), "{id:?}");
        }
        assert!(!is_placeholder(b"\xff\xfe"));
    }
}

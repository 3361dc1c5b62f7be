//! What the end of a WebSocket says about the provider.
//!
//! Owns the meaning of close codes, as the side that closed first has sent them, and the fixed set of labels under
//! which they are counted. Codes of the standard mean what RFC 6455 and its registry say. A private code between 4400
//! and 4599 is a status of HTTP with 4000 added, as many servers have it, and any other private code is an end that the
//! application chose. Where a provider names a key or a quota in its reason, that decides. Invariant: a client that
//! closes first, or vanishes, is no failure of the provider.

use serde::{Deserialize, Serialize};

use crate::wire::complaint::{Complaint, read_complaint};
use crate::wire::websocket::Close;

/// Who closed a session first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    Client,
    Provider,
    /// Serin: an operator, the drain, or a provider that fell silent.
    Serin,
}

impl ClosedBy {
    /// All, in the order of their cells.
    pub const ALL: [ClosedBy; 3] = [ClosedBy::Client, ClosedBy::Provider, ClosedBy::Serin];

    /// The metrics label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ClosedBy::Client => "client",
            ClosedBy::Provider => "provider",
            ClosedBy::Serin => "serin",
        }
    }
}

/// What a provider's close frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMeaning {
    /// The session was over.
    Done,
    /// The provider failed.
    Fault,
    /// It has no room now.
    Busy,
    /// The key is not taken.
    Key,
    /// The account is used up.
    Quota,
    /// The client did what it may not.
    Request,
}

/// What a provider means that closes first.
#[must_use]
pub fn meaning_of(close: &Close) -> CloseMeaning {
    let Some(code @ (1002.. | 0..=999)) = close.code else { return CloseMeaning::Done };
    let complaint = complaint_of(&close.reason);
    if complaint.is_quota() {
        return CloseMeaning::Quota;
    }
    if complaint.is_about_key() {
        return CloseMeaning::Key;
    }
    match code {
        1002 | 1003 | 1007..=1010 => CloseMeaning::Request,
        1006 | 1011 | 1012 | 1014 | 1015 => CloseMeaning::Fault,
        1013 => CloseMeaning::Busy,
        3000 | 3003 => CloseMeaning::Key,
        4400..=4599 => match code - 4000 {
            401 | 403 => CloseMeaning::Key,
            402 => CloseMeaning::Quota,
            429 => CloseMeaning::Busy,
            400..=499 => CloseMeaning::Request,
            _ => CloseMeaning::Fault,
        },
        _ => CloseMeaning::Done,
    }
}

/// What a close frame says of the key with which the session was opened, as a 401 or 429 would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvidence {
    Refused,
    Spent,
    /// It has reached its limit for now.
    Busy,
}

/// What a provider that closes first says of the key. 1013 is overload, which another key would not mend, and a
/// refusal that names no key may be about the region, the model or what was asked.
#[must_use]
pub fn evidence_of_key(close: &Close) -> Option<KeyEvidence> {
    match (meaning_of(close), close.code) {
        (CloseMeaning::Quota, _) => Some(KeyEvidence::Spent),
        (CloseMeaning::Key, Some(3000 | 4401)) => Some(KeyEvidence::Refused),
        (CloseMeaning::Key, _) if complaint_of(&close.reason).is_about_key() => Some(KeyEvidence::Refused),
        (CloseMeaning::Busy, Some(4429)) => Some(KeyEvidence::Busy),
        _ => None,
    }
}

/// A reason as an error: `invalid_request_error.invalid_api_key` is a type and a code, anything else a message.
fn complaint_of(reason: &str) -> Complaint {
    let named =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    match reason.split_once('.') {
        Some((kind, code)) if named(kind) && named(code) => {
            Complaint { kind: Some(kind.to_owned()), code: Some(code.to_owned()), ..Complaint::default() }
        }
        _ => read_complaint(reason.as_bytes()),
    }
}

/// The label of every code, in the order of their cells.
pub const CODES: [&str; 17] = [
    "1000", "1001", "1002", "1003", "none", "cut", "1007", "1008", "1009", "1010", "1011", "1012", "1013", "1014",
    "3xxx", "4xxx", "other",
];

/// How a session ended, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// With a close frame, which may have none.
    Frame(Option<u16>),
    /// Without a close frame.
    Cut,
}

impl CloseCode {
    /// Its cell in [`CODES`].
    #[must_use]
    pub fn cell(self) -> usize {
        const NONE: usize = 4;
        const CUT: usize = 5;
        match self {
            CloseCode::Cut => CUT,
            CloseCode::Frame(None | Some(1005)) => NONE,
            CloseCode::Frame(Some(1006)) => CUT,
            CloseCode::Frame(Some(code @ (1000..=1003 | 1007..=1014))) => {
                usize::from(code) - if code < 1004 { 1000 } else { 1001 }
            }
            CloseCode::Frame(Some(3000..=3999)) => 14,
            CloseCode::Frame(Some(4000..=4999)) => 15,
            CloseCode::Frame(Some(_)) => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meaning(code: u16, reason: &str) -> CloseMeaning {
        meaning_of(&Close { code: Some(code), reason: reason.to_owned() })
    }

    #[test]
    fn what_codes_mean() {
        assert_eq!(meaning_of(&Close { code: None, reason: String::new() }), CloseMeaning::Done);
        for (meant, codes) in [
            (CloseMeaning::Done, &[1000, 1001, 1004, 1005, 1016, 2999, 3001, 3999, 4000, 4001, 4399, 4600, 0][..]),
            (CloseMeaning::Request, &[1002, 1003, 1007, 1008, 1009, 1010, 4400, 4404, 4408, 4499]),
            (CloseMeaning::Fault, &[1006, 1011, 1012, 1014, 1015, 4500, 4503, 4599]),
            (CloseMeaning::Busy, &[1013, 4429]),
            (CloseMeaning::Key, &[3000, 3003, 4401, 4403]),
            (CloseMeaning::Quota, &[4402]),
        ] {
            for code in codes {
                assert_eq!(meaning(*code, "any words"), meant, "{code}");
            }
        }
    }

    #[test]
    fn a_reason_that_names_a_key_or_a_quota_decides() {
        for (code, reason, meant) in [
            (3000, "invalid_request_error.invalid_api_key", CloseMeaning::Key),
            (4000, "invalid_request_error.invalid_api_key", CloseMeaning::Key),
            (1007, "API key not valid. Please pass a valid API key.", CloseMeaning::Key),
            (1011, "You exceeded your current quota, please check your plan and billing details.", CloseMeaning::Quota),
            (1008, "insufficient_quota.insufficient_quota", CloseMeaning::Quota),
            (1000, "invalid_request_error.invalid_api_key", CloseMeaning::Done),
            (4000, r#"{"error":{"code":"invalid_api_key","message":"No.Key"}}"#, CloseMeaning::Key),
            (1011, r#"{"error":{"code":"insufficient_quota","message":"v1.5"}}"#, CloseMeaning::Quota),
            (1011, "see.invalid_api_key.", CloseMeaning::Fault),
            (1011, ".invalid_api_key", CloseMeaning::Fault),
        ] {
            assert_eq!(meaning(code, reason), meant, "{code} {reason}");
        }
    }

    #[test]
    fn what_a_close_says_of_the_key() {
        for (code, reason, evidence) in [
            (3000, "", Some(KeyEvidence::Refused)),
            (4401, "", Some(KeyEvidence::Refused)),
            (4403, "not in your region", None),
            (3003, "", None),
            (4403, "invalid_request_error.invalid_api_key", Some(KeyEvidence::Refused)),
            (4402, "", Some(KeyEvidence::Spent)),
            (1008, "insufficient_quota.insufficient_quota", Some(KeyEvidence::Spent)),
            (4429, "", Some(KeyEvidence::Busy)),
            (1013, "busy", None),
            (1011, "boom", None),
            (1000, "invalid_request_error.invalid_api_key", None),
        ] {
            let close = Close { code: Some(code), reason: reason.to_owned() };
            assert_eq!(evidence_of_key(&close), evidence, "{code} {reason}");
        }
    }

    #[test]
    fn every_code_has_the_label_that_it_is_counted_under() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014] {
            assert_eq!(CODES[CloseCode::Frame(Some(code)).cell()], code.to_string());
        }
        for (code, label) in [(None, "none"), (Some(1005), "none"), (Some(1006), "cut"), (Some(3456), "3xxx")] {
            assert_eq!(CODES[CloseCode::Frame(code).cell()], label);
        }
        for (code, label) in [(4999, "4xxx"), (1004, "other"), (1015, "other"), (5000, "other"), (0, "other")] {
            assert_eq!(CODES[CloseCode::Frame(Some(code)).cell()], label);
        }
        assert_eq!(CODES[CloseCode::Cut.cell()], "cut");
    }

    proptest! {
        #[test]
        fn every_end_has_a_cell_and_a_meaning(code in any::<Option<u16>>(), reason in ".{0,60}") {
            prop_assert!(CloseCode::Frame(code).cell() < CODES.len());
            let _ = meaning_of(&Close { code, reason });
        }
    }
}

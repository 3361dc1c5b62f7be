//! The three things that an answer can be, and their kinds, in words.
//!
//! Owns the names. What an answer is, is decided in [`judge`](super::judge). Invariant: every kind of wrong says what
//! the client met.

use std::fmt;

use crate::decide::units::Millis;

/// What it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A whole right answer, by this provider.
    Recovered(String),
    Honest(Honest),
    Wrong(Wrong),
}

/// A clear end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Honest {
    /// An error in the API's shape.
    Error {
        status: u16,
        own: bool,
    },
    ErrorEvent,
    BrokenOff,
    /// The provider said nothing, and so it was passed on.
    Empty,
}

/// What no client should ever meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Neither whole nor visibly broken.
    Half {
        bytes: usize,
        shown: String,
    },
    /// It holds another request's question.
    Foreign(String),
    /// An error without the API's shape, or a status that nobody gave.
    Status {
        status: u16,
        shown: String,
    },
    /// No response at all.
    NoResponse(String),
    Hang(Millis),
    /// This owner's key was sent to this provider.
    Credential {
        owner: String,
        provider: String,
    },
    /// A provider was asked without its key.
    NoKey(String),
    /// The client was shown this owner's key.
    KeyShown(String),
    /// The response names one provider and is another's.
    Misnamed {
        named: String,
        by: String,
    },
    /// The failing provider was not asked, so that nothing was tested.
    NotAsked,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Recovered(by) => write!(f, "a whole answer of `{by}`"),
            Verdict::Honest(Honest::Error { status, own: true }) => write!(f, "{status}, an error of Serin's own"),
            Verdict::Honest(Honest::Error { status, own: false }) => write!(f, "{status}, the provider's error"),
            Verdict::Honest(Honest::ErrorEvent) => f.write_str("an error event at the end of the stream"),
            Verdict::Honest(Honest::BrokenOff) => f.write_str("a connection that broke off"),
            Verdict::Honest(Honest::Empty) => f.write_str("the provider's empty answer"),
            Verdict::Wrong(wrong) => wrong.fmt(f),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Half { bytes, shown } => {
                write!(f, "{bytes} bytes that end in order and are no whole answer; they end with {shown:?}")
            }
            Wrong::Foreign(question) => write!(f, "the answer to another request ({question})"),
            Wrong::Status { status, shown } => write!(f, "status {status}, which is no clear error: {shown:?}"),
            Wrong::NoResponse(why) => write!(f, "no response: {why}"),
            Wrong::Hang(after) => write!(f, "no end after {after}"),
            Wrong::Credential { owner, provider } => write!(f, "the key of `{owner}` was sent to `{provider}`"),
            Wrong::NoKey(provider) => write!(f, "`{provider}` was asked without its key"),
            Wrong::KeyShown(owner) => write!(f, "the response shows the key of `{owner}`"),
            Wrong::Misnamed { named, by } => write!(f, "the response of `{by}` names `{named}` as its provider"),
            Wrong::NotAsked => f.write_str("the failing provider was not asked"),
        }
    }
}

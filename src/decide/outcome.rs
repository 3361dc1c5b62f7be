//! The outcome of an attempt: decided once, at the end of the stream and not by status.
//!
//! Owns the list of outcomes, how the end of an attempt maps to one ([`classify`]), and what each means for the guard
//! and the breaker. [`retry`](super::retry) decides what may still be done after one. This is the only place that
//! defines what the guard counts. Invariant: every attempt ends with exactly one outcome, which is charged to the arm
//! that the split chose.

use serde::{Deserialize, Serialize};

use super::grpc::{GrpcAbout, GrpcEnd};
use super::policy::guard::Counting;
use super::websocket::CloseMeaning;
use crate::wire::shape::Shape;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer arrived whole.
    Ok,
    /// No connection: refused, name lookup, TLS.
    Connect,
    /// The connection ended before an answer, or the answer broke the protocol.
    Reset,
    /// No response head, or no first output, in time.
    Timeout,
    /// A 5xx.
    ServerError,
    /// A success that is no answer of its API, or a redirect.
    Malformed,
    /// A 200 whose body reports a failure.
    StreamError,
    /// An answer that ended before its end.
    Truncated,
    /// An answer that fell silent.
    Stalled,
    /// A 429.
    Throttled,
    /// Serin's own account with the provider is used up.
    Quota,
    /// A 401 or 403 for Serin's own key, or a 400 that says that the key is not valid.
    Auth,
    /// Refused by the canary and accepted by stable.
    Unsupported,
    /// Any other 4xx, or a 401 or 403 for the client's own key.
    ClientError,
    /// A whole 200 without output.
    Empty,
    /// The client left before the end.
    ClientGone,
    /// Ended by Serin itself: a limit, the drain, a defect.
    SerinError,
}

impl Outcome {
    /// All of them, in the order of their labels' cells.
    pub const ALL: [Outcome; 17] = [
        Outcome::Ok,
        Outcome::Connect,
        Outcome::Reset,
        Outcome::Timeout,
        Outcome::ServerError,
        Outcome::Malformed,
        Outcome::StreamError,
        Outcome::Truncated,
        Outcome::Stalled,
        Outcome::Throttled,
        Outcome::Quota,
        Outcome::Auth,
        Outcome::Unsupported,
        Outcome::ClientError,
        Outcome::Empty,
        Outcome::ClientGone,
        Outcome::SerinError,
    ];

    /// The metrics label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Connect => "connect",
            Outcome::Reset => "reset",
            Outcome::Timeout => "timeout",
            Outcome::ServerError => "server_error",
            Outcome::Malformed => "malformed",
            Outcome::StreamError => "stream_error",
            Outcome::Truncated => "truncated",
            Outcome::Stalled => "stalled",
            Outcome::Throttled => "throttled",
            Outcome::Quota => "quota",
            Outcome::Auth => "auth",
            Outcome::Unsupported => "unsupported",
            Outcome::ClientError => "client_error",
            Outcome::Empty => "empty",
            Outcome::ClientGone => "client_gone",
            Outcome::SerinError => "serin_error",
        }
    }

    /// What the guard makes of it.
    #[must_use]
    pub const fn judged(self, counting: Counting) -> Judged {
        match self {
            Outcome::Ok => Judged::Success,
            Outcome::Throttled if !counting.throttled => Judged::NotCounted,
            Outcome::Empty if !counting.empty => Judged::NotCounted,
            Outcome::Connect
            | Outcome::Reset
            | Outcome::Timeout
            | Outcome::ServerError
            | Outcome::Malformed
            | Outcome::StreamError
            | Outcome::Truncated
            | Outcome::Stalled
            | Outcome::Throttled
            | Outcome::Quota
            | Outcome::Auth
            | Outcome::Unsupported
            | Outcome::Empty => Judged::Failure,
            Outcome::ClientError | Outcome::ClientGone | Outcome::SerinError => Judged::NotCounted,
        }
    }

    /// What the breaker makes of it: whether the provider lives, not whether it is any good.
    #[must_use]
    pub const fn judged_by_breaker(self) -> Judged {
        match self {
            Outcome::Ok => Judged::Success,
            Outcome::Connect
            | Outcome::Reset
            | Outcome::Timeout
            | Outcome::ServerError
            | Outcome::Malformed
            | Outcome::StreamError
            | Outcome::Truncated
            | Outcome::Stalled => Judged::Failure,
            Outcome::Throttled
            | Outcome::Quota
            | Outcome::Auth
            | Outcome::Unsupported
            | Outcome::ClientError
            | Outcome::Empty
            | Outcome::ClientGone
            | Outcome::SerinError => Judged::NotCounted,
        }
    }
}

/// What is made of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The provider did what it should.
    Success,
    /// The provider failed.
    Failure,
    /// It does not count for or against the provider.
    NotCounted,
}

/// How an attempt ended, as far as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No connection was made.
    NoConnection,
    /// The connection broke, or spoke no HTTP, before a response head.
    NoHead,
    /// The response head did not come in time.
    HeadTimeout,
    /// A response head came, and its body ended so.
    Answered {
        /// The status code.
        status: u16,
        /// What an error's body complains of.
        grounds: ErrorClass,
        body: BodyEnd,
    },
    /// The client left before the end, whatever had come by then.
    ClientLeft,
    /// Serin ended it.
    CutBySerin,
    /// The client's own time limit for a call was over before a message had come. `fair`: the provider had had time
    /// enough by a measure that is not the client's.
    Expired { fair: bool },
}

impl Ending {
    /// Whether an answer ended before its end, or fell silent within it.
    #[must_use]
    pub const fn is_cut(self) -> bool {
        matches!(self, Ending::Answered { body: BodyEnd::Early | BodyEnd::NoOutput | BodyEnd::Silent, .. })
    }

    /// Whether a WebSocket was asked for, and an answer came that begins none.
    #[must_use]
    pub const fn is_no_upgrade(self) -> bool {
        matches!(self, Ending::Answered { body: BodyEnd::Malformed(Shape::NoUpgrade), .. })
    }

    /// How a gRPC call ended by what its provider said; `None`: it said nothing, or it is no such call.
    #[must_use]
    pub const fn grpc(self) -> Option<GrpcEnd> {
        match self {
            Ending::Answered { body: BodyEnd::Grpc(end), .. } => Some(end),
            _ => None,
        }
    }

    /// Whether it is a refusal by policy: what is refused so is a matter of what was asked, which is the client's to
    /// choose.
    #[must_use]
    pub const fn is_by_policy(self) -> bool {
        matches!(self, Ending::Answered { status: 400..=499, grounds: ErrorClass::ContentFilter, .. })
    }
}

/// What an error's body complains of, where that decides more than the status does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing of these.
    #[default]
    Other,
    /// The account is used up, whatever the status.
    Quota,
    /// The key is not taken, whatever the status.
    Key,
    /// What was asked for is not answered by policy: no other provider is asked either.
    ContentFilter,
}

/// How a response body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// With its terminal, or where the dialect has none at its announced length, its terminating chunk, or a close that
    /// ends it by definition.
    Complete,
    /// The same, and there was no output in it.
    Empty,
    /// It said itself that it failed.
    ErrorEvent,
    /// It said itself that policy does not let it answer.
    Filtered,
    /// Whole, and no answer of its dialect but this.
    Malformed(Shape),
    /// Before its end.
    Early,
    /// It fell silent before its first output.
    NoOutput,
    /// It fell silent later.
    Silent,
    /// It was a WebSocket, and the provider closed it first.
    Closed(CloseMeaning),
    /// With the status of a gRPC call, or with what stands for one.
    Grpc(GrpcEnd),
}

/// The one definition of what an ending means. `own_key` tells whether the refused key was Serin's: a refused key of
/// the client's own is the client's error.
#[must_use]
pub const fn classify(ending: Ending, own_key: bool) -> Outcome {
    match ending {
        Ending::NoConnection => Outcome::Connect,
        Ending::NoHead => Outcome::Reset,
        Ending::HeadTimeout | Ending::Expired { fair: true } => Outcome::Timeout,
        Ending::ClientLeft | Ending::Expired { fair: false } => Outcome::ClientGone,
        Ending::CutBySerin => Outcome::SerinError,
        Ending::Answered { body: BodyEnd::Grpc(end), .. } => classify_call(end, own_key),
        Ending::Answered { status: 400..=499, grounds: ErrorClass::ContentFilter, .. } => Outcome::ClientError,
        Ending::Answered { status: 400..=499, grounds: ErrorClass::Quota, .. } if own_key => Outcome::Quota,
        Ending::Answered { status: 400 | 401 | 403, grounds: ErrorClass::Key, .. } if own_key => Outcome::Auth,
        Ending::Answered { status, body, .. } => match status {
            500..=599 => Outcome::ServerError,
            429 => Outcome::Throttled,
            402 if own_key => Outcome::Quota,
            401 | 403 if own_key => Outcome::Auth,
            408 => Outcome::Timeout,
            400..=499 => Outcome::ClientError,
            _ => match body {
                BodyEnd::Complete => Outcome::Ok,
                BodyEnd::Empty => Outcome::Empty,
                BodyEnd::ErrorEvent => Outcome::StreamError,
                BodyEnd::Malformed(_) => Outcome::Malformed,
                BodyEnd::Filtered => Outcome::ClientError,
                BodyEnd::Early => Outcome::Truncated,
                BodyEnd::NoOutput => Outcome::Timeout,
                BodyEnd::Silent => Outcome::Stalled,
                BodyEnd::Closed(meaning) => match meaning {
                    CloseMeaning::Done => Outcome::Ok,
                    CloseMeaning::Fault => Outcome::StreamError,
                    CloseMeaning::Busy => Outcome::Throttled,
                    CloseMeaning::Key if own_key => Outcome::Auth,
                    CloseMeaning::Quota if own_key => Outcome::Quota,
                    CloseMeaning::Key | CloseMeaning::Quota | CloseMeaning::Request => Outcome::ClientError,
                },
                BodyEnd::Grpc(end) => classify_call(end, own_key),
            },
        },
    }
}

/// What the end of a call means: before the first message a failure is one of the server, as a 5xx is; after it, it is
/// one within an answer. A code that nobody knows counts against the provider.
#[must_use]
pub const fn classify_call(end: GrpcEnd, own_key: bool) -> Outcome {
    let failed = if end.begun { Outcome::StreamError } else { Outcome::ServerError };
    match (end.code.0, end.about) {
        (0, _) => Outcome::Ok,
        (_, GrpcAbout::Rate) => Outcome::Throttled,
        (_, GrpcAbout::Refused) => Outcome::ClientError,
        (4, _) => Outcome::Timeout,
        (_, GrpcAbout::Quota) if own_key => Outcome::Quota,
        (8, _) => Outcome::Throttled,
        (_, GrpcAbout::Quota) => Outcome::ClientError,
        (7 | 16, _) if own_key => Outcome::Auth,
        // INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE,
        // UNIMPLEMENTED, UNAUTHENTICATED.
        (3 | 5 | 6 | 7 | 9 | 10 | 11 | 12 | 16, _) => Outcome::ClientError,
        // CANCELLED, which the client did not ask for; UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS; and all others.
        _ => failed,
    }
}

/// Whether a status means that the request itself is wrong, so that another provider may accept it.
#[must_use]
pub const fn is_about_the_request(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401..=403 | 407..=409 | 423 | 425 | 429)
}

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod tests;

//! What became of one attempt: data, decided once, at the end of the stream and not by status.
//!
//! Owns the list of outcomes and what each means for the guard. How transport, status and end of body lead to one
//! is [`classify`]; how a dialect's own words do (an error event inside a 200) will refine [`Ending`], nothing else.
//! Invariant: every attempt that began ends with exactly one outcome, charged to the arm that the split chose.

use serde::Serialize;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer arrived whole.
    Ok,
    /// No connection: refused, name lookup, TLS.
    Connect,
    /// The connection ended before the answer was committed, or the answer broke the protocol.
    Reset,
    /// No response head, or no first byte of body, in time.
    Timeout,
    /// A 5xx.
    ServerError,
    /// An answer that ended before its announced end.
    Truncated,
    /// An answer that fell silent.
    Stalled,
    /// A 429.
    Throttled,
    /// A 401 or 403 for Serin's own key.
    Auth,
    /// Any other 4xx, or a 401 or 403 for the client's own key.
    ClientError,
    /// The client left before the end.
    ClientGone,
    /// Ended by Serin itself: a limit, the drain, a defect.
    SerinError,
}

impl Outcome {
    /// All of them, in the order of their labels' cells.
    pub const ALL: [Outcome; 12] = [
        Outcome::Ok,
        Outcome::Connect,
        Outcome::Reset,
        Outcome::Timeout,
        Outcome::ServerError,
        Outcome::Truncated,
        Outcome::Stalled,
        Outcome::Throttled,
        Outcome::Auth,
        Outcome::ClientError,
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
            Outcome::Truncated => "truncated",
            Outcome::Stalled => "stalled",
            Outcome::Throttled => "throttled",
            Outcome::Auth => "auth",
            Outcome::ClientError => "client_error",
            Outcome::ClientGone => "client_gone",
            Outcome::SerinError => "serin_error",
        }
    }

    /// What the guard makes of it.
    #[must_use]
    pub const fn judged(self) -> Judged {
        match self {
            Outcome::Ok => Judged::Success,
            Outcome::Connect
            | Outcome::Reset
            | Outcome::Timeout
            | Outcome::ServerError
            | Outcome::Truncated
            | Outcome::Stalled
            | Outcome::Throttled
            | Outcome::Auth => Judged::Failure,
            Outcome::ClientError | Outcome::ClientGone | Outcome::SerinError => Judged::Not,
        }
    }
}

/// What the guard makes of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The provider did what it should.
    Success,
    /// The provider failed.
    Failure,
    /// It says nothing about the provider.
    Not,
}

/// How an attempt ended, as far as transport, status and end of body tell.
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
        /// How the body ended.
        body: BodyEnd,
    },
    /// The client left before the end, whatever had come by then.
    ClientLeft,
    /// Serin ended it.
    CutBySerin,
}

/// How a response body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// At its announced length, its terminating chunk, or a close that ends it by definition.
    Complete,
    /// Before that.
    Early,
    /// It fell silent before its first byte.
    NoFirstByte,
    /// It fell silent later.
    Silent,
}

/// The one definition of what an ending means. `own_key` tells whether Serin's key was used: a refused key of the
/// client's own is the client's error.
#[must_use]
pub const fn classify(ending: Ending, own_key: bool) -> Outcome {
    match ending {
        Ending::NoConnection => Outcome::Connect,
        Ending::NoHead => Outcome::Reset,
        Ending::HeadTimeout => Outcome::Timeout,
        Ending::ClientLeft => Outcome::ClientGone,
        Ending::CutBySerin => Outcome::SerinError,
        Ending::Answered { status, body } => match status {
            500..=599 => Outcome::ServerError,
            429 => Outcome::Throttled,
            401 | 403 if own_key => Outcome::Auth,
            400..=499 => Outcome::ClientError,
            _ => match body {
                BodyEnd::Complete => Outcome::Ok,
                BodyEnd::Early => Outcome::Truncated,
                BodyEnd::NoFirstByte => Outcome::Timeout,
                BodyEnd::Silent => Outcome::Stalled,
            },
        },
    }
}

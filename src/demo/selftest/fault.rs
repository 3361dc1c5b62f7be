//! What can go wrong at a provider, by name, and what is promised to a client when it does.
//!
//! Owns the list. How a fault is brought about on the wire is [`script`](super::script)'s. Invariant: a fault before the
//! first output is recovered where another provider is left; nothing but a clear end is promised after it.

use std::fmt;

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody listens at its port.
    Refused,
    /// Nobody answers at its port, not even with a refusal.
    Blackhole,
    /// It speaks plain HTTP where TLS is expected.
    NoTls,
    /// It hangs up during the handshake.
    TlsClosed,
    Reset,
    Close,
    /// Its response is no HTTP.
    Garbage,
    /// A head of a megabyte.
    LongHead,
    /// It hangs up within the head.
    HalfHead,
    Status(u16),
    /// 429 with a time to wait.
    Throttled,
    Quota,
    /// 401.
    WrongKey,
    /// 403.
    Forbidden,
    /// 404.
    NoModel,
    /// 400 for what the other provider takes.
    Parameter,
    Silence,
    /// The head and nothing else.
    SilentHead,
    /// What precedes the first output and nothing else.
    SilentStart,
    /// 200 at once, then blank lines without end.
    BlankLines,
    /// 200 at once, then comments without end.
    Comments,
    /// 200 with an error in its body.
    ErrorIn200,
    /// An error event before the first output.
    EarlyError,
    EarlyCut(Cut),
    NoBytes,
    WhiteSpace,
    Malformed,
    /// 200 with a web page.
    WebPage,
    LengthTooLong,
    LengthTooShort,
    /// Both a length and chunks.
    TwoFramings,
    BadChunk,
    /// Whole, and slow throughout.
    Trickle,
    /// Well-formed, with nothing in it.
    Empty,
    LateError,
    LateCut(Cut),
    LateSilence,
}

/// How an answer is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Reset,
    /// The connection is closed; the framing says that more was to come.
    Close,
    /// The framing ends in order, too.
    Clean,
}

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    Stream,
    WebSocket,
}

/// The least that a client is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    Recovered,
    Honest,
}

impl Fault {
    pub(super) const ALL: [Fault; 44] = [
        Fault::Refused,
        Fault::Blackhole,
        Fault::NoTls,
        Fault::TlsClosed,
        Fault::Reset,
        Fault::Close,
        Fault::Garbage,
        Fault::LongHead,
        Fault::HalfHead,
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(529),
        Fault::Throttled,
        Fault::Quota,
        Fault::WrongKey,
        Fault::Forbidden,
        Fault::NoModel,
        Fault::Parameter,
        Fault::Silence,
        Fault::SilentHead,
        Fault::SilentStart,
        Fault::BlankLines,
        Fault::Comments,
        Fault::ErrorIn200,
        Fault::EarlyError,
        Fault::EarlyCut(Cut::Reset),
        Fault::EarlyCut(Cut::Close),
        Fault::EarlyCut(Cut::Clean),
        Fault::NoBytes,
        Fault::WhiteSpace,
        Fault::Malformed,
        Fault::WebPage,
        Fault::LengthTooLong,
        Fault::LengthTooShort,
        Fault::TwoFramings,
        Fault::BadChunk,
        Fault::Trickle,
        Fault::Empty,
        Fault::LateError,
        Fault::LateCut(Cut::Reset),
        Fault::LateCut(Cut::Close),
        Fault::LateCut(Cut::Clean),
        Fault::LateSilence,
    ];

    /// Whether there is such a fault in this form.
    pub(super) fn has(self, form: Form) -> bool {
        let streams_only = matches!(self, Fault::Comments | Fault::EarlyError | Fault::LateError);
        let whole_only = matches!(self, Fault::Malformed | Fault::LengthTooLong | Fault::LengthTooShort);
        match form {
            Form::Whole => !streams_only,
            Form::Stream => !whole_only,
            Form::WebSocket => {
                matches!(
                    self,
                    Fault::Refused
                        | Fault::Reset
                        | Fault::Garbage
                        | Fault::Status(503)
                        | Fault::Forbidden
                        | Fault::Silence
                )
            }
        }
    }

    /// Whether it is also tried where no other provider is left. What is no failure, or is passed on as it came, is not.
    pub(super) const fn alone(self) -> bool {
        !matches!(
            self,
            Fault::Trickle
                | Fault::Empty
                | Fault::ErrorIn200
                | Fault::NoBytes
                | Fault::WhiteSpace
                | Fault::Malformed
                | Fault::WebPage
                | Fault::LengthTooShort
        )
    }

    /// What is promised where another provider is left.
    pub(super) const fn promise(self, form: Form) -> Promise {
        match (self, form) {
            (Fault::LateError | Fault::LateCut(_) | Fault::LateSilence, Form::Stream)
            | (Fault::Empty, _)
            | (Fault::NoBytes, Form::Whole) => Promise::Honest,
            _ => Promise::Recovered,
        }
    }

    /// Whether a request reaches the provider at all.
    pub(super) const fn is_asked(self) -> bool {
        !matches!(self, Fault::Refused | Fault::Blackhole | Fault::NoTls | Fault::TlsClosed)
    }

    /// The status that it answers with; `None`: none, or a 200.
    pub(super) const fn status(self) -> Option<u16> {
        match self {
            Fault::Status(status) => Some(status),
            Fault::Throttled | Fault::Quota => Some(429),
            Fault::WrongKey => Some(401),
            Fault::Forbidden => Some(403),
            Fault::NoModel => Some(404),
            Fault::Parameter => Some(400),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Refused => "connection refused",
            Fault::Blackhole => "no answer to a connection",
            Fault::NoTls => "no TLS where it is expected",
            Fault::TlsClosed => "hang-up in the TLS handshake",
            Fault::Reset => "reset before the head",
            Fault::Close => "closed before the head",
            Fault::Garbage => "a response that is no HTTP",
            Fault::LongHead => "a head of a megabyte",
            Fault::HalfHead => "half a head",
            Fault::Status(status) => return write!(f, "{status}"),
            Fault::Throttled => "429 with retry-after",
            Fault::Quota => "429, the quota is spent",
            Fault::WrongKey => "401, the key is refused",
            Fault::Forbidden => "403",
            Fault::NoModel => "404, no such model",
            Fault::Parameter => "400, a parameter that the other takes",
            Fault::Silence => "silence before the head",
            Fault::SilentHead => "silence after the head",
            Fault::SilentStart => "silence before the first output",
            Fault::BlankLines => "early 200 and blank lines",
            Fault::Comments => "early 200 and keep-alive comments",
            Fault::ErrorIn200 => "an error inside a 200",
            Fault::EarlyError => "an error event before the first output",
            Fault::EarlyCut(Cut::Reset) => "reset before the first output",
            Fault::EarlyCut(Cut::Close) => "closed before the first output",
            Fault::EarlyCut(Cut::Clean) => "ended before the first output",
            Fault::NoBytes => "a 200 without a body",
            Fault::WhiteSpace => "a 200 of white space",
            Fault::Malformed => "a 200 of malformed JSON",
            Fault::WebPage => "a web page",
            Fault::LengthTooLong => "content-length too large",
            Fault::LengthTooShort => "content-length too small",
            Fault::TwoFramings => "content-length and chunks",
            Fault::BadChunk => "a chunk that is none",
            Fault::Trickle => "a slow trickle",
            Fault::Empty => "an empty answer",
            Fault::LateError => "an error event after output",
            Fault::LateCut(Cut::Reset) => "reset after output",
            Fault::LateCut(Cut::Close) => "closed after output",
            Fault::LateCut(Cut::Clean) => "ended after output, without an end",
            Fault::LateSilence => "silence after output",
        })
    }
}

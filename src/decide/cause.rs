//! Why an attempt failed, as values: no connection, no answer, or an incomplete answer.
//!
//! Owns the types; [`describe`](crate::describe) writes the sentences. A cause holds host names, error names, media
//! types and texts of the operating system. Each is short and printable before it gets here. It never holds a key, nor
//! any part of a prompt or an answer. Invariant: two attempts that failed in the same way have equal causes, so they
//! are counted together.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::units::{Millis, UnixMillis};
use crate::wire::shape::Shape;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    NoConnection(NoConnection),
    /// Not a byte of the request was written before the connection ended.
    Unsent {
        /// In the words of the HTTP library.
        error: String,
    },
    /// The provider said that it did not begin with it.
    Unprocessed {
        /// In the words of the HTTP library.
        error: String,
    },
    /// The connection ended before a byte of the answer.
    Lost {
        /// In the words of the HTTP library.
        error: String,
    },
    /// The provider ended this one stream.
    Reset {
        /// In the words of the HTTP library.
        error: String,
    },
    /// A new HTTP/2 connection broke before it brought anything.
    FirstStream(Box<Cause>),
    /// The answer is not HTTP.
    NotHttp {
        /// In the words of the HTTP library.
        error: String,
    },
    /// The answer's framing is ambiguous or unknown.
    Framing {
        /// In which way.
        problem: String,
    },
    /// The head of the answer did not come in time.
    NoHead {
        /// How long Serin waited.
        limit: Millis,
    },
    /// No output came until the guard found the provider down.
    Withdrawn,
    /// A status that is no success, with the names of the error.
    Status {
        status: u16,
        /// The error's `type`.
        kind: Option<String>,
        /// The error's `code`.
        code: Option<String>,
    },
    /// The status that ended a gRPC call.
    GrpcStatus {
        code: u16,
    },
    /// The client's own time limit for a call was over.
    Expired,
    /// An error within a success, with its names.
    ErrorEvent {
        /// The error's `type`.
        kind: Option<String>,
        /// The error's `code`.
        code: Option<String>,
    },
    /// The answer ended before its end.
    Cut,
    /// The first output did not come in time.
    NoOutput {
        /// How long Serin waited, where that is known.
        limit: Option<Millis>,
    },
    /// The answer fell silent.
    Silent {
        /// How long, where that is known.
        limit: Option<Millis>,
    },
    /// What came is no answer.
    Malformed {
        shape: Shape,
        /// Its media type.
        media: Option<String>,
    },
    /// The provider sends to another place.
    Redirect {
        /// To which host; `None`: to another path of its own.
        host: Option<String>,
    },
    /// A whole answer without output.
    Empty,
    /// The provider closed the WebSocket.
    Closed {
        /// `None`: the close frame has none.
        code: Option<u16>,
        /// In the provider's words.
        reason: Option<String>,
    },
    /// The WebSocket ended without a close frame.
    NotClosed,
    /// The answer to a WebSocket's handshake is none.
    Handshake(HandshakeFault),
}

impl Cause {
    /// Whether both are counted as one: a provider may close with the same code for other words each time.
    #[must_use]
    pub fn is_same(&self, other: &Cause) -> bool {
        match (self, other) {
            (Cause::Closed { code, .. }, Cause::Closed { code: of_other, .. }) => code == of_other,
            _ => self == other,
        }
    }
}

/// What is wrong with the answer to a WebSocket's handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeFault {
    /// It switches to another protocol, or to none.
    OtherProtocol,
    /// Its `Sec-WebSocket-Accept` does not answer the key.
    WrongAccept,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoConnection {
    /// The name has no address.
    Lookup {
        /// The name.
        host: String,
        /// The resolver's words.
        problem: String,
    },
    /// No address accepted.
    Tcp {
        /// `host:port`.
        place: String,
        /// The system's words, for each address.
        problem: String,
        /// Whether one of them did not answer at all, so that it was waited for.
        waited: bool,
    },
    /// It took too long.
    Timeout {
        /// `host:port`.
        place: String,
        /// The step that was under way.
        step: ConnectStep,
        /// `timeouts.connect`.
        limit: Millis,
    },
    /// The TLS handshake failed.
    Tls {
        /// The name that the certificate has to have.
        host: String,
        /// `host:port`.
        place: String,
        /// What failed it.
        fault: TlsFault,
    },
    /// A file that TLS needs cannot be used.
    TlsFile {
        /// Which, and why.
        problem: String,
    },
    /// The egress proxy refused or cannot be used.
    Egress {
        /// Which, and why.
        problem: String,
    },
    /// The HTTP/2 preface failed.
    Preface {
        /// `host:port`.
        place: String,
        /// In the words of the HTTP library.
        problem: String,
    },
    /// The connection was not ready when another provider was tried.
    TooLate {
        /// `host:port`.
        place: String,
    },
    /// Every connection that may be open was in use.
    NoCapacity {
        /// `host:port`.
        place: String,
    },
    /// This process or machine has no socket left: nothing that the provider did.
    NoSocket {
        /// `host:port`.
        place: String,
        /// The system's words.
        problem: String,
    },
}

/// A step of making a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectStep {
    /// The name is looked up.
    Lookup,
    Tcp,
    /// The egress proxy's tunnel.
    Egress,
    Tls,
}

/// What fails a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsFault {
    /// The certificate's issuer is not trusted.
    UnknownIssuer,
    Expired,
    NotValidYet,
    /// It is for other names.
    WrongName {
        /// Some of them; none: not known.
        names: Vec<String>,
    },
    Revoked,
    /// Something else is wrong with it.
    Untrusted {
        /// In the words of the TLS library.
        problem: String,
    },
    /// The other side does not speak TLS.
    NoTls,
    /// The other side wants a client certificate.
    WantsCertificate,
    /// The other side speaks no HTTP version that is allowed.
    NoCommonHttp,
    /// The other side refused.
    Refused {
        alert: String,
    },
    /// The connection ended.
    BrokenOff {
        /// The system's words.
        problem: String,
    },
    /// What is to be connected to is neither a DNS name nor an address.
    NoName,
    /// Anything else.
    Other {
        /// In the words of the TLS library.
        problem: String,
    },
}

impl NoConnection {
    /// Whether the connection was refused at once, rather than waited for.
    #[must_use]
    pub const fn is_connection_refused(&self) -> bool {
        matches!(self, NoConnection::Tcp { waited: false, .. })
    }

    /// Whether every caller gets the same failure: not one caused by a missing file, turn or socket.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        match self {
            NoConnection::Lookup { .. }
            | NoConnection::Tcp { .. }
            | NoConnection::Timeout { .. }
            | NoConnection::Tls { .. }
            | NoConnection::Egress { .. }
            | NoConnection::Preface { .. }
            | NoConnection::TooLate { .. } => true,
            NoConnection::TlsFile { .. } | NoConnection::NoCapacity { .. } | NoConnection::NoSocket { .. } => false,
        }
    }

    /// Whether the fault is this machine's and must not be charged to the provider.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, NoConnection::NoSocket { .. } | NoConnection::NoCapacity { .. })
    }
}

/// How many requests met one cause, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseCount {
    /// What it was counted as.
    pub outcome: Outcome,
    /// Why.
    pub cause: Cause,
    /// In how many requests, however often each was tried.
    pub count: u64,
    /// How many requests failed there, for whatever cause; one may have met several.
    pub of: u64,
    /// When last.
    pub last: UnixMillis,
    /// The provider's id of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who answered how many of them instead; a refusal of the request itself is an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<(String, u64)>,
    /// Users whose client saw an error in one of them; a request without a user counts as one user.
    pub users_failed: u64,
}

//! Why Serin itself answers, instead of a provider.
//!
//! One list for the whole data plane: what happened, on whose side, and a label that never changes its meaning
//! (`x-serin-error`). How a problem becomes a response is decided in [`problem`](super::problem) alone. Invariant: a
//! message says what happened, at which provider and arm where one was chosen, and what mends it; it never holds a
//! key, a body or a user id.

use bytes::Bytes;
use http::{HeaderName, StatusCode};

use crate::decide::outcome::{BodyEnd, Ending, Outcome};
use crate::decide::route::Rejected;
use crate::decide::units::{Arm, Millis};
use crate::wire::body::PeekError;

/// Says that an answer is Serin's own, and which.
pub(super) const X_SERIN_ERROR: HeaderName = HeaderName::from_static("x-serin-error");

/// On whose side a problem lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client sent something that cannot be served.
    Client,
    /// The provider did not answer, or not in HTTP.
    Provider,
    /// Serin: its file, its limits, its drain, a defect.
    Serin,
}

/// A request that no provider's answer goes back for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("Serin is not a forward proxy: CONNECT is not supported; use Serin's address as the base URL instead")]
    Connect,
    /// TRACE, whose answer would show the provider's key to the client.
    #[error("TRACE is not supported, since its response repeats credentials; use another method")]
    Trace,
    /// No `Host`, or more than one.
    #[error("the request has {0} host headers; send exactly one")]
    Host(usize),
    /// The path is not below the mount.
    #[error("`{path}` is not below `{mount}`, where Serin serves providers; the base URL must end in `{mount}`")]
    OutsideMount {
        /// As requested, shortened.
        path: String,
        /// As configured.
        mount: String,
    },
    /// A segment of the path is `.` or `..` once it is decoded.
    #[error(
        "`{0}` has a segment that decodes to `.` or `..`: a provider would answer for a path above its base URL; \
         send the path that is meant"
    )]
    Dots(String),
    /// No rollout takes it and `unmatched` is `reject`.
    #[error("{0}")]
    Unmatched(Rejected),
    /// `clients` is set and none of their keys was shown.
    #[error(
        "no key of `clients` was sent; send one where a provider's key goes: `authorization: Bearer KEY`, `x-api-key: \
         KEY`, `?key=KEY`, for a WebSocket `openai-insecure-api-key.KEY`"
    )]
    Unauthorized,
    /// Transfer-Encoding is something else than one `chunked`.
    #[error("transfer-encoding `{0}` is not supported; send `chunked` alone, or a content-length")]
    TransferEncoding(String),
    /// A JSON key that the split reads stands there twice.
    #[error("{0}")]
    DuplicateKey(PeekError),
    /// The request's body broke off or broke its framing.
    #[error("the request's body could not be read to its end ({0}); send it whole and framed as announced")]
    BrokenBody(String),
    /// The client sent no more of a body that streams.
    #[error(
        "the request's body was paused for longer than `limits.idle` ({0}); send it without such pauses, or raise the limit"
    )]
    Paused(Millis),
    /// A `grpc-timeout` that cannot be read.
    #[error("malformed grpc-timeout `{0}`: send at most eight digits and one of H, M, S, m, u, n, such as `5S`")]
    GrpcTimeout(String),
    /// A call of gRPC by HTTP/1, whose answers have no place for a status after messages.
    #[error("a gRPC call came over HTTP/1; gRPC needs HTTP/2: let the client use it, with TLS or without")]
    GrpcVersion,
    /// A call of gRPC for a provider that is known to speak HTTP/1 alone.
    #[error(
        "gRPC needs HTTP/2, which provider `{provider}` is not asked for; write `http2: prior_knowledge` for it, or \
         `http2: auto` with an https:// base_url"
    )]
    NoHttp2 { provider: String },
    /// The client's own time limit was over before a provider was asked.
    #[error("the call's grpc-timeout was over before a provider had room for it; allow more time, or raise the limit")]
    Expired,
    /// The process ends before there is an answer.
    #[error(
        "Serin is stopping and has no response yet; send the request again, and raise `drain` if responses take longer"
    )]
    Stopping,
    /// An operator ended what was under way on the canary, and the request is not held to be sent again.
    #[error("the canary was rolled back with `--hard`, which ends the requests on it; send the request again")]
    RolledBack,
    /// The planned provider cannot be used at all.
    #[error("provider `{provider}` cannot be used: {reason}; fix it in flags.yaml or the environment")]
    Unusable {
        provider: String,
        /// As the policy has it.
        reason: String,
    },
    /// An attempt ended without an answer.
    #[error("provider `{provider}`{} {}: {detail}; {}", on_arm(*.arm), ending_text(*.ending), remedy(*.ending))]
    NoAnswer {
        provider: String,
        /// The arm that the split chose.
        arm: Option<Arm>,
        ending: Ending,
        /// In the transport's words.
        detail: String,
        /// Whether retries are to stop.
        is_final: bool,
    },
    /// All candidates failed, and the file has a text for that.
    #[error("every candidate failed ({}), and the client got the text of `last_resort`", .0.outcome.as_str())]
    LastResort(Box<LastResortReply>),
    /// A provider's `rate_limit` has no room, and no other candidate is left.
    #[error(
        "`rate_limit` of provider `{provider}` is used up ({limit}); send the request again in {wait}, or raise the limit"
    )]
    Limited {
        provider: String,
        /// Which limit.
        limit: &'static str,
        wait: Millis,
    },
    /// A client's has none.
    #[error("`rate_limit` of client `{client}` is used up; send the request again in {wait}, or raise the limit")]
    ClientLimited { client: String, wait: Millis },
    /// A panic.
    #[error("Serin failed on this request (a defect, it is in the log); other requests are not affected")]
    Defect,
}

/// A whole answer of Serin's own, in the client's API.
#[derive(Debug)]
pub(crate) struct LastResortReply {
    /// What became of the request.
    pub(crate) outcome: Outcome,
    pub(crate) media_type: &'static str,
    pub(crate) body: Bytes,
}

fn on_arm(arm: Option<Arm>) -> &'static str {
    match arm {
        Some(Arm::Stable) => " (stable)",
        Some(Arm::Canary) => " (canary)",
        None => "",
    }
}

const fn ending_text(ending: Ending) -> &'static str {
    match ending {
        Ending::NoConnection => "was not reachable",
        Ending::HeadTimeout => "sent no response in time",
        Ending::CutBySerin => "got no request, since Serin ran out of resources",
        Ending::Expired { .. } => "sent no message within the call's grpc-timeout",
        Ending::ClientLeft => "did not receive the complete request",
        Ending::NoHead => "ended the connection before a response",
        Ending::Answered { body: BodyEnd::NoOutput, .. } => "sent no output in time",
        Ending::Answered { body: BodyEnd::Silent, .. } => "stalled within its response",
        Ending::Answered { body: BodyEnd::Malformed(_), .. } => "sent a response that is not of this API",
        Ending::Answered { .. } => "ended its response before its end",
    }
}

const fn remedy(ending: Ending) -> &'static str {
    match ending {
        Ending::NoConnection => "check its base_url, DNS and the network (`serin check --probe` tries it)",
        Ending::HeadTimeout | Ending::Answered { body: BodyEnd::NoOutput | BodyEnd::Silent, .. } => {
            "raise its `timeouts` if it may take longer"
        }
        Ending::CutBySerin => "send it again",
        Ending::Expired { .. } => "allow more time, or look at the provider's status",
        Ending::ClientLeft => "send the body whole and framed as announced",
        Ending::Answered { body: BodyEnd::Malformed(_), .. } => {
            "check its base_url and the endpoints it speaks (`serin check --probe` tries them)"
        }
        Ending::NoHead | Ending::Answered { .. } => "send it again, or look at the provider's status",
    }
}

impl ProxyError {
    /// What the client is answered with.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            ProxyError::Connect | ProxyError::Trace => StatusCode::METHOD_NOT_ALLOWED,
            ProxyError::Paused(_) => StatusCode::REQUEST_TIMEOUT,
            ProxyError::NoHttp2 { .. } => StatusCode::NOT_IMPLEMENTED,
            ProxyError::Expired => StatusCode::GATEWAY_TIMEOUT,
            ProxyError::OutsideMount { .. } | ProxyError::Unmatched(Rejected::Unmatched) => StatusCode::NOT_FOUND,
            ProxyError::Unauthorized => StatusCode::UNAUTHORIZED,
            ProxyError::Limited { .. } | ProxyError::ClientLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            ProxyError::Host(_)
            | ProxyError::Dots(_)
            | ProxyError::TransferEncoding(_)
            | ProxyError::DuplicateKey(_)
            | ProxyError::Unmatched(Rejected::UnreadModel)
            | ProxyError::GrpcTimeout(_)
            | ProxyError::GrpcVersion
            | ProxyError::BrokenBody(_) => StatusCode::BAD_REQUEST,
            ProxyError::Unusable { .. } | ProxyError::Stopping | ProxyError::RolledBack => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ProxyError::NoAnswer { ending, .. } => match ending {
                Ending::HeadTimeout
                | Ending::Expired { .. }
                | Ending::Answered { body: BodyEnd::NoOutput | BodyEnd::Silent, .. } => StatusCode::GATEWAY_TIMEOUT,
                Ending::CutBySerin => StatusCode::SERVICE_UNAVAILABLE,
                Ending::ClientLeft => StatusCode::BAD_REQUEST,
                Ending::NoConnection | Ending::NoHead | Ending::Answered { .. } => StatusCode::BAD_GATEWAY,
            },
            ProxyError::LastResort(_) => StatusCode::OK,
            ProxyError::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The value of `x-serin-error`: stable, of a bounded number.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            ProxyError::Connect | ProxyError::Trace => "method",
            ProxyError::Host(_) => "host",
            ProxyError::Paused(_) => "body_time",
            ProxyError::GrpcTimeout(_) => "grpc_timeout",
            ProxyError::GrpcVersion => "grpc_version",
            ProxyError::NoHttp2 { .. } => "no_http2",
            ProxyError::Expired => "deadline",
            ProxyError::Stopping => "stopping",
            ProxyError::RolledBack => "rolled_back",
            ProxyError::OutsideMount { .. } => "outside_mount",
            ProxyError::Dots(_) => "dot_segments",
            ProxyError::Unmatched(Rejected::Unmatched) => "unmatched",
            ProxyError::Unmatched(Rejected::UnreadModel) => "unread_model",
            ProxyError::Unauthorized => "unauthorized",
            ProxyError::Limited { .. } | ProxyError::ClientLimited { .. } => "rate_limit",
            ProxyError::TransferEncoding(_) => "framing",
            ProxyError::DuplicateKey(_) => "duplicate_key",
            ProxyError::BrokenBody(_) => "body",
            ProxyError::Unusable { .. } => "unusable",
            ProxyError::NoAnswer { ending, .. } => match ending {
                Ending::NoConnection => "connect",
                Ending::HeadTimeout | Ending::Answered { body: BodyEnd::NoOutput, .. } => "timeout",
                Ending::Answered { body: BodyEnd::Silent, .. } => "stalled",
                Ending::Answered { body: BodyEnd::Malformed(_), .. } => "malformed",
                Ending::Answered { .. } => "truncated",
                Ending::Expired { .. } => "deadline",
                Ending::CutBySerin => "resources",
                Ending::ClientLeft => "body",
                Ending::NoHead => "reset",
            },
            ProxyError::LastResort(_) => "last_resort",
            ProxyError::Defect => "defect",
        }
    }

    /// Whose side it lies on.
    pub(crate) const fn side(&self) -> Side {
        match self {
            ProxyError::Connect
            | ProxyError::Trace
            | ProxyError::Host(_)
            | ProxyError::Paused(_)
            | ProxyError::GrpcTimeout(_)
            | ProxyError::GrpcVersion
            | ProxyError::OutsideMount { .. }
            | ProxyError::Dots(_)
            | ProxyError::Unauthorized
            | ProxyError::TransferEncoding(_)
            | ProxyError::DuplicateKey(_)
            | ProxyError::Unmatched(Rejected::UnreadModel)
            | ProxyError::BrokenBody(_)
            | ProxyError::ClientLimited { .. }
            | ProxyError::NoAnswer { ending: Ending::ClientLeft, .. } => Side::Client,
            ProxyError::NoAnswer { ending: Ending::CutBySerin, .. }
            | ProxyError::Unmatched(Rejected::Unmatched)
            | ProxyError::Limited { .. }
            | ProxyError::Unusable { .. }
            | ProxyError::NoHttp2 { .. }
            | ProxyError::Expired
            | ProxyError::Stopping
            | ProxyError::RolledBack
            | ProxyError::Defect => Side::Serin,
            ProxyError::NoAnswer { .. } | ProxyError::LastResort(_) => Side::Provider,
        }
    }

    /// After what time a client may well try again: every 429 and 503 says so.
    pub(crate) const fn retry_after(&self) -> Option<Millis> {
        match self {
            ProxyError::NoAnswer { ending: Ending::CutBySerin, .. } | ProxyError::Stopping | ProxyError::RolledBack => {
                Some(Millis(1000))
            }
            ProxyError::Limited { wait, .. } | ProxyError::ClientLimited { wait, .. } => Some(*wait),
            // Somebody has to mend it, or a secret comes late.
            ProxyError::Unusable { .. } => Some(Millis(5000)),
            _ => None,
        }
    }

    /// Whether the client's library is told not to retry by itself.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, ProxyError::NoAnswer { is_final: true, .. })
    }

    /// The same, and retries are to stop.
    pub(crate) fn made_final(self) -> ProxyError {
        match self {
            ProxyError::NoAnswer { provider, arm, ending, detail, .. } => {
                ProxyError::NoAnswer { provider, arm, ending, detail, is_final: true }
            }
            other => other,
        }
    }
}

/// A path as an error message may show it: the query is gone, and so is everything past 100 characters.
pub(crate) fn shown(path: &str) -> String {
    path.chars().take(100).collect()
}

//! Why a connection to the proxy port over TLS did not become one.
//!
//! Owns the words for it. What a failure looks like on the wire is known to the data plane, and what to do about it to
//! [`describe`](crate::describe::certificate). Invariant: the labels of the metrics do not change.

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The client speaks HTTP without TLS.
    PlainHttp,
    /// It speaks nothing that is known.
    NotTls,
    /// It does not trust the certificate.
    Refused,
    /// It has no version, cipher or protocol in common.
    NothingInCommon,
    /// It left half-way.
    BrokenOff,
    /// It did not finish in time.
    Unfinished,
}

impl TlsFailure {
    /// All of them, in the order of their cells.
    pub const ALL: [TlsFailure; 6] = [
        TlsFailure::PlainHttp,
        TlsFailure::NotTls,
        TlsFailure::Refused,
        TlsFailure::NothingInCommon,
        TlsFailure::BrokenOff,
        TlsFailure::Unfinished,
    ];

    /// The label `reason` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsFailure::PlainHttp => "plain_http",
            TlsFailure::NotTls => "not_tls",
            TlsFailure::Refused => "refused",
            TlsFailure::NothingInCommon => "nothing_in_common",
            TlsFailure::BrokenOff => "broken_off",
            TlsFailure::Unfinished => "unfinished",
        }
    }
}

//! Sentences for the causes of failed attempts: lowercase fragments that follow a colon.
//!
//! Owns the text of [`Cause`] and its parts. A cause that has one obvious remedy includes it. The text of a cause is
//! the same in every place: the client's error, the log, `serin why` and `serin status`.

use std::fmt;

use crate::decide::cause::{Cause, CauseCount, ConnectStep, HandshakeFault, NoConnection, TlsFault};
use crate::decide::units::{Millis, UnixMillis};
use crate::wire::grpc::GrpcCode;

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoConnection(none) => none.fmt(f),
            Cause::Unsent { error } => write!(f, "the connection was closed before the request was sent: {error}"),
            Cause::Unprocessed { error } => write!(f, "the provider did not process the request: {error}"),
            Cause::Lost { error } => write!(f, "the connection ended before a response: {error}"),
            Cause::Reset { error } => write!(f, "the provider reset the request: {error}"),
            Cause::FirstStream(cause) => {
                write!(f, "{cause}; if the provider does not support HTTP/2, write http2: never")
            }
            Cause::NotHttp { error } => write!(f, "the response is not valid HTTP: {error}"),
            Cause::Framing { problem } => write!(f, "the response framing is not valid: {problem}"),
            Cause::NoHead { limit } => write!(f, "no response within {limit}"),
            Cause::Withdrawn => f.write_str("no output before the guard found the provider down"),
            Cause::Status { status, kind, code } => {
                write!(f, "status {status}")?;
                names(f, kind.as_deref(), code.as_deref())
            }
            Cause::GrpcStatus { code } => write!(f, "{}", GrpcCode(*code)),
            Cause::Expired => f.write_str("no message within the time that the client allowed (grpc-timeout)"),
            Cause::ErrorEvent { kind, code } => {
                f.write_str("an error in the response")?;
                names(f, kind.as_deref(), code.as_deref())
            }
            Cause::Cut => f.write_str("the response ended before its end"),
            Cause::NoOutput { limit: Some(limit) } => write!(f, "no output within {limit}"),
            Cause::NoOutput { limit: None } => f.write_str("no output in time"),
            Cause::Silent { limit: Some(limit) } => write!(f, "the response stalled for {limit}"),
            Cause::Silent { limit: None } => f.write_str("the response stalled"),
            Cause::Malformed { shape, media: Some(media) } => write!(f, "{media}, {}", shape.words()),
            Cause::Malformed { shape, media: None } => write!(f, "no content type, {}", shape.words()),
            Cause::Redirect { host: Some(host) } => write!(f, "redirects to {host}"),
            Cause::Redirect { host: None } => f.write_str("redirects to another path on the same host"),
            Cause::Empty => f.write_str("a complete response without output"),
            Cause::Closed { code, reason } => {
                f.write_str("the WebSocket was closed ")?;
                match code {
                    Some(code) => write!(f, "with {code}{}", meaning(*code))?,
                    None => f.write_str("without a code")?,
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Cause::NotClosed => f.write_str("the WebSocket ended without a close frame"),
            Cause::Handshake(HandshakeFault::OtherProtocol) => {
                f.write_str("the response to the WebSocket handshake does not switch to websocket")
            }
            Cause::Handshake(HandshakeFault::WrongAccept) => {
                f.write_str("the response to the WebSocket handshake has a wrong sec-websocket-accept")
            }
        }
    }
}

/// What a close code of the standard stands for.
const fn meaning(code: u16) -> &'static str {
    match code {
        1002 => " (protocol error)",
        1003 => " (unsupported data)",
        1007 => " (invalid payload)",
        1008 => " (policy violation)",
        1009 => " (message too big)",
        1011 => " (internal error)",
        1012 => " (service restart)",
        1013 => " (try again later)",
        1014 => " (bad gateway)",
        _ => "",
    }
}

/// The provider's type and code of an error.
fn names(f: &mut fmt::Formatter<'_>, kind: Option<&str>, code: Option<&str>) -> fmt::Result {
    match (kind, code) {
        (Some(kind), Some(code)) if kind == code => write!(f, " (type {kind})"),
        (Some(kind), Some(code)) => write!(f, " (type {kind}, code {code})"),
        (Some(kind), None) => write!(f, " (type {kind})"),
        (None, Some(code)) => write!(f, " (code {code})"),
        (None, None) => Ok(()),
    }
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoConnection::Lookup { host, problem } => write!(f, "cannot look up {host}: {problem}"),
            NoConnection::Tcp { place, problem, .. } => write!(f, "cannot connect to {place}: {problem}"),
            NoConnection::Timeout { place, step, limit } => {
                write!(f, "cannot connect to {place}: {} took longer than {limit}", words_of(*step))
            }
            NoConnection::Tls { host, place, fault } => tls(f, host, place, fault),
            NoConnection::TlsFile { problem } | NoConnection::Egress { problem } => f.write_str(problem),
            NoConnection::Preface { place, problem } => write!(f, "{place} does not support HTTP/2: {problem}"),
            NoConnection::TooLate { place } => write!(f, "cannot connect to {place} in time"),
            NoConnection::NoCapacity { place } => {
                write!(f, "all connections to {place} were in use; raise max_connections")
            }
            NoConnection::NoSocket { place, problem } => {
                write!(f, "no socket left to connect to {place}: {problem}; raise the limit on open files")
            }
        }
    }
}

impl std::error::Error for NoConnection {}

const fn words_of(step: ConnectStep) -> &'static str {
    match step {
        ConnectStep::Lookup => "the name lookup",
        ConnectStep::Tcp => "the TCP connection",
        ConnectStep::Egress => "the egress proxy",
        ConnectStep::Tls => "the TLS handshake",
    }
}

fn tls(f: &mut fmt::Formatter<'_>, host: &str, place: &str, fault: &TlsFault) -> fmt::Result {
    let certificate = |f: &mut fmt::Formatter<'_>, what: &dyn fmt::Display| {
        write!(f, "TLS handshake with {host} failed: certificate {what}")
    };
    match fault {
        TlsFault::UnknownIssuer => {
            certificate(f, &"has an untrusted issuer; if it is your own authority, set tls.ca_file")
        }
        TlsFault::Expired => certificate(f, &"has expired (or this machine's clock is wrong)"),
        TlsFault::NotValidYet => certificate(f, &"is not valid yet (or this machine's clock is wrong)"),
        TlsFault::WrongName { names } if names.is_empty() => certificate(f, &"is for another name"),
        TlsFault::WrongName { names } => certificate(f, &format_args!("is for another name: {}", names.join(", "))),
        TlsFault::Revoked => certificate(f, &"was revoked"),
        TlsFault::Untrusted { problem } => certificate(f, &format_args!("is not trusted: {problem}")),
        TlsFault::NoTls => write!(f, "{place} does not support TLS; write base_url with http:// if this is intended"),
        TlsFault::WantsCertificate => {
            write!(f, "{place} requires a client certificate; set tls.cert_file and tls.key_file")
        }
        TlsFault::NoCommonHttp => write!(f, "{place} supports no HTTP version that http2: allows"),
        TlsFault::Refused { alert } => write!(f, "{place} refused the TLS handshake: {alert}"),
        TlsFault::BrokenOff { problem } => write!(f, "{place} ended the TLS handshake: {problem}"),
        TlsFault::NoName => write!(f, "`{host}` is neither a DNS name nor an IP address"),
        TlsFault::Other { problem } => write!(f, "TLS handshake with {place} failed: {problem}"),
    }
}

/// One cause with its outcome and its share.
#[must_use]
pub fn in_short(count: &CauseCount) -> String {
    let CauseCount { outcome, cause, count, of, .. } = count;
    format!("{}, {count} of {of}: {cause}", outcome.as_str())
}

/// One cause, and the results of its requests.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// The cause.
    pub what: &'a dyn fmt::Display,
    /// Requests with this cause.
    pub count: u64,
    /// Failed requests.
    pub of: u64,
    /// Time of the last one.
    pub last: UnixMillis,
    /// The provider's request id of the last one.
    pub request_id: Option<&'a str>,
    /// Requests that another provider answered, by its name.
    pub answered: &'a [(String, u64)],
    /// Users whose client got an error in one of them.
    pub users_failed: u64,
}

impl<'a> From<&'a CauseCount> for Counted<'a> {
    fn from(count: &'a CauseCount) -> Counted<'a> {
        Counted {
            what: &count.cause,
            count: count.count,
            of: count.of,
            last: count.last,
            request_id: count.request_id.as_deref(),
            answered: &count.answered,
            users_failed: count.users_failed,
        }
    }
}

/// One cause with its share, its age, and the results of its requests.
#[must_use]
pub fn counted(counted: &Counted<'_>, now: UnixMillis) -> String {
    let Counted { what, count, of, last, request_id, answered, users_failed } = counted;
    let age = Millis(now.0.saturating_sub(last.0) / 1000 * 1000);
    let id = request_id.map_or_else(String::new, |id| format!(", request {id}"));
    let total: u64 = answered.iter().map(|(_, count)| count).sum();
    let by = match answered {
        [] => "none answered by another provider".to_owned(),
        [(one, _)] if total == *count => format!("all answered by {one}"),
        several => {
            let each: Vec<String> = several.iter().map(|(name, count)| format!("{count} by {name}")).collect();
            format!("answered by others: {}", each.join(", "))
        }
    };
    format!("{count} of {of}: {what} (last {age} ago{id}); {by}; users who saw an error: {users_failed}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::Outcome;
    use crate::wire::shape::Shape;

    fn tls(fault: TlsFault) -> Cause {
        let (host, place) = ("api.example.com".to_owned(), "api.example.com:443".to_owned());
        Cause::NoConnection(NoConnection::Tls { host, place, fault })
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn a_cause_says_what_happened_where() {
        for (cause, sentence) in [
            (
                tls(TlsFault::Expired),
                "TLS handshake with api.example.com failed: certificate has expired (or this machine's clock is wrong)",
            ),
            (
                tls(TlsFault::WrongName { names: vec!["other.example".to_owned()] }),
                "TLS handshake with api.example.com failed: certificate is for another name: other.example",
            ),
            (
                tls(TlsFault::NoTls),
                "api.example.com:443 does not support TLS; write base_url with http:// if this is intended",
            ),
            (
                Cause::Status { status: 500, kind: some("server_error"), code: some("boom") },
                "status 500 (type server_error, code boom)",
            ),
            (Cause::Status { status: 502, kind: None, code: None }, "status 502"),
            (
                Cause::ErrorEvent { kind: some("overloaded_error"), code: None },
                "an error in the response (type overloaded_error)",
            ),
            (Cause::Malformed { shape: Shape::Html, media: some("text/html") }, "text/html, `<!doctype html>`"),
            (Cause::Redirect { host: some("sso.example") }, "redirects to sso.example"),
            (Cause::NoHead { limit: Millis(60_000) }, "no response within 1m"),
            (
                Cause::Closed { code: Some(1011), reason: some("boom") },
                "the WebSocket was closed with 1011 (internal error): boom",
            ),
            (Cause::Closed { code: Some(4503), reason: None }, "the WebSocket was closed with 4503"),
        ] {
            assert_eq!(cause.to_string(), sentence);
        }
    }

    #[test]
    fn a_count_says_who_answered_instead_and_who_saw_it() {
        let mut count = CauseCount {
            outcome: Outcome::Connect,
            cause: tls(TlsFault::Revoked),
            count: 17,
            of: 24,
            last: UnixMillis(5000),
            request_id: None,
            answered: vec![("openai".to_owned(), 17)],
            users_failed: 0,
        };
        let said = |count: &CauseCount| counted(&count.into(), UnixMillis(7900));
        let all = "17 of 24: TLS handshake with api.example.com failed: certificate was revoked (last 2s ago); all answered \
                   by openai; users who saw an error: 0";
        assert_eq!(said(&count), all);
        count.answered = vec![("openai".to_owned(), 3), ("backup".to_owned(), 2)];
        (count.users_failed, count.request_id) = (9, some("req_1"));
        assert!(said(&count).ends_with(
            "(last 2s ago, request req_1); answered by others: 3 by openai, 2 by backup; users who saw an error: 9"
        ));
        count.answered.clear();
        assert!(said(&count).contains("; none answered by another provider; "));
    }
}

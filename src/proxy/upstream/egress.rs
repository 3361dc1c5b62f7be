//! The egress proxy between this machine and the providers, where there is one.
//!
//! Owns which proxy a connection goes through (the file's, else the environment's, unless NO_PROXY or loopback exclude
//! it) and the CONNECT exchange. Plain http providers are tunnelled as well, so that the proxy's own errors are never
//! taken for a provider's answers. Refuses proxies that are reached by TLS or SOCKS. Invariant: a password appears
//! nowhere but in the header that it is for.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use base64::Engine as _;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::no_proxy::{exempts, is_loopback};
use crate::wire::printable::printable;

/// What the environment says of proxies; read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    https_proxy: Option<String>,
    no_proxy: Vec<String>,
}

impl Environment {
    /// From the process environment, as it was when first asked.
    pub(super) fn get() -> &'static Environment {
        static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
        ENVIRONMENT.get_or_init(|| Environment::read(|name| std::env::var(name).ok()))
    }

    /// The lower-case names win where both are set, as in curl.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Environment {
        let either = |lower: &str, upper: &str| {
            variable(lower)
                .or_else(|| variable(upper))
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let no_proxy = either("no_proxy", "NO_PROXY").unwrap_or_default();
        Environment {
            https_proxy: either("https_proxy", "HTTPS_PROXY"),
            no_proxy: no_proxy
                .split(|c: char| c == ',' || c.is_whitespace())
                .map(|entry| entry.trim().to_ascii_lowercase())
                .filter(|entry| !entry.is_empty())
                .collect(),
        }
    }

    /// The proxy for a provider, if any; an error when what is written names none. `none` is the file's word for no
    /// proxy at all.
    pub(super) fn choose(
        &self,
        configured: Option<&str>,
        https: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<Egress>, String> {
        if configured == Some("none") {
            return Ok(None);
        }
        let environment = if https { self.https_proxy.as_deref() } else { None };
        let Some(written) = configured.or(environment) else { return Ok(None) };
        if is_loopback(host) || self.no_proxy.iter().any(|entry| exempts(entry, host, port)) {
            return Ok(None);
        }
        let from = if configured.is_some() { "proxy of flags.yaml" } else { "HTTPS_PROXY" };
        Egress::parse(written).map(Some).map_err(|problem| format!("{from}: {problem}"))
    }
}

/// An HTTP proxy that is asked with CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Egress {
    /// A DNS name or an IP address without brackets.
    pub(super) host: String,
    /// Explicit, or 80.
    pub(super) port: u16,
    authorization: Option<String>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Egress({self})")
    }
}

/// Without its credentials.
impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "egress proxy {}:{}", self.host, self.port)
    }
}

impl Egress {
    /// `http://[user:password@]host[:port]`; the scheme may be left out. Errors never repeat what was written.
    pub(super) fn parse(written: &str) -> Result<Egress, String> {
        let rest = match written.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => {
                return Err(format!("a proxy with {scheme}:// is not supported; write http://user:password@host:port"));
            }
            None => written,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let place: http::uri::Authority =
            place.parse().map_err(|_| "it names no host; write http://user:password@host:port".to_owned())?;
        let host = place.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host; write http://user:password@host:port".to_owned());
        }
        let authorization = credentials.map(|credentials| {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            let mut pair = percent_decode_str(user).collect::<Vec<u8>>();
            pair.push(b':');
            pair.extend(percent_decode_str(password));
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        });
        Ok(Egress { host, port: place.port_u16().unwrap_or(80), authorization })
    }

    /// Asks the proxy for a tunnel to `authority` (`host:port`). Nothing beyond the proxy's own head is read.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, authority: &str) -> Result<(), String> {
        let mut ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            ask.push_str("Proxy-Authorization: ");
            ask.push_str(authorization);
            ask.push_str("\r\n");
        }
        ask.push_str("\r\n");
        let broke = |error: io::Error| format!("{self} broke off: {error}");
        stream.write_all(ask.as_bytes()).await.map_err(broke)?;
        let head = read_head(stream).await.map_err(broke)?;
        let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.splitn(3, ' ');
        let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match status.parse::<u16>() {
            Ok(200..=299) if version.starts_with("HTTP/1.") => Ok(()),
            Ok(407) if version.starts_with("HTTP/1.") => {
                let mend = if self.authorization.is_some() { "refused the credentials" } else { "wants credentials" };
                Err(format!("{self} {mend} (407); write them as http://user:password@host:port"))
            }
            Ok(status) if version.starts_with("HTTP/1.") => {
                let words = printable(words.next().unwrap_or_default());
                Err(format!("{self} refused a tunnel to {authority}: {status} {words}").trim_end().to_owned())
            }
            _ => Err(format!("{self} does not answer in HTTP/1.1")),
        }
    }
}

/// Longest head of a CONNECT answer.
const HEAD_BYTES: usize = 16 * 1024;

/// Takes exactly the head off the stream: what follows is the provider's, and an HTTP/2 provider speaks unasked.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut seen = [0; 1024];
    loop {
        let ahead = stream.peek(&mut seen).await?;
        if ahead == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
        }
        let before = head.len();
        head.extend_from_slice(&seen[..ahead]);
        let from = before.saturating_sub(3);
        let end = head[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4);
        let taken = end.unwrap_or(head.len());
        stream.read_exact(&mut seen[..taken - before]).await?;
        head.truncate(taken);
        if end.is_some() {
            return Ok(head);
        }
        if head.len() > HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer has no end"));
        }
    }
}

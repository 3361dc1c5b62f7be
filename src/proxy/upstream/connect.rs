//! From a provider's address to a byte stream: name lookup, TCP, the egress proxy's tunnel, TLS, within one time limit.
//!
//! Owns what a connection is identified by ([`Target`]) and every way of not getting one ([`ConnectError`], whose
//! sentences are fit to be shown). Refuses to retry: whoever asked decides. Addresses are tried in the resolver's
//! order, and none may use up the time of those behind it.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::egress::Egress;
use super::tls::TlsCache;
use super::wire::Wire;
use crate::clock;
use crate::decide::policy::{Http2, Provider, Tls};
use crate::decide::units::Millis;

/// What makes one connection as good as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) http2: Http2,
    pub(super) tls: Tls,
    pub(super) egress: Option<Egress>,
}

impl Target {
    /// Where a provider's connections lead; `http2` may differ from the provider's own setting.
    pub(super) fn of(provider: &Provider, http2: Http2, egress: Option<Egress>) -> Target {
        Target {
            https: provider.base_url.https,
            host: provider.base_url.host.clone(),
            port: provider.base_url.port,
            http2,
            tls: provider.tls.clone(),
            egress,
        }
    }

    /// `host:port`, for messages and CONNECT.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why there is no connection. Lowercase sentences without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name has no address.
    #[error("cannot look up {host}: {problem}")]
    Lookup {
        /// The name.
        host: String,
        /// The resolver's words.
        problem: String,
    },
    /// No address accepted.
    #[error("cannot connect to {place}: {problem}")]
    Tcp {
        /// `host:port`.
        place: String,
        /// The system's words, for each address.
        problem: String,
        /// Whether one of them did not answer at all, so that it was waited for.
        waited: bool,
    },
    /// It took too long.
    #[error("cannot connect to {place}: {doing} took longer than {limit}")]
    Timeout {
        /// `host:port`.
        place: String,
        /// The step that was under way.
        doing: &'static str,
        /// `timeouts.connect`.
        limit: Millis,
    },
    /// The TLS handshake failed.
    #[error("{0}")]
    Tls(String),
    /// A file that TLS needs cannot be used.
    #[error("{0}")]
    TlsFile(String),
    /// The egress proxy refused or cannot be used.
    #[error("{0}")]
    Egress(String),
    /// The HTTP/2 preface failed.
    #[error("{place} does not speak HTTP/2: {problem}")]
    Preface {
        /// `host:port`.
        place: String,
        /// Hyper's words.
        problem: String,
    },
    /// It was not there by the time that somebody else was asked.
    #[error("cannot connect to {place} in time")]
    TooLate {
        /// `host:port`.
        place: String,
    },
    /// Every connection that may be open was in use until somebody else was asked.
    #[error("all connections to {place} were in use; raise max_connections")]
    NoTurn {
        /// `host:port`.
        place: String,
    },
    /// This process or machine has no socket left: nothing that the provider did.
    #[error("no socket left to connect to {place}: {problem}; raise the limit on open files")]
    NoSocket {
        /// `host:port`.
        place: String,
        /// The system's words.
        problem: String,
    },
}

impl ConnectError {
    /// Whether the connection was refused at once, rather than waited for.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, ConnectError::Tcp { waited: false, .. })
    }

    /// Whether whoever asks for a connection meets the same: nothing here is for want of a file or a socket.
    pub(crate) fn is_unreachable(&self) -> bool {
        match self {
            ConnectError::Lookup { .. }
            | ConnectError::Tcp { .. }
            | ConnectError::Timeout { .. }
            | ConnectError::Tls(_)
            | ConnectError::Egress(_)
            | ConnectError::Preface { .. }
            | ConnectError::TooLate { .. } => true,
            ConnectError::TlsFile(_) | ConnectError::NoTurn { .. } | ConnectError::NoSocket { .. } => false,
        }
    }

    /// Whether the fault is this machine's and must not be charged to the provider.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, ConnectError::NoSocket { .. } | ConnectError::NoTurn { .. })
    }
}

/// A new byte stream to the target, ready for HTTP.
pub(super) async fn open(target: &Target, tls: &TlsCache, limit: Millis) -> Result<Wire, ConnectError> {
    let doing = Cell::new("the name lookup");
    match tokio::time::timeout(limit.duration(), steps(target, tls, limit, &doing)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout { place: target.place(), doing: doing.get(), limit }),
    }
}

async fn steps(
    target: &Target,
    tls: &TlsCache,
    limit: Millis,
    doing: &Cell<&'static str>,
) -> Result<Wire, ConnectError> {
    let deadline = clock::instant().checked_add(limit.duration());
    let left = || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::instant()));
    // A file that cannot be read is found before anybody is dialled.
    let tls = if target.https { Some(tls.config(target)?) } else { None };
    let stream = match &target.egress {
        None => reach(&target.host, target.port, left, doing).await?,
        Some(egress) => {
            let mut stream = reach(&egress.host, egress.port, left, doing).await.map_err(|error| match error {
                ConnectError::NoSocket { .. } => error,
                other => ConnectError::Egress(format!("{egress}: {other}")),
            })?;
            doing.set("the egress proxy");
            egress.tunnel(&mut stream, &target.place()).await.map_err(ConnectError::Egress)?;
            stream
        }
    };
    match tls {
        None => Ok(Wire::plain(stream)),
        Some(config) => {
            doing.set("the TLS handshake");
            super::tls::handshake(target, config, stream).await.map(Wire::tls).map_err(ConnectError::Tls)
        }
    }
}

/// A TCP connection to the first address that accepts. Each address may take its share of the time left.
async fn reach(
    host: &str,
    port: u16,
    left: impl Fn() -> Duration,
    doing: &Cell<&'static str>,
) -> Result<TcpStream, ConnectError> {
    let place = || if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let addresses = match resolve(host, port).await {
        Ok(addresses) => addresses,
        Err(Unresolved::Ours(problem)) => return Err(ConnectError::NoSocket { place: place(), problem }),
        Err(Unresolved::Unknown(problem)) => return Err(ConnectError::Lookup { host: host.to_owned(), problem }),
    };
    doing.set("the TCP connection");
    let (mut problems, mut waited) = (Vec::new(), false);
    for (index, address) in addresses.iter().enumerate() {
        let behind = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = left() / behind;
        let error = match tokio::time::timeout(share, dial(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if is_ours(&error) => {
                return Err(ConnectError::NoSocket { place: place(), problem: error.to_string() });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                waited = true;
                "no answer".to_owned()
            }
        };
        problems.push(if addresses.len() == 1 { error } else { format!("{} {error}", address.ip()) });
    }
    Err(ConnectError::Tcp { place: place(), problem: problems.join(", "), waited })
}

/// Why a name has no address, in the resolver's words.
enum Unresolved {
    /// Nobody could be asked: there was no socket.
    Ours(String),
    Unknown(String),
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |error: io::Error| match is_ours(&error) {
        true => Unresolved::Ours(error.to_string()),
        false => Unresolved::Unknown(error.to_string()),
    };
    let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() { Err(Unresolved::Unknown("the name has no address".to_owned())) } else { Ok(addresses) }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Neither is worth failing for.
    let _ = socket.set_nodelay(true);
    let _ = socket.set_keepalive(true);
    socket.connect(address).await
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM, and no local port left.
fn is_ours(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
        || matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_sockets_is_ours_and_a_refusal_is_the_providers() {
        const EMFILE: i32 = 24;
        const ECONNREFUSED: i32 = 111;
        assert!(is_ours(&io::Error::from_raw_os_error(EMFILE)));
        assert!(!is_ours(&io::Error::from_raw_os_error(ECONNREFUSED)));
        let error = ConnectError::NoSocket { place: "api.example:443".into(), problem: "too many open files".into() };
        assert!(error.is_ours());
        assert_eq!(
            error.to_string(),
            "no socket left to connect to api.example:443: too many open files; raise the limit on open files"
        );
    }
}

//! From a provider's address to a byte stream: name lookup, TCP, the egress proxy's tunnel, TLS, within one time limit.
//!
//! Owns the order of these steps, and says which of them failed ([`NoConnection`]). Refuses to retry: the caller
//! decides. Names are looked up anew for every connection. Invariant: all steps together take no longer than the limit.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::dial::{self, FailedDial};
use super::pool_key::PoolKey;
use super::stream::ProviderStream;
use super::tls::TlsCache;
use crate::clock;
use crate::decide::cause::{ConnectStep, NoConnection};
use crate::decide::units::Millis;

/// The step that is under way, and for probes when each began.
#[derive(Debug)]
pub(super) struct ConnectProgress {
    step: Cell<ConnectStep>,
    began: Option<RefCell<Vec<(ConnectStep, Instant)>>>,
}

impl ConnectProgress {
    fn untimed() -> ConnectProgress {
        ConnectProgress { step: Cell::new(ConnectStep::Lookup), began: None }
    }

    /// One that reads the clock at each step.
    pub(super) fn timed() -> ConnectProgress {
        ConnectProgress { began: Some(RefCell::default()), ..ConnectProgress::untimed() }
    }

    fn set(&self, step: ConnectStep) {
        self.step.set(step);
        if let Some(began) = &self.began {
            began.borrow_mut().push((step, clock::instant()));
        }
    }

    /// When this step began, if it did and was timed.
    pub(super) fn began(&self, step: ConnectStep) -> Option<Instant> {
        self.began.as_ref()?.borrow().iter().find(|(known, _)| *known == step).map(|(_, at)| *at)
    }
}

/// A new byte stream to the target, ready for HTTP.
pub(super) async fn open(target: &PoolKey, tls: &TlsCache, limit: Millis) -> Result<ProviderStream, NoConnection> {
    open_observed(target, tls, limit, &ConnectProgress::untimed()).await
}

/// The same, where its steps are looked at.
pub(super) async fn open_observed(
    target: &PoolKey,
    tls: &TlsCache,
    limit: Millis,
    doing: &ConnectProgress,
) -> Result<ProviderStream, NoConnection> {
    match tokio::time::timeout(limit.duration(), steps(target, tls, limit, doing)).await {
        Ok(result) => result,
        Err(_) => Err(NoConnection::Timeout { place: target.place(), step: doing.step.get(), limit }),
    }
}

async fn steps(
    target: &PoolKey,
    tls: &TlsCache,
    limit: Millis,
    doing: &ConnectProgress,
) -> Result<ProviderStream, NoConnection> {
    let deadline = clock::instant().checked_add(limit.duration());
    let left = || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::instant()));
    // A file that cannot be read is found before any address is dialled.
    let tls = if target.https { Some(tls.config(target)?) } else { None };
    let stream = match &target.egress {
        None => reach(&target.host, target.port, left, doing).await?,
        Some(egress) => {
            let mut stream = reach(&egress.host, egress.port, left, doing).await.map_err(|error| match error {
                NoConnection::NoSocket { .. } => error,
                other => NoConnection::Egress { problem: format!("{egress}: {other}") },
            })?;
            doing.set(ConnectStep::Egress);
            egress.tunnel(&mut stream, &target.place()).await.map_err(|problem| NoConnection::Egress { problem })?;
            stream
        }
    };
    match tls {
        None => Ok(ProviderStream::plain(stream)),
        Some(config) => {
            doing.set(ConnectStep::Tls);
            super::tls::handshake(target, config, stream).await.map(ProviderStream::tls)
        }
    }
}

/// A TCP connection to the first of its addresses that accepts.
async fn reach(
    host: &str,
    port: u16,
    left: impl Fn() -> Duration,
    doing: &ConnectProgress,
) -> Result<TcpStream, NoConnection> {
    let place = || if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let addresses = match resolve(host, port).await {
        Ok(addresses) => addresses,
        Err(Unresolved::Ours(problem)) => return Err(NoConnection::NoSocket { place: place(), problem }),
        Err(Unresolved::Unknown(problem)) => return Err(NoConnection::Lookup { host: host.to_owned(), problem }),
    };
    doing.set(ConnectStep::Tcp);
    let several = addresses.len() > 1;
    let failed = match dial::first(addresses, left(), lacks_socket).await {
        Ok(stream) => return Ok(stream),
        Err(failed) => failed,
    };
    if let Some(error) = local_error(&failed) {
        return Err(NoConnection::NoSocket { place: place(), problem: error.to_string() });
    }
    let waited = failed.iter().any(|fate| fate.error.is_none());
    let problem = |FailedDial { address, error }| {
        let error = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
        if several { format!("{} {error}", address.ip()) } else { error }
    };
    let problems: Vec<String> = failed.into_iter().map(problem).collect();
    Err(NoConnection::Tcp { place: place(), problem: problems.join(", "), waited })
}

/// Why a name has no address, in the resolver's words.
enum Unresolved {
    /// There was no socket to ask with.
    Ours(String),
    Unknown(String),
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |error: io::Error| match lacks_socket(&error) {
        true => Unresolved::Ours(error.to_string()),
        false => Unresolved::Unknown(error.to_string()),
    };
    let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() { Err(Unresolved::Unknown("the name has no address".to_owned())) } else { Ok(addresses) }
}

/// The failure that this machine caused: there is no socket at all, or no local address or port for any of them. Where
/// only one address has none, as with IPv6 switched off, that is a failure of this address.
fn local_error(failed: &[FailedDial]) -> Option<&io::Error> {
    let mut errors = failed.iter().filter_map(|fate| fate.error.as_ref());
    let unavailable =
        |fate: &FailedDial| fate.error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable);
    if failed.iter().all(unavailable) { errors.next() } else { errors.find(|error| lacks_socket(error)) }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM.
fn lacks_socket(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12)) || error.kind() == io::ErrorKind::OutOfMemory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_sockets_is_ours_and_a_refusal_is_the_providers() {
        const EMFILE: i32 = 24;
        const EADDRNOTAVAIL: i32 = 99;
        const ECONNREFUSED: i32 = 111;
        let is_ours = |codes: &[Option<i32>]| {
            let fate = |code: &Option<i32>| FailedDial {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                error: code.map(io::Error::from_raw_os_error),
            };
            local_error(&codes.iter().map(fate).collect::<Vec<_>>()).is_some()
        };
        assert!(is_ours(&[Some(EMFILE)]) && is_ours(&[None, Some(ECONNREFUSED), Some(EMFILE)]));
        assert!(!is_ours(&[Some(ECONNREFUSED)]) && !is_ours(&[None]));
        // No port is left; or there is no IPv6 here, and what the other address said is what counts.
        assert!(is_ours(&[Some(EADDRNOTAVAIL), Some(EADDRNOTAVAIL)]));
        assert!(!is_ours(&[Some(ECONNREFUSED), Some(EADDRNOTAVAIL)]) && !is_ours(&[None, Some(EADDRNOTAVAIL)]));
        let error = NoConnection::NoSocket { place: "api.example:443".into(), problem: "too many open files".into() };
        assert!(error.is_ours());
        assert_eq!(
            error.to_string(),
            "no socket left to connect to api.example:443: too many open files; raise the limit on open files"
        );
    }
}

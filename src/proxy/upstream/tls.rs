//! TLS towards providers: the authorities that are trusted, the certificate that is shown, and what went wrong.
//!
//! Owns the system's roots (loaded once a process), a target's configuration (made at its first connection, and anew
//! when its files on disk have changed and can be used), and which fault a failure is. Refuses to connect without
//! verifying: there is no switch for that.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pool_key::PoolKey;
use crate::decide::cause::{NoConnection, TlsFault};
use crate::decide::policy::Http2;
use crate::wire::printable::printable_start;

/// The most names of a certificate that an error shows,
const MOST_NAMES: usize = 4;
/// each with so many characters at most.
const LONGEST_NAME: usize = 64;

/// A target's configuration, as long as its files stay what they were.
#[derive(Debug, Default)]
pub(super) struct TlsCache(RefCell<Option<(Vec<Stamp>, Arc<ClientConfig>)>>);

/// A file's path, length and time of change.
type Stamp = (PathBuf, Option<(u64, SystemTime)>);

impl TlsCache {
    /// The configuration for the target's next connection.
    pub(super) fn config(&self, target: &PoolKey) -> Result<Arc<ClientConfig>, NoConnection> {
        let stamps = stamps(target);
        if let Some((known, config)) = self.0.borrow().as_ref()
            && *known == stamps
        {
            return Ok(Arc::clone(config));
        }
        let config = match (configure(target), self.0.borrow().as_ref()) {
            (Ok(config), _) => Arc::new(config),
            // The watcher of flags.yaml reports that the files have changed.
            (Err(_), Some((_, known))) => Arc::clone(known),
            (Err(problem), None) => return Err(NoConnection::TlsFile { problem }),
        };
        *self.0.borrow_mut() = Some((stamps, Arc::clone(&config)));
        Ok(config)
    }
}

fn stamps(target: &PoolKey) -> Vec<Stamp> {
    let tls = &target.tls;
    [&tls.ca_file, &tls.cert_file, &tls.key_file]
        .into_iter()
        .flatten()
        .map(|path| {
            let seen = std::fs::metadata(path).ok();
            (path.clone(), seen.and_then(|meta| Some((meta.len(), meta.modified().ok()?))))
        })
        .collect()
}

fn configure(target: &PoolKey) -> Result<ClientConfig, String> {
    let tls = &target.tls;
    let roots = match &tls.ca_file {
        None => Arc::clone(system_roots()),
        Some(path) => {
            let mut roots = RootCertStore::clone(system_roots());
            for certificate in certificates("ca_file", path)? {
                roots.add(certificate).map_err(|error| {
                    format!("ca_file {}: a certificate in it cannot be an authority: {error}", path.display())
                })?;
            }
            Arc::new(roots)
        }
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates("cert_file", cert)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key_file", key, &error))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| {
                format!("cert_file {} and key_file {} do not belong together: {error}", cert.display(), key.display())
            })?
        }
        (Some(_), None) => return Err("tls has a cert_file but no key_file; give both".to_owned()),
        (None, Some(_)) => return Err("tls has a key_file but no cert_file; give both".to_owned()),
    };
    config.alpn_protocols = match target.http2 {
        Http2::Never => vec![b"http/1.1".to_vec()],
        Http2::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http2::PriorKnowledge => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(format!("{what} {}: there is no certificate in it; it must be PEM", path.display()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(what, path, &error)),
    }
}

fn unreadable(what: &str, path: &Path, error: &rustls_pki_types::pem::Error) -> String {
    use rustls_pki_types::pem::Error as Pem;
    match error {
        Pem::Io(error) => format!("{what} {}: cannot be read: {error}", path.display()),
        Pem::NoItemsFound => format!("{what} {}: there is no private key in it; it must be PEM", path.display()),
        other => format!("{what} {}: is not PEM: {other}", path.display()),
    }
}

/// The system's authorities, or Mozilla's where the system has none (an image from scratch). Reads files when first
/// called in a process.
pub(super) fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            for problem in &found.errors {
                tracing::debug!(%problem, "the system's certificates cannot be read");
            }
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    })
}

/// TLS over a TCP connection to the target, its certificate verified.
pub(super) async fn handshake(
    target: &PoolKey,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NoConnection> {
    let failed = |fault| NoConnection::Tls { host: target.host.clone(), place: target.place(), fault };
    let name = ServerName::try_from(target.host.clone()).map_err(|_| failed(TlsFault::NoName))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| failed(fault(&error)))
}

fn fault(error: &io::Error) -> TlsFault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return TlsFault::BrokenOff { problem: error.to_string() };
    };
    match error {
        Error::InvalidCertificate(problem) => untrusted(problem),
        Error::InvalidMessage(_) => TlsFault::NoTls,
        Error::AlertReceived(AlertDescription::CertificateRequired) => TlsFault::WantsCertificate,
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => TlsFault::NoCommonHttp,
        Error::AlertReceived(alert) => TlsFault::Refused { alert: format!("{alert:?}") },
        other => TlsFault::Other { problem: other.to_string() },
    }
}

fn untrusted(problem: &CertificateError) -> TlsFault {
    match problem {
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotValidYet,
        CertificateError::NotValidForName => TlsFault::WrongName { names: Vec::new() },
        CertificateError::NotValidForNameContext { presented, .. } => TlsFault::WrongName {
            names: presented.iter().take(MOST_NAMES).map(|name| printable_start(name, LONGEST_NAME)).collect(),
        },
        CertificateError::Revoked => TlsFault::Revoked,
        other => TlsFault::Untrusted { problem: other.to_string() },
    }
}

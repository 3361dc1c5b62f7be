//! TLS towards providers: whom we trust, who we are, and what went wrong, in words that say what to do.
//!
//! Owns the system's roots (loaded once a process), a target's configuration (made at its first connection, and anew
//! when its files on disk have changed and can be used) and the sentences for failures. Refuses to connect without
//! verifying: there is no switch for that.

use std::cell::RefCell;
use std::fmt::Display;
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

use super::connect::{ConnectError, Target};
use crate::decide::policy::Http2;

/// A target's configuration, as long as its files stay what they were.
#[derive(Debug, Default)]
pub(super) struct TlsCache(RefCell<Option<(Vec<Stamp>, Arc<ClientConfig>)>>);

/// A file's path, length and time of change.
type Stamp = (PathBuf, Option<(u64, SystemTime)>);

impl TlsCache {
    /// The configuration for the target's next connection.
    pub(super) fn config(&self, target: &Target) -> Result<Arc<ClientConfig>, ConnectError> {
        let stamps = stamps(target);
        if let Some((known, config)) = self.0.borrow().as_ref()
            && *known == stamps
        {
            return Ok(Arc::clone(config));
        }
        let config = match (configure(target), self.0.borrow().as_ref()) {
            (Ok(config), _) => Arc::new(config),
            // Whoever reads flags.yaml is told that the files are not what they were.
            (Err(_), Some((_, known))) => Arc::clone(known),
            (Err(problem), None) => return Err(ConnectError::TlsFile(problem)),
        };
        *self.0.borrow_mut() = Some((stamps, Arc::clone(&config)));
        Ok(config)
    }
}

fn stamps(target: &Target) -> Vec<Stamp> {
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

fn configure(target: &Target) -> Result<ClientConfig, String> {
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

/// TLS over a TCP connection to the target, its certificate verified. An error is a sentence.
pub(super) async fn handshake(
    target: &Target,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| format!("`{}` is neither a DNS name nor an IP address", target.host))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| sentence(target, &error))
}

fn sentence(target: &Target, error: &io::Error) -> String {
    let (host, place) = (&target.host, target.place());
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return format!("{place} broke off the TLS handshake: {error}");
    };
    match error {
        Error::InvalidCertificate(problem) => untrusted(host, problem),
        Error::InvalidMessage(_) => {
            format!("{place} does not speak TLS; write base_url with http:// if that is meant")
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{place} wants a client certificate; give tls.cert_file and tls.key_file")
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            format!("{place} speaks no HTTP version that http2: allows")
        }
        Error::AlertReceived(alert) => format!("{place} refused the TLS handshake: {alert:?}"),
        other => format!("the TLS handshake with {place} failed: {other}"),
    }
}

fn untrusted(host: &str, problem: &CertificateError) -> String {
    let tail: &dyn Display = match problem {
        CertificateError::UnknownIssuer => {
            &"its issuer is unknown; if it is your own authority, name it in tls.ca_file"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            &"it has expired (or this machine's clock is wrong)"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            &"it is not valid yet (or this machine's clock is wrong)"
        }
        CertificateError::NotValidForName => &"it is for another name",
        CertificateError::NotValidForNameContext { presented, .. } => {
            return format!("certificate of {host} is not trusted: it is for {}", presented.join(", "));
        }
        CertificateError::Revoked => &"it was revoked",
        other => other,
    };
    format!("certificate of {host} is not trusted: {tail}")
}

//! TLS of the proxy port: which certificate is shown, and what is offered.
//!
//! One configuration for all cores and for the life of the process, so that a client may resume its session on any of
//! them and over a reload. The certificate is asked of the snapshot at each full handshake. Its key is read once.
//! Refuses early data, which could be replayed. Invariant: a handshake shows what is in force at that moment.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::clock;
use crate::decide::policy::ServerCertificate;
use crate::state::snapshot::SnapshotCell;

/// What ALPN calls HTTP/2.
pub(super) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The configuration of a port that shows what is in force.
pub(crate) fn server_config(shared: &Arc<SnapshotCell>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let shown = Arc::new(ShownCertificate { shared: Arc::clone(shared), ready: ArcSwapOption::empty() });
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct ShownCertificate {
    shared: Arc<SnapshotCell>,
    /// The one that was shown last.
    ready: ArcSwapOption<Ready>,
}

#[derive(Debug)]
struct Ready {
    certificate: Arc<ServerCertificate>,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.shared.load();
        let certificate = snapshot.policy.listen_tls.as_ref()?.shown(clock::unix())?;
        let ready = self.ready.load();
        if let Some(ready) = &*ready
            && Arc::ptr_eq(&ready.certificate, certificate)
        {
            return Some(Arc::clone(&ready.key));
        }
        let ServerCertificate { chain, key, .. } = &**certificate;
        let Ok(key) = CertifiedKey::from_der(chain.clone(), key.clone_key(), &ring::default_provider()) else {
            // It was tried when the file was read.
            return ready.as_ref().map(|ready| Arc::clone(&ready.key));
        };
        let key = Arc::new(key);
        self.ready.store(Some(Arc::new(Ready { certificate: Arc::clone(certificate), key: Arc::clone(&key) })));
        Some(key)
    }
}

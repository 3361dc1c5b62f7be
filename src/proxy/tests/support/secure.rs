//! Clients that speak TLS, and the certificates that they are shown.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::PATIENCE;
use super::client::Client;
use crate::decide::policy::{ListenTls, ServerCertificate};

/// A blocking client over TLS.
pub(crate) type SecureClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// A port that shows a new certificate for 127.0.0.1, which vouches for itself.
pub(crate) fn listen_tls() -> ListenTls {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let certificate = ServerCertificate::new(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    let certificate = Some(Arc::new(certificate.unwrap()));
    ListenTls { cert_file: "cert".into(), key_file: "key".into(), certificate, earlier: None, problem: None }
}

/// What a port shows.
pub(crate) fn shown(tls: &ListenTls) -> CertificateDer<'static> {
    tls.certificate.as_ref().unwrap().chain[0].clone()
}

/// Trusts this certificate, and speaks these protocols; none: without ALPN.
pub(crate) fn trusting(certificate: CertificateDer<'static>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

impl SecureClient {
    /// Its handshake is made with the first bytes.
    pub(crate) fn secure(address: SocketAddr, config: &Arc<ClientConfig>) -> SecureClient {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Client::over(StreamOwned::new(connection, stream))
    }

    /// Says that nothing more comes, and reads on.
    pub(crate) fn announce_end(&mut self) {
        self.stream.conn.send_close_notify();
        self.stream.conn.write_tls(&mut self.stream.sock).unwrap();
    }
}

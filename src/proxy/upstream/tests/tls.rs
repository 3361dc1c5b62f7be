//! Trust, identity, ALPN, and what is said when there is none.

use std::path::PathBuf;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::decide::outcome::Ending;

/// An authority of our own, and its certificate in a file.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    directory: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate, directory }
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn sign(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server for this name, speaking these.
    pub(super) fn acceptor(&self, name: &str, alpn: &[&str]) -> TlsAcceptor {
        self.acceptor_with(name, alpn, |_| {}, false)
    }

    fn acceptor_with(
        &self,
        name: &str,
        alpn: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
        wants_client: bool,
    ) -> TlsAcceptor {
        let (certificate, key) = self.sign(name, edit);
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&ring)).with_safe_default_protocol_versions().unwrap();
        let builder = if wants_client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(super) fn secure(address: SocketAddr, ca_file: Option<PathBuf>) -> Provider {
    let mut provider = provider(address);
    provider.base_url.https = true;
    provider.tls.ca_file = ca_file;
    provider
}

/// Takes connections, and requests where there are any, until dropped.
fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });
}

async fn sentence(provider: Provider) -> String {
    let failed = failure(send(&upstreams(), &Arc::new(provider), post(RequestBody::Empty)).await);
    assert_eq!(failed.ending, Ending::NoConnection);
    failed.fault.to_string()
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_by_address() {
    on_a_core(async {
        let authority = Authority::new();
        let (listener, address) = listener().await;
        serve(listener, authority.acceptor("127.0.0.1", &["http/1.1"]));
        let provider = Arc::new(secure(address, Some(authority.ca_file())));
        let response = send(&upstreams(), &provider, post(RequestBody::Empty)).await.unwrap();
        assert_eq!(text(response).await, "ok");
    });
}

#[test]
fn an_unknown_issuer_another_name_and_an_expired_certificate_are_said() {
    on_a_core(async {
        let authority = Authority::new();
        let (known, address) = listener().await;
        serve(known, authority.acceptor("127.0.0.1", &[]));
        assert_eq!(
            sentence(secure(address, None)).await,
            "TLS handshake with 127.0.0.1 failed: certificate has an untrusted issuer; if it is your own authority, \
             set tls.ca_file"
        );
        let (elsewhere, address) = listener().await;
        serve(elsewhere, authority.acceptor("api.example", &[]));
        let said = sentence(secure(address, Some(authority.ca_file()))).await;
        assert!(said.starts_with("TLS handshake with 127.0.0.1 failed: certificate is for another name: "), "{said}");
        assert!(said.contains("api.example"), "{said}");
        let (late, address) = listener().await;
        let expire = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        serve(late, authority.acceptor_with("127.0.0.1", &[], expire, false));
        assert_eq!(
            sentence(secure(address, Some(authority.ca_file()))).await,
            "TLS handshake with 127.0.0.1 failed: certificate has expired (or this machine's clock is wrong)"
        );
    });
}

#[test]
fn files_that_cannot_be_used_are_named() {
    on_a_core(async {
        let directory = tempfile::tempdir().unwrap();
        let (_listener, address) = listener().await;
        let missing = directory.path().join("none.pem");
        let said = sentence(secure(address, Some(missing.clone()))).await;
        assert_eq!(
            said,
            format!("ca_file {}: cannot be read: No such file or directory (os error 2)", missing.display())
        );
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let said = sentence(secure(address, Some(empty.clone()))).await;
        assert_eq!(said, format!("ca_file {}: there is no certificate in it; it must be PEM", empty.display()));
        let mut half = secure(address, None);
        half.tls.cert_file = Some(empty);
        assert_eq!(sentence(half).await, "tls has a cert_file but no key_file; give both");
    });
}

#[test]
fn a_client_certificate_is_asked_for_and_shown() {
    on_a_core(async {
        let authority = Authority::new();
        let (listener, address) = listener().await;
        serve(listener, authority.acceptor_with("127.0.0.1", &[], |_| {}, true));
        let without = failure(
            send(&upstreams(), &Arc::new(secure(address, Some(authority.ca_file()))), post(RequestBody::Empty)).await,
        );
        // TLS 1.3 lets the client finish before the server has looked: the refusal comes with the first read.
        assert_eq!(without.ending, Ending::NoHead);

        let (certificate, key) = authority.sign("client", |_| {});
        let mut with = secure(address, Some(authority.ca_file()));
        with.tls.cert_file = Some(authority.directory.path().join("cert.pem"));
        with.tls.key_file = Some(authority.directory.path().join("key.pem"));
        std::fs::write(with.tls.cert_file.as_ref().unwrap(), certificate.pem()).unwrap();
        std::fs::write(with.tls.key_file.as_ref().unwrap(), key.serialize_pem()).unwrap();
        let response = send(&upstreams(), &Arc::new(with), post(RequestBody::Empty)).await.unwrap();
        assert_eq!(text(response).await, "ok");
    });
}

#[test]
fn a_changed_ca_file_is_read_again() {
    on_a_core(async {
        let (old, new) = (Authority::new(), Authority::new());
        let (listener, address) = listener().await;
        serve(listener, new.acceptor("127.0.0.1", &[]));
        let file = old.directory.path().join("rotated.pem");
        std::fs::copy(old.ca_file(), &file).unwrap();
        let (provider, upstreams) = (Arc::new(secure(address, Some(file.clone()))), upstreams());
        let before = failure(send(&upstreams, &provider, post(RequestBody::Empty)).await);
        assert!(before.fault.to_string().contains("is not trusted"), "{}", before.fault);
        let both = std::fs::read_to_string(old.ca_file()).unwrap() + &std::fs::read_to_string(new.ca_file()).unwrap();
        std::fs::write(&file, both).unwrap();
        let response = send(&upstreams, &provider, post(RequestBody::Empty)).await.unwrap();
        assert_eq!(text(response).await, "ok");
    });
}

#[test]
fn a_server_without_tls_and_a_silent_one_are_distinguished() {
    on_a_core(async {
        let (plain, address) = listener().await;
        tokio::task::spawn_local(async move {
            let mut peer = Peer::accept(&plain).await;
            peer.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
            peer.closed().await;
        });
        assert_eq!(
            sentence(secure(address, None)).await,
            format!("{address} does not support TLS; write base_url with http:// if this is intended")
        );
        let (_silent, address) = listener().await;
        let mut provider = secure(address, None);
        provider.timeouts.connect = Millis(80);
        assert_eq!(
            sentence(provider).await,
            format!("cannot connect to {address}: the TLS handshake took longer than 80ms")
        );
        let (closing, address) = listener().await;
        tokio::task::spawn_local(async move { drop(closing.accept().await) });
        let said = sentence(secure(address, None)).await;
        assert!(said.starts_with(&format!("{address} ended the TLS handshake: ")), "{said}");
    });
}

#[test]
fn an_unused_port_and_an_unknown_name_have_their_errors() {
    on_a_core(async {
        let address = unused_address();
        let said = sentence(provider(address)).await;
        assert_eq!(said, format!("cannot connect to {address}: Connection refused (os error 111)"));
        let mut nowhere = provider(address);
        nowhere.base_url.host = "provider.invalid".into();
        let said = sentence(nowhere).await;
        assert!(said.starts_with("cannot look up provider.invalid: "), "{said}");
    });
}

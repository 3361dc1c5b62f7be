//! Certificates on the disk, and clients that are shown them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};

const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate for 127.0.0.1, which vouches for itself, and its key.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::valid_to(9000)
    }

    /// Valid from 2000 to the first day of this year.
    pub(crate) fn valid_to(year: i32) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        let certificate = params.self_signed(&key).unwrap();
        Pair { certificate: certificate.der().clone(), cert_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// Writes `tls.crt` and `tls.key`.
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::write(dir.join("tls.crt"), &self.cert_pem).unwrap();
        std::fs::write(dir.join("tls.key"), &self.key_pem).unwrap();
    }

    /// The settings of a client that trusts it.
    pub(crate) fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// An HTTP/1.1 client over TLS.
pub(crate) struct SecureClient {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
}

impl SecureClient {
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<SecureClient> {
        let mut sock = TcpStream::connect(address)?;
        sock.set_read_timeout(Some(PATIENCE))?;
        sock.set_write_timeout(Some(PATIENCE))?;
        sock.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut conn = ClientConnection::new(Arc::clone(config), name).unwrap();
        while conn.is_handshaking() {
            conn.complete_io(&mut sock)?;
        }
        Ok(SecureClient { stream: StreamOwned::new(conn, sock) })
    }

    /// The certificate that it was shown.
    pub(crate) fn shown(&self) -> CertificateDer<'_> {
        self.stream.conn.peer_certificates().unwrap()[0].clone()
    }

    /// A chat request, with these further lines in its head.
    pub(crate) fn chat(&mut self, more: &str, body: &str) -> io::Result<()> {
        write!(
            self.stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{more}content-length: \
             {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Everything up to and including `end`.
    pub(crate) fn read_to(&mut self, end: &str) -> io::Result<String> {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let mut byte = [0];
            if self.stream.read(&mut byte)? == 0 {
                return Err(io::Error::other(format!("the end, after {}", String::from_utf8_lossy(&read))));
            }
            read.extend(byte);
        }
        Ok(String::from_utf8_lossy(&read).into_owned())
    }

    /// The head of an answer, and its body by content-length.
    pub(crate) fn answer(&mut self) -> io::Result<(String, String)> {
        let head = self.read_to("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }
}

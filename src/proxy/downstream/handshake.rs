//! From a connection to the TLS port to one that speaks HTTP, or the reason why it does not.
//!
//! The first byte tells TLS from HTTP without it, which is answered in clear with what to do. The connection's lifetime
//! limits how long all of this may take, as it does for a request's head. Refuses to retry anything. Invariant: every
//! connection that sends something and gets no further is counted once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use rustls::{AlertDescription, Error, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::activity::Activity;
use super::client_connection::ClientConnection;
use super::client_stream::{BeneathTls, ClientStream as _, SecureStream};
use super::socket::has_unread;
use crate::clock;
use crate::decide::tls_failure::TlsFailure;
use crate::describe::certificate::handshake_failure;
use crate::proxy::response::problem;
use crate::state::tls_failures::TlsFailures;

/// The first byte of every TLS connection: the type of a record with a message of the handshake.
const HANDSHAKE: u8 = 22;
/// How much of a request without TLS is read, so that its client reads the answer before it sees the end.
const MOST_PLAIN: usize = 64 * 1024;

/// Makes the handshake. `None`: the connection is at its end.
pub(super) async fn secure(
    stream: TcpStream,
    conn: &ClientConnection,
    config: Arc<ServerConfig>,
) -> Option<SecureStream> {
    let first = first_byte(&stream, &conn.activity).await?;
    conn.activity.first_bytes_came();
    let mut attempt = Attempt { failures: &conn.core.tls_failures, peer: stream.peer_addr().ok(), failed: None };
    if first != HANDSHAKE {
        // A method's name.
        let is_http = first.is_ascii_uppercase();
        attempt.fails(if is_http { TlsFailure::PlainHttp } else { TlsFailure::NotTls });
        drop(attempt);
        if is_http {
            answer_plain(stream).await;
        }
        return None;
    }
    // While it lasts, it counts as one that does not finish.
    attempt.fails(TlsFailure::Unfinished);
    match TlsAcceptor::from(config).accept(BeneathTls::new(stream)).await {
        Ok(stream) => {
            attempt.failed = None;
            conn.activity.handshake_ends();
            Some(SecureStream::new(stream))
        }
        Err(error) => {
            attempt.fails(failure(&error));
            None
        }
    }
}

/// The client speaks another protocol than was agreed on: that is counted like a handshake that failed.
pub(super) fn contradicts(stream: &SecureStream, conn: &ClientConnection) {
    let peer = stream.tcp().peer_addr().ok();
    drop(Attempt { failures: &conn.core.tls_failures, peer, failed: Some(TlsFailure::NothingInCommon) });
}

/// The first byte that comes, which stays unread; `None`: nothing comes, or its place is wanted before.
async fn first_byte(stream: &TcpStream, activity: &Activity) -> Option<u8> {
    std::future::poll_fn(|context| {
        let mut byte = [0_u8];
        match stream.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(1..)) => Poll::Ready(Some(byte[0])),
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending if activity.leaves() && !has_unread(stream) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Tells a client without TLS what to do.
async fn answer_plain(mut stream: TcpStream) {
    let answered = async {
        stream.write_all(&problem::without_tls()).await?;
        stream.shutdown().await?;
        let mut scratch = vec![0; 4096];
        let mut read = 0;
        while read < MOST_PLAIN {
            match stream.read(&mut scratch).await? {
                0 => break,
                more => read += more,
            }
        }
        io::Result::Ok(())
    };
    // A client that has left needs no answer.
    let _ = answered.await;
}

fn failure(error: &io::Error) -> TlsFailure {
    use AlertDescription as Alert;
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return TlsFailure::BrokenOff;
    };
    match error {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => TlsFailure::NotTls,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFailure::NothingInCommon,
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => TlsFailure::Refused,
        Error::AlertReceived(
            Alert::HandshakeFailure
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::NoApplicationProtocol,
        ) => TlsFailure::NothingInCommon,
        _ => TlsFailure::BrokenOff,
    }
}

/// A handshake, counted as failed when it is dropped, unless it succeeded.
struct Attempt<'a> {
    failures: &'a TlsFailures,
    peer: Option<SocketAddr>,
    failed: Option<TlsFailure>,
}

impl Attempt<'_> {
    fn fails(&mut self, why: TlsFailure) {
        self.failed = Some(why);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let Some(why) = self.failed else { return };
        if let Some(count) = self.failures.count(why, clock::now()) {
            let peer = self.peer.map(|peer| peer.ip().to_string()).unwrap_or_default();
            let said = handshake_failure(why);
            match why {
                TlsFailure::PlainHttp | TlsFailure::Refused | TlsFailure::NothingInCommon => {
                    tracing::warn!(peer, count, "listen_tls: {said}");
                }
                // Scanners of ports, and health checks that only connect.
                _ => tracing::debug!(peer, count, "listen_tls: {said}"),
            }
        }
    }
}

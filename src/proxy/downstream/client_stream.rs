//! What a client's socket reads from and writes to: TCP itself, or TLS over it.
//!
//! Owns what the two do differently. Each kind is a type of its own, so that a plain connection has no branch for TLS.
//! Invariant: the end of what a client sends is the end of the stream, whether TLS announced it or not. What a request
//! has to have, its head and its length say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A client's connection, beneath HTTP.
pub(super) trait ClientStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Whether what was written may wait for a flush.
    const HOLDS_WRITES: bool;

    /// The connection that carries it.
    fn tcp(&self) -> &TcpStream;

    /// Sends a few bytes at once. `false`: that is not possible.
    fn is_sent(&mut self, bytes: &[u8], context: &mut Context<'_>) -> bool;

    /// Whether bytes came from which nothing can be read yet.
    fn holds_part(&self) -> bool;

    /// Says that nothing more comes, where that is said, and does not wait.
    fn announce_end(&mut self);
}

impl ClientStream for TcpStream {
    const HOLDS_WRITES: bool = false;

    fn tcp(&self) -> &TcpStream {
        self
    }

    fn is_sent(&mut self, bytes: &[u8], _: &mut Context<'_>) -> bool {
        self.try_write(bytes).is_ok_and(|written| written == bytes.len())
    }

    fn holds_part(&self) -> bool {
        false
    }

    fn announce_end(&mut self) {}
}

/// TLS over TCP, its handshake done.
#[derive(Debug)]
pub(super) struct SecureStream(TlsStream<BeneathTls>);

impl SecureStream {
    pub(super) fn new(mut stream: TlsStream<BeneathTls>) -> SecureStream {
        stream.get_mut().0.came = false;
        SecureStream(stream)
    }

    /// What ALPN agreed on; `None`: the client does not speak it.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.0.get_ref().1.alpn_protocol()
    }
}

impl ClientStream for SecureStream {
    const HOLDS_WRITES: bool = true;

    fn tcp(&self) -> &TcpStream {
        &self.0.get_ref().0.tcp
    }

    fn is_sent(&mut self, bytes: &[u8], context: &mut Context<'_>) -> bool {
        let written = Pin::new(&mut self.0).poll_write(context, bytes);
        matches!(written, Poll::Ready(Ok(written)) if written == bytes.len())
            && matches!(Pin::new(&mut self.0).poll_flush(context), Poll::Ready(Ok(())))
    }

    fn holds_part(&self) -> bool {
        self.0.get_ref().0.came
    }

    fn announce_end(&mut self) {
        let (beneath, tls) = self.0.get_mut();
        tls.send_close_notify();
        // A client that takes no more sees the end without it.
        let _ = tls.write_tls(&mut AtOnce(&beneath.tcp));
    }
}

/// The connection beneath TLS, which notes that bytes came.
#[derive(Debug)]
pub(super) struct BeneathTls {
    tcp: TcpStream,
    came: bool,
}

impl BeneathTls {
    pub(super) fn new(tcp: TcpStream) -> BeneathTls {
        BeneathTls { tcp, came: false }
    }
}

impl AsyncRead for BeneathTls {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.came |= buf.filled().len() > before;
        read
    }
}

impl AsyncWrite for BeneathTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A connection that takes what it can without waiting.
struct AtOnce<'a>(&'a TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        if read.is_ready() {
            self.0.get_mut().0.came = false;
        }
        match read {
            // Closed without the alert that should come before, as many clients do.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

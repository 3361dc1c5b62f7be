//! The byte stream to a provider, plain or TLS, and what can be seen of its life from outside.
//!
//! Hyper's errors do not say whether a broken connection had already sent something, nor when the last of a request
//! went out. A [`StreamActivity`] does: it notes the first byte heard and the last write. A provider may answer before
//! it has read the request, and close: then writes fail while its answer can still be read. So a failed write is no
//! end; what follows of the request is thrown away, and what is read decides. Invariants: activity is reset at every
//! dispatch, so what it says is about the request in flight; a connection that takes no more carries no other request.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use rustls::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::clock;
use crate::decide::units::Millis;

/// Signs of life on one connection. Atomic only because an upgraded stream must be `Send`.
#[derive(Debug, Default)]
pub(super) struct StreamActivity {
    heard: AtomicBool,
    takes_no_more: AtomicBool,
    writes: AtomicU32,
    last_write: AtomicU64,
}

impl StreamActivity {
    /// A request is about to go out.
    pub(super) fn begin(&self) {
        self.heard.store(false, Relaxed);
        self.writes.store(0, Relaxed);
        self.last_write.store(0, Relaxed);
    }

    /// Whether any byte came back since.
    pub(super) fn has_activity(&self) -> bool {
        self.heard.load(Relaxed)
    }

    /// Whether the provider takes no more of what is written.
    pub(super) fn takes_no_more(&self) -> bool {
        self.takes_no_more.load(Relaxed)
    }

    /// When the connection last took bytes; `None` when one write right after the dispatch was all.
    pub(super) fn last_write(&self) -> Option<Millis> {
        match self.last_write.load(Relaxed) {
            0 => None,
            at => Some(Millis(at)),
        }
    }

    fn note_write(&self) {
        let before = self.writes.load(Relaxed);
        self.writes.store(before.saturating_add(1), Relaxed);
        // The first write coincides with the dispatch: most requests are spared a reading of the clock.
        if before > 0 {
            self.last_write.store(clock::now().0.max(1), Relaxed);
        }
    }
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection's bytes.
#[derive(Debug)]
pub(super) struct ProviderStream {
    stream: Stream,
    activity: Arc<StreamActivity>,
    /// Why a write failed, until it is reported.
    failed: Option<io::Error>,
}

impl ProviderStream {
    pub(super) fn plain(stream: TcpStream) -> ProviderStream {
        ProviderStream { stream: Stream::Plain(stream), activity: Arc::default(), failed: None }
    }

    /// After the TLS handshake.
    pub(super) fn tls(stream: TlsStream<TcpStream>) -> ProviderStream {
        ProviderStream { stream: Stream::Tls(Box::new(stream)), activity: Arc::default(), failed: None }
    }

    /// What can be seen of it once hyper owns it.
    pub(super) fn activity(&self) -> Arc<StreamActivity> {
        Arc::clone(&self.activity)
    }

    /// What a write came to, or a flush; of what failed `all` is thrown away, as is all that follows.
    fn note_written<T>(&mut self, polled: Poll<io::Result<T>>, all: T) -> Poll<io::Result<T>> {
        let error = match polled {
            Poll::Ready(Err(error)) if is_end(&error) => error,
            polled => return polled,
        };
        self.activity.takes_no_more.store(true, Relaxed);
        self.failed = Some(error);
        Poll::Ready(Ok(all))
    }

    /// The TLS session; `None`: the stream is plain.
    pub(super) fn session(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(tls) => Some(tls.get_ref().1),
        }
    }

    /// Whether ALPN settled on HTTP/2.
    pub(super) fn settled_on_http2(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// Whether a connection is over, so that a read comes to its end as well.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut)
}

impl AsyncRead for ProviderStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            this.activity.heard.store(true, Relaxed);
        } else if matches!(polled, Poll::Ready(Ok(())))
            && !this.activity.has_activity()
            && let Some(error) = this.failed.take()
        {
            // It ends without an answer, and this is why.
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl AsyncWrite for ProviderStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.activity.takes_no_more() {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        };
        if polled.is_ready() {
            this.activity.note_write();
        }
        this.note_written(polled, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        if this.activity.takes_no_more() {
            return Poll::Ready(Ok(all));
        }
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        };
        if polled.is_ready() {
            this.activity.note_write();
        }
        this.note_written(polled, all)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A socket keeps nothing back.
        let Stream::Tls(tls) = &mut this.stream else { return Poll::Ready(Ok(())) };
        if this.activity.takes_no_more() {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(tls).poll_flush(cx);
        this.note_written(polled, ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

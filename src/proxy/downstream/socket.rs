//! A client's socket, as hyper reads and writes it.
//!
//! Puts back what was read to learn the protocol, notes what happens in the connection's [`Activity`], keeps a client
//! that has closed its sending side connected until its answer is out, and replaces the bare status line that the
//! HTTP/1 parser writes by an error that says what is wrong. Refuses to time anything. Invariant: no byte of a request
//! or an answer is changed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::client_connection::ClientConnection;
use super::client_stream::ClientStream;
use super::half_close::{HalfClose, INTERIM};
use super::http2_frames::Frames;
use crate::proxy::response::problem;
use crate::state::ambiguous_closes::AmbiguousCloses;

/// For how many polls of its task the end of an HTTP/1 client is put off: a request that came with it has begun by
/// then.
const POLLS: u8 = 8;

/// Whether bytes have come that are not read yet. The runtime may not know of them.
pub(super) fn has_unread(stream: &TcpStream) -> bool {
    let peeked = socket2::SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()]);
    !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// A client's socket, with what was read of it to learn the protocol put back before the rest.
#[derive(Debug)]
pub(super) struct Socket<S: ClientStream> {
    inner: S,
    first: Bytes,
    activity: Arc<Activity>,
    ambiguous_closes: Arc<AmbiguousCloses>,
    /// HTTP/2 only: where in a frame its client is. With HTTP/1, bytes that come between requests are a head.
    frames: Option<Frames>,
    /// What is left of an error that replaces the one of the parser.
    error: Bytes,
    /// Its client has closed its side, and may read on.
    half_close: Option<HalfClose>,
    /// How often its end was put off.
    polls: u8,
    /// Whether the parser has seen its end.
    ended: bool,
}

impl<S: ClientStream> Socket<S> {
    /// `first` was read before.
    pub(super) fn new(inner: S, first: Bytes, connection: &ClientConnection, http2: bool) -> Socket<S> {
        Socket {
            inner,
            first,
            activity: Arc::clone(&connection.activity),
            ambiguous_closes: Arc::clone(&connection.core.ambiguous_closes),
            frames: http2.then(Frames::default),
            error: Bytes::new(),
            half_close: None,
            polls: 0,
            ended: false,
        }
    }

    /// The connection that carries it.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.inner.tcp()
    }

    /// Puts back what a parser has read and not used.
    pub(super) fn put_back(&mut self, unused: Bytes) {
        self.first = unused;
    }

    /// Whether there is something to read that was read from the connection before.
    pub(super) fn holds_unread(&self) -> bool {
        !self.first.is_empty()
    }

    // The client has closed its side. It is asked whether it still reads, where that is possible.
    #[cold]
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_awaiting_answer()
            && let Some(half_close) = HalfClose::ask(&mut self.inner, cx)
        {
            self.half_close = Some(half_close);
            return self.poll_half_closed(cx);
        }
        if self.frames.is_none() && self.polls < POLLS {
            // The end may have come with the request, which is not being served yet.
            self.polls += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.ended {
            self.ended = true;
            if let Some(reason) = self.activity.ambiguous_close(self.frames.is_some()) {
                self.ambiguous_closes.count(reason);
            }
        }
        Poll::Ready(Ok(()))
    }

    // What the parser takes for the client's end waits for the answer, unless the client has left.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let open = self.activity.is_serving();
        let awaits = self.activity.is_awaiting_answer();
        let inner = &mut self.inner;
        let reads_on = self.half_close.as_mut().is_some_and(|it| open && !it.has_left(inner, awaits, cx));
        if reads_on { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    // The parser answers a head that it cannot read with a bare status line, which does not say what is wrong, so it
    // is replaced. In this state (part of a head came, no request is open) nothing else writes an error.
    fn parse_error(&self, bytes: &[u8]) -> Option<Bytes> {
        if self.frames.is_some() || !self.activity.is_in_head() {
            return None;
        }
        let head = bytes.strip_prefix(b"HTTP/1.1 ")?;
        (bytes.ends_with(b"\r\n\r\n") && bytes.len() < 200).then(|| problem::unparsable(head.get(..3)?)).flatten()
    }
}

impl<S: ClientStream> Drop for Socket<S> {
    fn drop(&mut self) {
        // An answer that broke off must not look like one that is whole.
        if S::HOLDS_WRITES && self.activity.is_closed_while_idle() {
            self.inner.announce_end();
        }
    }
}

impl<S: ClientStream> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let take = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..take]);
            self.first.advance(take);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let me = &mut *self;
        if me.half_close.is_some() {
            return me.poll_half_closed(cx);
        }
        let read = Pin::new(&mut me.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            match &mut me.frames {
                None => me.activity.note_read(),
                Some(frames) => {
                    let completed = frames.take(&buf.filled()[before..]);
                    me.activity.note_frames(completed, frames.is_half_way());
                }
            }
        } else if read.is_pending() && me.frames.is_none() && me.inner.holds_part() {
            // The beginning of a head, or more of a body.
            me.activity.note_read();
        } else if read.is_pending() && me.frames.is_none() && me.activity.leaves() {
            if !has_unread(me.inner.tcp()) {
                // When the client seems to have ended, the parser closes an idle connection, and no other.
                return Poll::Ready(Ok(()));
            }
            me.activity.stays();
        } else if matches!(read, Poll::Ready(Ok(()))) {
            return me.poll_ended(cx);
        }
        read
    }
}

impl<S: ClientStream> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.error.is_empty() {
            let Some(error) = self.parse_error(buf) else {
                let written = Pin::new(&mut self.inner).poll_write(cx, buf);
                self.activity.note_write(buf != INTERIM, written.is_pending());
                return written;
            };
            self.error = error;
        }
        while !self.error.is_empty() {
            let me = &mut *self;
            match Pin::new(&mut me.inner).poll_write(cx, &me.error) {
                Poll::Ready(Ok(written)) => me.error.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if S::HOLDS_WRITES {
            self.activity.note_write(false, flushed.is_pending());
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

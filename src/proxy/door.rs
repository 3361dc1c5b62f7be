//! One client connection's clock: how long it may stay silent, idle, or half-way through a request's head.
//!
//! The socket's wrapper notes what happens on the connection; a sweep over all connections of a core, a few times a
//! second, compares. No timer is armed and no time is read for a request. Invariants: a head (or a new connection)
//! takes at most `header_time`, an idle connection stays for `idle`, and so does one whose client stops in the middle of
//! a body that is being held; otherwise a connection with a request in flight is never closed from here.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::core::Core;
use super::listener::Slot;
use super::rescue;
use crate::decide::policy::Limits;
use crate::decide::units::Millis;

/// What happens on a connection. One thread writes it; it is atomic because hyper wants its I/O to be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Rises whenever one of the others changes.
    beat: AtomicU32,
    /// Requests in flight.
    open: AtomicU32,
    /// Whether a head is on its way in.
    in_head: AtomicBool,
    /// Whether a request waits for its body to be complete before it goes anywhere.
    awaits_body: AtomicBool,
    /// Whether a request was ever begun.
    used: AtomicBool,
}

impl Pulse {
    fn beats(&self) {
        self.beat.store(self.beat.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The connection is a new one, or the first byte of a head came.
    pub(crate) fn head_begins(&self) {
        if !self.in_head.load(Relaxed) {
            self.in_head.store(true, Relaxed);
            self.beats();
        }
    }

    /// The head is no longer waited for (or it is HTTP/2, where heads are frames).
    pub(crate) fn head_ends(&self) {
        self.in_head.store(false, Relaxed);
        self.beats();
    }

    /// A request waits for its whole body, or does no longer.
    pub(crate) fn awaits_body(&self, waits: bool) {
        self.awaits_body.store(waits, Relaxed);
    }

    /// Bytes came from the client.
    fn heard(&self, heads: bool) {
        if heads && self.open.load(Relaxed) == 0 {
            self.head_begins();
        } else if self.awaits_body.load(Relaxed) {
            self.beats();
        }
    }

    /// A request is being served.
    pub(crate) fn request_begins(&self) {
        self.in_head.store(false, Relaxed);
        self.used.store(true, Relaxed);
        self.open.store(self.open.load(Relaxed).wrapping_add(1), Relaxed);
        self.beats();
    }

    /// Its answer is out.
    pub(crate) fn request_ends(&self) {
        self.open.store(self.open.load(Relaxed).wrapping_sub(1), Relaxed);
        self.beats();
    }
}

/// A client connection, as its core's sweep sees it.
#[derive(Debug)]
pub(crate) struct Door {
    /// Which core serves it.
    pub(crate) core: Rc<Core>,
    /// What happens on it.
    pub(crate) pulse: Arc<Pulse>,
    /// Whether it was opened when clients were already asked to close.
    late: bool,
    number: u64,
    last: Cell<(u32, Millis)>,
    overdue: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    _slot: Slot,
}

impl Door {
    /// A new connection, in its core's list.
    pub(crate) fn open(core: &Rc<Core>, number: u64, slot: Slot, now: Millis) -> Rc<Door> {
        let pulse = Arc::new(Pulse::default());
        pulse.head_begins();
        let door = Rc::new(Door {
            core: Rc::clone(core),
            last: Cell::new((pulse.beat.load(Relaxed), now)),
            pulse,
            late: core.is_draining(),
            number,
            overdue: Cell::new(false),
            waker: RefCell::new(None),
            _slot: slot,
        });
        core.doors.borrow_mut().insert(number, Rc::downgrade(&door));
        door
    }

    /// Whether the connection's time is up. Its task asks at every poll, and is woken when the answer changes.
    pub(crate) fn is_overdue(&self, context: &Context<'_>) -> bool {
        let mut waker = self.waker.borrow_mut();
        if waker.is_none() {
            // A task keeps its waker for life.
            *waker = Some(context.waker().clone());
        }
        // Something may have come since the sweep looked.
        self.overdue.get() && self.last.get().0 == self.pulse.beat.load(Relaxed)
    }

    /// Whether an HTTP/2 client should be told to go. One that came during the drain gets its first request served.
    pub(crate) fn should_say_goodbye(&self) -> bool {
        self.core.is_draining() && (!self.late || self.pulse.used.load(Relaxed))
    }

    /// Has the connection's task look again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The sweep's look at it.
    pub(crate) fn check(&self, now: Millis, limits: &Limits) {
        let beat = self.pulse.beat.load(Relaxed);
        let (last, since) = self.last.get();
        if beat != last {
            self.last.set((beat, now));
            self.overdue.set(false);
            return;
        }
        // A provider may take its time, and so may a client with its answer; but a body that is held holds memory.
        if self.pulse.open.load(Relaxed) > 0 && !self.pulse.awaits_body.load(Relaxed) {
            return;
        }
        let allowed = if self.pulse.in_head.load(Relaxed) { limits.header_time } else { limits.idle };
        if now.since(since) >= allowed {
            self.overdue.set(true);
            self.wake();
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.core.doors.borrow_mut().remove(&self.number);
    }
}

/// A client's socket, with what was read of it to learn the protocol put back before the rest.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: TcpStream,
    first: Bytes,
    pulse: Arc<Pulse>,
    /// HTTP/1 only: whether bytes that come between requests are a head.
    heads: bool,
    /// What is left of an error of our own that is being written in the parser's stead.
    farewell: Bytes,
}

impl Socket {
    /// `first` was read before.
    pub(crate) fn new(inner: TcpStream, first: Bytes, pulse: Arc<Pulse>, heads: bool) -> Socket {
        Socket { inner, first, pulse, heads, farewell: Bytes::new() }
    }

    // The parser answers a head that it cannot read with a bare status line. Nobody learns from that what to mend,
    // so it is replaced. In this state (part of a head came, no request is open) nothing else writes an error.
    fn farewell(&self, bytes: &[u8]) -> Option<Bytes> {
        if !self.heads || !self.pulse.in_head.load(Relaxed) {
            return None;
        }
        let head = bytes.strip_prefix(b"HTTP/1.1 ")?;
        (bytes.ends_with(b"\r\n\r\n") && bytes.len() < 200).then(|| rescue::unparsable(head.get(..3)?)).flatten()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let take = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..take]);
            self.first.advance(take);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.heard(self.heads);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.farewell.is_empty() {
            let Some(farewell) = self.farewell(buf) else { return Pin::new(&mut self.inner).poll_write(cx, buf) };
            self.farewell = farewell;
        }
        while !self.farewell.is_empty() {
            let me = &mut *self;
            match Pin::new(&mut me.inner).poll_write(cx, &me.farewell) {
                Poll::Ready(Ok(written)) => me.farewell.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! One client connection's clock: how long it may stay silent, idle, or half-way through a request's head.
//!
//! The socket's wrapper notes what happens on the connection; a sweep over all connections of a core, a few times a
//! second, compares. No timer is armed and no time is read for a request. Invariants: a head (or a new connection)
//! takes at most `header_time`, an idle connection stays for `idle`, and so does one whose client stops in the middle of
//! a body that is being held; otherwise a connection with a request in flight is never closed from here, not even to
//! make room for others.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::half_close::{HalfClose, Stage};
use super::http2_frames::Frames;
use super::listener::ConnectionSlot;
use super::wake_filter::WakeFilter;
use crate::decide::policy::Limits;
use crate::decide::units::Millis;
use crate::proxy::core::Core;
use crate::proxy::response::problem;
use crate::state::ambiguous_closes::{AmbiguousCloses, Unasked};
use crate::state::source_table::Source;

/// For how many turns of its task the end of an HTTP/1 client is put off: a request that came with it is known by then.
const TURNS: u8 = 8;
/// How long a connection that was asked to leave may take to do so.
const TIME_TO_LEAVE: Millis = Millis(1000);

/// What happens on a connection. One thread writes it; it is atomic because hyper wants its I/O to be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Rises whenever one of the others changes.
    beat: AtomicU32,
    /// Requests in flight.
    open: AtomicU32,
    /// Whether a head is on its way in.
    in_head: AtomicBool,
    /// HTTP/2: whether a frame or a block of headers is half-way in.
    in_block: AtomicBool,
    /// Whether any byte ever came.
    spoken: AtomicBool,
    /// Whether the client does not take what is written to it.
    blocked: AtomicBool,
    /// Whether its place is wanted by others.
    leaving: AtomicBool,
    /// Whether a request waits for its body to be complete before it goes anywhere.
    awaits_body: AtomicBool,
    /// HTTP/1: how far the latest request has come.
    stage: Stage,
    /// Whether what follows is no HTTP any more.
    left_http: AtomicBool,
    /// Whether a request was ever begun.
    used: AtomicBool,
}

impl Activity {
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

    /// It is HTTP/2, where heads are frames. The first of them is waited for.
    pub(crate) fn speaks_http2(&self) {
        self.in_head.store(false, Relaxed);
        self.in_block.store(true, Relaxed);
        self.beats();
    }

    /// The first bytes came.
    pub(crate) fn speaks(&self) {
        self.spoken.store(true, Relaxed);
    }

    /// Whether the connection is to make room, and may: nothing is under way on it.
    pub(crate) fn leaves(&self) -> bool {
        self.leaving.load(Relaxed) && self.is_spare()
    }

    /// It stays after all.
    pub(crate) fn stays(&self) {
        self.leaving.store(false, Relaxed);
    }

    // Between requests, or never heard of; half a head is a request to come.
    fn is_spare(&self) -> bool {
        let in_head = self.in_head.load(Relaxed) && self.spoken.load(Relaxed);
        let busy = self.open.load(Relaxed) > 0 || self.blocked.load(Relaxed);
        !busy && !in_head && !self.in_block.load(Relaxed)
    }

    /// A request waits for its whole body, or does no longer.
    pub(crate) fn awaits_body(&self, waits: bool) {
        self.awaits_body.store(waits, Relaxed);
    }

    /// A request has come whole, and waits for its answer.
    pub(crate) fn is_whole(&self, version: Version) {
        self.stage.is_whole(version);
    }

    /// What comes from now on is no HTTP: either side may close while the other goes on.
    pub(crate) fn leaves_http(&self) {
        self.left_http.store(true, Relaxed);
    }

    /// Its client has closed its side: why it cannot be asked whether it reads on, if so.
    fn unasked(&self, http2: bool) -> Option<Unasked> {
        if self.open.load(Relaxed) == 0 || self.left_http.load(Relaxed) {
            return None;
        }
        if http2 {
            return Some(Unasked::Http2);
        }
        self.stage.unasked(self.awaits_body.load(Relaxed))
    }

    /// Bytes came from an HTTP/1 client.
    fn heard(&self) {
        if self.open.load(Relaxed) == 0 {
            self.head_begins();
        } else if self.awaits_body.load(Relaxed) {
            self.beats();
        }
    }

    /// Bytes came from an HTTP/2 client: whether they `completed` something, and whether something is half-way in now.
    fn heard_frames(&self, completed: bool, half_way: bool) {
        let before = self.in_block.load(Relaxed);
        self.in_block.store(half_way, Relaxed);
        if self.awaits_body.load(Relaxed) || (half_way && (completed || !before)) || (before && !half_way) {
            self.beats();
        }
    }

    /// A request is being served.
    pub(crate) fn request_begins(&self) {
        self.in_head.store(false, Relaxed);
        self.stage.arrives();
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
pub(crate) struct ClientConnection {
    /// Which core serves it.
    pub(crate) core: Rc<Core>,
    /// What happens on it.
    pub(crate) activity: Arc<Activity>,
    /// Who is at its other end.
    pub(crate) source: Arc<Source>,
    /// How its task is woken by hyper.
    pub(crate) hush: Arc<WakeFilter>,
    /// Whether it was opened when clients were already asked to close.
    late: bool,
    number: u64,
    last: Cell<(u32, Millis)>,
    overdue: Cell<bool>,
    /// When it was asked to make room.
    asked: Cell<Option<Millis>>,
    waker: RefCell<Option<Waker>>,
    _slot: ConnectionSlot,
}

impl ClientConnection {
    /// A new connection, in its core's list.
    pub(crate) fn open(
        core: &Rc<Core>,
        number: u64,
        source: Arc<Source>,
        slot: ConnectionSlot,
        now: Millis,
    ) -> Rc<ClientConnection> {
        let activity = Arc::new(Activity::default());
        activity.head_begins();
        let conn = Rc::new(ClientConnection {
            core: Rc::clone(core),
            source,
            hush: Arc::default(),
            last: Cell::new((activity.beat.load(Relaxed), now)),
            activity,
            late: core.is_draining(),
            number,
            overdue: Cell::new(false),
            asked: Cell::new(None),
            waker: RefCell::new(None),
            _slot: slot,
        });
        core.doors.borrow_mut().insert(number, Rc::downgrade(&conn));
        conn
    }

    /// Whether the connection's time is up. Its task asks at every poll, and is woken when the answer changes.
    pub(crate) fn is_overdue(&self, context: &Context<'_>) -> bool {
        let mut waker = self.waker.borrow_mut();
        if waker.is_none() {
            // A task keeps its waker for life.
            *waker = Some(context.waker().clone());
        }
        // Something may have come since the sweep looked.
        self.overdue.get() && self.last.get().0 == self.activity.beat.load(Relaxed)
    }

    /// Whether an HTTP/2 client should be told to go. One that came during the drain gets its first request served.
    pub(crate) fn should_say_goodbye(&self) -> bool {
        self.activity.leaves() || (self.core.is_draining() && (!self.late || self.activity.used.load(Relaxed)))
    }

    /// Since when it lies idle, or silent, and could make room for others.
    pub(crate) fn spare_since(&self, now: Millis) -> Option<Millis> {
        let beat = self.activity.beat.load(Relaxed);
        if beat != self.last.get().0 {
            self.last.set((beat, now));
            self.overdue.set(false);
        }
        let asked = self.activity.leaving.load(Relaxed);
        (!asked && self.activity.is_spare()).then(|| self.last.get().1)
    }

    /// Asks it to make room. It does so unless something comes at this very moment.
    pub(crate) fn leave(&self, now: Millis) {
        self.activity.leaving.store(true, Relaxed);
        self.asked.set(Some(now));
        self.wake();
    }

    /// Has the connection's task look again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The sweep's look at it.
    pub(crate) fn check(&self, now: Millis, limits: &Limits) {
        let beat = self.activity.beat.load(Relaxed);
        let (last, since) = self.last.get();
        if beat != last {
            self.last.set((beat, now));
            self.overdue.set(false);
            return;
        }
        // A provider may take its time, and so may a client with its answer; but a body that is held holds memory.
        let busy = self.activity.open.load(Relaxed) > 0;
        if busy && !self.activity.awaits_body.load(Relaxed) {
            return;
        }
        let in_head = self.activity.in_head.load(Relaxed) || self.activity.in_block.load(Relaxed);
        let allowed = if in_head && !busy { limits.header_time } else { limits.idle };
        let refuses_to_leave = self
            .asked
            .get()
            .is_some_and(|asked| self.activity.leaves() && now.since(asked.max(since)) >= TIME_TO_LEAVE);
        if now.since(since) >= allowed || refuses_to_leave {
            self.overdue.set(true);
            self.wake();
        }
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.core.doors.borrow_mut().remove(&self.number);
    }
}

/// Whether something has come that nobody has read yet. The runtime may not know of it.
pub(crate) fn has_something(stream: &TcpStream) -> bool {
    let peeked = socket2::SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()]);
    !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// A client's socket, with what was read of it to learn the protocol put back before the rest.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: TcpStream,
    first: Bytes,
    activity: Arc<Activity>,
    ambiguous_closes: Arc<AmbiguousCloses>,
    /// HTTP/2 only: where in a frame its client is. With HTTP/1, bytes that come between requests are a head.
    frames: Option<Frames>,
    /// What is left of an error of our own that is being written in the parser's stead.
    farewell: Bytes,
    /// Its client has closed its side, and may read on.
    half_close: Option<HalfClose>,
    /// How often its end was put off.
    turns: u8,
    /// Whether the parser was told of its end.
    ended: bool,
}

impl Socket {
    /// `first` was read before.
    pub(crate) fn new(inner: TcpStream, first: Bytes, conn: &ClientConnection, http2: bool) -> Socket {
        Socket {
            inner,
            first,
            activity: Arc::clone(&conn.activity),
            ambiguous_closes: Arc::clone(&conn.core.ambiguous_closes),
            frames: http2.then(Frames::default),
            farewell: Bytes::new(),
            half_close: None,
            turns: 0,
            ended: false,
        }
    }

    // The client has closed its side. It is asked whether it reads on, where it can be.
    #[cold]
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.stage.awaits_answer()
            && let Some(half_close) = HalfClose::ask(&self.inner)
        {
            self.half_close = Some(half_close);
            return self.poll_half_closed(cx);
        }
        if self.frames.is_none() && self.turns < TURNS {
            // The end may have come with the request, which is still on its way to whoever serves it.
            self.turns += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.ended {
            self.ended = true;
            if let Some(why) = self.activity.unasked(self.frames.is_some()) {
                self.ambiguous_closes.count(why);
            }
        }
        Poll::Ready(Ok(()))
    }

    // What the parser takes for the client's end waits for the answer, unless the client has left.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let open = self.activity.open.load(Relaxed) > 0;
        let awaits = self.activity.stage.awaits_answer();
        let reads_on = self.half_close.as_mut().is_some_and(|it| open && !it.has_left(&self.inner, awaits, cx));
        if reads_on { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    // The parser answers a head that it cannot read with a bare status line. Nobody learns from that what to mend,
    // so it is replaced. In this state (part of a head came, no request is open) nothing else writes an error.
    fn farewell(&self, bytes: &[u8]) -> Option<Bytes> {
        if self.frames.is_some() || !self.activity.in_head.load(Relaxed) {
            return None;
        }
        let head = bytes.strip_prefix(b"HTTP/1.1 ")?;
        (bytes.ends_with(b"\r\n\r\n") && bytes.len() < 200).then(|| problem::unparsable(head.get(..3)?)).flatten()
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
        let me = &mut *self;
        if me.half_close.is_some() {
            return me.poll_half_closed(cx);
        }
        let read = Pin::new(&mut me.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            match &mut me.frames {
                None => me.activity.heard(),
                Some(frames) => {
                    let completed = frames.take(&buf.filled()[before..]);
                    me.activity.heard_frames(completed, frames.is_half_way());
                }
            }
        } else if read.is_pending() && me.frames.is_none() && me.activity.leaves() {
            if !has_something(&me.inner) {
                // Told that the client has ended, the parser closes what is idle, and nothing else.
                return Poll::Ready(Ok(()));
            }
            me.activity.stays();
        } else if matches!(read, Poll::Ready(Ok(()))) {
            return me.poll_ended(cx);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.farewell.is_empty() {
            let Some(farewell) = self.farewell(buf) else {
                let written = Pin::new(&mut self.inner).poll_write(cx, buf);
                self.activity.stage.is_answered();
                self.activity.blocked.store(written.is_pending(), Relaxed);
                return written;
            };
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

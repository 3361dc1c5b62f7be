//! The connections of one core to one target.
//!
//! Hands out a connection for one request: a stream of a shared HTTP/2 connection, an unused HTTP/1.1 connection, or a
//! new one. Owns when a connection has become too old for new requests: one that is unused or shared is closed by the
//! reaper, any other when it is given back. Refuses to know what is sent. Invariants: connections that are open or
//! being opened never exceed this core's share, and where there is no room for a new one, an old shared one stays in
//! use; no request waits for a free one longer than `timeouts.connect`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::age::Age;
use super::connect;
use super::http1::Http1Connection;
use super::http2::Shared;
use super::idle::IdleConnections;
use super::owner::ConnectionOwner;
use super::pool_key::{Origin, PoolKey};
use super::queue::{ConnectionQueue, QueuePlace, Waiting};
use super::reaper::Reaper;
use super::response_source::{KEEP_IDLE, PooledConnection, ResponseSource};
use super::tls::TlsCache;
use crate::clock;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{Http2, Provider};
use crate::decide::units::Millis;

/// HTTP/2 connections a core opens to one target when their streams run out.
const SHARED_CONNECTIONS: usize = 4;
/// When an old shared connection that nothing could replace is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One core's connections to one target.
#[derive(Debug)]
pub(super) struct Pool {
    key: PoolKey,
    origin: Rc<Origin>,
    tls: TlsCache,
    queue: Rc<ConnectionQueue>,
    idle: IdleConnections,
    shared: RefCell<Vec<Rc<Shared>>>,
    reaper: Rc<Reaper>,
    /// No provider uses the pool any more.
    retired: Cell<bool>,
    /// One request dials for all that could share the connection.
    dialling: Semaphore,
    failed_dials: RefCell<(u64, Option<NoConnection>)>,
    only_http1: Cell<bool>,
    stream_ended: Notify,
    most_age: Cell<Option<Millis>>,
    chance: RefCell<fastrand::Rng>,
    /// The pool itself, for its connections.
    this: Weak<Pool>,
}

impl Pool {
    /// Empty. `authority` is what the `Host` header says; `most_age` how old a connection may become, `None`: any age.
    pub(super) fn new(key: PoolKey, authority: &str, limit: usize, most_age: Option<Millis>) -> Rc<Pool> {
        Rc::new_cyclic(|this| Pool {
            origin: Rc::new(Origin::new(key.https, authority)),
            key,
            tls: TlsCache::default(),
            queue: ConnectionQueue::new(limit),
            idle: IdleConnections::default(),
            shared: RefCell::default(),
            reaper: Rc::default(),
            retired: Cell::new(false),
            dialling: Semaphore::new(1),
            failed_dials: RefCell::default(),
            only_http1: Cell::new(false),
            stream_ended: Notify::new(),
            most_age: Cell::new(most_age),
            chance: RefCell::new(fastrand::Rng::new()),
            this: Weak::clone(this),
        })
    }

    pub(super) fn key(&self) -> &PoolKey {
        &self.key
    }

    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.count()
    }

    /// Follows an edit of `max_connections`.
    pub(super) fn resize(&self, limit: usize) {
        if self.queue.resize(limit) {
            self.idle.trim(self.queue.room());
        }
    }

    /// Follows an edit of `max_connection_age`, for open connections as well.
    pub(super) fn renew_after(&self, most_age: Option<Millis>) {
        if self.most_age.replace(most_age) != most_age
            && let Some(next) = self.reap()
        {
            self.reap_by(next);
        }
    }

    /// Closes all that is not in use, now and later.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.idle.clear();
        drop(self.shared.take());
    }

    /// Closes unused connections; returns how many there were.
    pub(super) fn close_idle(&self) -> usize {
        self.idle.clear()
    }

    /// A connection for one request: shared, idle or new, when it is its turn.
    pub(super) async fn acquire(self: &Rc<Self>, provider: &Provider) -> Result<ResponseSource, NoConnection> {
        let mut waiting = Waiting::of(provider, &self.key);
        if self.may_share() {
            if let Some(stream) = self.free_stream() {
                return Ok(stream);
            }
            if let Some(stream) = Box::pin(self.acquire_shared(provider, &mut waiting)).await? {
                return Ok(stream);
            }
        }
        let place = self.queue.place(&mut waiting).await?;
        match self.idle.take() {
            Some(connection) => Ok(self.of_http1(connection, place)),
            None => Box::pin(self.dial(provider.timeouts.connect, place)).await,
        }
    }

    /// A connection that cannot be stale: new, or a shared one that has not failed.
    pub(super) async fn connect(self: &Rc<Self>, provider: &Provider) -> Result<ResponseSource, NoConnection> {
        let mut waiting = Waiting::of(provider, &self.key);
        if self.may_share()
            && let Some(stream) = self.acquire_shared(provider, &mut waiting).await?
        {
            return Ok(stream);
        }
        let place = self.queue.place(&mut waiting).await?;
        self.dial(provider.timeouts.connect, place).await
    }

    fn may_share(&self) -> bool {
        match self.key.http2 {
            Http2::Never => false,
            Http2::Auto => self.key.https && !self.only_http1.get(),
            Http2::PriorKnowledge => true,
        }
    }

    /// A stream of a shared connection; `None` when the target turns out to speak HTTP/1.1 only.
    async fn acquire_shared(
        self: &Rc<Self>,
        provider: &Provider,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<ResponseSource>, NoConnection> {
        loop {
            if let Some(stream) = self.free_stream() {
                return Ok(Some(stream));
            }
            let connections = self.shared.borrow().len();
            if connections >= SHARED_CONNECTIONS || (connections > 0 && self.queue.is_full()) {
                waiting.until(self.stream_ended.notified()).await?;
                continue;
            }
            let failed = self.failed_dials.borrow().0;
            let Ok(_dialling) = self.dialling.acquire().await else { continue };
            if !self.may_share() {
                return Ok(None);
            }
            if let Some(stream) = self.free_stream() {
                return Ok(Some(stream));
            }
            if let (now, Some(error)) = &*self.failed_dials.borrow()
                && *now != failed
            {
                return Err(error.clone());
            }
            let place = self.queue.place(waiting).await?;
            let dialled = self.dial(provider.timeouts.connect, place).await;
            if let Err(error) = &dialled {
                let mut failed = self.failed_dials.borrow_mut();
                *failed = (failed.0 + 1, Some(error.clone()));
            }
            return dialled.map(Some);
        }
    }

    /// Why a request waits no longer: for a place in the queue, which Serin gives, or for the provider.
    pub(super) fn timed_out(&self) -> NoConnection {
        let place = self.key.place();
        if self.queue.is_full() { NoConnection::NoCapacity { place } } else { NoConnection::TooLate { place } }
    }

    async fn dial(self: &Rc<Self>, limit: Millis, place: QueuePlace) -> Result<ResponseSource, NoConnection> {
        self.idle.trim(self.queue.room());
        let stream = connect::open(&self.key, &self.tls, limit).await?;
        let age = Age::begin(clock::instant(), &mut self.chance.borrow_mut());
        let preface = |problem| NoConnection::Preface { place: self.key.place(), problem };
        if self.key.http2 == Http2::PriorKnowledge || stream.settled_on_http2() {
            let shared = Shared::handshake(stream, &self.origin, age, place).await.map_err(preface)?;
            let stream = shared.stream(self.owner());
            self.shared.borrow_mut().push(shared);
            if let Some(end) = age.end(self.most_age.get()) {
                self.reap_by(end);
            }
            return Ok(ResponseSource::Http2(stream));
        }
        self.only_http1.set(true);
        let connection = Http1Connection::handshake(stream, age).await.map_err(preface)?;
        Ok(self.of_http1(connection, place))
    }

    fn of_http1(self: &Rc<Self>, connection: Box<Http1Connection>, place: QueuePlace) -> ResponseSource {
        let owner: Rc<dyn ConnectionOwner> = Rc::<Pool>::clone(self);
        ResponseSource::Http1(PooledConnection::new(connection, owner, place))
    }

    fn free_stream(self: &Rc<Self>) -> Option<ResponseSource> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| !connection.is_closed());
        let connection = shared.iter().find(|connection| connection.has_room())?;
        Some(ResponseSource::Http2(connection.stream(self.owner())))
    }

    fn owner(&self) -> Weak<dyn ConnectionOwner> {
        Weak::<Pool>::clone(&self.this)
    }

    fn reap_by(&self, at: Instant) {
        let pool = Weak::clone(&self.this);
        self.reaper.search_by(at, move || pool.upgrade().and_then(|pool| pool.reap()));
    }

    /// Closes what is unused for too long or too old. Returns when there may be something to close again.
    fn reap(&self) -> Option<Instant> {
        let (now, most_age) = (clock::instant(), self.most_age.get());
        let earliest = self.idle.reap(now, most_age);
        let mut shared = self.shared.borrow_mut();
        let (before, has_room) = (shared.len(), !self.queue.is_full());
        shared.retain(|connection| {
            let old = connection.end(most_age).is_some_and(|end| end <= now);
            // Its streams keep it until the last of them has ended.
            let replaced = old && (has_room || connection.is_idle());
            !replaced && !connection.is_closed() && !connection.is_idle_for(KEEP_IDLE, clock::now())
        });
        if shared.len() < before {
            // A request that waits for a stream may dial instead.
            self.stream_ended.notify_waiters();
        }
        let unused = if shared.is_empty() { None } else { now.checked_add(KEEP_IDLE) };
        let old = shared.iter().filter_map(|connection| connection.end(most_age)).min();
        let old = old.and_then(|end| if end > now { Some(end) } else { now.checked_add(LOOK_AGAIN) });
        earliest.into_iter().chain(unused).chain(old).min()
    }
}

impl ConnectionOwner for Pool {
    /// Keeps it, unless it is too old, or its provider has closed it or is about to.
    fn take_back(&self, mut connection: Box<Http1Connection>, keep: Duration) {
        if keep.is_zero() || self.retired.get() || !connection.is_usable() {
            return;
        }
        let now = clock::instant();
        let Some(until) = now.checked_add(keep) else { return };
        connection.pooled = true;
        if let Some(end) = self.idle.add(connection, until, now, self.most_age.get()) {
            self.reap_by(end);
        }
    }

    fn stream_ended(&self) {
        self.stream_ended.notify_one();
        if self.retired.get() {
            self.shared.borrow_mut().retain(|connection| !connection.is_idle_for(Duration::ZERO, clock::now()));
            return;
        }
        if let Some(until) = clock::instant().checked_add(KEEP_IDLE) {
            self.reap_by(until);
        }
    }
}

//! The connections of one core to one target.
//!
//! Owns the idle ones (most recently used first, reaped before their provider would close them), the shared HTTP/2 ones,
//! whose turn it is (the cores of a process share out `max_connections`, and who comes later waits in line), and when a
//! connection has become too old for new requests: one that lies unused or is shared by the reaper, any other as it comes
//! back. Refuses to know what is sent. Invariants: connections open or being opened never exceed this core's share, and
//! where there is no room for another, an old shared one serves on; nobody waits for a free one longer than
//! `timeouts.connect`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, Semaphore};

use super::age::Age;
use super::connect::{self, PoolKey};
use super::http2::Shared;
use super::lease::{Conn, Lease, PooledConnection, ResponseSource};
use super::stream::ProviderStream;
use super::timer::DeadlineTimer;
use super::tls::TlsCache;
use crate::clock;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{Http2, Provider};
use crate::decide::units::Millis;
use crate::proxy::downstream::wake_filter::WakeFilter;
use crate::proxy::response::body::PIECE;

/// How long an unused connection is kept: below the 60 s after which common servers and balancers close theirs.
pub(super) const KEEP_IDLE: Duration = Duration::from_secs(55);
/// What an HTTP/1.1 connection may buffer in either direction; also bounds an answer's head.
const BUFFER: usize = 2 * PIECE;
/// HTTP/2 connections a core opens to one target when their streams run out.
const SHARED_CONNECTIONS: usize = 4;
/// How soon an old shared connection is looked at again that nothing could take the place of.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One core's connections to one target.
#[derive(Debug)]
pub(super) struct Pool {
    target: PoolKey,
    tls: TlsCache,
    host: HeaderValue,
    scheme: Scheme,
    idle: RefCell<Vec<Idle>>,
    /// When the reaper looks next; `None`: it does not run.
    reaping: Cell<Option<Instant>>,
    sooner: Rc<Notify>,
    /// Nobody will ask for connections any more.
    retired: Cell<bool>,
    turns: Semaphore,
    limit: Cell<usize>,
    /// Turns to swallow, after the limit was lowered below what is open.
    owed: Cell<usize>,
    shared: RefCell<Vec<Rc<Shared>>>,
    /// One dials for all who could share the connection.
    dialling: Semaphore,
    failed_dials: RefCell<(u64, Option<NoConnection>)>,
    only_http1: Cell<bool>,
    stream_ended: Notify,
    most_age: Cell<Option<Millis>>,
    chance: RefCell<fastrand::Rng>,
}

#[derive(Debug)]
struct Idle {
    conn: Conn,
    until: Instant,
}

impl Idle {
    /// When it is closed, where a connection may become so old.
    fn end(&self, most_age: Option<Millis>) -> Instant {
        self.conn.age.end(most_age).map_or(self.until, |end| end.min(self.until))
    }
}

/// A place in the line for connections; given back when dropped.
#[derive(Debug)]
pub(super) struct QueuePlace(Rc<Pool>);

impl QueuePlace {
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let owed = self.0.owed.get();
        if owed > 0 {
            self.0.owed.set(owed - 1);
        } else {
            self.0.turns.add_permits(1);
        }
    }
}

/// The wait of one request for a free connection.
#[derive(Debug)]
struct Waiting {
    limit: Duration,
    /// When it began; `None`: nothing had to be waited for yet.
    since: Option<Instant>,
}

impl Waiting {
    const fn of(provider: &Provider) -> Waiting {
        Waiting { limit: provider.timeouts.connect.duration(), since: None }
    }

    /// What `free` gives, if that is in time.
    async fn until<T>(&mut self, pool: &Pool, free: impl Future<Output = T>) -> Result<T, NoConnection> {
        let now = clock::instant();
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        let in_time = tokio::time::timeout(self.limit.saturating_sub(waited), free).await;
        in_time.map_err(|_| NoConnection::NoCapacity { place: pool.target.place() })
    }
}

impl Pool {
    /// Empty. `authority` is what the Host header says; `most_age` how old a connection may become, `None`: any age.
    pub(super) fn new(target: PoolKey, authority: &str, limit: usize, most_age: Option<Millis>) -> Rc<Pool> {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Rc::new(Pool {
            scheme: if target.https { Scheme::HTTPS } else { Scheme::HTTP },
            host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")),
            target,
            tls: TlsCache::default(),
            idle: RefCell::default(),
            reaping: Cell::new(None),
            sooner: Rc::default(),
            retired: Cell::new(false),
            turns: Semaphore::new(limit),
            limit: Cell::new(limit),
            owed: Cell::new(0),
            shared: RefCell::default(),
            dialling: Semaphore::new(1),
            failed_dials: RefCell::default(),
            only_http1: Cell::new(false),
            stream_ended: Notify::new(),
            most_age: Cell::new(most_age),
            chance: RefCell::new(fastrand::Rng::new()),
        })
    }

    pub(super) fn target(&self) -> &PoolKey {
        &self.target
    }

    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Connections that lie unused.
    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Follows an edit of `max_connections`.
    pub(super) fn resize(&self, limit: usize) {
        let (limit, before) = (limit.clamp(1, Semaphore::MAX_PERMITS), self.limit.get());
        self.limit.set(limit);
        if limit > before {
            let forgiven = self.owed.get().min(limit - before);
            self.owed.set(self.owed.get() - forgiven);
            self.turns.add_permits(limit - before - forgiven);
        } else {
            let gone = self.turns.forget_permits(before - limit);
            self.owed.set(self.owed.get() + (before - limit - gone));
            self.trim();
        }
    }

    /// Follows an edit of `max_connection_age`, for the connections that there are as well.
    pub(super) fn renew_after(self: &Rc<Self>, most_age: Option<Millis>) {
        if self.most_age.replace(most_age) != most_age
            && let Some(next) = self.reap()
        {
            self.reap_at(next);
        }
    }

    /// Lets everything go that is not in use, now and later.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        let (idle, shared) = (self.idle.take(), self.shared.take());
        drop((idle, shared));
    }

    /// Closes what lies unused; says how many connections that were.
    pub(super) fn let_go(&self) -> usize {
        let idle = self.idle.take();
        // The socket is closed by the connection's task, which ends when its sender is gone.
        idle.len()
    }

    /// A connection for one request: shared, idle or new, when it is its turn.
    pub(super) async fn acquire(self: &Rc<Self>, provider: &Provider) -> Result<Lease, NoConnection> {
        let mut waiting = Waiting::of(provider);
        if self.may_share() {
            if let Some(lease) = self.free_stream() {
                return Ok(lease);
            }
            if let Some(lease) = Box::pin(self.acquire_shared(provider, &mut waiting)).await? {
                return Ok(lease);
            }
        }
        let turn = self.turn(&mut waiting).await?;
        match self.pop_idle() {
            Some(conn) => Ok(self.lease(conn, turn)),
            None => Box::pin(self.dial(provider.timeouts.connect, turn)).await,
        }
    }

    /// A connection that cannot be stale: new, or a shared one that has not failed.
    pub(super) async fn connect(self: &Rc<Self>, provider: &Provider) -> Result<Lease, NoConnection> {
        let mut waiting = Waiting::of(provider);
        if self.may_share()
            && let Some(lease) = self.acquire_shared(provider, &mut waiting).await?
        {
            return Ok(lease);
        }
        let turn = self.turn(&mut waiting).await?;
        self.dial(provider.timeouts.connect, turn).await
    }

    fn may_share(&self) -> bool {
        match self.target.http2 {
            Http2::Never => false,
            Http2::Auto => self.target.https && !self.only_http1.get(),
            Http2::PriorKnowledge => true,
        }
    }

    /// A stream of a shared connection; `None` when the target turns out to speak HTTP/1.1 only.
    async fn acquire_shared(
        self: &Rc<Self>,
        provider: &Provider,
        waiting: &mut Waiting,
    ) -> Result<Option<Lease>, NoConnection> {
        loop {
            if let Some(lease) = self.free_stream() {
                return Ok(Some(lease));
            }
            let connections = self.shared.borrow().len();
            if connections >= SHARED_CONNECTIONS || (connections > 0 && self.turns.available_permits() == 0) {
                waiting.until(self, self.stream_ended.notified()).await?;
                continue;
            }
            let failed = self.failed_dials.borrow().0;
            let Ok(_dialling) = self.dialling.acquire().await else { continue };
            if !self.may_share() {
                return Ok(None);
            }
            if let Some(lease) = self.free_stream() {
                return Ok(Some(lease));
            }
            if let (now, Some(error)) = &*self.failed_dials.borrow()
                && *now != failed
            {
                return Err(error.clone());
            }
            let turn = self.turn(waiting).await?;
            let dialled = self.dial(provider.timeouts.connect, turn).await;
            if let Err(error) = &dialled {
                let mut failed = self.failed_dials.borrow_mut();
                *failed = (failed.0 + 1, Some(error.clone()));
            }
            return dialled.map(Some);
        }
    }

    /// Why nobody waits here any longer: for a turn, which is Serin's to give, or for the provider.
    pub(super) fn too_late(&self) -> NoConnection {
        let place = self.target.place();
        if self.turns.available_permits() == 0 {
            NoConnection::NoCapacity { place }
        } else {
            NoConnection::TooLate { place }
        }
    }

    async fn turn(self: &Rc<Self>, waiting: &mut Waiting) -> Result<QueuePlace, NoConnection> {
        // Never closed: an error is that there is none now.
        if let Ok(permit) = self.turns.try_acquire() {
            permit.forget();
        } else if let Ok(permit) = Box::pin(waiting.until(self, self.turns.acquire())).await? {
            permit.forget();
        }
        Ok(QueuePlace(Rc::clone(self)))
    }

    async fn dial(self: &Rc<Self>, limit: Millis, turn: QueuePlace) -> Result<Lease, NoConnection> {
        self.trim();
        let wire = connect::open(&self.target, &self.tls, limit).await?;
        let age = Age::begin(clock::instant(), &mut self.chance.borrow_mut());
        let preface = |problem| NoConnection::Preface { place: self.target.place(), problem };
        if self.target.http2 == Http2::PriorKnowledge || wire.settled_on_http2() {
            let shared = Shared::handshake(wire, age, turn).await.map_err(preface)?;
            let stream = shared.stream(self);
            self.shared.borrow_mut().push(shared);
            if let Some(end) = age.end(self.most_age.get()) {
                self.reap_at(end);
            }
            return Ok(Lease::new(ResponseSource::Http2(stream), Rc::clone(self)));
        }
        self.only_http1.set(true);
        let conn = http1(wire, age).await.map_err(preface)?;
        Ok(self.lease(conn, turn))
    }

    fn lease(self: &Rc<Self>, conn: Conn, turn: QueuePlace) -> Lease {
        Lease::new(ResponseSource::Http1(PooledConnection::new(conn, turn)), Rc::clone(self))
    }

    fn free_stream(self: &Rc<Self>) -> Option<Lease> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| !connection.is_closed());
        let connection = shared.iter().find(|connection| connection.has_room())?;
        Some(Lease::new(ResponseSource::Http2(connection.stream(self)), Rc::clone(self)))
    }

    fn pop_idle(&self) -> Option<Conn> {
        // The reaper has taken those that lay too long or have become too old.
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { conn, .. }) = idle.pop() {
            if conn.is_usable() {
                return Some(conn);
            }
        }
        None
    }

    /// Takes a connection back, unless it is too old, or its provider has closed it or would before it is of use.
    pub(super) fn put_back(self: &Rc<Self>, mut conn: Conn, keep: Duration) {
        if keep.is_zero() || self.retired.get() || !conn.is_usable() {
            return;
        }
        let now = clock::instant();
        let Some(until) = now.checked_add(keep) else { return };
        conn.pooled = true;
        let idle = Idle { conn, until };
        let end = idle.end(self.most_age.get());
        if end > now {
            self.idle.borrow_mut().push(idle);
            self.reap_at(end);
        }
    }

    /// A stream has ended: who waits for one may look again.
    pub(super) fn stream_ended(self: &Rc<Self>) {
        self.stream_ended.notify_one();
        if self.retired.get() {
            self.shared.borrow_mut().retain(|connection| !connection.is_idle_for(Duration::ZERO, clock::now()));
            return;
        }
        if let Some(until) = clock::instant().checked_add(KEEP_IDLE) {
            self.reap_at(until);
        }
    }

    /// Makes room for one more connection, at the cost of the one that lay unused the longest.
    fn trim(&self) {
        let mut idle = self.idle.borrow_mut();
        // Every connection in use holds a turn; the one about to be opened does as well.
        let in_use = (self.limit.get() + self.owed.get()).saturating_sub(self.turns.available_permits());
        let room = self.limit.get().saturating_sub(in_use);
        if idle.len() > room {
            let surplus = idle.len() - room;
            idle.drain(..surplus);
        }
    }

    /// Has what lies too long closed at this time; one task does so for as long as anything lies here.
    fn reap_at(self: &Rc<Self>, at: Instant) {
        match self.reaping.get() {
            Some(next) if next <= at => return,
            Some(_) => {
                self.reaping.set(Some(at));
                self.sooner.notify_one();
                return;
            }
            None => self.reaping.set(Some(at)),
        }
        let (pool, sooner) = (Rc::downgrade(self), Rc::clone(&self.sooner));
        tokio::task::spawn_local(async move {
            while let Some(next) = pool.upgrade().and_then(|pool| pool.reaping.get()) {
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    () = sooner.notified() => continue,
                }
                let Some(pool) = pool.upgrade() else { return };
                pool.reaping.set(pool.reap());
            }
        });
    }

    /// When there may be something to close again; `None` when nothing is left.
    fn reap(&self) -> Option<Instant> {
        let (now, most_age) = (clock::instant(), self.most_age.get());
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.end(most_age) > now && !idle.conn.sender.is_closed());
        let mut shared = self.shared.borrow_mut();
        let (before, room) = (shared.len(), self.turns.available_permits() > 0);
        shared.retain(|connection| {
            let old = connection.end(most_age).is_some_and(|end| end <= now);
            // Its streams keep it until the last of them has ended.
            let replaced = old && (room || connection.is_idle());
            !replaced && !connection.is_closed() && !connection.is_idle_for(KEEP_IDLE, clock::now())
        });
        if shared.len() < before {
            // Who waits for a stream may dial instead.
            self.stream_ended.notify_waiters();
        }
        let earliest = idle.iter().map(|idle| idle.end(most_age)).min();
        let unused = if shared.is_empty() { None } else { now.checked_add(KEEP_IDLE) };
        let old = shared.iter().filter_map(|connection| connection.end(most_age)).min();
        let old = old.and_then(|end| if end > now { Some(end) } else { now.checked_add(LOOK_AGAIN) });
        earliest.into_iter().chain(unused).chain(old).min()
    }
}

/// The HTTP/1.1 side of a new connection, driven by a task of its own.
async fn http1(wire: ProviderStream, age: Age) -> Result<Conn, String> {
    let activity = wire.activity();
    // One plain write for a head and a usual body is cheaper than a vectored one; the copy is bounded by the piece size
    // in which bodies are handed over, and so is what the connection keeps.
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .writev(false)
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(|error| error.to_string())?;
    let hush: Arc<WakeFilter> = Arc::default();
    let driven = Arc::clone(&hush).drive(connection.with_upgrades());
    tokio::task::spawn_local(async move {
        // Its end reaches whoever waits for an answer; nobody else needs to know.
        let _ = driven.await;
    });
    Ok(Conn { sender, activity, hush, alarm: DeadlineTimer::default(), age, pooled: false, served: false })
}

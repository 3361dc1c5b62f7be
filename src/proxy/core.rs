//! What one data-plane core owns: its view of what is in force, its connections to providers, its share of budgets.
//!
//! Everything here is used by one thread only, hence cells and no locks; what other threads read is in its [`Load`].
//! Invariant: [`Core::in_use`] never hands out anything older than what was published when it was called.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::upstream::upstreams::Upstreams;
use crate::clock;
use crate::decide::trace::{SpanId, TraceId};
use crate::decide::units::Millis;
use crate::proxy::downstream::load::Load;
use crate::proxy::downstream::open_connections::OpenConnections;
use crate::proxy::request::prepared::Prepared;
use crate::proxy::request::request_id::RequestIds;
use crate::proxy::request::reservation::{BodyMemory, CoreShare};
use crate::state::access_log::AccessLogQueue;
use crate::state::ambiguous_closes::AmbiguousCloses;
use crate::state::copies::CopyQueue;
use crate::state::counters;
use crate::state::inbox::{Inbox, Rejection};
use crate::state::request_seal::RequestSeal;
use crate::state::snapshot::{Snapshot, SnapshotCell, SnapshotReader};
use crate::state::source_table::{SourceHandle, SourceTable};
use crate::state::spans::SpanQueues;
use crate::state::state_ids::StateIds;
use crate::state::tls_failures::TlsFailures;

/// The least time between two reports to control.
const BETWEEN_REPORTS: Millis = Millis(100);

/// The snapshot in force, with what was prepared for its version of the file.
#[derive(Debug)]
pub(crate) struct InUse {
    /// What is in force.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The policy, ready to be applied.
    pub(crate) prepared: Rc<Prepared>,
}

/// One core of the data plane.
#[derive(Debug)]
pub(crate) struct Core {
    /// By which its counters are found.
    pub(crate) id: counters::Core,
    sources: Arc<SourceTable>,
    pub(crate) access_log: Arc<AccessLogQueue>,
    pub(crate) spans: Arc<SpanQueues>,
    /// Where clients are counted that cannot be asked whether they have left.
    pub(crate) ambiguous_closes: Arc<AmbiguousCloses>,
    /// Where connections over TLS are counted that never become one.
    pub(crate) tls_failures: Arc<TlsFailures>,
    /// Which provider keeps what an id stands for.
    pub(crate) state_ids: Arc<StateIds>,
    pub(crate) request_ids: RequestIds,
    /// Where requests go that are to be copied.
    pub(crate) copies: Arc<CopyQueue>,
    /// What the ids of split requests are completed with.
    pub(crate) seal: Arc<RequestSeal>,
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) load: Arc<Load>,
    /// Its share of the memory for held requests and answers.
    pub(crate) replay: Rc<CoreShare>,
    pub(crate) connections: OpenConnections,
    inbox: Inbox,
    /// When a refusal was last reported to control. Those that stable did not accept must not hide the others.
    reported: [Cell<Millis>; 2],
    /// Whether clients are being asked to close.
    draining: Cell<bool>,
    /// Whether what is still open is being cut: its outcome is Serin's doing.
    cutting: Cell<bool>,
    /// Tasks that are no connection's, and look again when connections do.
    streams: Notify,
    /// Requests that pause, and look again at each publication.
    pauses: Notify,
    /// All rollouts' withdrawals when connections last looked at them.
    withdrawals: RefCell<Box<[(u32, u32)]>>,
    /// Whether a request may have to end: the core is cut, or what was under way on a canary was ended once.
    ends_requests: Cell<bool>,
    /// Requests that have no answer to relay yet.
    unanswered: Cell<usize>,
    /// Open WebSocket sessions.
    sessions: Cell<usize>,
    /// Who waits for the end of the last of them.
    last_session: Notify,
    /// What tunnels read into, one at a time.
    pub(crate) scratch: RefCell<Vec<u8>>,
    reader: RefCell<SnapshotReader>,
    in_use: RefCell<Rc<InUse>>,
    chance: RefCell<fastrand::Rng>,
}

impl Core {
    /// A core among `cores`.
    pub(crate) fn new(
        id: u16,
        cores: usize,
        shared: &SnapshotCell,
        inbox: Inbox,
        load: Arc<Load>,
        budget: Arc<BodyMemory>,
    ) -> Rc<Core> {
        let (mut reader, mut chance) = (shared.reader(), fastrand::Rng::new());
        let snapshot = Arc::clone(reader.load());
        let prepared =
            Rc::new(Prepared::new(&snapshot.policy, snapshot.generation, &shared.sources, &shared.state_ids));
        Rc::new(Core {
            id: counters::Core(id),
            sources: Arc::clone(&shared.sources),
            access_log: Arc::clone(&shared.access_log),
            spans: Arc::clone(&shared.spans),
            ambiguous_closes: Arc::clone(&shared.ambiguous_closes),
            tls_failures: Arc::clone(&shared.tls_failures),
            state_ids: Arc::clone(&shared.state_ids),
            request_ids: RequestIds::new(chance.u64(..)),
            copies: Arc::clone(&shared.copies),
            seal: Arc::clone(&shared.seal),
            upstreams: Upstreams::new(cores),
            load,
            replay: Rc::new(CoreShare::of(budget)),
            connections: OpenConnections::default(),
            inbox,
            reported: Default::default(),
            draining: Cell::new(snapshot.draining),
            cutting: Cell::new(false),
            streams: Notify::new(),
            pauses: Notify::new(),
            withdrawals: RefCell::default(),
            ends_requests: Cell::new(false),
            unanswered: Cell::new(0),
            sessions: Cell::new(0),
            last_session: Notify::new(),
            scratch: RefCell::default(),
            reader: RefCell::new(reader),
            in_use: RefCell::new(Rc::new(InUse { snapshot, prepared })),
            chance: RefCell::new(chance),
        })
    }

    /// What is in force at this moment.
    pub(crate) fn in_use(&self) -> Rc<InUse> {
        let mut reader = self.reader.borrow_mut();
        let latest = reader.load();
        let known = self.in_use.borrow();
        if Arc::ptr_eq(latest, &known.snapshot) {
            return Rc::clone(&known);
        }
        drop(known);
        self.adopt(Arc::clone(latest))
    }

    #[cold]
    fn adopt(&self, snapshot: Arc<Snapshot>) -> Rc<InUse> {
        let known = Rc::clone(&self.in_use.borrow());
        let same_file =
            Arc::ptr_eq(&known.snapshot.policy, &snapshot.policy) && known.snapshot.generation == snapshot.generation;
        let prepared = if same_file {
            Rc::clone(&known.prepared)
        } else {
            self.upstreams.retain(&snapshot.policy);
            Rc::new(Prepared::new(&snapshot.policy, snapshot.generation, &self.sources, &self.state_ids))
        };
        if snapshot.draining {
            self.draining.set(true);
        }
        let in_use = Rc::new(InUse { snapshot, prepared });
        self.in_use.replace(Rc::clone(&in_use));
        in_use
    }

    /// Who is at the other end of a connection. Where clients are known by their keys its address says nothing.
    pub(crate) fn source_of(&self, stream: &TcpStream, now: Millis) -> Arc<SourceHandle> {
        let by_key = !self.in_use().snapshot.policy.clients.is_empty();
        match stream.peer_addr() {
            Ok(peer) if !by_key => self.sources.at(peer.ip(), now),
            // Or it has gone already.
            _ => self.sources.unknown(),
        }
    }

    /// Whether clients are being asked to close.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// From now on clients are asked to close.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.wake_connections();
    }

    /// Has every connection and every HTTP/2 stream look again at what it should do.
    pub(crate) fn wake_connections(&self) {
        self.streams.notify_waiters();
        self.connections.wake();
    }

    /// Serin ends what is open, and requests without an answer get an error.
    pub(crate) fn cut(&self) {
        self.draining.set(true);
        self.cutting.set(true);
        self.ends_requests.set(true);
        self.wake_connections();
        self.published();
    }

    /// Until [`Core::wake_connections`], for tasks that are no connection's.
    pub(crate) fn until_woken(&self) -> Notified<'_> {
        self.streams.notified()
    }

    /// Until [`Core::published`], or the core is cut.
    pub(crate) fn until_published(&self) -> Notified<'_> {
        self.pauses.notified()
    }

    /// Has every request that pauses look again at what is in force.
    pub(crate) fn published(&self) {
        self.pauses.notify_waiters();
    }

    /// Whether requests were withdrawn since this was last asked.
    pub(crate) fn has_withdrawn(&self, in_use: &InUse) -> bool {
        let rollouts = in_use.snapshot.rollouts.iter();
        let withdrawals = rollouts.map(|rollout| &rollout.evidence.withdrawal);
        let now: Box<[(u32, u32)]> = withdrawals.map(|known| (known.second(), known.cuts())).collect();
        if now.iter().any(|(_, cuts)| *cuts > 0) {
            self.ends_requests.set(true);
        }
        let mut known = self.withdrawals.borrow_mut();
        std::mem::replace(&mut *known, now) != *known
    }

    /// Requests that have no answer to relay yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.get()
    }

    /// A WebSocket session begins, and is open until what is returned is dropped.
    pub(crate) fn session_begins(core: &Rc<Core>) -> CountedSession {
        core.sessions.set(core.sessions.get() + 1);
        CountedSession(Rc::clone(core))
    }

    /// Until no WebSocket session is open.
    pub(crate) async fn until_sessions_end(&self) {
        while self.sessions.get() > 0 {
            self.last_session.notified().await;
        }
    }

    /// What comes of a request that has no answer yet; `None`: the core is cut before.
    pub(crate) async fn unless_cut<T>(&self, mut serving: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let _unanswered = Unanswered::new(self);
        poll_fn(|context| match serving.as_mut().poll(context) {
            Poll::Pending if self.is_cut() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }

    /// Whether what is still open is being cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.cutting.get()
    }

    /// Whether a request that goes on has to look at whether it may.
    pub(crate) fn ends_requests(&self) -> bool {
        self.ends_requests.get()
    }

    /// Whether an end without an outcome was caused by Serin.
    pub(crate) fn is_cutting(&self) -> bool {
        self.cutting.get() || std::thread::panicking()
    }

    /// Reports to control. A report that comes too soon after the last one of its kind is dropped.
    pub(crate) fn report(&self, refused: Rejection) {
        let (now, last) = (clock::now(), &self.reported[usize::from(refused.accepted)]);
        if last.get() == Millis(0) || now.since(last.get()) >= BETWEEN_REPORTS {
            last.set(now);
            self.inbox.report_rejection(refused);
        }
    }

    /// A random number for requests without a user: 0..=9999.
    pub(crate) fn draw(&self) -> u16 {
        self.chance.borrow_mut().u16(0..10_000)
    }

    /// Bytes by chance, which nobody has to be unable to guess.
    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.chance.borrow_mut().fill(&mut bytes);
        bytes
    }

    /// The id of a new trace.
    pub(crate) fn new_trace(&self) -> TraceId {
        TraceId::new(self.chance.borrow_mut().u128(..))
    }

    /// The id of a new span.
    pub(crate) fn new_span(&self) -> SpanId {
        SpanId::new(self.chance.borrow_mut().u64(..))
    }
}

/// A session that its core has to close before it stops.
pub(crate) struct CountedSession(Rc<Core>);

impl Drop for CountedSession {
    fn drop(&mut self) {
        self.0.sessions.set(self.0.sessions.get().saturating_sub(1));
        self.0.last_session.notify_waiters();
    }
}

/// A request without an answer, as its core counts it.
struct Unanswered<'a>(&'a Core);

impl<'a> Unanswered<'a> {
    fn new(core: &'a Core) -> Unanswered<'a> {
        core.unanswered.set(core.unanswered.get() + 1);
        Unanswered(core)
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.unanswered.set(self.0.unanswered.get().saturating_sub(1));
    }
}

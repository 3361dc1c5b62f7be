//! A data-plane core: one thread, one runtime, and the tasks that serve its connections.
//!
//! Besides connections it runs a sweep (connections whose time is over) and a fence: on every publication it waits
//! until what was dispatched before has reached its sockets, and says so. Invariant: what a core acknowledged, it
//! dispatches by.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::client_connection::ClientConnection;
use super::connection;
use super::drain_phase::DrainPhase;
use super::listener::{self, ConnectionSlot, ConnectionSlots, DealtConnection, ProxyListeners, ProxyPort};
use super::load::Load;
use crate::clock;
use crate::proxy::core::Core;
use crate::proxy::request::reservation::BodyMemory;
use crate::state::inbox::Inbox;
use crate::state::snapshot::SnapshotCell;

/// How long the last answers may take to be written.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Where a core's connections come from.
pub(crate) enum ConnectionSource {
    /// The core accepts them itself.
    Listeners(ProxyListeners),
    /// The acceptor hands them over.
    Acceptor(mpsc::UnboundedReceiver<DealtConnection>),
}

/// What a core is made of.
pub(crate) struct Worker {
    pub(crate) id: u16,
    /// How many there are.
    pub(crate) cores: usize,
    pub(crate) shared: Arc<SnapshotCell>,
    pub(crate) inbox: Inbox,
    pub(crate) load: Arc<Load>,
    pub(crate) budget: Arc<BodyMemory>,
    pub(crate) slots: Arc<ConnectionSlots>,
    pub(crate) phase: watch::Receiver<DrainPhase>,
    pub(crate) connections: ConnectionSource,
    /// `None`: there is no port over TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Worker {
    /// Runs until the process has it stop.
    pub(crate) fn run(self, runtime: &tokio::runtime::Runtime) {
        let tasks = LocalSet::new();
        tasks.block_on(runtime, self.serve());
        // The tasks end with their set: what they still held is accounted for as cut.
    }

    async fn serve(self) {
        let Worker { id, cores, shared, inbox, load, budget, slots, mut phase, connections, tls } = self;
        let core = Core::new(id, cores, &shared, inbox, Arc::clone(&load), budget);
        spawn_local(fence(Rc::clone(&core), Arc::clone(&shared)));
        spawn_local(sweep(Rc::clone(&core)));
        {
            let (core, slots) = (Rc::clone(&core), Arc::clone(&slots));
            spawn_local(async move { slots.make_room(&core).await });
        }
        let open = {
            let (core, number) = (Rc::clone(&core), Rc::new(Cell::new(0_u64)));
            move |stream: TcpStream, port: ProxyPort, slot: ConnectionSlot| {
                number.set(number.get() + 1);
                let now = clock::now();
                let conn = ClientConnection::open(&core, number.get(), port, core.source_of(&stream, now), slot, now);
                let limits = core.in_use().snapshot.policy.limits;
                match &tls {
                    Some(config) if port == ProxyPort::Tls => {
                        spawn_local(connection::serve_tls(stream, conn, limits, Arc::clone(config)));
                    }
                    _ => _ = spawn_local(connection::serve(stream, conn, limits)),
                }
            }
        };
        match connections {
            ConnectionSource::Listeners(listeners) => {
                let receive = {
                    let slots = Arc::clone(&slots);
                    move |stream, port| open(stream, port, ConnectionSlot::take(&slots, &load))
                };
                listener::accept_all(listeners, &slots, &shared, &phase, receive);
            }
            ConnectionSource::Acceptor(mut dealt) => {
                spawn_local(async move {
                    while let Some(DealtConnection { stream, port, slot }) = dealt.recv().await {
                        if let Ok(stream) = TcpStream::from_std(stream) {
                            open(stream, port, slot);
                        }
                    }
                });
            }
        }
        loop {
            match *phase.borrow_and_update() {
                DrainPhase::Running => {}
                DrainPhase::Draining | DrainPhase::HandingOver => core.drain(),
                DrainPhase::Stopped => break,
            }
            if phase.changed().await.is_err() {
                break;
            }
        }
        core.cut();
        write_last_answers(&core).await;
    }
}

/// Gives requests that have no answer yet the time to be answered with an error, and WebSocket sessions the time to be
/// closed.
async fn write_last_answers(core: &Core) {
    let turns = async {
        while core.unanswered() > 0 {
            tokio::task::yield_now().await;
        }
        core.until_sessions_end().await;
        // A turn of the loop writes some dozens of connections; HTTP/2 takes a second one.
        let rounds = 8 + core.connections.count() / 16;
        for _ in 0..rounds {
            tokio::task::yield_now().await;
        }
    };
    // A client that does not read it by then does not get it.
    let _ = tokio::time::timeout(LAST_ANSWERS, turns).await;
}

/// Acknowledges publications.
async fn fence(core: Rc<Core>, shared: Arc<SnapshotCell>) {
    let mut published = shared.subscribe();
    loop {
        published.borrow_and_update();
        let revision = {
            let in_use = core.in_use();
            if core.has_withdrawn(&in_use) || core.is_draining() {
                core.wake_connections();
            }
            core.published();
            in_use.snapshot.revision
        };
        // A request that was dispatched before this is in the queue of its connection's task, which is awake: one
        // turn of the loop writes it. The second turn is for the task of an HTTP/2 connection, which hands it on.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        shared.acknowledge(core.id, revision);
        if published.changed().await.is_err() {
            return;
        }
    }
}

/// Closes connections whose time is over, and parks those that are idle.
async fn sweep(core: Rc<Core>) {
    loop {
        let limits = core.in_use().snapshot.policy.limits;
        let pause = (limits.header_time.0.min(limits.idle.0) / 4).clamp(20, 250);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let now = clock::now();
        core.connections.sweep(now, &limits);
    }
}

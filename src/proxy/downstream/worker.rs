//! A data-plane core: one thread, one runtime, and the tasks that serve its connections.
//!
//! Besides connections it runs a sweep (connections whose time is up) and a fence: on every publication it waits until
//! what was dispatched before has reached its sockets, and says so. Invariant: what a core acknowledged, it dispatches
//! by.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::connection;
use super::lifetime::ClientConnection;
use super::listener::{self, ConnectionSlot, ConnectionSlots};
use crate::clock;
use crate::proxy::core::{Core, Load};
use crate::proxy::request::memory::BodyMemory;
use crate::state::inbox::Inbox;
use crate::state::snapshot::Shared;

/// How long the last answers may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the process wants of its cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainPhase {
    /// To serve.
    Running,
    /// To serve, and to ask clients to close.
    Draining,
    /// The same for those who are here; whoever comes waits at the socket, which another process holds too.
    HandingOver,
    /// To end at once.
    Stopped,
}

/// Where a core's connections come from.
pub(crate) enum Intake {
    /// It accepts them itself.
    Own(std::net::TcpListener),
    /// The acceptor hands them over.
    Dealt(mpsc::UnboundedReceiver<(std::net::TcpStream, ConnectionSlot)>),
}

/// What a core is made of.
pub(crate) struct Worker {
    /// Its index.
    pub(crate) id: u16,
    /// How many there are.
    pub(crate) cores: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Inbox,
    pub(crate) load: Arc<Load>,
    pub(crate) budget: Arc<BodyMemory>,
    pub(crate) gate: Arc<ConnectionSlots>,
    pub(crate) stage: watch::Receiver<DrainPhase>,
    pub(crate) intake: Intake,
}

impl Worker {
    /// Runs until the process has it stop.
    pub(crate) fn run(self, runtime: &tokio::runtime::Runtime) {
        let tasks = LocalSet::new();
        tasks.block_on(runtime, self.serve());
        // The tasks end with their set: what they still held is accounted for as cut.
    }

    async fn serve(self) {
        let Worker { id, cores, shared, inbox, load, budget, gate, mut stage, intake } = self;
        let core = Core::new(id, cores, &shared, inbox, Arc::clone(&load), budget);
        spawn_local(fence(Rc::clone(&core), Arc::clone(&shared)));
        spawn_local(sweep(Rc::clone(&core)));
        {
            let (core, gate) = (Rc::clone(&core), Arc::clone(&gate));
            spawn_local(async move { gate.usher(&core).await });
        }
        let mut number = 0_u64;
        let mut open = {
            let core = Rc::clone(&core);
            move |stream: TcpStream, slot: ConnectionSlot| {
                number += 1;
                let now = clock::now();
                let conn = ClientConnection::open(&core, number, core.source_of(&stream, now), slot, now);
                let limits = core.in_use().snapshot.policy.limits;
                spawn_local(connection::serve(stream, conn, limits));
            }
        };
        match intake {
            Intake::Own(socket) => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let stage = stage.clone();
                    let receive = {
                        let gate = Arc::clone(&gate);
                        move |stream| open(stream, ConnectionSlot::take(&gate, &load))
                    };
                    spawn_local(listener::accept(socket, gate, shared, stage, receive));
                }
                Err(error) => tracing::error!(%error, "the listening socket cannot be used"),
            },
            Intake::Dealt(mut dealt) => {
                spawn_local(async move {
                    while let Some((stream, slot)) = dealt.recv().await {
                        if let Ok(stream) = TcpStream::from_std(stream) {
                            open(stream, slot);
                        }
                    }
                });
            }
        }
        loop {
            match *stage.borrow_and_update() {
                DrainPhase::Running => {}
                DrainPhase::Draining | DrainPhase::HandingOver => core.drain(),
                DrainPhase::Stopped => break,
            }
            if stage.changed().await.is_err() {
                break;
            }
        }
        core.cut();
        farewell(&core).await;
    }
}

/// Lets those who have no answer yet hear so.
async fn farewell(core: &Core) {
    let turns = async {
        while core.unanswered() > 0 {
            tokio::task::yield_now().await;
        }
        // A turn of the loop writes some dozens of connections; HTTP/2 takes a second one.
        let rounds = 8 + core.doors.borrow().len() / 16;
        for _ in 0..rounds {
            tokio::task::yield_now().await;
        }
    };
    // Whoever does not take it by then had his chance.
    let _ = tokio::time::timeout(LAST_WORDS, turns).await;
}

/// Acknowledges publications.
async fn fence(core: Rc<Core>, shared: Arc<Shared>) {
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
        // A request that passed its gate before this lies in the queue of its connection's task, which is awake: one
        // turn of the loop writes it. The second turn is for the task of an HTTP/2 connection, which hands it on.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        shared.acknowledge(core.id, revision);
        if published.changed().await.is_err() {
            return;
        }
    }
}

/// Closes connections whose time is up.
async fn sweep(core: Rc<Core>) {
    loop {
        let limits = core.in_use().snapshot.policy.limits;
        let pause = (limits.header_time.0.min(limits.idle.0) / 4).clamp(20, 1000);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let now = clock::now();
        for conn in core.doors.borrow().values().filter_map(std::rc::Weak::upgrade) {
            conn.check(now, &limits);
        }
    }
}

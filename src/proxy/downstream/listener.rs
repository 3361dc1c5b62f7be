//! Takes connections from the listening sockets and deals them out.
//!
//! To the core with the fewest open requests, then the fewest connections: long-lived connections with unequal work are
//! what application pools are made of. Beyond the limit, or out of file descriptors, the backlog waits, nothing is
//! reset, and the cores are asked to let go of connections that have been idle for long. Invariant: every accepted
//! connection is counted until its socket is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_local;

use super::drain_phase::DrainPhase;
use super::load::Load;
use crate::clock;
use crate::proxy::core::Core;
use crate::state::snapshot::SnapshotCell;

/// How long to wait before an accept that failed for want of resources is tried again, unless a connection closes.
const BREATHER: Duration = Duration::from_millis(100);
/// How often room is asked for again while all slots are taken, and the limit is read again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How many connections are open and how many may be, with signals for when one closes and when one should.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    open: AtomicU32,
    /// More than this the process cannot hold, whatever the file says.
    most: u32,
    closed_one: Notify,
    /// Whether a connection waits for a slot.
    wanted: AtomicBool,
    asked: watch::Sender<()>,
}

impl ConnectionSlots {
    /// For a process that can hold this many.
    pub(crate) fn new(most: u32) -> ConnectionSlots {
        let (open, wanted) = (AtomicU32::new(0), AtomicBool::new(false));
        ConnectionSlots { open, most, closed_one: Notify::new(), wanted, asked: watch::Sender::new(()) }
    }

    /// Waits until there is a place, and asks for one meanwhile.
    async fn place(&self, shared: &SnapshotCell) {
        while self.open.load(Relaxed) >= shared.load().policy.limits.connections.min(self.most) {
            self.ask(LOOK_AGAIN).await;
        }
        self.wanted.store(false, Relaxed);
    }

    async fn ask(&self, patience: Duration) {
        self.wanted.store(true, Relaxed);
        self.asked.send_replace(());
        let _ = tokio::time::timeout(patience, self.closed_one.notified()).await;
    }

    /// Runs on every core: has idle connections closed when there is need for room.
    pub(crate) async fn make_room(&self, core: &Core) {
        let mut asked = self.asked.subscribe();
        while asked.changed().await.is_ok() {
            core.connections.make_room(clock::now(), || self.wanted.swap(false, Relaxed));
        }
    }
}

/// A connection's place in all counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    load: Arc<Load>,
}

impl ConnectionSlot {
    pub(crate) fn take(slots: &Arc<ConnectionSlots>, load: &Arc<Load>) -> ConnectionSlot {
        slots.open.fetch_add(1, Relaxed);
        load.connection_opens();
        ConnectionSlot { slots: Arc::clone(slots), load: Arc::clone(load) }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.load.connection_closes();
        self.slots.open.fetch_sub(1, Relaxed);
        self.slots.closed_one.notify_one();
    }
}

/// Which of the proxy's ports a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyPort {
    Plain,
    Tls,
}

/// The proxy's listening sockets.
#[derive(Debug)]
pub(crate) struct ProxyListeners {
    pub(crate) plain: std::net::TcpListener,
    pub(crate) tls: Option<std::net::TcpListener>,
}

/// A connection on its way to a core.
#[derive(Debug)]
pub(crate) struct DealtConnection {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) port: ProxyPort,
    pub(crate) slot: ConnectionSlot,
}

/// A core, as the acceptor knows it.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    /// How busy it is.
    pub(crate) load: Arc<Load>,
    /// Where its connections are put.
    pub(crate) inbox: mpsc::UnboundedSender<DealtConnection>,
}

/// Accepts on all sockets until the process ends, and has `receive` take each connection. Needs a `LocalSet`.
pub(crate) fn accept_all(
    listeners: ProxyListeners,
    slots: &Arc<ConnectionSlots>,
    shared: &Arc<SnapshotCell>,
    phase: &watch::Receiver<DrainPhase>,
    receive: impl Fn(TcpStream, ProxyPort) + Clone + 'static,
) {
    let ports = [(Some(listeners.plain), ProxyPort::Plain), (listeners.tls, ProxyPort::Tls)];
    for (listener, port) in ports.into_iter().filter_map(|(listener, port)| Some((listener?, port))) {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let (slots, shared, phase) = (Arc::clone(slots), Arc::clone(shared), phase.clone());
                let receive = receive.clone();
                spawn_local(accept(listener, slots, shared, phase, move |stream| receive(stream, port)));
            }
            Err(error) => tracing::error!(%error, "the listening socket cannot be used"),
        }
    }
}

/// Accepts until the process ends, and has `receive` take each connection.
async fn accept(
    listener: TcpListener,
    slots: Arc<ConnectionSlots>,
    shared: Arc<SnapshotCell>,
    mut phase: watch::Receiver<DrainPhase>,
    receive: impl Fn(TcpStream),
) {
    let mut short_of = false;
    loop {
        if !may_accept(&mut phase).await {
            return;
        }
        // Until it is accepted a connection waits at the socket, so nothing is lost here.
        let accepted = tokio::select! {
            biased;
            _ = phase.changed() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                short_of = false;
                // Small frames must not wait for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                // Only now is it certain that a slot is needed.
                slots.place(&shared).await;
                receive(stream);
            }
            Err(error) if is_shortage(&error) => {
                if !short_of {
                    tracing::warn!(%error, "no connection is accepted until one closes; raise the limit of open files");
                }
                short_of = true;
                slots.ask(BREATHER).await;
            }
            // The client was gone before it was accepted.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Waits while new connections are left to another process. `false`: this one ends.
async fn may_accept(phase: &mut watch::Receiver<DrainPhase>) -> bool {
    let waited = phase.wait_for(|phase| *phase != DrainPhase::HandingOver).await;
    waited.is_ok_and(|phase| *phase != DrainPhase::Stopped)
}

/// Hands a connection to the core that has the least to do.
pub(crate) fn deal(stream: TcpStream, port: ProxyPort, workers: &[WorkerHandle], slots: &Arc<ConnectionSlots>) {
    let Some(worker) = workers.iter().min_by_key(|worker| (worker.load.open(), worker.load.connections())) else {
        return;
    };
    let slot = ConnectionSlot::take(slots, &worker.load);
    // It leaves this thread's runtime and enters the core's. A core that has ended takes no more.
    if let Ok(stream) = stream.into_std() {
        let _ = worker.inbox.send(DealtConnection { stream, port, slot });
    }
}

// EMFILE, ENFILE, ENOBUFS, ENOMEM: there is no portable kind for them.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

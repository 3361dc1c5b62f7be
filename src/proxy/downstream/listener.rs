//! Takes connections from the one listening socket and deals them out.
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

use super::worker::Stage;
use crate::clock;
use crate::proxy::core::{Core, Load};
use crate::state::snapshot::Shared;

/// How long to wait before an accept that failed for want of resources is tried again, unless a connection closes.
const BREATHER: Duration = Duration::from_millis(100);
/// How often a full house asks for room again, and looks whether the limit was raised.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How many connections are open, how many can be, a bell for when one closes, and one for when one should.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    open: AtomicU32,
    /// More than this the process cannot hold, whatever the file says.
    most: u32,
    closed_one: Notify,
    /// Whether somebody waits for a place.
    wanted: AtomicBool,
    asked: watch::Sender<()>,
}

impl ConnectionSlots {
    /// For a process that can hold this many.
    pub(crate) fn new(most: u32) -> ConnectionSlots {
        let (open, wanted) = (AtomicU32::new(0), AtomicBool::new(false));
        ConnectionSlots { open, most, closed_one: Notify::new(), wanted, asked: watch::Sender::new(()) }
    }

    /// SendLimits until there is a place, asking for one meanwhile.
    async fn place(&self, shared: &Shared) {
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

    /// A core's part in it: lets go of idle connections when there is need.
    pub(crate) async fn usher(&self, core: &Core) {
        let mut asked = self.asked.subscribe();
        while asked.changed().await.is_ok() {
            core.make_room(clock::now(), || self.wanted.swap(false, Relaxed));
        }
    }
}

/// A connection's place in all counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    gate: Arc<ConnectionSlots>,
    load: Arc<Load>,
}

impl ConnectionSlot {
    pub(crate) fn take(gate: &Arc<ConnectionSlots>, load: &Arc<Load>) -> ConnectionSlot {
        gate.open.fetch_add(1, Relaxed);
        load.connection_comes();
        ConnectionSlot { gate: Arc::clone(gate), load: Arc::clone(load) }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.load.connection_goes();
        self.gate.open.fetch_sub(1, Relaxed);
        self.gate.closed_one.notify_one();
    }
}

/// A core, as the acceptor knows it.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    /// How busy it is.
    pub(crate) load: Arc<Load>,
    /// Where its connections are put.
    pub(crate) inbox: mpsc::UnboundedSender<(std::net::TcpStream, ConnectionSlot)>,
}

/// Accepts until the process ends, and has `receive` take each connection.
pub(crate) async fn accept(
    listener: TcpListener,
    gate: Arc<ConnectionSlots>,
    shared: Arc<Shared>,
    mut stage: watch::Receiver<Stage>,
    mut receive: impl FnMut(TcpStream),
) {
    let mut short_of = false;
    loop {
        if !may_accept(&mut stage).await {
            return;
        }
        // Until it is accepted a connection waits at the socket, so nothing is lost here.
        let accepted = tokio::select! {
            biased;
            _ = stage.changed() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                short_of = false;
                // Small frames must not wait for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                // Only now is it certain that somebody wants to come in.
                gate.place(&shared).await;
                receive(stream);
            }
            Err(error) if is_shortage(&error) => {
                if !short_of {
                    tracing::warn!(%error, "no connection is accepted until one closes; raise the limit of open files");
                }
                short_of = true;
                gate.ask(BREATHER).await;
            }
            // The client was gone before it was accepted.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// SendLimits while whoever comes is left to another process. `false`: this one ends.
async fn may_accept(stage: &mut watch::Receiver<Stage>) -> bool {
    let waited = stage.wait_for(|stage| *stage != Stage::HandingOver).await;
    waited.is_ok_and(|stage| *stage != Stage::Stopped)
}

/// Hands a connection to the core that has the least to do.
pub(crate) fn deal(stream: TcpStream, desks: &[WorkerHandle], gate: &Arc<ConnectionSlots>) {
    let Some(desk) = desks.iter().min_by_key(|desk| (desk.load.open(), desk.load.connections())) else { return };
    let slot = ConnectionSlot::take(gate, &desk.load);
    // It leaves this thread's runtime and enters the core's. A core that has ended takes no more.
    if let Ok(stream) = stream.into_std() {
        let _ = desk.inbox.send((stream, slot));
    }
}

// EMFILE, ENFILE, ENOBUFS, ENOMEM: there is no portable kind for them.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

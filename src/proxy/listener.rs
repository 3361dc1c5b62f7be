//! Takes connections from the one listening socket and deals them out.
//!
//! To the core with the fewest open requests, then the fewest connections: long-lived connections with unequal work
//! are what application pools are made of. Beyond the limit, or out of file descriptors, nothing is accepted and
//! nothing is reset: the backlog waits. Invariant: every accepted connection is counted until its socket is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use super::core::Load;
use crate::state::snapshot::Shared;

/// How long to wait before an accept that failed for want of resources is tried again, unless a connection closes.
const BREATHER: Duration = Duration::from_millis(100);
/// How often a full house looks whether the limit was raised.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How many connections are open, and a bell for when one closes.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: AtomicU32,
    closed_one: Notify,
}

/// A connection's place in all counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    gate: Arc<Gate>,
    load: Arc<Load>,
}

impl Slot {
    pub(crate) fn take(gate: &Arc<Gate>, load: &Arc<Load>) -> Slot {
        gate.open.fetch_add(1, Relaxed);
        load.connection_comes();
        Slot { gate: Arc::clone(gate), load: Arc::clone(load) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.load.connection_goes();
        self.gate.open.fetch_sub(1, Relaxed);
        self.gate.closed_one.notify_one();
    }
}

/// A core, as the acceptor knows it.
#[derive(Debug)]
pub(crate) struct Desk {
    /// How busy it is.
    pub(crate) load: Arc<Load>,
    /// Where its connections are put.
    pub(crate) inbox: mpsc::UnboundedSender<(std::net::TcpStream, Slot)>,
}

/// Accepts for ever, and has `receive` take each connection.
pub(crate) async fn accept(
    listener: TcpListener,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
    mut receive: impl FnMut(TcpStream),
) {
    let mut short_of = false;
    loop {
        while gate.open.load(Relaxed) >= shared.load().policy.limits.connections {
            let _ = tokio::time::timeout(LOOK_AGAIN, gate.closed_one.notified()).await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                short_of = false;
                // Small frames must not wait for the acknowledgement of the last one.
                let _ = stream.set_nodelay(true);
                receive(stream);
            }
            Err(error) if is_shortage(&error) => {
                if !short_of {
                    tracing::warn!(%error, "no connection is accepted until one closes; raise the limit of open files");
                }
                short_of = true;
                let _ = tokio::time::timeout(BREATHER, gate.closed_one.notified()).await;
            }
            // The client was gone before it was accepted.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Hands a connection to the core that has the least to do.
pub(crate) fn deal(stream: TcpStream, desks: &[Desk], gate: &Arc<Gate>) {
    let Some(desk) = desks.iter().min_by_key(|desk| (desk.load.open(), desk.load.connections())) else { return };
    let slot = Slot::take(gate, &desk.load);
    // It leaves this thread's runtime and enters the core's. A core that has ended takes no more.
    if let Ok(stream) = stream.into_std() {
        let _ = desk.inbox.send((stream, slot));
    }
}

// EMFILE, ENFILE, ENOBUFS, ENOMEM: there is no portable kind for them.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 12))
}

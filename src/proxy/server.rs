//! The data plane as a whole: started on bound sockets, drained, stopped.
//!
//! With one core, it accepts for itself; with more, an acceptor on a thread of its own deals connections out.
//! Invariant: a drain accepts connections to its end, so that no client that still reaches this process is refused. If
//! the socket was handed over and outlives the process, connections wait at it for the next process in the first and
//! the last seconds of the drain: a restart is short, cuts no request that ends soon, and no connection waits for long.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::copies::sender;
use crate::proxy::downstream::drain_phase::DrainPhase;
use crate::proxy::downstream::listener::{self, ConnectionSlots, ProxyListeners, WorkerHandle};
use crate::proxy::downstream::load::Load;
use crate::proxy::downstream::tls;
use crate::proxy::downstream::worker::{ConnectionSource, Worker};
use crate::state::inbox::Inbox;
use crate::state::snapshot::SnapshotCell;

/// How long nothing must have been in flight for a drain to be over.
const QUIET: Millis = Millis(2000);
/// Connections that may wait to be accepted: as many as the system allows, at most.
const BACKLOG: i32 = 4096;
/// When and how often a silent client is asked whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// How often a drain looks.
const GLANCE: Duration = Duration::from_millis(20);
/// For how long connections are kept waiting at a socket that was handed over.
const LONGEST_WAIT: Millis = Millis(5000);
/// By then the connections that were accepted before are counted.
const SETTLED: Millis = Millis(100);

/// What the data plane is started with.
#[derive(Debug)]
pub struct Setup {
    /// Bound and listening.
    pub listener: TcpListener,
    /// The same for TLS.
    pub tls_listener: Option<TcpListener>,
    /// What is in force; made for `cores` cores.
    pub shared: Arc<SnapshotCell>,
    /// Where refusals of canaries are reported to control.
    pub inbox: Inbox,
    /// How many threads serve; at least 1.
    pub cores: usize,
    /// More client connections than this are never accepted, whatever the file says.
    pub most_connections: u32,
}

/// A running data plane. Dropped, it stops at once.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    loads: Vec<Arc<Load>>,
    phase: watch::Sender<DrainPhase>,
    threads: Vec<JoinHandle<()>>,
}

/// Serves on its own threads until drained or dropped.
///
/// # Errors
/// When the socket cannot be used, or a thread or runtime cannot be made.
pub fn start(setup: Setup) -> io::Result<Running> {
    let Setup { listener, tls_listener, shared, inbox, cores, most_connections } = setup;
    prepare(&listener)?;
    tls_listener.as_ref().map(prepare).transpose()?;
    let tls = tls_listener.as_ref().map(|_| tls::server_config(&shared)).transpose().map_err(io::Error::other)?;
    let address = listener.local_addr()?;
    let cores = cores.max(1);
    let phase = watch::Sender::new(DrainPhase::Running);
    let slots = Arc::new(ConnectionSlots::new(most_connections));
    let budget = Arc::default();
    let loads: Vec<Arc<Load>> = (0..cores).map(|_| Arc::default()).collect();
    let mut running = Running { address, loads: loads.clone(), phase, threads: Vec::with_capacity(cores + 1) };
    let mut workers = Vec::with_capacity(cores);
    let mut own = Some(ProxyListeners { plain: listener, tls: tls_listener });
    for (id, load) in (0..=u16::MAX).zip(&loads) {
        let connections = if cores == 1
            && let Some(listeners) = own.take()
        {
            ConnectionSource::Listeners(listeners)
        } else {
            let (inbox_of_core, dealt) = mpsc::unbounded_channel();
            workers.push(WorkerHandle { load: Arc::clone(load), inbox: inbox_of_core });
            ConnectionSource::Acceptor(dealt)
        };
        let worker = Worker {
            id,
            cores,
            shared: Arc::clone(&shared),
            inbox: inbox.clone(),
            load: Arc::clone(load),
            budget: Arc::clone(&budget),
            slots: Arc::clone(&slots),
            phase: running.phase.subscribe(),
            connections,
            tls: tls.clone(),
        };
        running.spawn(format!("serin-core-{id}"), move |runtime| worker.run(runtime))?;
    }
    let (copies, copies_phase) = (Arc::clone(&shared), running.phase.subscribe());
    running.spawn("serin-copies".to_owned(), move |runtime| {
        LocalSet::new().block_on(runtime, sender::run(copies, copies_phase));
    })?;
    if let Some(listeners) = own {
        let phase = running.phase.subscribe();
        running.spawn("serin-acceptor".to_owned(), move |runtime| {
            LocalSet::new().block_on(runtime, acceptor(listeners, slots, shared, workers, phase));
        })?;
    }
    Ok(running)
}

/// What accepted connections inherit: a client that has vanished is noticed within two minutes.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let socket = socket2::SockRef::from(listener);
    socket.listen(BACKLOG)?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY))
}

async fn acceptor(
    listeners: ProxyListeners,
    slots: Arc<ConnectionSlots>,
    shared: Arc<SnapshotCell>,
    workers: Vec<WorkerHandle>,
    mut phase: watch::Receiver<DrainPhase>,
) {
    let (workers, dealt_slots) = (Rc::new(workers), Arc::clone(&slots));
    let deal = move |stream, port| listener::deal(stream, port, &workers, &dealt_slots);
    listener::accept_all(listeners, &slots, &shared, &phase, deal);
    let _ = phase.wait_for(|phase| *phase == DrainPhase::Stopped).await;
}

impl Running {
    /// Where clients connect.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Requests that are being served, open streams and tunnels included.
    #[must_use]
    pub fn open_requests(&self) -> u64 {
        self.loads.iter().map(|load| u64::from(load.open())).sum()
    }

    /// Open client connections.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.loads.iter().map(|load| u64::from(load.connections())).sum()
    }

    /// Client connections without a parser.
    #[cfg(test)]
    pub(super) fn parked(&self) -> u32 {
        self.loads.iter().map(|load| load.parked()).sum()
    }

    /// Open client connections of each core.
    #[cfg(test)]
    pub(super) fn loads(&self) -> impl Iterator<Item = u32> {
        self.loads.iter().map(|load| load.connections())
    }

    /// Asks clients to close, serves them until nothing has been in flight for 2 s or `patience` has passed, and
    /// stops. Gives back how many requests were cut.
    pub async fn drain(self, patience: Millis) -> u64 {
        self.end(patience, false).await
    }

    /// The same where the socket outlives this process, and the next one accepts the connections that wait there.
    pub async fn hand_over(self, patience: Millis) -> u64 {
        self.end(patience, true).await
    }

    async fn end(mut self, patience: Millis, handed_over: bool) -> u64 {
        let began = clock::now();
        let mut quiet_since = began;
        let mut served = self.begun();
        loop {
            let now = clock::now();
            let phase = phase_of(now.since(began), patience, handed_over);
            self.phase.send_if_modified(|current| std::mem::replace(current, phase) != phase);
            let begun = self.begun();
            if self.open_requests() > 0 || begun != served {
                quiet_since = now;
                served = begun;
            }
            if now.since(quiet_since) >= QUIET || now.since(began) >= patience {
                break;
            }
            if phase == DrainPhase::HandingOver && now.since(began) >= SETTLED && self.connections() == 0 {
                break;
            }
            tokio::time::sleep(GLANCE).await;
        }
        let cut = self.open_requests();
        self.phase.send_replace(DrainPhase::Stopped);
        let threads = std::mem::take(&mut self.threads);
        let ended = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !ended.await.unwrap_or(false) {
            tracing::error!("a data-plane thread ended by a defect of Serin");
        }
        cut
    }

    fn begun(&self) -> u64 {
        self.loads.iter().map(|load| load.begun()).sum()
    }

    fn spawn(&mut self, name: String, run: impl FnOnce(&Runtime) + Send + 'static) -> io::Result<()> {
        // Made here, so that a failure is the caller's to hear of.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(61).build()?;
        let thread = std::thread::Builder::new().name(name).spawn(move || run(&runtime))?;
        self.threads.push(thread);
        Ok(())
    }
}

/// The phase of a drain after this time.
fn phase_of(elapsed: Millis, patience: Millis, handed_over: bool) -> DrainPhase {
    let begins = elapsed < LONGEST_WAIT;
    let ends = patience.since(elapsed) <= LONGEST_WAIT;
    if handed_over && (begins || ends) { DrainPhase::HandingOver } else { DrainPhase::Draining }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.phase.send_replace(DrainPhase::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_wait_at_a_socket_that_was_handed_over_first_and_last() {
        let at = |seconds: u64, handed_over| phase_of(Millis(seconds * 1000), Millis(60_000), handed_over);
        assert_eq!([0, 4, 55, 59].map(|second| at(second, true)), [DrainPhase::HandingOver; 4]);
        assert_eq!([5, 30, 54].map(|second| at(second, true)), [DrainPhase::Draining; 3]);
        assert_eq!([0, 30, 59].map(|second| at(second, false)), [DrainPhase::Draining; 3]);
        assert_eq!(phase_of(Millis(600), Millis(1000), true), DrainPhase::HandingOver);
    }
}

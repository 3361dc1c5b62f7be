//! A provider on raw sockets that fails as it is told to, for each request anew.
//!
//! Owns its port and its thread; it can be killed (connections reset, port closed) and started again on the same port.
//! What it does with a request is chosen by a function of the request, after a queue of faults is used up. Probes (GET)
//! are always answered. Not hyper, so that nothing on the two sides of the sidecar is the same code as in it.

pub(crate) mod answer;
pub(crate) mod fault;
pub(crate) mod journal;
mod serve;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::fault::{Fault, Step};
use self::journal::{Journal, Seen};
use self::serve::Line;
use super::eventually::{SOON, eventually};

type Choose = dyn Fn(&Seen) -> Fault + Send + Sync;

/// A running provider, or one that was killed. It ends when it is dropped.
pub(crate) struct Faults {
    addr: SocketAddr,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

struct Shared {
    name: String,
    choose: Mutex<Arc<Choose>>,
    queue: Mutex<VecDeque<Fault>>,
    journal: Mutex<Journal>,
}

impl Faults {
    /// Nothing is wrong with it.
    pub(crate) fn healthy(name: &str) -> Faults {
        Faults::start(name, |_| Fault::Healthy)
    }

    pub(crate) fn start(name: &str, choose: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Faults {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            name: name.to_owned(),
            choose: Mutex::new(Arc::new(choose)),
            queue: Mutex::default(),
            journal: Mutex::default(),
        };
        let mut faults = Faults { addr: listener.local_addr().unwrap(), shared: Arc::new(shared), running: None };
        faults.run(listener);
        faults
    }

    /// One request for each model of this table; any other is answered well.
    pub(crate) fn by_model<'t>(name: &str, table: impl IntoIterator<Item = (&'t str, Fault)>) -> Faults {
        let table: Vec<(String, Fault)> = table.into_iter().map(|(model, fault)| (model.to_owned(), fault)).collect();
        Faults::start(name, move |seen| {
            let model = seen.model();
            let found = table.iter().find(|(known, _)| *known == model);
            found.map_or(Fault::Healthy, |(_, fault)| fault.clone())
        })
    }

    fn run(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, shared) => {}
                }
            });
            // Every connection is dropped with its task, and so reset.
            drop(local);
        });
        self.running = Some((stop, thread));
    }

    /// As a process that is killed: every connection is reset and the port is closed when this returns.
    pub(crate) fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    /// On the same port as before.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let addr = self.addr;
        let listener = eventually("the port is free again", SOON, || TcpListener::bind(addr).ok());
        self.run(listener);
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// From now on, after the queue.
    pub(crate) fn choose(&self, choose: impl Fn(&Seen) -> Fault + Send + Sync + 'static) {
        *hold(&self.shared.choose) = Arc::new(choose);
    }

    /// The next requests meet these, one each, whatever they ask for.
    pub(crate) fn queue(&self, faults: impl IntoIterator<Item = Fault>) {
        hold(&self.shared.queue).extend(faults);
    }

    /// Every request so far but probes, in the order in which they were complete.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.journal().requests.clone()
    }

    /// How many that are.
    pub(crate) fn count(&self) -> usize {
        self.shared.journal().requests.len()
    }

    pub(crate) fn has_been_asked_for(&self, model: &str) -> bool {
        self.shared.journal().models.contains(model)
    }

    /// The only request for this model.
    #[track_caller]
    pub(crate) fn asked_for(&self, model: &str) -> Seen {
        let mut found: Vec<Seen> = self.requests().into_iter().filter(|seen| seen.model() == model).collect();
        assert_eq!(found.len(), 1, "{} was asked {} times for {model}", self.shared.name, found.len());
        found.remove(0)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.journal().connections
    }

    /// Open connections that brought a request.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.journal().open_with_requests()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        hold(&self.journal)
    }

    fn steps(&self, seen: &Seen) -> Vec<Step> {
        let queued = hold(&self.queue).pop_front();
        let fault = queued.unwrap_or_else(|| {
            let choose = Arc::clone(&hold(&self.choose));
            choose(seen)
        });
        match seen.api() {
            Some(api) => fault.steps(api, seen.wants_a_stream(), &self.name),
            // Whatever else is asked for has an answer in one piece.
            None => fault.steps(super::api::Api::Chat, false, &self.name),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve::serve(stream, Line::open(&shared)));
        }
    }
}

/// A test that panics elsewhere says more than a lock that it left behind.
fn hold<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

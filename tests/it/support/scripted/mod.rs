//! A provider on raw sockets that does as its script says, for each request anew, and remembers what it was asked.
//!
//! Owns its port and its thread; it can be killed (connections reset, port closed) and started again on the same port.
//! What it does with a request is chosen by a function of the request, after a queue is used up; see [`step`] for what
//! there is to choose from. Not hyper, so that nothing on the two sides of the sidecar is the same code as in it.

mod journal;
pub(crate) mod request;
mod serve;
pub(crate) mod step;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use self::journal::Journal;
use self::request::Seen;
use self::serve::Line;
use self::step::{Script, Step, json};
use super::closed_port::ClosedPort;
use super::eventually::{SOON, eventually};
use super::faults::fault::Fault;

type Choose = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// A running provider, or one that was killed. It ends when it is dropped.
pub(crate) struct Scripted {
    addr: SocketAddr,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Its own, while it is killed.
    port: Option<ClosedPort>,
}

struct Shared {
    name: String,
    choose: Mutex<Arc<Choose>>,
    queue: Mutex<VecDeque<Box<dyn Script + Send>>>,
    journal: Mutex<Journal>,
    /// Whether the journal is left empty.
    forgets: AtomicBool,
    tls: Option<TlsAcceptor>,
}

impl Scripted {
    /// Nothing is wrong with it.
    pub(crate) fn healthy(name: &str) -> Scripted {
        Scripted::start(name, |_| Fault::Healthy)
    }

    /// Refuses whatever it is asked, probes too.
    pub(crate) fn refusing(status: u16) -> Scripted {
        Scripted::start("corp", move |_| vec![Step::Write(json(status, "{}"))])
    }

    pub(crate) fn start<S: Script>(name: &str, choose: impl Fn(&Seen) -> S + Send + Sync + 'static) -> Scripted {
        Scripted::start_with(name, None, choose)
    }

    /// The same over TLS.
    pub(crate) fn start_tls<S: Script>(
        name: &str,
        config: Arc<rustls::ServerConfig>,
        choose: impl Fn(&Seen) -> S + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::start_with(name, Some(config.into()), choose)
    }

    fn start_with<S: Script>(
        name: &str,
        tls: Option<TlsAcceptor>,
        choose: impl Fn(&Seen) -> S + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            name: name.to_owned(),
            choose: Mutex::new(chosen(name, choose)),
            queue: Mutex::default(),
            journal: Mutex::default(),
            forgets: AtomicBool::new(false),
            tls,
        };
        let mut scripted =
            Scripted { addr: listener.local_addr().unwrap(), shared: Arc::new(shared), running: None, port: None };
        scripted.run(listener);
        scripted
    }

    /// Remembers nothing from now on, so that a long load needs no memory.
    pub(crate) fn forget(&self) {
        self.shared.forgets.store(true, Relaxed);
    }

    /// One request for each model of this table; any other is answered well.
    pub(crate) fn by_model<'t>(name: &str, table: impl IntoIterator<Item = (&'t str, Fault)>) -> Scripted {
        let table: Vec<(String, Fault)> = table.into_iter().map(|(model, fault)| (model.to_owned(), fault)).collect();
        Scripted::start(name, move |seen| {
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
        if self.stop() {
            self.port = Some(ClosedPort::at(self.addr));
        }
    }

    /// Whether it ran.
    fn stop(&mut self) -> bool {
        let Some((stop, thread)) = self.running.take() else { return false };
        let _ = stop.send(());
        thread.join().unwrap();
        true
    }

    /// On the same port as before.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = self.port.take().unwrap();
        self.run(port.listen());
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn base_url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.addr)
    }

    /// From now on, after the queue.
    pub(crate) fn choose<S: Script>(&self, choose: impl Fn(&Seen) -> S + Send + Sync + 'static) {
        *hold(&self.shared.choose) = chosen(&self.shared.name, choose);
    }

    /// The next requests but probes meet these, one each, whatever they ask for.
    pub(crate) fn queue<S: Script + Send + 'static>(&self, scripts: impl IntoIterator<Item = S>) {
        hold(&self.shared.queue).extend(scripts.into_iter().map(|script| Box::new(script) as Box<dyn Script + Send>));
    }

    /// Everything it was asked, in the order in which requests were complete.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.shared.journal().requests.clone()
    }

    /// The same but for probes.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.journal().requests.iter().filter(|seen| !seen.is_aside()).cloned().collect()
    }

    /// How many that are.
    pub(crate) fn count(&self) -> usize {
        self.shared.journal().requests.iter().filter(|seen| !seen.is_aside()).count()
    }

    /// The last request that was no probe.
    #[track_caller]
    pub(crate) fn last(&self) -> Seen {
        self.requests().pop().expect("it was asked")
    }

    /// Waits for a request with this method.
    #[track_caller]
    pub(crate) fn expect(&self, method: &str) -> Seen {
        eventually(&format!("a {method} arrives"), SOON, || self.asked().into_iter().find(|seen| seen.method == method))
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

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        hold(&self.journal)
    }

    fn steps(&self, seen: &Seen) -> Vec<Step> {
        let queued = if seen.is_aside() { None } else { hold(&self.queue).pop_front() };
        if let Some(script) = queued {
            return script.steps(seen, &self.name);
        }
        let choose = Arc::clone(&hold(&self.choose));
        choose(seen)
    }
}

fn chosen<S: Script>(name: &str, choose: impl Fn(&Seen) -> S + Send + Sync + 'static) -> Arc<Choose> {
    let name = name.to_owned();
    Arc::new(move |seen| choose(seen).steps(seen, &name))
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

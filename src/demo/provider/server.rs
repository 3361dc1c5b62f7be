//! A running provider: its port, its thread and its end.
//!
//! Owns what lives as long as the provider runs. What a request is answered is [`service`]'s.
//! Invariant: once [`Provider`] is dropped its port refuses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use super::behaviour::Behaviour;
use super::kept::Kept;
use super::request_counts::RequestCounts;
use super::service::{self, Shared};

const MOST_FILE_BYTES: usize = 128 << 20;

/// A running provider; dropping it ends it and every connection to it.
#[derive(Debug)]
pub struct Provider {
    name: String,
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts on a free port of the loopback. Errors: no port, no thread.
    pub fn start(name: &str, behaviour: Behaviour) -> io::Result<Provider> {
        Provider::start_on(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), behaviour)
    }

    /// Starts on this address; port 0 takes a free one. Errors: the address is taken, no thread.
    pub fn start_on(name: &str, listen: SocketAddr, behaviour: Behaviour) -> io::Result<Provider> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::new(name, behaviour));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(format!("demo-{name}")).spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async move {
                tokio::select! {
                    () = serve(listener, theirs) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Provider { name: name.to_owned(), addr, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Its name, which its answers carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What flags.yaml calls its `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// From the next request on it behaves so.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.set(behaviour);
    }

    /// What it was asked since it started.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.shared.tally()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself: then there is nobody to tell.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let kept = Rc::new(Kept::new(MOST_FILE_BYTES));
    loop {
        // Out of descriptors: accepting goes on as soon as some connection has ended.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        // A provider that delays small writes would blur what tests measure; without the option it merely does.
        let _ = stream.set_nodelay(true);
        let (shared, kept) = (Arc::clone(&shared), Rc::clone(&kept));
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| service::answer(Arc::clone(&shared), Rc::clone(&kept), request));
            // How a connection ends is the client's business, or what the behaviour asked for.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

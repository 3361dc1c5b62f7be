//! From a path to a running sidecar, step by step; the first step that fails undoes the ones before it.
//!
//! Owns the order: the file is read before anything is bound, the state directory is locked before a port is taken, and
//! control publishes before a request is accepted, so that none is split by a policy that is not in force. What is nice
//! to have (the socket, the list of processes, `in-force.json`) becomes a note or nothing where it fails, and never
//! keeps traffic from being served. Decides nothing about traffic.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use super::bind::{BoundPorts, InheritedSockets, RequestedPorts, bind};
use super::drain::{self, Ended, RunningParts, ShutdownEvent, Stopper};
use super::registry::{Registration, Registry, RegistryEntry, process_identity};
use super::start_error::StartError;
use super::{in_force_file, initial_flags, socket, traces};
use crate::admin::api::ApiContext;
use crate::admin::dto::Process;
use crate::admin::events::LiveEvents;
use crate::admin::sse::StreamLimit;
use crate::decide::exposure::{BoundAddresses, Sockets};
use crate::decide::policy::{Fixed, Policy};
use crate::decide::timestamp::Timestamp;
use crate::flags::watch::Watcher;
use crate::flags::{self, Environment, LoadedFlags};
use crate::state::access_log::AccessLogQueue;
use crate::state::inbox::{Inbox, Input, inbox};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::{Status, StatusCell};
use crate::store::created_files::CreatedFiles;
use crate::telemetry::access_log;
use crate::{admin, clock, control, proxy, store};

/// More data-plane threads than this only by `workers`.
const MOST_WORKERS: usize = 4;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// flags.yaml.
    pub flags: PathBuf,
    /// Where state lasts, over what the file says; `None`: as the file or the environment says.
    pub state: Option<PathBuf>,
    /// Whether a broken file ends the start, whatever good copy is there.
    pub strict: bool,
    /// The application's port, over what the file says.
    pub listen: Option<SocketAddr>,
    /// The operators' port, over what the file says.
    pub admin: Option<SocketAddr>,
    /// Whether sockets announced by LISTEN_FDS are taken.
    pub inherit: bool,
    /// Where the process lists itself.
    pub registry: Registry,
}

impl Options {
    /// As `serin run --flags FLAGS` starts.
    #[must_use]
    pub fn new(flags: PathBuf) -> Options {
        Options {
            flags,
            state: None,
            strict: false,
            listen: None,
            admin: None,
            inherit: false,
            registry: Registry::of_this_system(),
        }
    }
}

/// A running sidecar. Dropping it without [`Running::wait`] ends the operators' ports and the watcher; requests in
/// flight break off with the process.
pub struct Running {
    /// Where the application connects.
    pub proxy: SocketAddr,
    /// Where it connects over TLS.
    pub proxy_tls: Option<SocketAddr>,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// The read-only port.
    pub probe: Option<SocketAddr>,
    /// Where state lasts.
    pub state: PathBuf,
    /// The socket that needs no token; `None`: it could not be made.
    pub socket: Option<PathBuf>,
    /// What could not be had and is not needed, one sentence each.
    pub notes: Vec<String>,
    status: Arc<StatusCell>,
    shared: Arc<SnapshotCell>,
    inbox: Inbox,
    plane: proxy::Running,
    words: mpsc::Receiver<ShutdownEvent>,
    word: mpsc::Sender<ShutdownEvent>,
    draining: Arc<AtomicBool>,
    handed_over: bool,
    held: OwnedParts,
}

/// What lives as long as the process serves: dropped in this order.
struct OwnedParts {
    _registered: Option<Registration>,
    _watcher: Watcher,
    _teller: Option<in_force_file::InForceWriter>,
    _placed: Option<socket::SocketFile>,
    _admin: admin::Running,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("proxy", &self.proxy).field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl Running {
    /// The report in force.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// Where changes are asked for.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Where lines for the access log go.
    #[must_use]
    pub fn access_log(&self) -> Arc<AccessLogQueue> {
        Arc::clone(&self.shared.access_log)
    }

    /// What asks it to end.
    #[must_use]
    pub fn stop_handle(&self) -> Stopper {
        Stopper(self.word.clone())
    }

    /// Ends it once nothing is in flight.
    pub fn request_drain(&self) {
        self.stop_handle().request_drain();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Where it ended without having been asked to.
    pub fn wait(self) -> Result<(), Ended> {
        let Running { shared, inbox, plane, words, word, draining, handed_over, held, .. } = self;
        let (lines, spans) = (Arc::clone(&shared.access_log), Arc::clone(&shared.spans));
        let ended =
            drain::wait(RunningParts { draining, inbox: &inbox, shared, plane, handed_over, words: &words, word });
        // The last inboxes close with these, and with them the control loop.
        drop((held, inbox));
        access_log::finish(&lines);
        traces::finish(&spans);
        if ended.is_ok() {
            drain::wait_for_control(&words);
        }
        ended
    }
}

/// Starts a sidecar: when this returns, every port answers.
///
/// # Errors
/// What is wrong and how to mend it; one that fails before its ports are bound leaves nothing behind.
pub fn start(options: Options) -> Result<Running, StartError> {
    let inherited = if options.inherit { InheritedSockets::take() } else { InheritedSockets::default() };
    let sockets =
        Sockets { listen: options.listen, listen_tls: None, admin: options.admin, handed_over: inherited.addresses() };
    let environment = Environment::process().with_sockets(sockets.clone());
    let system = |what| move |error| StartError::System { what, error };
    let path = std::path::absolute(&options.flags).unwrap_or_else(|_| options.flags.clone());
    let flags_read = flags::read(&path, &environment);
    let state = state_dir(&options, &flags_read);
    let state = std::path::absolute(&state).unwrap_or(state);
    let created = CreatedFiles::look(&state);
    let opened = store::open(&state, clock::unix())?;
    let state = opened.dir.clone();
    let mut notes = opened.notes.clone();
    let unserved = |policy: &Policy| control::rollouts_without_stable_at_start(policy, &opened.states);
    let last_good = opened.last_good.as_deref();
    let first = initial_flags::choose(&path, flags_read, last_good, &environment, options.strict, unserved);
    let bound = first.and_then(|first| {
        let BoundAddresses { listen, listen_tls, admin } = sockets.reached(&first.policy.fixed);
        let wanted = RequestedPorts { listen, listen_tls, admin, probe: first.policy.fixed.probe };
        bind(wanted, inherited, &options.registry).map(|bound| (first, bound))
    });
    // Here most starts fail that do, and the directory is still ours.
    let (first, BoundPorts { listen, listen_tls, admin, probe, handed_over }) =
        bound.inspect_err(|_| created.remove())?;
    let fixed = first.policy.fixed.clone();
    let local = |socket: &std::net::TcpListener| socket.local_addr().map_err(system("the listener"));
    let (listen_at, admin_at) = (local(&listen)?, local(&admin)?);
    let listen_tls_at = listen_tls.as_ref().map(local).transpose()?;
    let probe_at = probe.as_ref().map(local).transpose()?;
    // Sockets stay where they are, whatever a later version of the file says.
    let stay =
        Sockets { listen: Some(listen_at), listen_tls: listen_tls_at, admin: Some(admin_at), handed_over: Vec::new() };
    let environment = environment.with_sockets(stay);

    let cores = workers(&fixed);
    let most_connections = proxy::most_connections();
    let (inbox, inbox_end) = inbox();
    let started = control::start(control::Setup {
        first: first.flags,
        path: path.display().to_string(),
        store: opened,
        state_dir: state.clone(),
        inbox: inbox_end,
        cores,
        most_connections,
        prober: Box::new(prober),
        deliver: Box::new(deliver),
    })
    .map_err(system("the control loop"))?;
    access_log::start(&started.shared.access_log).map_err(system("the access log"))?;
    traces::start(&started.shared).map_err(system("the exporter of traces"))?;
    let (word, words) = mpsc::channel();
    drain::watch_control(started.thread, word.clone()).map_err(system("the control loop"))?;
    let plane = proxy::start(proxy::Setup {
        listener: listen,
        tls_listener: listen_tls,
        shared: Arc::clone(&started.shared),
        inbox: inbox.clone(),
        cores,
        most_connections,
    })
    .map_err(system("the data plane"))?;

    let (placed, socket_listener) = match socket::bind(&state) {
        Ok((listener, placed)) => (Some(placed), Some(listener)),
        Err(error) => {
            notes.push(format!(
                "admin.sock in {} cannot be made: {error}; commands use the admin port",
                state.display()
            ));
            (None, None)
        }
    };
    let draining = Arc::new(AtomicBool::new(false));
    let (pid, born) = process_identity();
    let view = ApiContext {
        process: Process {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid,
            started_at: Timestamp(clock::unix()),
            listen: listen_at.to_string(),
            listen_tls: listen_tls_at.map(|address| address.to_string()),
            admin: admin_at.to_string(),
            probe: probe_at.map(|probe| probe.to_string()),
            draining: false,
        },
        status: Arc::clone(&started.status),
        shared: Arc::clone(&started.shared),
        inbox: inbox.clone(),
        plans: initial_flags::plan_reader(environment.clone()),
        draining: Arc::clone(&draining),
        streams: StreamLimit::default(),
        flag_versions: Arc::default(),
        live: LiveEvents::default(),
    };
    let admin = admin::start(admin::Setup { listener: admin, probe, socket: socket_listener, view })
        .map_err(system("the admin port"))?;
    let watcher = Watcher::start(path.clone(), environment, first.known, forward_to_control(inbox.clone()))
        .map_err(system("the watcher of flags.yaml"))?;

    // Best effort, as what it writes is.
    let teller = in_force_file::keep_in_force_file(Arc::clone(&started.shared), state.clone()).ok();
    let sock = placed.is_some().then(|| state.join(socket::NAME));
    let entry = RegistryEntry {
        pid,
        born,
        listen: listen_at.to_string(),
        listen_tls: listen_tls_at.map(|address| address.to_string()),
        admin: admin_at.to_string(),
        sock: sock.clone(),
        state: state.clone(),
        flags: path,
    };
    let registered = match options.registry.register(&entry) {
        Ok(registered) => Some(registered),
        Err(error) => {
            notes
                .push(format!("commands need --state or --admin to find this process: it cannot be listed in {error}"));
            None
        }
    };
    Ok(Running {
        proxy: listen_at,
        proxy_tls: listen_tls_at,
        admin: admin_at,
        probe: probe_at,
        state,
        socket: sock,
        notes,
        status: started.status,
        shared: started.shared,
        inbox,
        plane,
        words,
        word,
        draining,
        handed_over,
        held: OwnedParts {
            _registered: registered,
            _watcher: watcher,
            _teller: teller,
            _placed: placed,
            _admin: admin,
        },
    })
}

fn state_dir(options: &Options, flags_read: &LoadedFlags) -> PathBuf {
    let named = match &flags_read.result {
        Ok(compiled) => compiled.policy.fixed.state.clone(),
        Err(_) => initial_flags::state_hint(&flags_read.text).map(PathBuf::from),
    };
    store::dir::resolve(options.state.as_deref().or(named.as_deref()), |name| std::env::var_os(name))
}

fn workers(fixed: &Fixed) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_WORKERS));
    fixed.workers.map_or_else(cores, |workers| usize::from(workers).max(1))
}

fn prober() -> control::Prober {
    control::Prober {
        answers: Box::new(|provider, egress| Box::pin(async move { proxy::probe(provider, egress).await.map(drop) })),
        answers_as_stable: Box::new(|provider, egress| {
            Box::pin(async move { proxy::probe_without_key(provider, egress).await.map(drop) })
        }),
        connects: Box::new(|provider, egress| Box::pin(proxy::connects(provider, egress))),
    }
}

fn deliver() -> control::Deliver {
    Box::new(|control::Post { url, headers, body }, egress| {
        Box::pin(async move {
            let answer = proxy::post_webhook(url, headers, body, egress).await?;
            let proxy::WebhookAnswer { status, retry_after, said } = answer;
            Ok(control::Answer { status, retry_after, said })
        })
    })
}

/// Hands every reading to control. Control empties its inbox within milliseconds; a full one is waited for, since a
/// version of the file that is dropped would never be looked at again.
fn forward_to_control(inbox: Inbox) -> impl FnMut(LoadedFlags) + Send + 'static {
    const TRIES: usize = 500;
    move |flags_read| {
        let read = initial_flags::to_flags_read(flags_read);
        for _ in 0..TRIES {
            if inbox.put(Input::Flags(read.clone())) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        tracing::error!("a new flags.yaml was read, but the control loop does not accept it");
    }
}

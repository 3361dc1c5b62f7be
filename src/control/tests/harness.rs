//! A control loop on the runtime of a test, with a store, a prober and a clock that the test controls.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::control::engine::bootstrap::Bootstrap;
use crate::control::engine::dispatch::Engine;
use crate::control::event_loop;
use crate::control::event_loop::Outside;
use crate::control::now::Now;
use crate::control::prober;
use crate::control::{Answer, Deliver, Post};
use crate::decide::event::Event;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::guard::constants::Constants;
use crate::decide::incident::Incident;
use crate::decide::notification::QueuedNotification;
pub(super) use crate::decide::policy::plain::{self, percent};
use crate::decide::policy::*;
use crate::decide::rollout::state::{Identity, RolloutCommand, RolloutState};
use crate::decide::units::{Millis, UnixMillis};
use crate::state::inbox::{Command, CommandError, FlagsRead, Inbox, Receipt, inbox};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::{FlagsStatus, RolloutStatus, StatusCell};
use crate::store::locks::{LocksFound, read_locks};
use crate::store::{Batch, Store};

pub(super) fn provider(name: &str, host: &str) -> Provider {
    let plain = plain::provider(name);
    Provider { base_url: BaseUrl { host: host.to_owned(), ..plain.base_url }, ..plain }
}

pub(super) fn canary() -> Canary {
    Canary {
        ramp: plain::ramp(&[10, 25, 40], Millis(1000)),
        guard: Guard {
            // Ten answers are enough, and ten failures in a second are the end.
            max_error_rate: percent(50),
            min_requests: 10,
            constants: Constants { down_seconds: 0.5, ..Constants::default() },
            window: Millis(60_000),
            ..Guard::default()
        },
        ..plain::canary()
    }
}

pub(super) fn rollout(name: &str, canary: Option<Canary>) -> Rollout {
    Rollout { canary, ..plain::rollout(name) }
}

pub(super) fn policy(rollouts: Vec<Rollout>) -> Policy {
    let plain = plain::policy(vec![provider("openai", "a.test"), provider("holysheep", "b.test")], rollouts);
    let [listen, admin] = ["127.0.0.1:7171", "127.0.0.1:7172"].map(|address| address.parse().unwrap());
    Policy { fixed: Fixed { listen, admin, ..plain.fixed.clone() }, ..plain }
}

pub(super) fn one(canary: Canary) -> Policy {
    policy(vec![rollout("chat", Some(canary)), rollout("plain", None)])
}

pub(super) fn read(policy: Policy) -> FlagsRead {
    FlagsRead {
        result: Ok(Arc::new(policy)),
        text: "the text".into(),
        shown: "the text".into(),
        warnings: Vec::new(),
        hash: 1,
        modified: None,
    }
}

pub(super) fn bootstrap(policy: Policy, states: Vec<(Identity, RolloutState)>) -> Bootstrap {
    Bootstrap {
        policy: Arc::new(policy),
        flags: FlagsStatus::default(),
        keep: Some("the text".into()),
        states,
        notifications: Vec::new(),
        incidents: Vec::new(),
        keys: None,
        copies: None,
        state_ids: Default::default(),
        state_lost: false,
        notes: Vec::new(),
        locks: Ok(LocksFound::default()),
        dir: "state".to_owned(),
        store_error: None,
        ephemeral: None,
        cores: 1,
        most_connections: u32::MAX,
    }
}

/// A store whose disk can be full or hang.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    states: BTreeMap<Identity, RolloutState>,
    events: Vec<Event>,
    incidents: Vec<Arc<Incident>>,
    notifications: BTreeMap<u64, QueuedNotification>,
    full: bool,
    hanging: bool,
    waiting: Vec<(Batch, oneshot::Sender<Result<(), String>>)>,
}

impl DiskState {
    fn take(&mut self, batch: Batch) {
        self.states.extend(batch.states);
        self.events.extend(batch.events);
        self.incidents.extend(batch.incidents);
        for (number, row) in batch.notifications {
            match row {
                Some(row) => drop(self.notifications.insert(number, row)),
                None => drop(self.notifications.remove(&number)),
            }
        }
    }
}

impl Disk {
    pub(super) fn set(&self, full: bool, hanging: bool) {
        let mut disk = self.0.lock().unwrap();
        (disk.full, disk.hanging) = (full, hanging);
    }

    /// A disk that hung goes on with what it was given.
    pub(super) fn release(&self) {
        let mut disk = self.0.lock().unwrap();
        disk.hanging = false;
        for (batch, sender) in std::mem::take(&mut disk.waiting) {
            disk.take(batch);
            sender.send(Ok(())).unwrap();
        }
    }

    pub(super) fn states(&self) -> Vec<(Identity, RolloutState)> {
        self.0.lock().unwrap().states.clone().into_iter().collect()
    }

    pub(super) fn notifications(&self) -> Vec<QueuedNotification> {
        self.0.lock().unwrap().notifications.values().cloned().collect()
    }

    pub(super) fn actions(&self) -> Vec<String> {
        self.0.lock().unwrap().events.iter().map(|event| format!("{} {}", event.actor, event.action)).collect()
    }
}

impl Store for Disk {
    fn save(&self, batch: Batch) -> oneshot::Receiver<Result<(), String>> {
        let (sender, receiver) = oneshot::channel();
        let mut disk = self.0.lock().unwrap();
        if disk.hanging {
            disk.waiting.push((batch, sender));
        } else if disk.full {
            sender.send(Err("disk full".to_owned())).unwrap();
        } else {
            disk.take(batch);
            sender.send(Ok(())).unwrap();
        }
        receiver
    }

    fn history(&self, filter: HistoryFilter, limit: u32) -> oneshot::Receiver<Result<Vec<Event>, String>> {
        let (sender, receiver) = oneshot::channel();
        let events = self.0.lock().unwrap().events.clone().into_iter().rev();
        let events = events.filter(|event| filter.fits(event));
        sender.send(Ok(events.take(usize::try_from(limit).unwrap()).collect())).unwrap();
        receiver
    }

    fn incidents(&self, id: Option<String>) -> oneshot::Receiver<Result<Vec<Incident>, String>> {
        let (sender, receiver) = oneshot::channel();
        let incidents = self.0.lock().unwrap().incidents.clone().into_iter().rev();
        let wanted = incidents.filter(|incident| id.as_ref().is_none_or(|id| *id == incident.id));
        sender.send(Ok(wanted.map(|incident| incident.as_ref().clone()).collect())).unwrap();
        receiver
    }
}

/// What each host answers a post; `None`: never.
type PostAnswers = BTreeMap<String, Option<Result<Answer, String>>>;

/// A running control loop and all that is around it.
pub(super) struct Harness {
    pub(super) inbox: Inbox,
    pub(super) shared: Arc<SnapshotCell>,
    pub(super) status: Arc<StatusCell>,
    pub(super) probe_answer: Rc<RefCell<Result<(), String>>>,
    /// What was posted to targets of notifications, and when.
    pub(super) posts: Rc<RefCell<Vec<(Duration, Post)>>>,
    /// What a host answers; others answer 200. `None`: never.
    pub(super) post_answers: Rc<RefCell<PostAnswers>>,
    started: tokio::time::Instant,
}

/// The runtime's paused clock: a sleep of no length is over now.
fn virtual_now() -> tokio::time::Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

impl Harness {
    /// Runs `scenario` beside a control loop over this directory and disk; `acknowledging`: whether the core lives.
    pub(super) async fn run<F: Future<Output = ()>>(
        policy: Policy,
        dir: &Path,
        disk: &Disk,
        acknowledging: bool,
        scenario: impl FnOnce(Rc<Harness>) -> F,
    ) {
        let local = LocalSet::new();
        let bootstrap = Bootstrap {
            locks: read_locks(dir).map_err(|error| error.to_string()),
            dir: dir.display().to_string(),
            notifications: disk.notifications(),
            ..bootstrap(policy, disk.states())
        };
        let started = virtual_now();
        let clock = move || {
            let passed = u64::try_from((virtual_now() - started).as_millis()).unwrap();
            Now { mono: Millis(passed), unix: UnixMillis(1_000_000 + passed) }
        };
        let engine = Engine::new(bootstrap, clock());
        let (inbox, inputs) = inbox();
        let probe_answer = Rc::new(RefCell::new(Ok(())));
        let (shared, status) = (Arc::clone(&engine.shared), Arc::clone(&engine.status));
        let answers = Rc::clone(&probe_answer);
        let answer = move || -> prober::Ask {
            let answers = Rc::clone(&answers);
            Box::new(move |_, _| {
                let answer = answers.borrow().clone();
                Box::pin(async move { answer })
            })
        };
        let prober = prober::Prober { answers: answer(), answers_as_stable: answer(), connects: answer() };
        let (posts, post_answers) = (Rc::default(), Rc::<RefCell<BTreeMap<String, _>>>::default());
        let (seen, answers): (Rc<RefCell<Vec<_>>>, _) = (Rc::clone(&posts), Rc::clone(&post_answers));
        let deliver: Deliver = Box::new(move |post, _| {
            let answer = answers.borrow().get(&post.url.host).cloned();
            seen.borrow_mut().push((virtual_now() - started, post));
            Box::pin(async move {
                match answer {
                    None => Ok(Answer { status: 200, ..Answer::default() }),
                    Some(Some(answer)) => answer,
                    Some(None) => std::future::pending().await,
                }
            })
        });
        let outside = Outside { prober, deliver };
        let shared_too = Arc::clone(&shared);
        let harness =
            Rc::new(Harness { inbox, shared: shared_too, status, probe_answer, posts, post_answers, started });
        let (disk, dir) = (disk.clone(), dir.to_owned());
        local
            .run_until(async move {
                if acknowledging {
                    let core = Arc::clone(&shared);
                    spawn_local(async move {
                        let mut published = core.subscribe();
                        loop {
                            let revision = *published.borrow_and_update();
                            core.acknowledge(crate::state::counters::Core(0), revision);
                            if published.changed().await.is_err() {
                                return;
                            }
                        }
                    });
                }
                let control =
                    spawn_local(event_loop::run(engine, Box::new(disk), dir, inputs, outside, Box::new(clock)));
                scenario(Rc::clone(&harness)).await;
                drop(harness);
                control.await.unwrap();
            })
            .await;
    }

    pub(super) async fn ask(&self, verb: RolloutCommand) -> Result<Receipt, CommandError> {
        let (actor, reason) = ("alice".to_owned(), "test".to_owned());
        self.inbox.ask(Command { rollout: Some("chat".to_owned()), verb, actor, reason }).await
    }

    pub(super) fn chat(&self) -> RolloutStatus {
        self.status.load().rollouts[0].clone()
    }

    pub(super) fn elapsed(&self) -> Duration {
        virtual_now() - self.started
    }

    /// Lets virtual time pass until this holds; fails after a virtual minute.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Harness) -> bool) -> Duration {
        let began = self.elapsed();
        while !holds(self) {
            assert!(self.elapsed() - began < Duration::from_secs(60), "never: {what}; {:?}", self.chat());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.elapsed() - began
    }
}

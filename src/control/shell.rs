//! The loop around the [`Engine`]: time, inbox, probes, lock files and the store in; what has to be written and
//! answered out.
//!
//! Nothing here decides. The loop itself never waits for a disk, a core or a provider: each of these is a task of its
//! own whose result comes back as [`News`]. A command is answered when it is in force (every core has acknowledged the
//! snapshot) and on the disk, or after a bounded time with what is true by then. One that sends users to the canary is
//! in force after it is on the disk, and refused where it cannot be written in that time.

use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::commands::{Done, Held, barred};
use super::engine::Engine;
use super::ledger::{Ledger, durable, merge};
use super::locksmith::{self, Job, Resume, Told};
use super::now::Now;
use super::pending::{self, Pending, Reply, Waiting};
use super::proposals::Finished;
use super::providers::Connection;
use super::rollout::Probe;
use crate::decide::policy::{Provider, Secret};
use crate::decide::rollout::answer::Barred;
use crate::decide::rollout::state::Verb;
use crate::decide::units::Millis;
use crate::state::inbox::{Command, Input, Receipt, Refusal};
use crate::state::snapshot::Shared;
use crate::store::Store;

/// Asks a provider something, through this egress proxy; an error says why the answer is no.
pub type Ask = Box<dyn Fn(Arc<Provider>, Option<Secret>) -> Pin<Box<dyn Future<Output = Result<(), String>>>>>;

/// What may be asked of a provider.
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Prober {
    /// Whether it lives.
    pub lives: Ask,
    /// Whether a connection to it can be made.
    pub connects: Ask,
}

const TICK: Duration = Duration::from_millis(100);
/// A core acknowledges within a turn of its loop; one that does not is stuck.
const CORES_ANSWER: Duration = Duration::from_millis(30);
/// A rollback is answered soon, whatever the disk does.
const ROLLBACK_ANSWER: Duration = Duration::from_millis(40);
/// Whatever makes nothing safer can wait for a slow disk.
const OTHER_ANSWER: Duration = Duration::from_secs(2);
/// A provider that does not answer a probe by then is not alive.
const PROBE_ANSWER: Duration = Duration::from_secs(10);

/// What comes back from the tasks.
enum News {
    Saved(u64, Result<(), String>),
    Probed(Probe, Result<(), String>),
    Connected(Connection, Result<(), String>),
    Locks(Told),
}

struct Shell {
    engine: Engine,
    ledger: Ledger,
    prober: Rc<Prober>,
    clock: Box<dyn Fn() -> Now>,
    news: mpsc::UnboundedSender<News>,
    jobs: mpsc::UnboundedSender<Job>,
    pending: Pending,
}

/// Runs until the inbox is closed; then writes what is left. To be polled on a `LocalSet`.
pub(super) async fn run(
    engine: Engine,
    store: Box<dyn Store>,
    state_dir: PathBuf,
    mut inbox: mpsc::Receiver<Input>,
    prober: Prober,
    clock: Box<dyn Fn() -> Now>,
) {
    // Unbounded, and yet bounded: a task each for a batch, a probe, a lock file operation and a pending command.
    let (news, mut heard) = mpsc::unbounded_channel();
    let (jobs, to_do) = mpsc::unbounded_channel();
    let tell = news.clone();
    let locksmith = spawn_local(locksmith::work(state_dir, to_do, move |told| tell.send(News::Locks(told)).is_ok()));
    let (ledger, prober, pending) = (Ledger::new(store), Rc::new(prober), Pending::default());
    let mut shell = Shell { engine, ledger, prober, clock, news, jobs, pending };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        shell.settle();
        tokio::select! {
            biased;
            input = inbox.recv() => match input {
                Some(input) => shell.input(input),
                None => break,
            },
            news = heard.recv() => if let Some(news) = news {
                shell.hear(news);
            },
            _ = tick.tick() => shell.engine.tick((shell.clock)()),
        }
    }
    // What is on its way and what is left gets one last chance each; lock files likewise.
    for _ in 0..2 {
        shell.settle();
        while shell.ledger.is_busy() {
            match timeout(OTHER_ANSWER, heard.recv()).await {
                Ok(Some(news)) => shell.hear(news),
                _ => break,
            }
        }
    }
    drop(shell);
    if timeout(OTHER_ANSWER, locksmith).await.is_err() {
        tracing::warn!("lock files were not written in time");
    }
}

impl Shell {
    fn now(&self) -> Now {
        (self.clock)()
    }

    // Hands on what the last turn left to do.
    fn settle(&mut self) -> u64 {
        let now = self.now();
        self.refuse_overtaken(now);
        let number = self.ledger.take(&mut self.engine.outbox);
        if let Some(saving) = self.ledger.pump(now.mono) {
            let news = self.news.clone();
            spawn_local(async move {
                let result = saving.answer.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                // Control has ended where nobody hears.
                let _ = news.send(News::Saved(saving.upto, result));
            });
        }
        for probe in self.engine.due_probes(now) {
            let (news, prober) = (self.news.clone(), Rc::clone(&self.prober));
            let asked = (prober.lives)(Arc::clone(&probe.provider), self.engine.egress());
            spawn_local(async move {
                let _ = news.send(News::Probed(probe, in_time(asked).await));
            });
        }
        for connection in self.engine.due_connections(now) {
            let (news, prober) = (self.news.clone(), Rc::clone(&self.prober));
            let asked = (prober.connects)(Arc::clone(&connection.provider), self.engine.egress());
            spawn_local(async move {
                let _ = news.send(News::Connected(connection, in_time(asked).await));
            });
        }
        number
    }

    fn hear(&mut self, news: News) {
        let now = self.now();
        match news {
            News::Saved(upto, result) => {
                let Finished { landed, lost } = self.ledger.finished(upto, &result, now.mono);
                self.engine.saved(&result, now);
                for rollout in self.engine.landed(&landed, now) {
                    self.accept(&rollout);
                }
                let error = result.err().unwrap_or_default();
                for rollout in self.engine.lost(&lost, now) {
                    let refusal = self.engine.unwritable(&rollout, &error);
                    self.refuse_and_keep_lock(&rollout, &refusal);
                }
            }
            News::Probed(probe, result) => {
                self.engine.probed(&probe, result, now);
                self.engine.tick(now);
            }
            News::Connected(connection, result) => {
                if let Err(why) = &result {
                    tracing::debug!(provider = connection.provider.name, "still not reachable: {why}");
                }
                connection.came_to(result.is_ok(), now);
                self.engine.tick(now);
            }
            News::Locks(Told::Found(Err(unread))) => self.engine.locks_unread(unread, now),
            News::Locks(Told::Found(Ok(found))) => {
                let expanded = self.engine.locks_found(found, now);
                if !expanded.is_empty() {
                    self.job(Job::Expand(expanded));
                }
            }
            News::Locks(Told::Removed(resume, result)) => self.resume(*resume, result),
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Command { command, reply } => match &command.verb {
                Verb::Resume { .. } => self.begin_resume(command, reply),
                _ => self.command(&command, reply),
            },
            Input::History { rollout, limit, reply } => {
                let (waiting, kept) = self.ledger.history(rollout.as_ref(), limit);
                spawn_local(async move {
                    let kept = kept.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                    let _ = reply.send(kept.map(|kept| merge(waiting, kept, limit)));
                });
            }
            // Who asked may have left.
            Input::Trace { rollout, reply } => drop(reply.send(self.engine.trace(&rollout))),
            Input::Flags(read) => self.engine.flags_read(read, now),
            Input::Refused(refused) => self.engine.refused(refused, now),
            Input::Drain => self.engine.drain(now),
        }
    }

    fn begin_resume(&mut self, command: Command, reply: Reply) {
        match (self.engine.check_resume(&command, self.now()), command.rollout.clone()) {
            (Ok(Held { own, others }), Some(rollout)) => {
                self.job(Job::Remove(Box::new(Resume { rollout, held: own, others, command, reply })));
            }
            (Err(refusal), _) => drop(reply.send(Err(refusal))),
            (Ok(_), None) => drop(reply.send(Err(self.engine.unnamed()))),
        }
    }

    fn resume(&mut self, resume: Resume, removed: Result<(), String>) {
        let again = self.engine.held(&resume.command).map(|now| now.own != resume.held);
        let refusal = match (removed, again) {
            (Err(stays), _) => Some(Refusal::NotNow(stays)),
            (_, Err(refusal)) => Some(refusal),
            (_, Ok(true)) => Some(barred(&resume.rollout, &Barred::RolledBackAgain)),
            _ => None,
        };
        match refusal {
            Some(refusal) => drop(resume.reply.send(Err(refusal))),
            None => {
                self.engine.locks_removed(&resume.rollout);
                self.command(&resume.command, resume.reply);
            }
        }
    }

    // Decides and publishes first; the answer waits for the cores and the disk in a task of its own. What is proposed
    // only is answered when it was written.
    fn command(&mut self, command: &Command, reply: Reply) {
        let now = self.now();
        let done = match self.engine.command(command, now) {
            Ok(done) => done,
            Err(refusal) => {
                if let (Verb::Resume { .. }, Some(rollout)) = (&command.verb, &command.rollout) {
                    self.write_lock_of(rollout);
                }
                return drop(reply.send(Err(refusal)));
            }
        };
        if let (true, Some(rollout)) = (done.proposed, &command.rollout) {
            self.pending.refuse(rollout, &barred(rollout, &Barred::Overtaken));
            let until = Millis(now.mono.0 + pending::ANSWER.0);
            self.pending.add(Waiting { rollout: rollout.clone(), notes: done.notes, until, reply });
            self.settle();
            return;
        }
        let number = self.settle();
        let written = durable(self.ledger.written(), number);
        let (shared, revision) = (Arc::clone(&self.engine.shared), self.engine.revision());
        if matches!(command.verb, Verb::Rollback { .. }) {
            let (sender, file) = oneshot::channel();
            self.job(Job::Write(done.locks.clone(), sender));
            let either = either(written, async { file.await.unwrap_or_else(|_| Err("no lock file".to_owned())) });
            spawn_local(answer(done, shared, revision, either, ROLLBACK_ANSWER, reply));
        } else {
            spawn_local(answer(done, shared, revision, written, OTHER_ANSWER, reply));
        }
    }

    // What was proposed for this rollout is in force.
    fn accept(&mut self, rollout: &str) {
        for waiting in self.pending.take(rollout) {
            let done = self.engine.came_to(rollout, waiting.notes);
            let (shared, revision) = (Arc::clone(&self.engine.shared), self.engine.revision());
            let written = std::future::ready(Ok(()));
            spawn_local(answer(done, shared, revision, written, OTHER_ANSWER, waiting.reply));
        }
    }

    // A resume takes the lock's file away first: where the lock stays after all, the file comes back.
    fn refuse_and_keep_lock(&mut self, rollout: &str, refusal: &Refusal) {
        if self.pending.refuse(rollout, refusal) {
            self.write_lock_of(rollout);
        }
    }

    // Commands that something else has overtaken, and those that the disk keeps waiting.
    fn refuse_overtaken(&mut self, now: Now) {
        for (rollout, until) in self.pending.rollouts() {
            if !self.engine.proposes(&rollout) {
                self.refuse_and_keep_lock(&rollout, &barred(&rollout, &Barred::Overtaken));
            } else if until <= now.mono {
                let refusal = self.engine.unanswered(&rollout, pending::ANSWER);
                self.engine.withdraw_from(&rollout, now);
                self.refuse_and_keep_lock(&rollout, &refusal);
            }
        }
    }

    fn write_lock_of(&self, rollout: &str) {
        if let Some(lock) = self.engine.lock_of(rollout) {
            let (sender, _) = oneshot::channel();
            self.job(Job::Write(vec![(rollout.to_owned(), lock)], sender));
        }
    }

    fn job(&self, job: Job) {
        // The locksmith lives as long as the loop.
        let _ = self.jobs.send(job);
    }
}

/// What a probe says. In a task of its own, so that a defect in the prober is a failed probe and no more.
async fn in_time(asked: impl Future<Output = Result<(), String>> + 'static) -> Result<(), String> {
    match spawn_local(timeout(PROBE_ANSWER, asked)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(format!("no response within {} s", PROBE_ANSWER.as_secs())),
        Err(defect) => Err(format!("the probe broke off: {defect}")),
    }
}

async fn answer(
    done: Done,
    shared: Arc<Shared>,
    revision: u64,
    written: impl Future<Output = Result<(), String>>,
    patience: Duration,
    reply: Reply,
) {
    let late = || Err(format!("not yet written: the disk did not answer within {} ms", patience.as_millis()));
    let (seen_by_all_cores, durable) = tokio::join!(seen_by_all(&shared, revision), timeout(patience, written));
    let durable = durable.unwrap_or_else(|_| late());
    let Done { rollouts, open_on_canary, notes, .. } = done;
    // Who asked may have left.
    let _ = reply.send(Ok(Receipt { rollouts, durable, seen_by_all_cores, open_on_canary, notes }));
}

async fn seen_by_all(shared: &Shared, revision: u64) -> bool {
    let wait = async {
        while !shared.seen_by_all(revision) {
            sleep(Duration::from_micros(200)).await;
        }
    };
    timeout(CORES_ANSWER, wait).await.is_ok()
}

// A lock lasts in the database or as a file: the first of both is enough.
async fn either(
    database: impl Future<Output = Result<(), String>>,
    file: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let (mut database, mut file) = (Box::pin(database), Box::pin(file));
    tokio::select! {
        result = &mut database => match result {
            Ok(()) => Ok(()),
            Err(error) => file.await.map_err(|other| format!("{error}; {other}")),
        },
        result = &mut file => match result {
            Ok(()) => Ok(()),
            Err(other) => database.await.map_err(|error| format!("{error}; {other}")),
        },
    }
}

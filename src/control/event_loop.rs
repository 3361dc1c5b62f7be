//! The loop around the [`Engine`]: time, the inbox and the results of tasks go in; writes, probes and answers go out.
//!
//! Decides nothing. The loop never waits for a disk, a core or a provider: each of these waits in a task of its own,
//! whose result comes back as a [`TaskResult`]. A command is answered when it is in force (every core has acknowledged
//! the snapshot) and durable, or after a bounded time with what is true by then. A command that sends users to the
//! canary comes into force when it is durable, and is refused if that takes too long. Invariant: each command is
//! answered once.

mod end_on_canary;
mod test_targets;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::engine::commands::{CommandResult, ResumeLocks, barred};
use super::engine::digest::decisions_since;
use super::engine::dispatch::Engine;
use super::engine::input::Probe;
use super::engine::providers::ReachabilityCheck;
use super::engine::stable_readiness::StableCheck;
use super::events;
use super::notify::deliver::{self, Answer, Deliver};
use super::notify::notifier::Try;
use super::now::Now;
use super::pending_commands::{self, PendingCommand, PendingCommands, Reply};
use super::persist::lock_files::{self, Job, LockReport, ResumeJob};
use super::persist::proposals::ProposalResults;
use super::persist::write_queue::{WriteQueue, merge_history, merge_incidents, until_durable};
use super::prober::{Prober, in_time};
use super::receipts;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::event::{Action, Event};
use crate::decide::rollout::command_result::CommandObstacle;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::series::roll_up;
use crate::decide::units::{Millis, UnixMillis};
use crate::state::inbox::{Command, CommandError, Input};
use crate::store::{SeriesQuery, Store};

const TICK: Duration = Duration::from_millis(100);
/// A rollback is answered soon, however slow the disk is.
const ROLLBACK_TIMEOUT: Duration = Duration::from_millis(40);
/// Other commands can wait for a slow disk.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// Decisions of the history that a digest is made of.
const DIGEST_EVENTS: u32 = 1000;
/// Notices of retirements that are remembered.
const RETIREMENT_EVENTS: u32 = 1000;

enum TaskResult {
    BatchFinished(u64, Result<(), String>),
    ProbeFinished(Probe, Result<(), String>),
    ReachabilityChecked(ReachabilityCheck, Result<(), String>),
    StableChecked(StableCheck, Result<(), String>),
    LockFiles(LockReport),
    SeriesWritten(Result<(), String>),
    StateWritten(Result<(), String>),
    WeekRead((UnixMillis, UnixMillis), Vec<Event>),
    RetirementsRead(Vec<Event>),
    Notified { number: u64, target: String, answer: Result<Answer, String> },
}

/// What control asks of others than the store.
pub(super) struct Outside {
    pub(super) prober: Prober,
    pub(super) deliver: Deliver,
}

struct EventLoop {
    engine: Engine,
    queue: WriteQueue,
    prober: Rc<Prober>,
    deliver: Rc<Deliver>,
    clock: Box<dyn Fn() -> Now>,
    results: mpsc::UnboundedSender<TaskResult>,
    jobs: mpsc::UnboundedSender<Job>,
    pending: PendingCommands,
}

/// Runs until the inbox is closed, then writes what is left. To be polled on a `LocalSet`.
pub(super) async fn run(
    engine: Engine,
    store: Box<dyn Store>,
    state_dir: PathBuf,
    mut inbox: mpsc::Receiver<Input>,
    outside: Outside,
    clock: Box<dyn Fn() -> Now>,
) {
    // The queue has no limit, but its senders do: a task for each batch, probe, lock file operation and pending
    // command.
    let (results, mut finished) = mpsc::unbounded_channel();
    let (jobs, queued) = mpsc::unbounded_channel();
    let reports = results.clone();
    let report = move |report| reports.send(TaskResult::LockFiles(report)).is_ok();
    let lock_files = spawn_local(lock_files::run(state_dir, queued, report));
    let (queue, pending) = (WriteQueue::new(store), PendingCommands::default());
    let (prober, deliver) = (Rc::new(outside.prober), Rc::new(outside.deliver));
    let mut events = EventLoop { engine, queue, prober, deliver, clock, results, jobs, pending };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        events.flush();
        tokio::select! {
            biased;
            input = inbox.recv() => match input {
                Some(input) => events.handle_input(input),
                None => break,
            },
            result = finished.recv() => if let Some(result) = result {
                events.handle_result(result);
            },
            _ = tick.tick() => events.engine.tick((events.clock)()),
        }
    }
    // The current batch and the rest get one more attempt each, and so do the lock files.
    events.engine.recorder.close();
    events.engine.state_writer.close();
    for _ in 0..2 {
        events.flush();
        while events.is_writing() {
            match timeout(DISK_TIMEOUT, finished.recv()).await {
                Ok(Some(result)) => events.handle_result(result),
                _ => break,
            }
        }
    }
    drop(events);
    if timeout(DISK_TIMEOUT, lock_files).await.is_err() {
        tracing::warn!("lock files were not written in time");
    }
}

impl EventLoop {
    fn now(&self) -> Now {
        (self.clock)()
    }

    fn is_writing(&self) -> bool {
        self.queue.is_writing() || self.engine.recorder.is_writing() || self.engine.state_writer.is_writing()
    }

    /// Starts the writes, probes and checks that are due. Returns the number that the write queue gave to what is new.
    fn flush(&mut self) -> u64 {
        let now = self.now();
        self.refuse_withdrawn_and_late(now);
        let number = self.queue.enqueue(&mut self.engine.outbox);
        self.engine.notifier.handed_over(number);
        if let Some(batch) = self.queue.start_batch(now.mono) {
            let results = self.results.clone();
            spawn_local(async move {
                let result = batch.answer.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                // The loop may have ended.
                let _ = results.send(TaskResult::BatchFinished(batch.upto, result));
            });
        }
        if let Some(blocks) = self.engine.recorder.take_due() {
            let (results, written) = (self.results.clone(), self.queue.record(blocks));
            spawn_local(async move {
                let result = written.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                let _ = results.send(TaskResult::SeriesWritten(result));
            });
        }
        if let Some(changes) = self.engine.state_writer.take_due(&self.engine.shared.state_ids, now) {
            let (results, written) = (self.results.clone(), self.queue.record_state(changes));
            spawn_local(async move {
                let result = written.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                let _ = results.send(TaskResult::StateWritten(result));
            });
        }
        for probe in self.engine.due_probes(now) {
            let (results, prober) = (self.results.clone(), Rc::clone(&self.prober));
            let answer = (prober.answers)(Arc::clone(&probe.provider), self.engine.egress());
            spawn_local(async move {
                let _ = results.send(TaskResult::ProbeFinished(probe, in_time(answer).await));
            });
        }
        for check in self.engine.due_reachability_checks(now) {
            let (results, prober) = (self.results.clone(), Rc::clone(&self.prober));
            let answer = (prober.connects)(Arc::clone(&check.provider), self.engine.egress());
            spawn_local(async move {
                let _ = results.send(TaskResult::ReachabilityChecked(check, in_time(answer).await));
            });
        }
        for check in self.engine.due_stable_checks(now) {
            let (results, prober) = (self.results.clone(), Rc::clone(&self.prober));
            let answer = (prober.answers_as_stable)(Arc::clone(&check.provider), self.engine.egress());
            spawn_local(async move {
                let _ = results.send(TaskResult::StableChecked(check, in_time(answer).await));
            });
        }
        if let Some(week) = self.engine.digest_due(now) {
            let filter = decisions_since(week.0);
            let (waiting, kept) = self.queue.history(&filter, DIGEST_EVENTS);
            let results = self.results.clone();
            spawn_local(async move {
                // Without the history the digest has no decisions, and is sent all the same.
                let kept = kept.await.ok().and_then(Result::ok).unwrap_or_default();
                let _ = results.send(TaskResult::WeekRead(week, merge_history(waiting, kept, DIGEST_EVENTS)));
            });
        }
        if self.engine.wants_told_retirements() {
            let told = HistoryFilter { actions: vec![Action::Retires], ..HistoryFilter::default() };
            let (waiting, kept) = self.queue.history(&told, RETIREMENT_EVENTS);
            let results = self.results.clone();
            spawn_local(async move {
                // What cannot be read is told again.
                let kept = kept.await.ok().and_then(Result::ok).unwrap_or_default();
                let _ = results.send(TaskResult::RetirementsRead(merge_history(waiting, kept, RETIREMENT_EVENTS)));
            });
        }
        for Try { number, target, post } in self.engine.notifier.due(now) {
            let (results, deliver) = (self.results.clone(), Rc::clone(&self.deliver));
            let answer = (deliver)(post, self.engine.egress());
            spawn_local(async move {
                let answer = deliver::in_time(answer).await;
                let _ = results.send(TaskResult::Notified { number, target, answer });
            });
        }
        number
    }

    fn handle_result(&mut self, result: TaskResult) {
        let now = self.now();
        match result {
            TaskResult::BatchFinished(upto, result) => self.batch_finished(upto, result, now),
            TaskResult::ProbeFinished(probe, result) => {
                self.engine.probe_finished(&probe, result, now);
                self.engine.tick(now);
            }
            TaskResult::ReachabilityChecked(check, result) => {
                if let Err(why) = &result {
                    tracing::debug!(provider = check.provider.name, "still not reachable: {why}");
                }
                check.finish(result.is_ok(), now);
                self.engine.tick(now);
            }
            TaskResult::StableChecked(check, result) => self.engine.stable_checked(&check, &result),
            TaskResult::SeriesWritten(result) => {
                if let Err(why) = &result {
                    tracing::debug!("the series cannot be written, and are tried again: {why}");
                }
                self.engine.recorder.write_finished(result.is_ok());
            }
            TaskResult::StateWritten(result) => {
                if let Err(why) = &result {
                    tracing::debug!("ids of state cannot be written, and are tried again: {why}");
                }
                self.engine.state_writer.finished(result.is_ok(), &self.engine.shared.state_ids, now);
            }
            TaskResult::LockFiles(LockReport::Read(Err(error))) => self.engine.locks_unreadable(error, now),
            TaskResult::LockFiles(LockReport::Read(Ok(found))) => {
                let expanded = self.engine.locks_read(found, now);
                if !expanded.is_empty() {
                    self.start_job(Job::Expand(expanded));
                }
            }
            TaskResult::LockFiles(LockReport::Removed(resume, result)) => self.resume(*resume, result),
            TaskResult::WeekRead(week, events) => self.engine.send_digest(week, &events),
            TaskResult::RetirementsRead(events) => self.engine.told_retirements(&events, now),
            TaskResult::Notified { number, target, answer } => {
                self.engine.notification_answered(number, &target, &answer, now);
            }
        }
    }

    fn batch_finished(&mut self, upto: u64, result: Result<(), String>, now: Now) {
        let ProposalResults { written, failed, withdrawn } = self.queue.batch_finished(upto, &result, now.mono);
        withdrawn.iter().for_each(|event| events::tell(event, &self.engine.shared.history));
        self.engine.batch_finished(&result, now);
        self.engine.notifier.settled(upto);
        for rollout in self.engine.proposals_written(&written, now) {
            self.answer_pending(&rollout);
        }
        let error = result.err().unwrap_or_default();
        for rollout in self.engine.proposals_failed(&failed, now) {
            let refusal = self.engine.unwritable(&rollout, &error);
            self.refuse_and_restore_lock_file(&rollout, &refusal);
        }
    }

    fn handle_input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Command { command, reply } => match &command.verb {
                RolloutCommand::Resume { .. } => self.start_resume(command, reply),
                _ => self.command(&command, reply),
            },
            Input::History { filter, limit, reply } => {
                let (waiting, kept) = self.queue.history(&filter, limit);
                spawn_local(async move {
                    let kept = kept.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                    let _ = reply.send(kept.map(|kept| merge_history(waiting, kept, limit)));
                });
            }
            Input::Incidents { id, reply } => {
                let (waiting, kept) = self.queue.incidents(id.as_ref());
                spawn_local(async move {
                    let kept = kept.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                    let _ = reply.send(kept.map(|kept| merge_incidents(waiting, kept)));
                });
            }
            Input::Series { rollout, step, from, to, reply } => {
                let query = SeriesQuery { rollout, step, from, to };
                let unwritten = self.engine.recorder.unwritten(&query);
                let kept = self.queue.series(query);
                spawn_local(async move {
                    let kept = kept.await.unwrap_or_else(|_| Err("the store has ended".to_owned()));
                    let _ = reply.send(kept.map(|mut points| {
                        roll_up(&mut points, unwritten.iter().map(|(at, point)| (*at, point)), step);
                        points
                    }));
                });
            }
            Input::EndOnCanary { wish, reply } => self.end_on_canary(&wish, reply, now),
            // The sender may be gone.
            Input::DryRun { command, reply } => drop(reply.send(self.engine.dry_run(&command, now))),
            Input::Plan { policy, reply } => drop(reply.send(self.engine.plan(&policy, now))),
            Input::Trace { rollout, reply } => drop(reply.send(self.engine.trace(&rollout))),
            Input::Feedback { verdicts, reply } => drop(reply.send(self.engine.feedback(&verdicts, now))),
            Input::TestNotify { target, reply } => self.test_targets(target.as_deref(), reply),
            Input::Flags(read) => self.engine.flags_read(read, now),
            Input::Rejected(rejection) => self.engine.request_rejected(rejection, now),
            Input::Drain => self.engine.drain(now),
        }
    }

    /// A resume removes the lock files first, and runs when they are gone.
    fn start_resume(&mut self, command: Command, reply: Reply) {
        match (self.engine.check_resume(&command, self.now()), command.rollout.clone()) {
            (Ok(ResumeLocks { own, others }), Some(rollout)) => {
                self.start_job(Job::Remove(Box::new(ResumeJob { rollout, held: own, others, command, reply })));
            }
            (Err(refusal), _) => drop(reply.send(Err(refusal))),
            (Ok(_), None) => drop(reply.send(Err(self.engine.rollout_name_missing()))),
        }
    }

    fn resume(&mut self, resume: ResumeJob, removed: Result<(), String>) {
        let is_locked_again = self.engine.locks_for_resume(&resume.command).map(|now| now.own != resume.held);
        let refusal = match (removed, is_locked_again) {
            (Err(stays), _) => Some(CommandError::NotNow(stays)),
            (_, Err(refusal)) => Some(refusal),
            (_, Ok(true)) => Some(barred(&resume.rollout, &CommandObstacle::RolledBackAgain)),
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

    /// Runs a command and publishes its effects. A task of its own waits for the cores and the disk and answers. A
    /// command that is proposed is answered when its proposal is committed.
    fn command(&mut self, command: &Command, reply: Reply) {
        let now = self.now();
        let result = match self.engine.command(command, now) {
            Ok(result) => result,
            Err(refusal) => {
                if let (RolloutCommand::Resume { .. }, Some(rollout)) = (&command.verb, &command.rollout) {
                    self.write_lock_file(rollout);
                }
                return drop(reply.send(Err(refusal)));
            }
        };
        if let (true, Some(rollout)) = (result.proposed, &command.rollout) {
            self.pending.refuse(rollout, &barred(rollout, &CommandObstacle::Overtaken));
            let until = Millis(now.mono.0 + pending_commands::TIMEOUT.0);
            self.pending.add(PendingCommand { rollout: rollout.clone(), notes: result.notes, until, reply });
            self.flush();
            return;
        }
        let number = self.flush();
        let durable = until_durable(self.queue.progress(), number);
        if matches!(command.verb, RolloutCommand::Rollback { .. }) {
            let (sender, file) = oneshot::channel();
            self.start_job(Job::Write(result.locks.clone(), sender));
            let file = async { file.await.unwrap_or_else(|_| Err("no lock file".to_owned())) };
            self.send_receipt(result, receipts::first_durable(durable, file), ROLLBACK_TIMEOUT, reply);
        } else {
            self.send_receipt(result, durable, DISK_TIMEOUT, reply);
        }
    }

    fn send_receipt(
        &self,
        result: CommandResult,
        durable: impl Future<Output = Result<(), String>> + 'static,
        disk_timeout: Duration,
        reply: Reply,
    ) {
        let (shared, revision) = (Arc::clone(&self.engine.shared), self.engine.revision());
        spawn_local(receipts::send(result, shared, revision, durable, disk_timeout, reply));
    }

    /// The proposal of this rollout was committed.
    fn answer_pending(&mut self, rollout: &str) {
        for command in self.pending.take(rollout) {
            let result = self.engine.result_after_commit(rollout, command.notes);
            self.send_receipt(result, std::future::ready(Ok(())), DISK_TIMEOUT, command.reply);
        }
    }

    /// A resume has removed the lock file. If the lock stays, the file is written again.
    fn refuse_and_restore_lock_file(&mut self, rollout: &str, refusal: &CommandError) {
        if self.pending.refuse(rollout, refusal) {
            self.write_lock_file(rollout);
        }
    }

    /// Refuses commands whose proposal was withdrawn, and those that the disk has kept waiting too long.
    fn refuse_withdrawn_and_late(&mut self, now: Now) {
        for (rollout, until) in self.pending.rollouts() {
            if !self.engine.has_proposal(&rollout) {
                self.refuse_and_restore_lock_file(&rollout, &barred(&rollout, &CommandObstacle::Overtaken));
            } else if until <= now.mono {
                let refusal = self.engine.write_timed_out(&rollout, pending_commands::TIMEOUT);
                self.engine.withdraw_proposal(&rollout, now);
                self.refuse_and_restore_lock_file(&rollout, &refusal);
            }
        }
    }

    fn write_lock_file(&self, rollout: &str) {
        if let Some(lock) = self.engine.lock_of(rollout) {
            let (sender, _) = oneshot::channel();
            self.start_job(Job::Write(vec![(rollout.to_owned(), lock)], sender));
        }
    }

    fn start_job(&self, job: Job) {
        // The task lives as long as the loop.
        let _ = self.jobs.send(job);
    }
}

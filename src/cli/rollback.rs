//! `serin rollback`: stable serves everybody when this returns, or it says that it does not know.
//!
//! Two ways at once, to every process meant: the admin API, and the lock file in its state directory, which a process
//! obeys although its flags.yaml is broken, its port blocked or its disk full for the database. The first
//! acknowledgement ends the wait. Nothing is claimed that was not acknowledged.

mod answers;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use self::answers::{Acknowledgement, ProcessAnswers, listen};
use super::api_call::{CallError, by_any};
use super::locate::{AdminEndpoint, LocateArgs, Located, nothing_found, several};
use super::output::{self, Style, distance, one_line};
use super::status;
use super::{Exit, Failure, Outcome, dry_run};
use crate::app::api::{Changed, KeptState, Rollout, StatusReply, check_reason, current_user};
use crate::app::offline::{self, InForce};
use crate::clock;
use crate::decide::rollout::state::Lock;
use crate::decide::units::{Millis, Percent};
use crate::describe::{ephemeral, kept_state};

/// How long a process may take to acknowledge, by either way.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the rest of the answers is waited for once the lock is in force.
const GRACE: Millis = Millis(100);
/// How long the state of stable is waited for, once the rollback is in force.
const LOOK_AT_STABLE: Duration = Duration::from_secs(1);
/// How often `in-force.json` is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Arguments of `serin rollback`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin rollback\n  serin rollback chat --reason \"answers in the wrong language\"\n  \
    serin rollback chat --to 5%\n  serin rollback chat --hard\n\nWorks with a broken or missing flags.yaml and with the admin port blocked: the lock \
    is also written into the state directory, where the running process and every later start read it. Only `serin \
    resume` lifts it."
)]
pub struct RollbackArgs {
    /// The rollout to roll back; without a name, all of them.
    pub(super) rollout: Option<String>,
    /// The share of users that stays on the canary.
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    pub(super) to: Percent,
    /// End what is under way on the canary as well: requests without output go to stable, streams and connections break
    /// off. Without it they finish there. What the canary keeps (responses, files and the like) is then asked of
    /// stable, too.
    #[arg(long, conflicts_with = "to")]
    pub(super) hard: bool,
    /// Reason, for the history.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    pub(super) reason: String,
    /// Print what the rollback would do, and change nothing. Fails if no process answers.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON. With --dry-run: a list with one entry for each process.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) reach: LocateArgs,
}

/// A reason that the history takes.
pub(super) fn reason(text: &str) -> Result<String, String> {
    check_reason(text).map(|()| text.trim().to_owned())
}

/// Rolls back.
///
/// # Errors
/// Where no process acknowledged, or none runs.
pub fn run(args: &RollbackArgs) -> Outcome {
    let targets = match args.reach.find()? {
        Located::Running(targets) => targets,
        Located::Nothing { state, flags, elsewhere, others } => {
            let found = nothing_found(&state, &elsewhere, &others);
            // A lock in a directory that nobody has used yet would look like a rollback of those that run.
            if !elsewhere.is_empty() && !state.exists() {
                return Err(Failure::usage(format!(
                    "{found}\nno lock was written, since {} does not exist",
                    state.display()
                )));
            }
            return if args.dry_run {
                dry_run::at_rest(args.to, &state, &found)
            } else {
                at_rest(args, &state, &flags, &found)
            };
        }
    };
    if targets.len() > 1 && args.rollout.is_some() {
        return Err(several(&targets));
    }
    if args.dry_run {
        let (path, body) = request(args);
        return dry_run::of_all(&targets, &path, &body, args.json);
    }
    let mut report = roll_back(args, &targets, PATIENCE);
    let replies = targets.iter().filter_map(|target| status::get(target, LOOK_AT_STABLE).ok());
    let notes: Vec<String> = replies
        .flat_map(|reply| {
            let mut notes = stable_notes(&reply.rollouts, &report.rollouts);
            notes.extend(kept_notes(&reply, &report.rollouts, (args.hard, args.to == Percent::ZERO)));
            notes
        })
        .collect();
    report.notes.extend(notes);
    if args.json {
        output::print_json(&report);
    } else if report.exit() != Exit::Failed || report.confirmed > 0 {
        output::print(&render(&report, args, Style::of_stdout()));
    }
    match report.exit() {
        Exit::Done => Ok(Exit::Done),
        exit if args.json => Ok(exit),
        exit => Err(Failure { exit, message: report.errors.join("\n") }),
    }
}

/// What the operator should know where stable, which serves all users now, does not answer.
fn stable_notes(rollouts: &[Rollout], changed: &[Changed]) -> Vec<String> {
    let moved = |rollout: &&Rollout| changed.iter().any(|changed| changed.name == rollout.name);
    let faults = rollouts.iter().filter(moved).filter_map(|rollout| Some((rollout, rollout.stable_fault.as_ref()?)));
    let note = |(rollout, fault): (&Rollout, &String)| {
        format!("{fault}; after a rollback nothing falls back to the canary: `serin resume {}` lifts it", rollout.name)
    };
    faults.map(note).collect()
}

/// What stays on the canaries although no user is sent there.
fn kept_notes(reply: &StatusReply, changed: &[Changed], (hard, whole): (bool, bool)) -> Vec<String> {
    let moved = |rollout: &&Rollout| changed.iter().any(|changed| changed.name == rollout.name);
    let canaries: BTreeSet<&String> =
        reply.rollouts.iter().filter(moved).filter_map(|rollout| rollout.canary.as_ref()).collect();
    let kept = reply.kept_state.iter().filter(|kept| canaries.contains(&kept.provider));
    let note = |kept: &KeptState| {
        let used = distance(kept.last_used_at, clock::unix());
        kept_state::after_rollback(kept.ids, &kept.provider, &used, hard, whole)
    };
    kept.map(note).collect()
}

/// What became of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct RollbackReport {
    /// Processes that were asked.
    pub(super) processes: usize,
    /// Processes in which it is in force.
    pub(super) confirmed: usize,
    /// From the first word to the last acknowledgement.
    pub(super) milliseconds: u64,
    /// Whether it survives a crash everywhere.
    pub(super) durable: bool,
    /// The rollouts as they are now.
    pub(super) rollouts: Vec<Changed>,
    /// Requests still open on a canary.
    pub(super) open_on_canary: u64,
    /// WebSocket sessions among them.
    pub(super) websockets_on_canary: u64,
    /// Requests on a canary that were ended.
    pub(super) ended_on_canary: u64,
    /// What else the operator should know.
    pub(super) notes: Vec<String>,
    /// What failed.
    pub(super) errors: Vec<String>,
    /// Whether something refused it, as against not answering.
    #[serde(skip)]
    refused: bool,
}

impl RollbackReport {
    pub(super) fn exit(&self) -> Exit {
        match () {
            () if self.confirmed == self.processes => Exit::Done,
            () if self.refused => Exit::Failed,
            () => Exit::NotConfirmed,
        }
    }
}

// === Asking ===

pub(super) fn roll_back(args: &RollbackArgs, targets: &[AdminEndpoint], patience: Duration) -> RollbackReport {
    let began = clock::now();
    let deadline = Millis(began.0 + u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
    let (sender, heard) = mpsc::channel();
    let mut answers: Vec<ProcessAnswers> = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        answers.push(ProcessAnswers { has_state: target.state.is_some(), ..ProcessAnswers::default() });
        spawn(&sender, at, ask(args, target));
        if let Some(state) = &target.state {
            spawn(&sender, at, by_file(args, state, deadline));
        }
    }
    drop(sender);
    listen(&heard, &mut answers, deadline, |answers| answers.settled(args.hard));
    let milliseconds = clock::now().since(began).0;
    // A lock that is being written is not left half done, and what the API has to say of open requests is not missed
    // where the lock file was quicker.
    listen(&heard, &mut answers, Millis(clock::now().0 + GRACE.0), ProcessAnswers::complete);
    let mut report =
        RollbackReport { processes: targets.len(), milliseconds, durable: true, ..RollbackReport::default() };
    for (target, answers) in targets.iter().zip(answers) {
        add_to_report(args, target, answers, &mut report);
    }
    report
}

fn spawn(
    sender: &Sender<(usize, Acknowledgement)>,
    at: usize,
    work: impl FnOnce(&mut dyn FnMut(Acknowledgement)) + Send + 'static,
) {
    let sender = sender.clone();
    // Where no thread can be had, the other way has to do; the channel's end tells that nothing more comes.
    let _ = std::thread::Builder::new().spawn(move || {
        work(&mut |heard| {
            let _ = sender.send((at, heard));
        });
    });
}

fn request(args: &RollbackArgs) -> (String, Value) {
    let path = match &args.rollout {
        Some(name) => format!("/api/v1/rollouts/{}/rollback", segment(name)),
        None => "/api/v1/rollback".to_owned(),
    };
    let mut body = json!({"to": args.to.to_string(), "reason": args.reason});
    if args.hard {
        // An older sidecar does not know it, and says so.
        body["hard"] = true.into();
    }
    (path, body)
}

fn ask(args: &RollbackArgs, target: &AdminEndpoint) -> impl FnOnce(&mut dyn FnMut(Acknowledgement)) + Send + 'static {
    let ((path, body), vias) = (request(args), target.vias.clone());
    move |tell| tell(Acknowledgement::Api(by_any(&vias, &Method::POST, &path, Some(&body), PATIENCE)))
}

fn by_file(
    args: &RollbackArgs,
    state: &Path,
    deadline: Millis,
) -> impl FnOnce(&mut dyn FnMut(Acknowledgement)) + Send + 'static {
    let (state, rollout, to, lock) = (state.to_owned(), args.rollout.clone(), args.to, lock(args));
    move |tell| {
        let before = offline::in_force(&state).map_or(0, |in_force| in_force.revision);
        let written = offline::write_lock(&state, rollout.as_deref(), &lock).map_err(|error| error.to_string());
        let failed = written.is_err();
        tell(Acknowledgement::Written(written));
        while !failed && clock::now() < deadline {
            if let Some(shown) =
                offline::in_force(&state).filter(|shown| is_lock_in_force(shown, before, rollout.as_deref(), to))
            {
                return tell(Acknowledgement::Shown(shown));
            }
            std::thread::park_timeout(LOOK);
        }
        tell(Acknowledgement::NotShown);
    }
}

/// Whether a process shows the lock: it has published since, and nothing it names is above the share.
fn is_lock_in_force(shown: &InForce, before: u64, rollout: Option<&str>, to: Percent) -> bool {
    let mut meant = shown.rollouts.iter().filter(|(name, _)| rollout.is_none_or(|rollout| rollout == *name));
    let exists = rollout.is_none_or(|rollout| shown.rollouts.contains_key(rollout));
    shown.revision > before && exists && meant.all(|(_, percent)| *percent <= to)
}

fn lock(args: &RollbackArgs) -> Lock {
    Lock { to: args.to, at: clock::unix(), actor: current_user(), reason: args.reason.clone() }
}

/// A name as one segment of a path; a name with other characters names nothing, and is told so by the API.
pub(super) fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn add_to_report(args: &RollbackArgs, target: &AdminEndpoint, answers: ProcessAnswers, report: &mut RollbackReport) {
    let confirmed = answers.confirmed();
    let on_disk = matches!(answers.written, Some(Ok(())));
    match answers.api {
        Some(Ok(reply)) if reply.in_force => {
            if !reply.durable && !on_disk {
                report.durable = false;
                let why = reply.durability_error.unwrap_or_else(|| "the state directory cannot be written".to_owned());
                report.notes.push(format!("it would be lost at a restart of {}: {why}", target.name));
            }
            report.rollouts.extend(reply.rollouts);
            report.open_on_canary += reply.open_on_canary;
            report.websockets_on_canary += reply.websockets_on_canary;
            report.ended_on_canary += reply.ended_on_canary;
            report.notes.extend(reply.notes);
        }
        Some(Err(error)) if error.is_unknown_rollout() => {
            if let Some(state) = target.state.as_deref().filter(|_| on_disk) {
                offline::remove_lock(state, args.rollout.as_deref());
            }
            report.refused = true;
            report.errors.push(error.to_string());
        }
        other => {
            if let Some(kind) = target.state.as_deref().filter(|_| on_disk).and_then(offline::ephemeral) {
                report.notes.push(ephemeral::lock(kind));
            }
            if let Some(Some(shown)) = answers.shown {
                let named = |name: &String| args.rollout.as_ref().is_none_or(|rollout| rollout == name);
                let changed = |(name, percent): (String, Percent)| Changed { name, percent: percent.as_f64() };
                if args.hard {
                    let said = match &other {
                        Some(Err(error)) => error.to_string(),
                        _ => "it did not answer in time".to_owned(),
                    };
                    report.notes.push(format!(
                        "the rollback is in force by the lock file, and what is under way on the canary was not ended: \
                         that takes the API of {} ({said})",
                        target.name
                    ));
                }
                report.rollouts.extend(shown.rollouts.into_iter().filter(|(name, _)| named(name)).map(changed));
            } else {
                let said = match &other {
                    Some(Ok(_)) => "it was accepted, but not every core uses it yet".to_owned(),
                    Some(Err(error)) => error.to_string(),
                    None => "it did not answer in time".to_owned(),
                };
                report.errors.push(match answers.written {
                    Some(Ok(())) => format!(
                        "not confirmed by {}: {said}; the lock is written and takes effect at its next check or start",
                        target.name
                    ),
                    Some(Err(why)) => {
                        format!("not confirmed by {}: {said}; and no lock can be written: {why}", target.name)
                    }
                    None => format!("not confirmed by {}: {said}", target.name),
                });
                report.refused |= matches!(other, Some(Err(CallError::Refused { .. }))) && !on_disk;
            }
        }
    }
    report.confirmed += usize::from(confirmed);
}

// === Telling ===

pub(super) fn render(report: &RollbackReport, args: &RollbackArgs, style: Style) -> String {
    let RollbackReport { processes, confirmed, milliseconds, .. } = report;
    let summary = format!("in force in {confirmed} of {processes} processes, {milliseconds} ms");
    let mut text = if confirmed == processes { style.green(&summary) } else { style.red(&summary) };
    text.push('\n');
    for Changed { name, percent } in &report.rollouts {
        text.push_str(&format!("{name}: {percent}% of users on the canary, locked until `serin resume {name}`\n"));
    }
    if report.open_on_canary > 0 {
        let (requests, are) = if report.open_on_canary == 1 { ("request", "is") } else { ("requests", "are") };
        text.push_str(&format!(
            "{} earlier {requests} {are} still open on the canary, and finish there\n",
            report.open_on_canary
        ));
    }
    if report.websockets_on_canary > 0 {
        let sessions = if report.websockets_on_canary == 1 { "session" } else { "sessions" };
        text.push_str(&format!(
            "{} of them WebSocket {sessions}, which may stay for long; `serin rollback --hard` closes them\n",
            report.websockets_on_canary
        ));
    }
    if args.hard && report.ended_on_canary > 0 {
        let requests = if report.ended_on_canary == 1 { "request was" } else { "requests were" };
        text.push_str(&format!(
            "{} {requests} under way on the canary and ended; those without output go to stable\n",
            report.ended_on_canary
        ));
    }
    if !report.durable {
        text.push_str(&style.yellow("warning: in force, but not durable\n"));
    }
    for note in &report.notes {
        text.push_str(&format!("note: {}\n", one_line(note)));
    }
    if report.rollouts.is_empty() && *confirmed > 0 && args.rollout.is_none() {
        text.push_str("there is no rollout with a canary\n");
    }
    text
}

// === Where nothing runs ===

fn at_rest(args: &RollbackArgs, state: &Path, flags: &Path, found: &str) -> Outcome {
    if let Some((name, known)) = args.rollout.as_ref().zip(offline::rollouts_of(flags))
        && !known.contains(name)
    {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let file = flags.display();
        return Err(Failure::failed(format!("{file} has no rollout `{name}` with a canary; there are: {known}")));
    }
    let message = match offline::write_lock(state, args.rollout.as_deref(), &lock(args)) {
        Ok(()) => {
            let ends = offline::ephemeral(state).map(|kind| format!("; {}", ephemeral::lock(kind))).unwrap_or_default();
            let (to, from) = (args.to, state.display());
            format!(
                "{found}\na lock at {to} was written to {from}, and the next start with this directory uses it{ends}"
            )
        }
        Err(error) => format!("{found}\nno lock can be written for the next start: {error}"),
    };
    if args.json {
        let report = RollbackReport { errors: vec![message], ..RollbackReport::default() };
        output::print_json(&report);
        return Ok(Exit::Failed);
    }
    Err(Failure::failed(message))
}

#[cfg(test)]
mod tests;

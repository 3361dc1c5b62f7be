//! `serin status --watch`: the state of every rollout, again and again until interrupted.
//!
//! On a terminal a live screen ([`frame`](mod@super::frame)), elsewhere a block of text a second, with `--json` a line of
//! JSON for each change. A sidecar that does not answer is asked again, and the screen says since when. Only reads.
//! Invariant: the terminal is as it was when the command ends.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::ask::{at_rest, get};
use super::frame::{self, Seen};
use super::terminal::Screen;
use super::view;
use crate::app::api::{HistoryReply, StatusReply};
use crate::cli::api_call::by_any;
use crate::cli::locate::{AdminEndpoint, LocateArgs, Located};
use crate::cli::output::{self, Style};
use crate::cli::{Exit, Failure, Outcome};
use crate::clock;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);
/// Events that the line of the share is drawn from, and of which the newest are listed.
const EVENTS: u32 = 200;

enum Signal {
    /// The terminal has another size.
    Resized,
    /// The user has seen enough.
    Ended,
}

/// Watches until it is interrupted.
pub(super) fn run(reach: &LocateArgs, json: bool) -> Outcome {
    // Where nothing runs at the start it is a mistake, and later a restart.
    if let nothing @ Located::Nothing { .. } = reach.find()? {
        return Err(at_rest(nothing));
    }
    let (sender, signals) = mpsc::channel();
    watch_signals(sender).map_err(|error| Failure::failed(format!("signals cannot be watched: {error}")))?;
    let mut screen = (!json && std::io::stdout().is_terminal()).then(Screen::open);
    let mut seen: Vec<Seen> = Vec::new();
    let mut told: Vec<Value> = Vec::new();
    loop {
        look(reach, &mut seen);
        let shown = match &mut screen {
            Some(screen) => screen.draw(|size| frame::lines(&seen, clock::unix(), Style::of_stdout(), size)),
            None if json => output::try_print(&changes(&seen, &mut told)),
            None => output::try_print(&block(&seen)),
        };
        if shown.is_err() {
            // Whoever read has seen enough.
            return Ok(Exit::Done);
        }
        loop {
            match signals.recv_timeout(EVERY) {
                Ok(Signal::Ended) => return Ok(Exit::Done),
                Ok(Signal::Resized) => {
                    if let Some(screen) = &mut screen {
                        // The next look finds out what is wrong.
                        let _ = screen.draw(|size| frame::lines(&seen, clock::unix(), Style::of_stdout(), size));
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
    }
}

fn watch_signals(sender: Sender<Signal>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut resize) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::window_change())?)
    };
    let pass_on = async move {
        loop {
            let event = tokio::select! {
                _ = interrupt.recv() => Signal::Ended,
                _ = terminate.recv() => Signal::Ended,
                _ = resize.recv() => Signal::Resized,
            };
            if sender.send(event).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(pass_on))?;
    Ok(())
}

/// Asks every sidecar that is found; one that was found before and does not answer stays on the screen.
fn look(reach: &LocateArgs, seen: &mut Vec<Seen>) {
    let targets = match reach.find() {
        Ok(Located::Running(targets)) => targets,
        _ => Vec::new(),
    };
    let now = clock::unix();
    for known in seen.iter_mut() {
        if !targets.iter().any(|target| target.name == known.name) {
            known.lost("it is not running".to_owned(), now);
        }
    }
    for target in targets {
        let answer = get(&target, PATIENCE);
        let known = seen.iter_mut().find(|known| known.name == target.name);
        let known = match known {
            Some(known) => known,
            None => {
                // A new process in the place of one that is gone.
                seen.retain(|known| known.is_connected());
                seen.push(Seen::new(target.name.clone()));
                let last = seen.len() - 1;
                &mut seen[last]
            }
        };
        match answer {
            Ok(reply) => known.answered(reply, events(&target)),
            Err(error) => known.lost(error.to_string(), now),
        }
    }
}

/// The newest events; none where they cannot be had, which the status tells.
fn events(target: &AdminEndpoint) -> Vec<crate::app::api::HistoryEntry> {
    let path = format!("/api/v1/history?limit={EVENTS}");
    let reply: Result<HistoryReply, _> = by_any(&target.vias, &Method::GET, &path, None, PATIENCE);
    reply.map(|reply| reply.events).unwrap_or_default()
}

/// For a reader that is no terminal: the status as text, and an empty line.
fn block(seen: &[Seen]) -> String {
    let of = |known: &Seen| match (&known.reply, &known.error) {
        (_, Some((error, _))) => format!("{error}\n"),
        (Some(reply), None) => view::render(reply, clock::unix(), Style::of_stdout()),
        (None, None) => String::new(),
    };
    seen.iter().map(of).collect::<String>() + "\n"
}

/// The status of each process whose rollouts, file or breakers have changed: a line of JSON each.
fn changes(seen: &[Seen], told: &mut Vec<Value>) -> String {
    let mut text = String::new();
    let now: Vec<Value> = seen.iter().map(|known| json!([known.name, changing(known)])).collect();
    for (known, state) in seen.iter().zip(&now) {
        if told.contains(state) {
            continue;
        }
        let line = match (&known.error, &known.reply) {
            (Some((error, _)), _) => json!({"error": error}),
            (None, reply) => json!(reply),
        };
        text.push_str(&format!("{line}\n"));
    }
    *told = now;
    text
}

/// What is a change: all that is decided or edited, and no count of requests.
fn changing(known: &Seen) -> Value {
    if let Some((error, _)) = &known.error {
        return json!({"error": error});
    }
    let Some(StatusReply { process, flags, state, rollouts, providers, .. }) = &known.reply else { return Value::Null };
    let rollouts = rollouts.iter().map(|rollout| {
        json!([
            rollout.name,
            rollout.stable,
            rollout.canary,
            rollout.phase,
            rollout.percent,
            rollout.intent,
            rollout.since,
            rollout.next.as_ref().map(|next| next.percent),
            rollout.attempt,
            rollout.lock,
            rollout.paused,
            rollout.epoch,
            rollout.stable_fault,
        ])
    });
    let breakers = providers.iter().map(|provider| json!([provider.name, provider.breaker, provider.unreachable]));
    json!([
        process.pid,
        process.draining,
        flags.generation,
        flags.errors,
        flags.warnings,
        state.error,
        rollouts.collect::<Vec<_>>(),
        breakers.collect::<Vec<_>>(),
    ])
}

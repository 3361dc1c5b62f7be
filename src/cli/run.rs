//! `serin run`: the sidecar itself, in the foreground, until a signal ends it.
//!
//! Owns the log's settings and the announcement: where the process serves, what is in force, and everything that is not
//! as the file wishes. Does not fork and writes no pid file: supervisors and the run registry know the process. Exit
//! code 64 means that the file is to be mended, 1 that something around it is.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::{self, one_line};
use super::{Exit, Failure, Outcome};
use crate::app::{self, Options, Running, StartError};
use crate::describe::ephemeral;
use crate::state::status::{RolloutStatus, Status};
use crate::telemetry::log;

/// Arguments of `serin run`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin run\n  serin run --flags /etc/serin/flags.yaml --state /var/lib/serin\n\n\
    flags.yaml is reloaded whenever it is written. SIGTERM and SIGINT stop the process after the requests in flight; a \
    second signal stops it at once. SERIN_LOG sets the log level: off, error, warn, info, debug or trace. \
    SERIN_DUMPABLE=yes opens the memory, with the keys in it, to debuggers of the same user and to core dumps."
)]
pub struct RunArgs {
    /// The flags file.
    #[arg(long, value_name = "FILE", env = "SERIN_FLAGS", default_value = "flags.yaml")]
    flags: PathBuf,
    /// The state directory, in place of the file's.
    #[arg(long, value_name = "DIR", env = "SERIN_STATE")]
    state: Option<PathBuf>,
    /// Do not start with an earlier good copy if the file is broken.
    #[arg(long)]
    strict: bool,
    /// Format of the log lines.
    #[arg(long, value_name = "FORMAT", env = "SERIN_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs until the end.
///
/// # Errors
/// Why it did not start, or ended without having been asked to.
pub fn run(args: &RunArgs) -> Outcome {
    let outcome = serve(args);
    log::flush();
    outcome
}

fn serve(args: &RunArgs) -> Outcome {
    let level = log::level(&std::env::var("SERIN_LOG").unwrap_or_default())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let format = match args.log_format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::start(format, level);
    let dumpable = std::env::var_os("SERIN_DUMPABLE").is_some_and(|value| value == "yes");
    if !dumpable && let Err(error) = app::keep_memory_private() {
        tracing::warn!(%error, "other processes of this user may read the keys in memory");
    }
    let options =
        Options { state: args.state.clone(), strict: args.strict, inherit: true, ..Options::new(args.flags.clone()) };
    let running = app::start(options).map_err(failure)?;
    app::watch_signals(running.stop_handle(), running.access_log())
        .map_err(|error| Failure::failed(format!("signals cannot be watched: {error}")))?;
    announce(&running, args.log_format);
    running.wait().map_err(|ended| Failure::failed(ended.to_string()))?;
    tracing::info!("ended");
    Ok(Exit::Done)
}

/// The exit code that a failed start has.
#[must_use]
pub fn failure(error: StartError) -> Failure {
    match error {
        StartError::Flags { .. } => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}

fn announce(running: &Running, format: LogFormat) {
    let status = running.status();
    let place = ListenAddresses {
        listen: running.proxy.to_string(),
        listen_tls: running.proxy_tls.map(|address| address.to_string()),
        admin: running.admin.to_string(),
        probe: running.probe.map(|probe| probe.to_string()),
        state: running.state.display().to_string(),
    };
    match format {
        LogFormat::Text => output::print(&render(&place, &running.notes, &status)),
        LogFormat::Json => {
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                pid = std::process::id(),
                listen = place.listen,
                listen_tls = place.listen_tls,
                admin = place.admin,
                probe = place.probe,
                state = place.state,
                flags = status.flags.path,
                "serving"
            );
            for rollout in status.rollouts.iter().filter(|rollout| rollout.canary.is_some()) {
                tracing::info!(rollout = rollout.name, percent = %rollout.percent, phase = rollout.phase.as_str(), reason = rollout.reason, "rollout");
            }
            for warning in warnings(&running.notes, &status) {
                tracing::warn!("{warning}");
            }
        }
    }
}

/// Where a sidecar serves.
#[derive(Debug)]
struct ListenAddresses {
    listen: String,
    listen_tls: Option<String>,
    admin: String,
    probe: Option<String>,
    state: String,
}

fn render(place: &ListenAddresses, notes: &[String], status: &Status) -> String {
    let mut text = format!("serin {}, pid {}\n", env!("CARGO_PKG_VERSION"), std::process::id());
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:<8} {value}");
    };
    line(
        "listen",
        &format!(
            "http://{} (the application's base URL, with the path that providers expect, such as /v1)",
            place.listen
        ),
    );
    if let Some(listen_tls) = &place.listen_tls {
        line("", &format!("https://{listen_tls} (the same over TLS)"));
    }
    line("admin", &format!("http://{}", place.admin));
    if let Some(probe) = &place.probe {
        line("probe", &format!("http://{probe}"));
    }
    let copy = if status.flags.from_last_good { " (broken: the last good copy is in force)" } else { "" };
    line("flags", &format!("{}{copy}", status.flags.path));
    line("state", &place.state);
    for rollout in &status.rollouts {
        line("rollout", &one_line(&of_rollout(rollout)));
    }
    for warning in warnings(notes, status) {
        line("warning", &one_line(&warning));
    }
    text
}

fn of_rollout(rollout: &RolloutStatus) -> String {
    let RolloutStatus { name, stable, percent, reason, .. } = rollout;
    match &rollout.canary {
        Some(canary) => format!("{name}: {stable} -> {canary}, {percent} of users on the canary: {reason}"),
        None => format!("{name}: {stable}"),
    }
}

fn warnings(notes: &[String], status: &Status) -> Vec<String> {
    let errors = status.flags.errors.iter().map(ToString::to_string);
    let mut warnings: Vec<String> = errors.chain(status.flags.warnings.iter().cloned()).collect();
    let state = status.store.error.iter().map(|why| format!("state in {} cannot be written: {why}", status.store.dir));
    let lost = status.store.ephemeral.map(|kind| ephemeral::state(&status.store.dir, kind));
    for note in state.chain(lost).chain(notes.iter().cloned()) {
        if !warnings.contains(&note) {
            warnings.push(note);
        }
    }
    warnings
}

#[cfg(test)]
mod tests;

//! `serin resume`, `serin pause`, `serin promote`: what only a running process can do.
//!
//! One request to the one sidecar that is meant, and an answer that says what is now in force and whether it lasts.
//! None of them has rollback's second way, over the state directory: where nothing answers, nothing is changed.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::api_call::by_any;
use super::locate::{AdminEndpoint, LocateArgs};
use super::output::{self, Style, one_line};
use super::rollback::{reason, segment};
use super::{Exit, Failure, Outcome, dry_run};
use crate::app::api::{ChangeReply, Changed};
use crate::decide::units::Percent;

/// Control waits for the disk before it calls a change durable.
const PATIENCE: Duration = Duration::from_secs(12);

/// What every change can be given besides.
#[derive(Args, Clone, Debug)]
struct CommonArgs {
    /// Reason, for the history.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    reason: String,
    /// Print what the command would do, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: LocateArgs,
}

const RESUMES: &str = "\
State of the rollout    Without --at
  rolled back           by an operator or by the guard: the ramp starts again. It is at 0% until the canary has answered
                        a probe, then at the first stage. A share that flags.yaml pins is in force at once.
  paused                it keeps its share, and the ramp continues from there
  neither               nothing changes, and the command prints the reason for the share

With --at this share is in force at once, without a probe, in every state. With --at 0% the ramp starts again. --at is \
refused if flags.yaml pins the share, and above `ramp.max`. A canary that cannot be used stays at 0% in any case.

Examples:
  serin resume chat
  serin resume chat --at 5% --reason \"fixed by the provider\"";

/// Arguments of `serin resume`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = RESUMES)]
pub struct ResumeArgs {
    /// The rollout to resume.
    rollout: String,
    /// Set this share of users at once; the ramp continues from there.
    #[arg(long, value_name = "PERCENT")]
    at: Option<Percent>,
    #[command(flatten)]
    also: CommonArgs,
}

/// Arguments of `serin pause`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  serin pause chat --reason \"release freeze\"\n  serin pause")]
pub struct PauseArgs {
    /// The rollout to pause; without a name, all of them.
    rollout: Option<String>,
    #[command(flatten)]
    also: CommonArgs,
}

/// Arguments of `serin promote`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin promote chat\n  serin promote chat --to 50% --reason \"a quiet weekend\"\n\n\
    Refused after a rollback (only `serin resume` lifts it), if flags.yaml pins the share, above `ramp.max`, \
    and for a share that is not above the present one."
)]
pub struct PromoteArgs {
    /// The rollout to promote.
    rollout: String,
    /// The share of users to move to; without it, the ramp's next stage.
    #[arg(long, value_name = "PERCENT")]
    to: Option<Percent>,
    #[command(flatten)]
    also: CommonArgs,
}

/// Resumes.
///
/// # Errors
/// Where it is refused or nothing answers.
pub fn resume(args: &ResumeArgs) -> Outcome {
    make(&args.also, Some(&args.rollout), "resume", args.at.map(|at| ("at", at)))
}

/// Pauses.
///
/// # Errors
/// Where it is refused or nothing answers.
pub fn pause(args: &PauseArgs) -> Outcome {
    make(&args.also, args.rollout.as_deref(), "pause", None)
}

/// Promotes.
///
/// # Errors
/// Where it is refused or nothing answers.
pub fn promote(args: &PromoteArgs) -> Outcome {
    make(&args.also, Some(&args.rollout), "promote", args.to.map(|to| ("to", to)))
}

fn make(also: &CommonArgs, rollout: Option<&str>, verb: &str, share: Option<(&str, Percent)>) -> Outcome {
    let mut body = json!({"reason": also.reason});
    if let Some((key, share)) = share {
        body[key] = json!(share.to_string());
    }
    let target = also.reach.find_one()?;
    if also.dry_run {
        return dry_run::of_one(&target, &path(rollout, verb), &body, also.json);
    }
    let reply = post(&target, rollout, verb, &body)?;
    if also.json {
        output::print_json(&reply);
    } else {
        output::print(&render(&reply, verb, Style::of_stdout()));
    }
    Ok(if reply.in_force { Exit::Done } else { Exit::NotConfirmed })
}

fn post(target: &AdminEndpoint, rollout: Option<&str>, verb: &str, body: &Value) -> Result<ChangeReply, Failure> {
    by_any(&target.vias, &Method::POST, &path(rollout, verb), Some(body), PATIENCE)
        .map_err(|error| Failure::failed(error.to_string()))
}

fn path(rollout: Option<&str>, verb: &str) -> String {
    match rollout {
        Some(name) => format!("/api/v1/rollouts/{}/{verb}", segment(name)),
        None => format!("/api/v1/{verb}"),
    }
}

pub(super) fn render(reply: &ChangeReply, verb: &str, style: Style) -> String {
    let mut text = String::new();
    let done = match verb {
        "resume" => "resumed",
        "pause" => "paused",
        _ => "promoted",
    };
    for Changed { name, percent } in &reply.rollouts {
        text.push_str(&format!("{name}: {}, {percent}% of users on the canary\n", style.green(done)));
    }
    if reply.rollouts.is_empty() {
        text.push_str("there is no rollout with a canary\n");
    }
    if !reply.in_force {
        text.push_str(&style.red("not every core uses it yet: see `serin status`\n"));
    }
    if let Some(why) = &reply.durability_error {
        text.push_str(&style.yellow(&format!("warning: in force, but not durable: {}\n", one_line(why))));
    }
    for note in &reply.notes {
        text.push_str(&format!("note: {}\n", one_line(note)));
    }
    text
}

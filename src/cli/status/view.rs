//! The status as a person reads it: a head for the process, then a small table for each rollout.
//!
//! Pure: a reply and the time in, text out. Wherever the share in force is not what the file asks for, the line says
//! both and why.

mod kept_state;
mod keys;
mod limits;
mod websockets;

use std::fmt::Write as _;

use crate::app::api::{Arm, Fallback, Incompatibility, Provider, Recent, RecentArm, Rollout, StatusReply};
use crate::cli::guard_format::{
    INCIDENT, answers, evidence, failed_as, has_evidence, in_flight, seen_in, silence, waits_for,
};
use crate::cli::output::{Style, distance, millis, moment, one_line, row, span};
use crate::decide::ephemeral::Ephemeral;
use crate::decide::units::{Millis, UnixMillis};
use crate::describe::ephemeral;

/// How finely the length of the recent traffic is told.
const SLOT: Millis = Millis(10_000);
/// How many refusals are listed; JSON has them all.
const LISTED: usize = 5;

/// The whole status of one process.
pub(super) fn render(reply: &StatusReply, now: UnixMillis, style: Style) -> String {
    let mut text = String::new();
    head(&mut text, reply, now, style);
    for rollout in &reply.rollouts {
        text.push('\n');
        match &rollout.canary {
            Some(canary) => moving(&mut text, rollout, canary, now, style),
            None => {
                let _ = writeln!(text, "{}  {} (a plain route)", style.bold(&rollout.name), rollout.stable);
                stable_fault(&mut text, rollout, style);
                traffic(&mut text, rollout, style);
                last_resorts(&mut text, rollout, style);
            }
        }
    }
    text
}

fn head(text: &mut String, reply: &StatusReply, now: UnixMillis, style: Style) {
    let StatusReply { process, flags, state, .. } = reply;
    let up = span(now.since(process.started_at.0));
    let draining = if process.draining { style.yellow(", draining") } else { String::new() };
    let _ = writeln!(text, "{} {}, pid {}, up {up}{draining}", style.bold("serin"), process.version, process.pid);
    let probe = process.probe.as_ref().map(|probe| format!(", probe {probe}")).unwrap_or_default();
    let tls = process.listen_tls.as_ref().map(|tls| format!(", over TLS {tls}")).unwrap_or_default();
    row(text, "listen", &format!("{}{tls}, admin {}{probe}", process.listen, process.admin));
    if let Some(certificate) = &reply.certificate {
        row(text, "", &format!("certificate valid until {}", moment(certificate.expires_at)));
    }
    let changed = flags.modified_at.map(|at| format!(", changed {}", distance(at, now))).unwrap_or_default();
    row(text, "flags", &format!("{}{changed}", flags.path));
    row(text, "", &format!("generation {}, in force since {}", flags.generation, moment(flags.accepted_at)));
    if flags.from_last_good {
        row(text, "", &style.yellow("the last good copy is in force: the file was broken at the start"));
    }
    if !flags.errors.is_empty() {
        row(text, "", &style.red("the file on disk is not in force:"));
        for error in flags.errors.iter().map(ToString::to_string) {
            error.lines().for_each(|line| row(text, "", &format!("  {}", one_line(line))));
        }
    }
    for warning in &flags.warnings {
        row(text, "", &style.yellow(&format!("warning: {}", one_line(warning))));
    }
    row(text, "state", &state.dir);
    if let Some(error) = &state.error {
        row(text, "", &style.red(&format!("cannot be written: {}", one_line(error))));
    }
    if let Some(kind) = state.ephemeral.as_deref().and_then(Ephemeral::of) {
        row(text, "", &style.yellow(&one_line(&ephemeral::state(&state.dir, kind))));
    }
    for provider in &reply.providers {
        if let Some(sentence) = breaker(provider, now) {
            row(text, "breaker", &style.red(&sentence));
        }
    }
    limits::rows(text, reply);
    kept_state::rows(text, &reply.kept_state, now);
    keys::rows(text, &reply.providers, now, style);
    websockets::rows(text, &reply.websockets);
}

/// Nothing where it is closed, as it should be.
fn breaker(provider: &Provider, now: UnixMillis) -> Option<String> {
    let Provider { name, unreachable, failures, open_until, .. } = provider;
    let stands = match (provider.breaker.as_str(), open_until) {
        ("open", Some(until)) if *unreachable => {
            format!("no connection is possible, the next test is in {}", span(until.0.since(now)))
        }
        ("half_open", _) if *unreachable => "no connection was possible, the next test is now".to_owned(),
        ("open", Some(until)) => format!("open for {} more", span(until.0.since(now))),
        ("open", None) => "open".to_owned(),
        ("half_open", _) => "half open, one request at a time tests it".to_owned(),
        _ => return None,
    };
    Some(format!("of {name}: {stands}, after {failures} failures"))
}

fn moving(text: &mut String, rollout: &Rollout, canary: &str, now: UnixMillis, style: Style) {
    let phase = match rollout.phase.as_str() {
        "locked" | "blocked" | "rolled_back" => style.red(&rollout.phase),
        "completed" | "ramping" => style.green(&rollout.phase),
        _ => style.yellow(&rollout.phase),
    };
    let attempt = if rollout.attempt > 1 { format!(", attempt {}", rollout.attempt) } else { String::new() };
    let name = style.bold(&rollout.name);
    let _ = writeln!(text, "{name}  {} -> {canary}  {phase}{attempt}", rollout.stable);
    row(
        text,
        "percent",
        &format!("{}% of users on the canary, the file has percent: {}", rollout.percent, rollout.intent),
    );
    row(text, "why", &one_line(&rollout.reason));
    stable_fault(text, rollout, style);
    row(text, "since", &format!("{}, {}", moment(rollout.since), distance(rollout.since, now)));
    if let Some(lock) = &rollout.lock {
        let reason = if lock.reason.is_empty() { String::new() } else { format!(": {}", one_line(&lock.reason)) };
        let actor = one_line(&lock.actor);
        row(text, "lock", &style.red(&format!("at {}% by {actor}, {}{reason}", lock.to, moment(lock.at))));
    }
    if rollout.paused {
        row(text, "paused", &style.yellow(&format!("no promotion until `serin resume {}`", rollout.name)));
    }
    if let Some(next) = &rollout.next {
        let when = if next.not_before.0 > now {
            format!("not before {} ({})", moment(next.not_before), distance(next.not_before, now))
        } else {
            "due now".to_owned()
        };
        row(text, "next", &format!("{}%, {when}", next.percent));
    }
    let waits = waits_for(rollout);
    if !waits.is_empty() {
        row(text, "waits for", &one_line(&waits));
    }
    guard(text, rollout, style);
    rollback_ready(text, rollout, style);
    traffic(text, rollout, style);
    flight(text, rollout);
    fallbacks(text, rollout, style);
    last_resorts(text, rollout, style);
    window(text, rollout, style);
    for (index, sentence) in failed_as(rollout, now).iter().enumerate() {
        row(text, if index == 0 { "failed as" } else { "" }, &style.yellow(sentence));
    }
    refusals(text, rollout, now, style);
    anonymous(text, rollout, style);
}

/// What really happened lately, whatever the guard makes of it.
fn traffic(text: &mut String, rollout: &Rollout, style: Style) {
    let Some(recent) = &rollout.recent else { return };
    let length = lately(recent);
    let head = ["requests", "failed", "refused", "elsewhere", "in flight", "waiting"];
    let cells = |cells: [String; 6]| cells.iter().map(|cell| format!(" {cell:>9}")).collect::<String>();
    row(text, "traffic", &style.dim(&format!("{length:<10}{}", cells(head.map(str::to_owned)))));
    let arms = [("stable", Some(&recent.stable)), ("canary", recent.canary.as_ref())];
    for (name, arm) in arms.into_iter().filter_map(|(name, arm)| Some((name, arm?))) {
        let RecentArm { requests, failed, refused, elsewhere, in_flight, waiting } = arm;
        let waiting = waiting.map_or_else(|| "-".to_owned(), |waiting| waiting.to_string());
        let counts = [requests, failed, refused, elsewhere, in_flight].map(u64::to_string);
        let [requests, failed, refused, elsewhere, in_flight] = counts;
        row(text, "", &format!("{name:<10}{}", cells([requests, failed, refused, elsewhere, in_flight, waiting])));
    }
}

/// The slot that is not whole yet is left out of what is said of the time, not of what is counted.
fn lately(recent: &Recent) -> String {
    let length = millis(recent.seconds);
    let whole = Millis(if length.0 < SLOT.0 { length.0 } else { length.0 / SLOT.0 * SLOT.0 });
    format!("last {}", span(whole))
}

fn anonymous(text: &mut String, rollout: &Rollout, style: Style) {
    let Some(since_start) = rollout.anonymous_ratio.filter(|ratio| *ratio > 0.0) else { return };
    let since_start = format!("{:.1}% of requests since the start carry no user id", since_start * 100.0);
    let recent = rollout.recent.as_ref().and_then(|recent| Some((recent, recent.anonymous.ratio?)));
    let sentence = recent.map_or_else(String::new, |(recent, ratio)| {
        format!(", {:.1}% of {} in the {}", ratio * 100.0, recent.anonymous.of, lately(recent))
    });
    let sentence = since_start + &sentence;
    match &rollout.anonymous_advice {
        None => row(text, "anonymous", &sentence),
        Some(advice) => {
            row(text, "anonymous", &style.yellow(&sentence));
            row(text, "", &format!("  {}", one_line(advice)));
        }
    }
}

fn stable_fault(text: &mut String, rollout: &Rollout, style: Style) {
    if let Some(fault) = &rollout.stable_fault {
        row(text, "stable", &style.red(&one_line(fault)));
    }
}

/// Nothing where nobody is on the canary: everybody is back.
fn rollback_ready(text: &mut String, rollout: &Rollout, style: Style) {
    let Some(ready) = rollout.rollback_ready.as_ref().filter(|_| rollout.percent > 0.0) else { return };
    let sentence = one_line(&ready.sentence(&rollout.stable));
    row(text, "rollback", &if ready.ready { sentence } else { style.yellow(&sentence) });
}

/// Nothing where nobody is on the canary: there is nothing to be seen then.
fn guard(text: &mut String, rollout: &Rollout, style: Style) {
    let Some(guard) = rollout.guard.as_ref().filter(|_| rollout.percent > 0.0) else { return };
    let sentence = evidence(guard);
    row(text, "guard", &if has_evidence(guard) { style.yellow(&sentence) } else { sentence });
    if guard.incident {
        row(text, "incident", &style.yellow(INCIDENT));
    }
    if let Some(silent) = silence(guard) {
        row(text, "silent", &style.yellow(&silent));
    }
    if let Some(seen) = seen_in(rollout) {
        row(text, "seen in", &seen);
    }
}

fn flight(text: &mut String, rollout: &Rollout) {
    for (index, sentence) in in_flight(rollout).iter().enumerate() {
        row(text, if index == 0 { "in flight" } else { "" }, sentence);
    }
}

/// Who answered in whose place: a canary that answers for stable serves more than its share.
fn fallbacks(text: &mut String, rollout: &Rollout, style: Style) {
    for (index, Fallback { arm, provider, requests }) in rollout.fallbacks.iter().enumerate() {
        let sentence = format!("{requests} of {arm}'s requests answered by {provider} since the start");
        let sentence = if arm == "stable" { style.yellow(&sentence) } else { sentence };
        row(text, if index == 0 { "fallback" } else { "" }, &sentence);
    }
}

/// Users who read the text of the file, since nobody answered.
fn last_resorts(text: &mut String, rollout: &Rollout, style: Style) {
    if rollout.last_resorts > 0 {
        let sentence = format!("{} requests answered with its text since the start", rollout.last_resorts);
        row(text, "last resort", &style.red(&sentence));
    }
}

/// What the guard counts, with the share and the time that it is of.
fn window(text: &mut String, rollout: &Rollout, style: Style) {
    let length = format!("last {}", span(millis(rollout.window.seconds)));
    if let Some(since) = rollout.window.since {
        row(text, "counted", &format!("by the guard: at {}%, since {}", rollout.percent, moment(since)));
    }
    row(text, "window", &style.dim(&format!("{length:<10} {:>10} {:>10} {:>8}", "requests", "failures", "rate")));
    for (name, arm) in [("stable", rollout.window.stable), ("canary", rollout.window.canary)] {
        let Arm { requests, failures, failure_percent } = arm;
        let rate = failure_percent.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.2}%"));
        row(text, "", &format!("{name:<10} {requests:>10} {failures:>10} {rate:>8}"));
    }
    row(text, "", &format!("{} canary requests answered at this stage", rollout.answered));
    let Some(guard) = &rollout.guard else { return };
    let arms = [("stable", &guard.answers.stable), ("canary", &guard.answers.canary)];
    let by_arm = arms.into_iter().filter_map(|(name, arm)| Some((name, answers(arm)?)));
    for (index, (name, sentence)) in by_arm.enumerate() {
        row(text, if index == 0 { "answers" } else { "" }, &format!("{name:<10} {sentence}"));
    }
}

fn refusals(text: &mut String, rollout: &Rollout, now: UnixMillis, style: Style) {
    for (index, refusal) in rollout.findings.iter().take(LISTED).enumerate() {
        let Incompatibility { sentence, advice, count, last_at, .. } = refusal;
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let line = format!("{}: {times}, last {}", one_line(sentence), distance(*last_at, now));
        row(text, if index == 0 { "refused" } else { "" }, &style.yellow(&line));
        row(text, "", &format!("  {}", one_line(advice)));
    }
    if let Some(more) = rollout.findings.len().checked_sub(LISTED).filter(|more| *more > 0) {
        row(text, "", &format!("and {more} more; `serin status --json` has them all"));
    }
}

#[cfg(test)]
mod tests;

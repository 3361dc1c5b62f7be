//! The same answers for programs: every number, and everything that it takes to repeat them.
//!
//! Rates and shares are written as in flags.yaml, times are seconds. Nothing in it depends on the machine or on how
//! many threads there were. A number that there is none of is null.

use serde_json::{Value, json};

use super::inputs::{SimulationInputs, StatedOutage, seconds};
use super::recorded::Replayed;
use super::report::ComparisonReport;
use super::sentences;
use crate::app::api::HistoryEntry;
use crate::decide::policy::{Canary, Intent};
use crate::decide::timestamp::Timestamp;
use crate::simulate::quantiles::Distribution;
use crate::simulate::rule_results::RuleResult;

/// Of a simulation.
pub(super) fn of_report(report: &ComparisonReport) -> Value {
    let question = &report.question;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": question.seed,
        "runs": question.runs,
        "inputs": inputs(question),
        "rules": report.results.iter().map(rule_result).collect::<Vec<_>>(),
        "answer": sentences::answer(report),
    })
}

fn inputs(question: &SimulationInputs) -> Value {
    let SimulationInputs { subject, .. } = question;
    json!({
        "flags": subject.file.as_ref().map(|file| file.display().to_string()),
        "rollout": subject.name,
        "policy": policy(&subject.canary),
        "rps": question.per_second,
        "stable_errors": question.stable_errors.to_string(),
        "canary_errors": question.canary_errors.to_string(),
        "canary_changes_at_seconds": seconds(question.changes_at),
        "is_fault": question.is_fault,
        "outages": question.outages.iter().map(StatedOutage::to_string).collect::<Vec<_>>(),
        "users": question.users,
        "failing_user": question.failing_user,
        "canary_silent": question.silent.map(|part| part.to_string()),
        "answers": question.answers.options().map(|(option, value)| (option.replace('-', "_"), json!(value)))
            .collect::<serde_json::Map<_, _>>(),
        "stable_dies_at_seconds": question.stable_dies.map(seconds),
        "watched_seconds": seconds(question.watched),
        "command": command(question),
    })
}

fn policy(canary: &Canary) -> Value {
    let guard = &canary.guard;
    json!({
        "percent": match canary.percent {
            Intent::Auto => "auto".to_owned(),
            Intent::Pinned(percent) => percent.to_string(),
        },
        "ramp": canary.ramp.stages.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "hold_start_seconds": seconds(canary.ramp.hold_start),
        "every_seconds": seconds(canary.ramp.every),
        "false_alarm": guard.false_alarm.to_string(),
        "tolerated_ratio": guard.tolerated_ratio,
        "ignore_below": guard.ignore_below.to_string(),
        "patience": guard.patience,
        "max_error_rate": guard.max_error_rate.to_string(),
        "min_requests": guard.min_requests,
        "done_below": guard.done_below.to_string(),
        "ceiling": guard.ceiling.map(|ceiling| ceiling.to_string()),
    })
}

/// The command line that asks the same question, whatever the defaults will be.
pub(super) fn command(question: &SimulationInputs) -> String {
    let mut words = vec!["serin simulate".to_owned()];
    let mut add = |option: &str, value: String| words.push(format!("--{option} {value}"));
    if let Some(file) = &question.subject.file {
        add("flags", quoted(&file.display().to_string()));
        add("rollout", question.subject.name.clone());
    }
    if let Intent::Pinned(percent) = question.subject.canary.percent {
        add("percent", percent.to_string());
    }
    add("rps", question.per_second.to_string());
    add("stable-errors", question.stable_errors.to_string());
    match question.silent {
        Some(part) => add("canary-silent", part.to_string()),
        None => add("canary-errors", question.canary_errors.to_string()),
    }
    add("fault-at", question.changes_at.to_string());
    for (option, value) in question.answers.options() {
        add(option, value.clone());
    }
    for spell in &question.outages {
        add("outage", spell.to_string());
    }
    if let Some(users) = question.users {
        add("users", users.to_string());
    }
    if let Some(at) = question.stable_dies {
        add("stable-dies-at", at.to_string());
    }
    add("for", question.watched.to_string());
    add("runs", question.runs.to_string());
    add("seed", question.seed.to_string());
    if question.failing_user {
        words.push("--failing-user".to_owned());
    }
    words.join(" ")
}

fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c));
    if plain && !text.is_empty() { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn rule_result(result: &RuleResult) -> Value {
    let tally = &result.tally;
    json!({
        "rule": result.rule.as_str(),
        "runs": tally.runs,
        "taken_back_wrongly": tally.wrong,
        "found": tally.found,
        "completed": tally.completed,
        "still_open": tally.open,
        "seconds_until_found": spread(&tally.seconds),
        "canary_requests_until_found": spread(&tally.requests),
        "canary_failures_until_found": spread(&tally.errors),
        "seconds_until_everybody": spread(&tally.full),
        "seconds_until_completed": spread(&tally.completing),
        "highest_share": spread(&result.highest),
        "confirmations": result.confirmations,
        "moved_to_dead_stable": result.to_dead,
        "canary_requests_in_all": tally.all_requests,
    })
}

fn spread(spread: &Distribution) -> Value {
    if spread.count() == 0 {
        return Value::Null;
    }
    json!({
        "least": spread.quantile(0.0),
        "5%": spread.quantile(0.05),
        "25%": spread.quantile(0.25),
        "median": spread.median(),
        "75%": spread.quantile(0.75),
        "95%": spread.most(),
        "99%": spread.quantile(0.99),
        "most": spread.quantile(1.0),
        "mean": spread.mean(),
    })
}

pub(super) fn of_recording(replayed: &Replayed) -> Value {
    let recording = &replayed.recording;
    let counts = |(requests, failures): (f64, f64)| json!({"requests": requests, "failures": failures});
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "trace": replayed.file.display().to_string(),
        "flags": replayed.subject.file.as_ref().map(|file| file.display().to_string()),
        "rollout": replayed.subject.name,
        "policy": policy(&replayed.subject.canary),
        "lines": recording.lines,
        "from": Timestamp(replayed.span.0),
        "until": Timestamp(replayed.span.1),
        "stable": counts(recording.stable),
        "canary": counts(recording.canary),
        "decisions": recording.decisions.iter().cloned().map(HistoryEntry::from).map(|happened| json!({
            "at": happened.at,
            "action": happened.action,
            "from": happened.from,
            "to": happened.to,
            "reason": happened.reason,
            "numbers": happened.numbers,
        })).collect::<Vec<_>>(),
        "others": replayed.compared_rules.iter().map(|(name, at)| json!({
            "rule": name,
            "takes_back_at": at.map(Timestamp),
        })).collect::<Vec<_>>(),
    })
}

//! The answer to "why is it at this share?", as a person reads it at night.
//!
//! Pure: answers and the time in, text out. What is in force and why comes first, then the decision that led to it with
//! its numbers, then what is watched and waited for. Sentences are long here, so they are broken at words; what came
//! from elsewhere never breaks out of its place.

use std::fmt::Write as _;

use super::numbers;
use super::rollout_answer::RolloutAnswer;
use crate::app::api::{Guard, HistoryEntry, Rollout};
use crate::cli::guard_format::{
    INCIDENT, answers, counted, evidence, failed_as, in_flight, of_answers, seen_in, silence, waits_for,
};
use crate::cli::output::{Style, distance, moment, one_line, row as line};
use crate::decide::units::UnixMillis;
use crate::describe::format::{percent, time};

/// How wide what is said may be, beside what it is of.
const WIDTH: usize = 100;
/// How wide the names of numbers are.
const NAME: usize = 10;

pub(super) fn render(answers: &[RolloutAnswer], now: UnixMillis, style: Style) -> String {
    if answers.is_empty() {
        return "there is no rollout\n".to_owned();
    }
    let mut text = String::new();
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        one(&mut text, answer, now, style);
    }
    text
}

fn one(text: &mut String, answer: &RolloutAnswer, now: UnixMillis, style: Style) {
    let rollout = &answer.rollout;
    let Rollout { name, stable, phase, percent, intent, .. } = rollout;
    let name = style.bold(name);
    let Some(canary) = &rollout.canary else {
        let _ = writeln!(text, "{name}  everything goes to {stable}: a plain route");
        return;
    };
    let _ = writeln!(
        text,
        "{name}  {percent}% of users are on {canary}, the others on {stable}; the file has percent: {intent}"
    );
    row(text, "why", &format!("{phase}: {}", one_line(&rollout.reason)));
    let yellow = |plain: &str| style.yellow(plain);
    match (&answer.decision, &answer.history_error) {
        (Some(event), _) => decision(text, "decided", event, now, style),
        (None, Some(error)) => painted(text, "decided", &format!("not known: {}", one_line(error)), &yellow),
        (None, None) => row(text, "decided", "nothing yet"),
    }
    for event in &answer.before {
        decision(text, "before", event, now, style);
    }
    if let Some(incident) = &rollout.incident {
        row(text, "report", &format!("serin incident {}", one_line(incident)));
    }
    if let Some(guard) = &rollout.guard {
        watches(text, rollout, guard, style);
    }
    for (index, sentence) in in_flight(rollout).iter().enumerate() {
        row(text, if index == 0 { "in flight" } else { "" }, sentence);
    }
    for (index, sentence) in failed_as(rollout, now).iter().enumerate() {
        row(text, if index == 0 { "failed as" } else { "" }, sentence);
    }
    let waits = waits_for(rollout);
    row(text, "waits for", &one_line(if waits.is_empty() { waits_for_nothing(rollout) } else { &waits }));
    if let Some(ready) = rollout.rollback_ready.as_ref().filter(|_| rollout.percent > 0.0) {
        row(text, "rollback", &one_line(&ready.sentence(&rollout.stable)));
    }
    if let Some(seen) = seen_in(rollout) {
        row(text, "seen in", &seen);
    }
}

fn decision(text: &mut String, key: &str, event: &HistoryEntry, now: UnixMillis, style: Style) {
    let HistoryEntry { at, actor, action, reason, from, to, .. } = event;
    let share = if from == to { format!("at {to}%") } else { format!("{from}% -> {to}%") };
    let (action, actor) = (style.bold(&one_line(action)), one_line(actor));
    row(text, key, &format!("{action} by {actor}, {share}, {}, {}", moment(*at), distance(*at, now)));
    // What a rule of the guard found is told by its numbers, and they are below.
    if !event.numbers.contains_key("rule") {
        row(text, "", &if reason.is_empty() { "(no reason given)".to_owned() } else { one_line(reason) });
    }
    for (index, cause) in event.causes.iter().enumerate() {
        let sentence = one_line(&format!("{}: {}", cause.outcome, cause.words(*at)));
        for (part_index, part) in broken(&sentence, WIDTH - NAME - 1).iter().enumerate() {
            row_of_number(text, if index + part_index == 0 { "causes" } else { "" }, part);
        }
    }
    for (of, sentence) in numbers::rows(&event.numbers) {
        for (index, part) in broken(&sentence, WIDTH - NAME - 1).iter().enumerate() {
            row_of_number(text, if index == 0 { of } else { "" }, part);
        }
    }
}

fn row_of_number(text: &mut String, name: &str, value: &str) {
    line(text, "", &format!("{name:<NAME$} {value}"));
}

fn watches(text: &mut String, rollout: &Rollout, guard: &Guard, style: Style) {
    if rollout.percent <= 0.0 {
        return row(text, "watches", "nothing: no user is on the canary");
    }
    let yellow = |plain: &str| style.yellow(plain);
    row(text, "watches", &evidence(guard));
    let aspects = [
        (Some(&guard.failing), "failures"),
        (guard.slow.as_ref(), "slow responses"),
        (guard.refusing.as_ref(), "refusals"),
    ];
    let of_answers =
        of_answers(guard).into_iter().zip(["empty responses", "cut responses", "filtered responses", "slow streams"]);
    for (compared, what) in aspects.into_iter().chain(of_answers.map(|((compared, _), what)| (compared, what))) {
        if let Some(compared) = compared.filter(|compared| compared.evidence > 1.0) {
            row(
                text,
                "",
                &style.yellow(&format!("{what} since it last looked well: {}", counted(&compared.since_well))),
            );
        }
    }
    for (name, arm) in [("stable", &guard.answers.stable), ("canary", &guard.answers.canary)] {
        if let Some(sentence) = answers(arm) {
            row(text, "", &format!("recent responses of {name}: {sentence}"));
        }
    }
    row(text, "", &format!("failures at this share: {}", counted(&guard.step)));
    let slow = guard
        .slow_above_seconds
        .map_or_else(String::new, |above| format!("; a response is slow above {} to its first output", short(above)));
    let rate = percent(guard.stable_failure_percent / 100.0);
    let traffic = a_second(guard.requests_per_second);
    row(text, "", &format!("{traffic} requests a second, of which stable fails {rate}{slow}"));
    if let Some(silent) = silence(guard) {
        painted(text, "silent", &silent, &yellow);
    }
    if guard.incident {
        painted(text, "incident", INCIDENT, &yellow);
    }
}

fn waits_for_nothing(rollout: &Rollout) -> &'static str {
    match rollout.phase.as_str() {
        "pinned" => "nothing: the file pins the share, and the guard watches it",
        "completed" => "nothing: the rollout is completed, and still watched",
        _ => "nothing",
    }
}

/// What is said of something, broken at words; the further lines stand below the first.
fn row(text: &mut String, key: &str, value: &str) {
    painted(text, key, value, &str::to_owned);
}

fn painted(text: &mut String, key: &str, value: &str, paint: &dyn Fn(&str) -> String) {
    for (index, part) in broken(value, WIDTH).iter().enumerate() {
        line(text, if index == 0 { key } else { "" }, &paint(part));
    }
}

fn broken(value: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A time of some seconds, with a digit below one where it matters.
fn short(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1}s") } else { time(seconds) }
}

/// Requests a second: whole from ten on.
fn a_second(number: f64) -> String {
    if number >= 10.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

#[cfg(test)]
mod tests;

//! The numbers of a decision in plain words, a line for each thing that was looked at.
//!
//! Says every number that came with the event: what no line knows, as a later version may send, is said by its name.
//! Pure, and judges nothing: the words are the guard's own, put into an order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::output::one_line;
use crate::decide::units::Millis;
use crate::describe::format::{count, number, percent, time};

/// Names and values that were not said yet.
struct Numbers<'e> {
    left: BTreeMap<&'e str, &'e Value>,
}

impl Numbers<'_> {
    /// A value in words, which counts as said then.
    fn take(&mut self, name: &str, words: impl Fn(f64) -> String) -> Option<String> {
        self.left.remove(name).map(|value| match value {
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), words),
            // Words; and numbers of an event that an earlier version wrote, where they could not be read.
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        })
    }

    fn or_none(&mut self, name: &str, words: impl Fn(f64) -> String) -> String {
        self.take(name, words).unwrap_or_else(|| "?".to_owned())
    }
}

fn plain(number: f64) -> String {
    number.to_string()
}

fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

fn rate(in_percent: f64) -> String {
    percent(in_percent / 100.0)
}

/// As a limit of the file is written: `1499ms`, `30m`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn limit(seconds: f64) -> String {
    Millis((seconds * 1000.0).round() as u64).to_string()
}

/// What is said, by what it is of.
pub(super) fn rows(numbers: &BTreeMap<String, Value>) -> Vec<(&'static str, String)> {
    let left = numbers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let mut numbers = Numbers { left };
    let mut lines = Vec::new();
    if let Some(rule) = numbers.take("rule", plain) {
        lines.push(("rule", format!("{rule}: {}", meaning(&rule))));
    }
    let counted = match numbers.take("counted", plain).as_deref() {
        Some("slow answers") => "were slow",
        Some("refused requests") => "were refused",
        Some("empty answers") => "had an empty response",
        Some("answers cut at a length limit") => "stopped at a length limit",
        Some("filtered answers") => "were filtered",
        Some("slow streams") => "were streamed slowly",
        Some("bad verdicts") => "were called bad",
        _ => "failed",
    };
    let within = numbers.take("seconds", time).map_or_else(String::new, |time| format!(" within {time}"));
    for arm in ["canary", "stable"] {
        lines.extend(of_arm(&mut numbers, arm, counted, &within).map(|line| (arm, line)));
    }
    lines.extend(evidence(&mut numbers).map(|line| ("evidence", line)));
    lines.extend(run(&mut numbers).map(|line| ("run", line)));
    lines.extend(wait(&mut numbers).map(|line| ("waits", line)));
    if let Some(suspicion) = numbers.take("suspicion", tenths) {
        let bound = numbers.or_none("suspicion_bound", plain);
        let limit = numbers
            .take("limit", rate)
            .map_or_else(String::new, |limit| format!(" that its failure rate is above {limit}"));
        lines.push(("suspicion", format!("{suspicion}{limit}; it takes {bound}")));
    }
    if let Some(limit) = numbers.take("limit", rate) {
        lines.push(("limit", format!("{limit} is the highest failure rate for a promotion")));
    }
    if let Some(answered) = numbers.take("answered", count) {
        lines.push(("answered", format!("{answered} requests of the canary at that share")));
    }
    let slow = numbers.take("slow_above", limit);
    let each = ["streamed", "whole"].map(|kind| numbers.take(&format!("slow_above_{kind}"), limit));
    let slow = match each {
        [Some(streamed), Some(whole)] => Some(format!("{streamed} (streamed) or {whole} (whole)")),
        _ => slow,
    };
    if let Some(slow) = slow {
        lines.push(("slow", format!("is a response whose first output took more than {slow}")));
    }
    if let Some(seen) = numbers.take("failed_as", plain) {
        lines.push(("seen", seen));
    }
    if let Some(above) = numbers.take("pace_above", limit) {
        lines.push(("slow", format!("is a stream with more than {above} between two outputs")));
    }
    if let Some(remedy) = numbers.take("remedy", plain) {
        lines.push(("remedy", remedy));
    }
    if let Some(most) = numbers.take("refuses_most", plain) {
        lines.push(("refuses", format!("most: {most}")));
    }
    if let Some(ceiling) = numbers.take("ceiling", rate) {
        let [failures, requests] = ["window_failures", "window_requests"].map(|name| numbers.or_none(name, count));
        let window = numbers.or_none("window", limit);
        lines.push((
            "ceiling",
            format!("{ceiling}; {failures} of {requests} requests of the canary failed within {window}"),
        ));
    }
    let change = numbers.take("would_change", plain);
    if !numbers.left.is_empty() {
        let names: Vec<&str> = numbers.left.keys().copied().collect();
        let rest: Vec<String> =
            names.into_iter().map(|name| format!("{name} {}", numbers.or_none(name, plain))).collect();
        lines.push(("besides", rest.join(", ")));
    }
    lines.extend(change.map(|change| ("otherwise", change)));
    lines.into_iter().map(|(key, text)| (key, one_line(&text))).collect()
}

/// What a rule of the guard says.
fn meaning(rule: &str) -> &'static str {
    match rule {
        "worse" => "the canary fails more often than stable, by more than is tolerated",
        "down" => "the canary fails every request, while stable works",
        "silent" => "the canary accepts requests and answers none of them, while stable answers",
        "slower" => "the canary is slow more often than stable, by more than is tolerated",
        "refusing" => "the canary refuses more requests than stable, by more than is tolerated",
        "empty" => "more of its responses are empty than is tolerated",
        "length" => "more of its responses stop at a length limit than is tolerated",
        "filtered" => "more of its responses are filtered than is tolerated",
        "pace" => "more of its streams come slowly than is tolerated",
        "feedback" => "the application calls more of its responses bad than is tolerated",
        "ceiling" => "the canary fails more often than `ceiling`, and more often than stable",
        _ => "a rule of a later version",
    }
}

fn of_arm(numbers: &mut Numbers<'_>, arm: &str, counted: &str, within: &str) -> Option<String> {
    let name = |of: &str| format!("{arm}_{of}");
    let requests = numbers.take(&name("requests"), count)?;
    let failures = numbers.or_none(&name("failures"), count);
    let [part, low, high] =
        ["error_rate", "error_rate_low", "error_rate_high"].map(|of| numbers.or_none(&name(of), rate));
    let users = numbers.take(&name("users_failing"), count);
    if requests == "0" {
        return Some(format!("no request{within}"));
    }
    let users = match users.as_deref() {
        Some("1") => " (1 user)".to_owned(),
        Some(users) if users != "0" => format!(" ({users} users)"),
        _ => String::new(),
    };
    Some(format!("{failures} of {requests} requests {counted}{within}{users}: {part}, between {low} and {high}"))
}

fn evidence(numbers: &mut Numbers<'_>) -> Option<String> {
    let evidence = numbers.take("evidence", number)?;
    let (bound, ratio) = (numbers.or_none("bound", number), numbers.or_none("tolerated_ratio", plain));
    Some(format!("{evidence} that it is more than {ratio} times stable's rate; the bound is {bound}"))
}

fn run(numbers: &mut Numbers<'_>) -> Option<String> {
    let failures = numbers.take("failures_in_a_row", count)?;
    let seconds = numbers.or_none("run_seconds", time);
    let (evidence, bound) = (numbers.or_none("run_evidence", tenths), numbers.or_none("run_bound", plain));
    Some(format!(
        "the canary's last {failures} requests failed within {seconds}: evidence {evidence} of {bound} that it is down"
    ))
}

fn wait(numbers: &mut Numbers<'_>) -> Option<String> {
    let unanswered = numbers.take("unanswered", count)?;
    let kind = numbers.take("kind", plain).filter(|kind| *kind != "all");
    let kind = kind.map_or_else(String::new, |kind| format!("{kind} "));
    let [least, most] = ["waited_seconds_at_least", "waited_seconds"].map(|name| numbers.or_none(name, time));
    let (evidence, bound) = (numbers.or_none("silent_evidence", tenths), numbers.or_none("silent_bound", plain));
    let stable = match numbers.take("stable_probes_answered", count) {
        Some(answered) => {
            format!("stable answered {answered} probes and {} not", numbers.or_none("stable_probes_unanswered", count))
        }
        None => {
            let [answered, not] = ["stable_answered", "stable_unanswered"].map(|name| numbers.or_none(name, count));
            format!("of stable's in the same seconds {answered} had some and {not} had none")
        }
    };
    Some(format!(
        "{unanswered} {kind}requests of the canary have had no output for {least} to {most}; {stable}: evidence {evidence} \
         of {bound}"
    ))
}

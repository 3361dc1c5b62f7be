//! The numbers of a decision in plain words, a line for each thing that was looked at.
//!
//! Says every number that came with the event: what no line knows, as a later version may send, is said by its name. Pure,
//! and judges nothing: the words are the guard's own, put into an order.

use std::collections::BTreeMap;

use crate::cli::out::one_line;

/// Names and values, and which of them were said.
struct Numbers<'e> {
    left: BTreeMap<&'e str, &'e str>,
}

impl<'e> Numbers<'e> {
    /// A number, which counts as said then.
    fn take(&mut self, name: &str) -> Option<&'e str> {
        self.left.remove(name)
    }

    fn or_none(&mut self, name: &str) -> &'e str {
        self.take(name).unwrap_or("?")
    }
}

/// What is said, by what it is of.
pub(super) fn told(numbers: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let left = numbers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut numbers = Numbers { left };
    let mut lines = Vec::new();
    if let Some(rule) = numbers.take("rule") {
        lines.push(("rule", format!("{rule}: {}", meaning(rule))));
    }
    let counted = match numbers.take("counted") {
        Some("slow answers") => "were slow",
        Some("refused requests") => "were refused",
        Some("empty answers") => "had an empty answer",
        Some("answers cut at a length limit") => "stopped at a length limit",
        Some("filtered answers") => "were filtered",
        Some("slow streams") => "were streamed slowly",
        _ => "failed",
    };
    let within = numbers.take("seconds").map_or_else(String::new, |seconds| format!(" within {}", time(seconds)));
    for arm in ["canary", "stable"] {
        lines.extend(of_arm(&mut numbers, arm, counted, &within).map(|told| (arm, told)));
    }
    lines.extend(evidence(&mut numbers).map(|told| ("evidence", told)));
    lines.extend(run(&mut numbers).map(|told| ("run", told)));
    lines.extend(wait(&mut numbers).map(|told| ("waits", told)));
    if let Some(suspicion) = numbers.take("suspicion") {
        let bound = numbers.or_none("suspicion_bound");
        let limit = numbers
            .take("limit")
            .map_or_else(String::new, |limit| format!(" that its failure rate lies above {limit}"));
        lines.push(("suspicion", format!("{suspicion}{limit}; it takes {bound}")));
    }
    if let Some(limit) = numbers.take("limit") {
        lines.push(("limit", format!("{limit} is the highest failure rate that lets it go on")));
    }
    if let Some(answered) = numbers.take("answered") {
        lines.push(("answered", format!("{answered} requests of the canary at that share")));
    }
    if let Some(slow) = numbers.take("slow_above") {
        lines.push(("slow", format!("is an answer whose first output took more than {slow}")));
    }
    if let Some(seen) = numbers.take("failed_as") {
        lines.push(("seen", seen.to_owned()));
    }
    if let Some(above) = numbers.take("pace_above") {
        lines.push(("slow", format!("is a stream with more than {above} between two outputs")));
    }
    if let Some(remedy) = numbers.take("remedy") {
        lines.push(("remedy", remedy.to_owned()));
    }
    if let Some(most) = numbers.take("refuses_most") {
        lines.push(("refuses", format!("most: {most}")));
    }
    if let Some(ceiling) = numbers.take("ceiling") {
        let [failures, requests, window] =
            ["window_failures", "window_requests", "window"].map(|name| numbers.or_none(name));
        lines.push((
            "ceiling",
            format!("{ceiling}; {failures} of {requests} requests of the canary failed within {window}"),
        ));
    }
    let change = numbers.take("would_change");
    if !numbers.left.is_empty() {
        let rest: Vec<String> = numbers.left.iter().map(|(name, value)| format!("{name} {value}")).collect();
        lines.push(("besides", rest.join(", ")));
    }
    lines.extend(change.map(|change| ("otherwise", change.to_owned())));
    lines.into_iter().map(|(key, told)| (key, one_line(&told))).collect()
}

/// What a rule of the guard says.
fn meaning(rule: &str) -> &'static str {
    match rule {
        "worse" => "the canary fails more often than stable, by more than is tolerated",
        "down" => "the canary fails every request, while stable works",
        "silent" => "the canary accepts requests and answers none of them, while stable answers",
        "slower" => "the canary is slow more often than stable, by more than is tolerated",
        "refusing" => "the canary refuses more requests than stable, by more than is tolerated",
        "empty" => "more of its answers are empty than is tolerated",
        "length" => "more of its answers stop at a length limit than is tolerated",
        "filtered" => "more of its answers are filtered than is tolerated",
        "pace" => "more of its streams come slowly than is tolerated",
        "ceiling" => "the canary fails more often than `ceiling`, and more often than stable",
        _ => "a rule of a later version",
    }
}

fn of_arm(numbers: &mut Numbers<'_>, arm: &str, counted: &str, within: &str) -> Option<String> {
    let requests = numbers.take(&format!("{arm}_requests"))?;
    let [failures, rate, low, high] = ["failures", "error_rate", "error_rate_low", "error_rate_high"]
        .map(|name| numbers.or_none(&format!("{arm}_{name}")));
    let users = numbers.take(&format!("{arm}_users_failing"));
    if requests == "0" {
        return Some(format!("no request{within}"));
    }
    let users = match users {
        Some("1") => " (1 user)".to_owned(),
        Some(users) if users != "0" => format!(" ({users} users)"),
        _ => String::new(),
    };
    Some(format!("{failures} of {requests} requests {counted}{within}{users}: {rate}, between {low} and {high}"))
}

fn evidence(numbers: &mut Numbers<'_>) -> Option<String> {
    let evidence = numbers.take("evidence")?;
    let (bound, ratio) = (numbers.or_none("bound"), numbers.or_none("tolerated_ratio"));
    Some(format!("{evidence} that it is more than {ratio} times stable's rate; the bound is {bound}"))
}

fn run(numbers: &mut Numbers<'_>) -> Option<String> {
    let failures = numbers.take("failures_in_a_row")?;
    let [seconds, evidence, bound] = ["run_seconds", "run_evidence", "run_bound"].map(|name| numbers.or_none(name));
    Some(format!(
        "the canary's last {failures} requests failed within {}: evidence {evidence} of {bound} that it is down",
        time(seconds)
    ))
}

fn wait(numbers: &mut Numbers<'_>) -> Option<String> {
    let unanswered = numbers.take("unanswered")?;
    let kind = numbers.take("kind").filter(|kind| *kind != "all").map_or_else(String::new, |kind| format!("{kind} "));
    let [least, most, evidence, bound] =
        ["waited_seconds_at_least", "waited_seconds", "silent_evidence", "silent_bound"]
            .map(|name| numbers.or_none(name));
    let probed = numbers.take("stable_probes_answered");
    let stable = match probed {
        Some(answered) => {
            format!("stable answered {answered} probes and {} not", numbers.or_none("stable_probes_unanswered"))
        }
        None => {
            let [answered, not] = ["stable_answered", "stable_unanswered"].map(|name| numbers.or_none(name));
            format!("of stable's in the same seconds {answered} had some and {not} had none")
        }
    };
    Some(format!(
        "{unanswered} {kind}requests of the canary have had no output for {} to {}; {stable}: evidence {evidence} of {bound}",
        time(least),
        time(most)
    ))
}

fn time(seconds: &str) -> String {
    seconds.parse().map_or_else(|_| format!("{seconds} s"), crate::decide::guard::told::time)
}

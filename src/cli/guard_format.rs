//! What the guard knows, in the words that `status` and `why` share.
//!
//! Pure: an answer of the API in, text out. Says how much speaks against a canary beside how much it takes, what a
//! rollout waits for, and how long faults would take to be seen; where nobody is on the canary there is nothing to see,
//! and nothing is said.

use crate::app::api::{ArmAnswers, AspectComparison, BothArms, Guard, InFlight, Rate, Rollout, WaitingByAge};
use crate::cli::output::one_line;
use crate::decide::guard::silent::SilentRun;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;
use crate::describe::format::{number, percent, time};

/// So few requests a second are none.
const NONE: f64 = 0.001;
/// From so many failures in a row on they are told.
const RUN: u64 = 3;

/// How much speaks against the canary, and how much it takes.
pub(super) fn evidence(guard: &Guard) -> String {
    let mut text = format!(
        "evidence {} of {} that it fails more often than stable",
        number(guard.failing.evidence),
        number(guard.bound)
    );
    let others = [(&guard.slow, "that it is slower"), (&guard.refusing, "that it refuses more")];
    for (compared, what) in others {
        if let Some(compared) = compared {
            text.push_str(&format!(", {} {what}", number(compared.evidence)));
        }
    }
    // Four numbers more would hide the ones above, so they are told where they say something.
    for (compared, what) in of_answers(guard) {
        if let Some(compared) = compared.filter(|compared| compared.evidence > 1.0 && compared.above_floor) {
            let (evidence, bound) = (number(compared.evidence), number(guard.answers_bound));
            text.push_str(&format!(", {evidence} of {bound} that more of its responses {what}"));
        }
    }
    if let Some(compared) = &guard.feedback {
        text.push_str(&format!("; {}", feedback(compared, guard.bound)));
    }
    if guard.failures_in_a_row >= RUN {
        text.push_str(&format!("; its last {} requests failed", guard.failures_in_a_row));
    }
    text
}

/// `feedback: 6.1% bad on the canary, 3% on stable, evidence 120 of 2000`; without rates while nothing speaks against it.
fn feedback(compared: &AspectComparison, bound: f64) -> String {
    let (evidence, bound) = (number(compared.evidence), number(bound));
    let BothArms { stable, canary, .. } = &compared.since_well;
    match (canary.percent, stable.percent) {
        (Some(canary), Some(stable)) if compared.evidence > 1.0 => format!(
            "feedback: {} bad on the canary, {} on stable, evidence {evidence} of {bound}",
            percent(canary / 100.0),
            percent(stable / 100.0)
        ),
        _ => format!("feedback: evidence {evidence} of {bound} that more of its responses are called bad"),
    }
}

/// What is compared of answers that no status calls bad, and what such answers do.
pub(super) fn of_answers(guard: &Guard) -> [(Option<&AspectComparison>, &'static str); 4] {
    [
        (guard.empty.as_ref(), "are empty"),
        (guard.length.as_ref(), "stop at a length limit"),
        (guard.filtered.as_ref(), "are filtered"),
        (guard.pace.as_ref(), "are streamed slowly"),
    ]
}

/// How an arm's answers ended lately: `92.1% stop, 6% tool_calls, 1.9% length; 21 ms between outputs`; `None`: there
/// were none.
pub(super) fn answers(arm: &ArmAnswers) -> Option<String> {
    let mut shares: Vec<(&String, f64)> = arm.percent_by_finish.iter().map(|(name, share)| (name, *share)).collect();
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shares: Vec<String> = shares.iter().map(|(name, share)| format!("{} {name}", percent(share / 100.0))).collect();
    let gap = arm.mean_gap_seconds.map(|gap| format!("{:.0} ms between outputs", gap * 1000.0));
    let parts: Vec<String> = [(!shares.is_empty()).then(|| shares.join(", ")), gap].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Whether anything speaks against the canary.
pub(super) fn has_evidence(guard: &Guard) -> bool {
    let all = [Some(&guard.failing), guard.slow.as_ref(), guard.refusing.as_ref()];
    let all = all.into_iter().chain(of_answers(guard).map(|(compared, _)| compared)).chain([guard.feedback.as_ref()]);
    all.flatten().any(|compared| compared.evidence > 1.0 && compared.above_floor) || guard.failures_in_a_row >= RUN
}

/// Why nothing goes on while stable is in trouble.
pub(super) const INCIDENT: &str =
    "stable fails far more than usual: there is no promotion, and the step's time is paused";

/// What a rollout waits for, and how long its step still lasts; empty: for nothing.
pub(super) fn waits_for(rollout: &Rollout) -> String {
    let mut parts = Vec::new();
    if !rollout.waiting_for.is_empty() {
        parts.push(rollout.waiting_for.clone());
    }
    let left = rollout.guard.as_ref().and_then(|guard| guard.left_seconds);
    if let Some(left) = left.filter(|left| *left > 0.0 && rollout.phase == "ramping") {
        parts.push(format!("{} left of this step", time(left.ceil())));
    }
    parts.join("; ")
}

/// How many ways of failing are listed; JSON has them all.
const LISTED: usize = 4;

/// Why attempts failed, a line each: `canary, connect: 17 of 24: certificate has expired (last 2s ago); ...`.
pub(super) fn failed_as(rollout: &Rollout, now: UnixMillis) -> Vec<String> {
    let causes = rollout.seen.iter().take(LISTED);
    causes.map(|seen| one_line(&format!("{}, {}: {}", seen.arm, seen.outcome, seen.words(Timestamp(now))))).collect()
}

/// How long faults would take to be seen: `a dead canary 3s, one that never answers 14s, 20% errors 14s`; `None`:
/// nobody is on the canary.
pub(super) fn seen_in(rollout: &Rollout) -> Option<String> {
    let guard = rollout.guard.as_ref().filter(|_| rollout.percent > 0.0)?;
    if guard.requests_per_second < NONE {
        return Some("never: there were no recent requests".to_owned());
    }
    let faults = guard.forecast.iter().map(|fault| {
        let what = fault_name(fault.error_percent);
        format!("{what} {}", fault.seen_after_seconds.map_or_else(|| NEVER.to_owned(), time))
    });
    let mut faults: Vec<String> = faults.collect();
    if !faults.is_empty() {
        let silent = guard.silent_seen_after_seconds.map_or_else(|| NEVER.to_owned(), time);
        faults.insert(1, format!("{SILENT} {silent}"));
    }
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// For a fault that takes too long to be seen.
pub(super) const NEVER: &str = "not within two weeks";

/// The canary that accepts requests and never answers.
pub(super) const SILENT: &str = "one that never answers";

/// What the canary's requests without output come to; `None`: there are none that could matter.
pub(super) fn silence(guard: &Guard) -> Option<String> {
    let SilentRun { unanswered, stable_answered, stable_unanswered, longest, shortest, shared, .. } = guard.silence?;
    let requests =
        format!("{unanswered:.0} requests of the canary have had no output for {}", within(shortest, longest));
    if shared {
        return Some(format!("{requests}, and stable answers nothing either: no user is moved"));
    }
    let all = stable_answered + stable_unanswered;
    (unanswered >= 3.0).then(|| format!("{requests}; stable answered {stable_answered:.0} of {all:.0}"))
}

fn within(shortest: f64, longest: f64) -> String {
    if shortest < 1.0 { format!("up to {}", time(longest)) } else { format!("{} to {}", time(shortest), time(longest)) }
}

/// Requests at both providers: `12 at the canary, without output: 3 for less than 5s, 9 for less than 30s`; empty:
/// none.
pub(super) fn in_flight(rollout: &Rollout) -> Vec<String> {
    let InFlight { stable, canary } = rollout.in_flight;
    let arms = [("stable", stable), ("the canary", canary)].into_iter().filter(|(_, arm)| arm.requests > 0);
    arms.map(|(name, arm)| {
        let WaitingByAge { below_5s, below_30s, below_2m, below_10m, longer } = arm.without_output;
        let ages = [(below_5s, "5s"), (below_30s, "30s"), (below_2m, "2m"), (below_10m, "10m")];
        let ages = ages.into_iter().map(|(count, age)| (count, format!("for less than {age}")));
        let ages = ages.chain([(longer, "for longer".to_owned())]).filter(|(count, _)| *count > 0);
        let parts: Vec<String> = ages.map(|(count, age)| format!("{count} {age}")).collect();
        let text = if parts.is_empty() { String::new() } else { format!(", without output: {}", parts.join(", ")) };
        format!("{} at {name}{text}", arm.requests)
    })
    .collect()
}

/// A fault by the percentage of requests that fail.
pub(super) fn fault_name(error_percent: f64) -> String {
    if error_percent >= 100.0 {
        "a dead canary".to_owned()
    } else {
        format!("{} errors", percent(error_percent / 100.0))
    }
}

/// Both arms over the same time: `3 of 80 on the canary (3.75%, between 1.28% and 10.5%), 12 of 900 on stable (...)`.
pub(super) fn counted(counted: &BothArms) -> String {
    format!(
        "{} on the canary, {} on stable, within {}",
        rate(&counted.canary),
        rate(&counted.stable),
        time(counted.seconds)
    )
}

fn rate(rate: &Rate) -> String {
    let Rate { requests, events, low_percent, high_percent, .. } = rate;
    let share_text = |share: f64| percent(share / 100.0);
    match rate.percent {
        Some(share) => {
            format!(
                "{events} of {requests} ({}, between {} and {})",
                share_text(share),
                share_text(*low_percent),
                share_text(*high_percent)
            )
        }
        None => "no request".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::rollout;

    #[test]
    fn verdicts_are_told_where_they_are_compared_and_with_rates_where_they_speak_against_the_canary() {
        let guard = rollout().guard.unwrap();
        assert!(!evidence(&guard).contains("feedback"));
        let well = &guard.failing.since_well;
        let rate = |percent| Rate { percent: Some(percent), ..well.stable.clone() };
        let since_well = BothArms { stable: rate(3.0), canary: rate(6.1), ..well.clone() };
        let worse = AspectComparison { evidence: 120.0, above_floor: true, since_well };
        let quiet = AspectComparison { evidence: 0.5, above_floor: false, ..worse.clone() };
        let told = |feedback| {
            let guard = Guard { feedback: Some(feedback), ..guard.clone() };
            (evidence(&guard), has_evidence(&guard))
        };
        let (text, speaks) = told(worse);
        assert!(text.ends_with("; feedback: 6.1% bad on the canary, 3% on stable, evidence 120 of 2000"), "{text}");
        assert!(speaks);
        let (text, speaks) = told(quiet);
        assert!(
            text.ends_with("; feedback: evidence 0.50 of 2000 that more of its responses are called bad"),
            "{text}"
        );
        assert!(!speaks);
    }
}

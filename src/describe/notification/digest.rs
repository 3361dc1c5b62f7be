//! The text of the weekly digest: for each rollout what it was, what was done, and what it waits for.
//!
//! Written from counts and shares. What is not known is left out, and never a zero. Invariant: a digest has at most
//! [`MOST`] rollouts, and says how many others there are.

use serde_json::{Value, json};

use crate::decide::notification::{Digest, RolloutDigest};
use crate::decide::timestamp::Timestamp;
use crate::describe::format::shortened;
use crate::describe::format::{grouped, percent};

/// Rollouts that are described.
pub const MOST: usize = 20;
/// Decisions of a rollout that are named.
const MOST_DECISIONS: usize = 5;

/// One line.
#[must_use]
pub fn title(digest: &Digest) -> String {
    let day = |at| Timestamp(at).to_string()[..10].to_owned();
    format!("Serin: the week from {} to {}", day(digest.from), day(digest.to))
}

/// A paragraph for each rollout.
#[must_use]
pub fn text(digest: &Digest) -> String {
    let mut parts: Vec<String> = digest.rollouts.iter().take(MOST).map(rollout).collect();
    if parts.is_empty() {
        return "No rollout has a canary.".to_owned();
    }
    let more = digest.more + digest.rollouts.len().saturating_sub(MOST);
    if more > 0 {
        parts.push(format!("{more} more rollouts are not shown; `serin status` has them."));
    }
    if digest.counted_from > digest.from {
        parts.push(format!("Requests are counted since {}.", Timestamp(digest.counted_from)));
    }
    parts.join("\n")
}

fn rollout(week: &RolloutDigest) -> String {
    let RolloutDigest { name, from, to, phase, decisions, counts, incidents, waiting_for } = week;
    let mut parts = vec![if from == to {
        format!("{name}: {to} ({phase}), as a week ago")
    } else {
        format!("{name}: from {from} to {to} ({phase})")
    }];
    let last = decisions.iter().rev().take(MOST_DECISIONS).rev();
    let said: Vec<_> =
        last.map(|(at, action, to)| format!("{} {action} at {to}", &Timestamp(*at).to_string()[..10])).collect();
    parts.push(match decisions.len() {
        0 => "no decision".to_owned(),
        1 => format!("1 decision: {}", said.join(", ")),
        all if all > MOST_DECISIONS => format!("{all} decisions, the last: {}", said.join(", ")),
        all => format!("{all} decisions: {}", said.join(", ")),
    });
    if let Some([stable, canary]) = counts {
        let arm = |name: &str, (requests, failures): (u64, u64)| {
            format!("{name} {} requests, {failures} failed{}", grouped(requests), rate(requests, failures))
        };
        parts.push(format!("{}; {}", arm("stable", *stable), arm("canary", *canary)));
    }
    if *incidents > 0 {
        parts.push(if *incidents == 1 {
            "1 incident report".to_owned()
        } else {
            format!("{incidents} incident reports")
        });
    }
    if !waiting_for.is_empty() {
        parts.push(format!("waiting for: {}", shortened(waiting_for, 300)));
    }
    format!("{}.", parts.join(". "))
}

#[expect(clippy::cast_precision_loss, reason = "a rate that is shown")]
fn rate(requests: u64, failures: u64) -> String {
    if requests == 0 { String::new() } else { format!(" ({})", percent(failures as f64 / requests as f64)) }
}

/// The same for programs.
#[must_use]
pub fn values(digest: &Digest) -> Value {
    let arm = |(requests, failures): (u64, u64)| json!({"requests": requests, "failures": failures});
    let week = |week: &RolloutDigest| {
        json!({
            "rollout": week.name,
            "from": week.from.as_f64(),
            "to": week.to.as_f64(),
            "phase": week.phase,
            "decisions": week.decisions.len(),
            "stable": week.counts.map(|[stable, _]| arm(stable)),
            "canary": week.counts.map(|[_, canary]| arm(canary)),
            "incidents": week.incidents,
            "waiting_for": week.waiting_for,
        })
    };
    digest.rollouts.iter().take(MOST).map(week).collect()
}

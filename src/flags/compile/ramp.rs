//! The schedule of promotions, from what is written and the defaults.
//!
//! `step` is unrolled into stages here, so that the rest of Serin knows one kind of ramp. Every ramp has at least one
//! stage, and stages rise and never lie above `max`: what breaks this is an error at its place, and nothing is put
//! right in silence.

use crate::decide::policy::Ramp;
use crate::decide::units::Percent;

use super::super::place::At;
use super::super::scalar::{Wrong, hours, length, moment, rate, some_length, wrong};
use super::findings::{Findings, usual};

/// A share that is not zero.
fn some_share(text: &str) -> Result<Percent, Wrong> {
    match rate(text)? {
        Percent::ZERO => wrong("means no users", "write a share above 0%"),
        share => Ok(share),
    }
}

/// The schedule, from what is written and the defaults.
pub(super) fn ramp(at: &At, findings: &mut Findings<'_>) -> Ramp {
    let every = findings.value(&at.key("every"), some_length);
    let max = findings.value(&at.key("max"), some_share);
    Ramp {
        stages: stages(max, at, findings),
        hold_start: findings.given(&at.key("hold_start"), length).unwrap_or(every),
        every,
        max,
        from: findings.given(&at.key("from"), moment),
        hours: findings.given(&at.key("hours"), hours),
    }
}

fn stages(max: Percent, at: &At, findings: &mut Findings<'_>) -> Vec<Percent> {
    let start = findings.given(&at.key("start"), some_share);
    if let Some(start) = start.filter(|start| *start > max) {
        findings.error(
            &at.key("start"),
            format!("the ramp starts at {start}, above its `max` of {max}"),
            "lower `start`, or raise `max`",
        );
    }
    if at.has("steps") && at.has("step") {
        findings.error(&at.key("step"), "`step` and `steps` contradict each other", "keep one of the two");
    }
    let usual = usual(&at.key("start"), some_share).min(max);
    if at.key("steps").fits() {
        return listed(start, usual, max, &at.key("steps"), findings);
    }
    let step = findings.value(&at.key("step"), some_share);
    climb(start.unwrap_or(usual), step, max)
}

/// From `start` by `step` to `max`, which is the last stage whatever the step.
fn climb(start: Percent, step: Percent, max: Percent) -> Vec<Percent> {
    let mut stages = vec![start];
    let mut at = start;
    while at < max {
        at = at.saturating_add(step).min(max);
        stages.push(at);
    }
    stages
}

fn listed(start: Option<Percent>, usual: Percent, max: Percent, at: &At, findings: &mut Findings<'_>) -> Vec<Percent> {
    let mut stages: Vec<Percent> = start.into_iter().collect();
    let steps = at.items();
    if steps.is_empty() {
        findings.error(at, "the list of stages is empty", "name them, such as `[1%, 5%, 25%, 100%]`, or use `step`");
    }
    for (index, at) in steps.iter().enumerate() {
        let Some(share) = findings.given(at, some_share) else { continue };
        match stages.last() {
            // The start may be named again as the first of the steps.
            Some(last) if index == 0 && *last == share => continue,
            Some(last) if *last >= share => {
                findings.error(
                    at,
                    format!("the stage {share} is not above {last}"),
                    "list the stages from small to large",
                );
            }
            _ if share > max => {
                findings.error(
                    at,
                    format!("the stage {share} is above the ramp's `max` of {max}"),
                    "lower it, or raise `max`",
                );
            }
            _ => stages.push(share),
        }
    }
    if let Some(last) = stages.last().filter(|last| **last < max) {
        findings.warn(
            at,
            format!("the ramp ends at {last}; add `100%` to move all users, or `max: {last}` if this is intended"),
        );
    }
    if stages.is_empty() { vec![usual] } else { stages }
}

//! How long the guard of each rollout would take to see a fault, before anything runs.
//!
//! By the same function that a running sidecar uses, with an hour of health before the fault: what comes out is about
//! the time that half of the cases take. The share is the first stage's, where most rollouts meet a fault, or the
//! pinned one. The traffic is not in the file: it is given, or a few are tried.

use serde_json::{Value, json};

use crate::cli::guard_format::{SILENT, fault_name};
use crate::decide::guard::analysis::fraction;
use crate::decide::guard::forecast::{
    ExpectedTraffic, FAULTS, ForecastRollout, time_to_detect, time_to_detect_silence,
};
use crate::decide::policy::{Canary, Guard, Intent, Policy};
use crate::decide::rollout::ramp;
use crate::decide::units::{Millis, Percent};
use crate::describe::format::time;

/// What is tried where nobody says how many requests a second there are.
const USUAL: [f64; 3] = [1.0, 10.0, 100.0];

/// How long it takes until each fault is seen; `None`: too long.
type DetectionTimes = ([Option<Millis>; FAULTS.len()], Option<Millis>);

#[derive(Clone, Debug)]
pub(super) struct AssumedTraffic {
    per_second: Vec<f64>,
    stable_errors: Percent,
}

impl AssumedTraffic {
    pub(super) fn new(per_second: Option<f64>, stable_errors: Percent) -> AssumedTraffic {
        AssumedTraffic { per_second: per_second.map_or_else(|| USUAL.to_vec(), |given| vec![given]), stable_errors }
    }
}

/// One rollout at one traffic.
struct Row<'p> {
    rollout: &'p str,
    share: Percent,
    per_second: f64,
    seen: DetectionTimes,
}

fn share(canary: &Canary) -> Percent {
    match canary.percent {
        Intent::Auto => ramp::next_stage(&canary.ramp, Percent::ZERO).unwrap_or_default(),
        Intent::Pinned(percent) => percent.min(canary.ramp.max),
    }
}

fn rows<'p>(policy: &'p Policy, assumed: &AssumedTraffic) -> Vec<Row<'p>> {
    let mut rows = Vec::new();
    // Rollouts often differ in nothing that matters here.
    let mut known: Vec<(Guard, ForecastRollout, ExpectedTraffic, DetectionTimes)> = Vec::new();
    for rollout in &policy.rollouts {
        let Some(canary) = &rollout.canary else { continue };
        let share = share(canary);
        let confirms = canary.percent == Intent::Auto;
        let course = ForecastRollout { schedule: ramp::ramp_length(&canary.ramp), confirms, retries: 0 };
        for per_second in assumed.per_second.iter().copied().filter(|_| share > Percent::ZERO) {
            let traffic =
                ExpectedTraffic { per_second, share: fraction(share), stable_rate: fraction(assumed.stable_errors) };
            let same =
                known.iter().find(|(guard, of, under, _)| (guard, of, under) == (&canary.guard, &course, &traffic));
            let seen = same.map_or_else(
                || {
                    let seen = FAULTS.map(|fault| time_to_detect(&canary.guard, None, course, traffic, fault));
                    (seen, time_to_detect_silence(&canary.guard, None, traffic))
                },
                |(.., seen)| *seen,
            );
            known.push((canary.guard, course, traffic, seen));
            rows.push(Row { rollout: &rollout.name, share, per_second, seen });
        }
    }
    rows
}

/// For people; empty where nobody would be on a canary.
pub(super) fn lines(policy: &Policy, assumed: &AssumedTraffic) -> Vec<String> {
    let rows = rows(policy, assumed);
    if rows.is_empty() {
        return Vec::new();
    }
    let heads = ["rollout", "share", "requests/s"].map(str::to_owned).into_iter();
    let faults = FAULTS.map(|fault| fault_name(fault.rate * 100.0)).into_iter();
    let mut table: Vec<Vec<String>> = vec![heads.chain(faults).chain([SILENT.to_owned()]).collect()];
    for Row { rollout, share, per_second, seen } in rows {
        let cells = [rollout.to_owned(), share.to_string(), per_second.to_string()].into_iter();
        let (faults, silent) = seen;
        let seen = faults.into_iter().chain([silent]);
        let seen = seen.map(|after| after.map_or_else(|| "> 2 weeks".to_owned(), sentences));
        table.push(cells.chain(seen).collect());
    }
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:width$}"));
        cells.collect::<String>().trim_end().to_owned()
    };
    let rate = assumed.stable_errors;
    let head =
        format!("how long the guard takes to detect a fault of the canary, while stable fails {rate} of its requests");
    std::iter::once(head).chain(table.iter().map(line)).collect()
}

fn sentences(after: Millis) -> String {
    time(after.duration().as_secs_f64())
}

/// For programs.
pub(super) fn json(policy: &Policy, assumed: &AssumedTraffic) -> Value {
    let rows = rows(policy, assumed).into_iter().map(|Row { rollout, share, per_second, seen }| {
        let faults: Vec<Value> = FAULTS
            .iter()
            .zip(seen.0)
            .map(|(fault, after)| {
                let seconds = after.map(|after| after.duration().as_secs_f64());
                json!({"error_percent": fault.rate * 100.0, "seen_after_seconds": seconds})
            })
            .collect();
        json!({
            "rollout": rollout,
            "share_percent": share.as_f64(),
            "requests_per_second": per_second,
            "stable_error_percent": assumed.stable_errors.as_f64(),
            "faults": faults,
            "silent_seen_after_seconds": seen.1.map(|after| after.duration().as_secs_f64()),
        })
    });
    Value::Array(rows.collect())
}

//! `GET /api/v1/rollouts/{name}/series`: what is asked for, and the columns of the answer.
//!
//! Owns the parameters and their limits, and the grid of times that an answer has. Where there was no sample the columns
//! have null, never zero. Knows neither the store nor how points are made. Invariant: all columns of an answer are of
//! the same length.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoTime;

use super::dto::{ArmSeries, HistoryEntry, SeriesReply};
use super::reply::ApiError;
use crate::decide::series::histogram::Histogram;
use crate::decide::series::{ArmPoint, Point, Points, Step};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

/// The range where none is asked for.
const RANGE: u64 = 2 * 3_600_000;
/// Points of an answer whose step is not asked for, and at most.
const POINTS: (u64, u64) = (1000, 20_000);

/// A range and its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The beginning of the first step.
    pub(super) from: UnixMillis,
    /// The end of the last.
    pub(super) to: UnixMillis,
    pub(super) step: Step,
}

impl Range {
    /// From the query of a request.
    pub(super) fn read(query: &str, now: UnixMillis) -> Result<Range, ApiError> {
        let (mut from, mut to, mut step) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "from" => from = Some(moment(name, &value)?),
                "to" => to = Some(moment(name, &value)?),
                "step" => step = Some(step_named(&value)?),
                _ => return Err(bad(format!("unknown parameter `{name}`; series take from, to and step"))),
            }
        }
        let to = to.unwrap_or_else(|| from.map_or(now, |from: UnixMillis| now.max(UnixMillis(from.0 + 1))));
        let from = from.unwrap_or(UnixMillis(to.0.saturating_sub(RANGE)));
        if from >= to {
            let (from, to) = (Timestamp(from), Timestamp(to));
            return Err(bad(format!("`from` is {from}, and `to` is {to}: from must be before to")));
        }
        let step = step.unwrap_or_else(|| finest(from, to, now));
        let range = Range {
            from: step.start_of(from),
            to: UnixMillis(step.start_of(UnixMillis(to.0 - 1)).0.saturating_add(step.millis())),
            step,
        };
        if range.points() > POINTS.1 {
            return Err(bad(format!(
                "`step={}` makes {} points of this range, and an answer has at most {}: take a longer step or a \
                 shorter range",
                step.as_str(),
                range.points(),
                POINTS.1
            )));
        }
        Ok(range)
    }

    const fn points(&self) -> u64 {
        (self.to.0 - self.from.0) / self.step.millis()
    }
}

fn bad(why: String) -> ApiError {
    ApiError::Bad(why)
}

/// The finest step that is kept for as long and makes few points.
fn finest(from: UnixMillis, to: UnixMillis, now: UnixMillis) -> Step {
    let fits = |step: &Step| (to.0 - from.0).div_ceil(step.millis()) <= POINTS.0 && now.since(from) <= step.kept();
    Step::ALL.into_iter().find(fits).unwrap_or(Step::TenMinutes)
}

fn step_named(value: &str) -> Result<Step, ApiError> {
    let step = Step::ALL.into_iter().find(|step| step.as_str() == value);
    step.ok_or_else(|| bad(format!("`step={value}`: the step is 1s, 10s or 10m")))
}

fn moment(name: &str, value: &str) -> Result<UnixMillis, ApiError> {
    // Some clocks give no part of the second.
    let whole = value.strip_suffix('Z').filter(|text| text.len() == "2026-11-21T07:56:02".len());
    let text = whole.map_or_else(|| value.to_owned(), |text| format!("{text}.000Z"));
    let read: Result<Timestamp, NoTime> = Timestamp::deserialize(text.into_deserializer());
    // No later than a calendar of four digits goes.
    let millis = value.parse().ok().filter(|millis| *millis < 253_402_300_800_000);
    millis.map(UnixMillis).or(read.ok().map(|Timestamp(at)| at)).ok_or_else(|| {
        bad(format!(
            "`{name}={value}` is no time: write it in UTC as 2026-11-21T07:56:02Z, or in milliseconds since 1970"
        ))
    })
}

/// The answer. `bound`: of the evidence, as it is now.
pub(super) fn reply(
    rollout: String,
    range: Range,
    points: &Points,
    bound: Option<f64>,
    events: Vec<HistoryEntry>,
) -> SeriesReply {
    let step = range.step.millis();
    let at: Vec<u64> = (0..range.points()).map(|number| range.from.0 + number * step).collect();
    let sampled: Vec<Option<&Point>> = at.iter().map(|at| points.get(&UnixMillis(*at))).collect();
    let arm = |arm: usize| columns(sampled.iter().map(|point| point.map(|point| &point.arms[arm])));
    SeriesReply {
        rollout,
        from: Timestamp(range.from),
        to: Timestamp(range.to),
        step_seconds: range.step.seconds(),
        percent: sampled.iter().map(|point| point.map(|point| point.percent.as_f64())).collect(),
        intent: sampled.iter().map(|point| point.and_then(|point| point.intent).map(|share| share.as_f64())).collect(),
        evidence: sampled.iter().map(|point| point.and_then(|point| point.evidence)).collect(),
        bound,
        stable: arm(0),
        canary: arm(1),
        at,
        events,
    }
}

const fn first_output(point: &ArmPoint) -> &Histogram {
    &point.first_output
}

const fn duration(point: &ArmPoint) -> &Histogram {
    &point.duration
}

fn columns<'a>(points: impl Iterator<Item = Option<&'a ArmPoint>> + Clone) -> ArmSeries {
    let count = |of: fn(&ArmPoint) -> u32| points.clone().map(|point| point.map(of)).collect();
    let quantile = |of: fn(&ArmPoint) -> &Histogram, part: f64| {
        let tenths = |millis: f64| (millis * 10.0).round() / 10.0;
        points.clone().map(|point| point.and_then(|point| of(point).quantile(part)).map(tenths)).collect()
    };
    ArmSeries {
        requests: count(|point| point.requests),
        failures: count(|point| point.failures),
        first_output_p50_ms: quantile(first_output, 0.5),
        first_output_p95_ms: quantile(first_output, 0.95),
        duration_p50_ms: quantile(duration, 0.5),
        duration_p95_ms: quantile(duration, 0.95),
        duration_p99_ms: quantile(duration, 0.99),
    }
}

#[cfg(test)]
mod tests;

//! Ranges, steps and their errors, and the whole of one answer.

use serde_json::json;

use super::*;
use crate::decide::units::Percent;

const NOW: UnixMillis = UnixMillis(1_796_000_005_000);
const HOUR: u64 = 3_600_000;

fn range(query: &str) -> Range {
    Range::read(query, NOW).unwrap()
}

fn refused(query: &str) -> String {
    Range::read(query, NOW).unwrap_err().to_string()
}

#[test]
fn the_last_two_hours_come_in_steps_of_ten_seconds() {
    let Range { from, to, step } = range("");
    assert_eq!((to.0, from.0, step), (NOW.0 + 5000, NOW.0 - 2 * HOUR - 5000, Step::TenSeconds), "whole steps");
    assert_eq!(range("").points(), 721);
}

#[test]
fn the_finest_step_is_taken_that_makes_few_points_and_is_still_kept() {
    let ago = |from: u64, to: u64| range(&format!("from={}&to={}", NOW.0 - from, NOW.0 - to)).step;
    assert_eq!(ago(1000 * 1000, 0), Step::Second);
    assert_eq!(ago(1001 * 1000, 0), Step::TenSeconds);
    assert_eq!(ago(2 * HOUR, 2 * HOUR - 60_000), Step::TenSeconds, "seconds are not kept for so long");
    assert_eq!(ago(49 * HOUR, 48 * HOUR), Step::TenMinutes);
    assert_eq!(ago(90 * 24 * HOUR, 0), Step::TenMinutes, "more points than few, and none coarser");
}

#[test]
fn times_are_written_in_several_ways() {
    let expected = UnixMillis(1_795_247_762_000);
    for from in ["2026-11-21T07:56:02Z", "2026-11-21T07%3A56%3A02.000Z", "1795247762000"] {
        let read = range(&format!("from={from}&to=2026-11-21T07:56:03Z&step=1s"));
        assert_eq!((read.from, read.to.0), (expected, expected.0 + 1000), "{from}");
    }
}

#[test]
fn what_cannot_be_answered_is_said() {
    let remedy = "write it in UTC as 2026-11-21T07:56:02Z, or in milliseconds since 1970";
    assert_eq!(refused("from=yesterday"), format!("`from=yesterday` is no time: {remedy}"));
    for wrong in ["-1", "", "99999999999999999", "2026-02-30T00:00:00Z", "2026-11-21T07:56:02+01:00"] {
        assert_eq!(refused(&format!("to={wrong}")), format!("`to={wrong}` is no time: {remedy}"));
    }
    assert_eq!(refused("step=1m"), "`step=1m`: the step is 1s, 10s or 10m");
    assert_eq!(refused("since=5"), "unknown parameter `since`; series take from, to and step");
    assert_eq!(
        refused("from=2000&to=1000"),
        "`from` is 1970-01-01T00:00:02.000Z, and `to` is 1970-01-01T00:00:01.000Z: from must be before to"
    );
    assert_eq!(
        refused("from=0&to=86400000&step=1s"),
        "`step=1s` makes 86400 points of this range, and an answer has at most 20000: take a longer step or a shorter range"
    );
}

#[test]
fn an_answer_has_null_where_nothing_was_sampled() {
    let start = 1_796_000_000_000;
    let mut stable = ArmPoint { requests: 20, failures: 1, ..ArmPoint::default() };
    (stable.duration.0[7], stable.duration.0[8], stable.first_output.0[4]) = (10, 10, 20);
    let canary = ArmPoint { requests: 3, failures: 3, ..ArmPoint::default() };
    let percent = |hundredths| Percent::from_hundredths(hundredths).unwrap();
    let first = Point { percent: percent(1050), evidence: Some(12.5), arms: [stable, canary], ..Point::default() };
    let third = Point { percent: percent(500), intent: Some(percent(500)), ..Point::default() };
    let points = Points::from([(UnixMillis(start), first), (UnixMillis(start + 20_000), third)]);
    let range = range(&format!("from={start}&to={}&step=10s", start + 30_000));
    let reply = reply("chat".to_owned(), range, &points, Some(2000.0), Vec::new());
    assert_eq!(
        serde_json::to_value(reply).unwrap(),
        json!({
            "rollout": "chat",
            "from": "2026-11-30T00:53:20.000Z",
            "to": "2026-11-30T00:53:50.000Z",
            "step_seconds": 10,
            "at": [start, start + 10_000, start + 20_000],
            "percent": [10.5, null, 5.0],
            "intent": [null, null, 5.0],
            "evidence": [12.5, null, null],
            "bound": 2000.0,
            "stable": {
                "requests": [20, null, 0],
                "failures": [1, null, 0],
                "first_output_p50_ms": [75.0, null, null],
                "first_output_p95_ms": [97.5, null, null],
                "duration_p50_ms": [1000.0, null, null],
                "duration_p95_ms": [1900.0, null, null],
                "duration_p99_ms": [1980.0, null, null],
            },
            "canary": {
                "requests": [3, null, 0],
                "failures": [3, null, 0],
                "first_output_p50_ms": [null, null, null],
                "first_output_p95_ms": [null, null, null],
                "duration_p50_ms": [null, null, null],
                "duration_p95_ms": [null, null, null],
                "duration_p99_ms": [null, null, null],
            },
            "events": [],
        })
    );
}

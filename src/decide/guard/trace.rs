//! The guard's input as lines of JSON, to replay it under other rules.
//!
//! A line is one length of time: `{"at": "2026-11-21T07:56:02.000Z", "seconds": 1, "share_percent": 10, "stable":
//! {"requests": 45, "failures": 0, ...}, "canary": {...}}`. `at` is its end. A line holds everything that a [`Tick`]
//! holds, so reading a line gives what was written. A line that is written by hand needs only `requests` and
//! `failures`. Unknown keys are errors, since a misspelt key would silently change what is simulated. Nothing here
//! reads or writes files.

use serde::{Deserialize, Serialize, Serializer};

use super::silent::SilentRun;
use super::tick::{ArmTick, Tick};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceLine {
    /// When the time ended.
    pub at: Timestamp,
    /// How long it was.
    #[serde(serialize_with = "short")]
    pub seconds: f64,
    /// The share of users on the canary in it, in percent.
    #[serde(serialize_with = "short")]
    pub share_percent: f64,
    /// The old provider.
    pub stable: TraceArm,
    /// The new one.
    pub canary: TraceArm,
    /// Probes of stable; absent: there were none.
    #[serde(default, skip_serializing_if = "TraceProbes::is_empty")]
    pub stable_probes: TraceProbes,
    /// The canary's requests without output, where they were enough for an alarm; absent: they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<SilentRun>,
}

/// One arm's counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceArm {
    /// Requests sent, of users who are not paused for their failures.
    #[serde(serialize_with = "short")]
    pub requests: f64,
    /// Failures seen, each user's once in a while.
    #[serde(serialize_with = "short")]
    pub failures: f64,
    /// Answers that came to their end as they should, everybody's; absent: `requests` less `failures`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub successes: Option<f64>,
    /// Answers whose first output came late.
    #[serde(default, serialize_with = "short")]
    pub slow: f64,
    /// Requests that were refused as the client's error.
    #[serde(default, serialize_with = "short")]
    pub refused: f64,
    /// Requests that ended in a way that counts for or against the provider; absent: all of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub answered: Option<f64>,
    /// Connections that were not taken.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub unconnected: f64,
    /// Of how many requests `slow` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub slow_of: Option<f64>,
    /// Of how many requests `refused` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub refused_of: Option<f64>,
    /// Whole answers without output.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub empty: f64,
    /// Of how many requests `empty` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub empty_of: Option<f64>,
    /// Answers that a limit of their length ended.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub length: f64,
    /// Of how many requests `length` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub length_of: Option<f64>,
    /// Answers that a content filter ended or took the place of.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub filtered: f64,
    /// Of how many requests `filtered` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub filtered_of: Option<f64>,
    /// Streams that came slowly after their first output.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub pace: f64,
    /// Of how many requests `pace` were; absent: of `requests`.
    #[serde(default, serialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub pace_of: Option<f64>,
    /// Verdicts of the application, by their weights.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub verdicts: f64,
    /// Those of them that are bad.
    #[serde(default, serialize_with = "short", skip_serializing_if = "is_zero")]
    pub bad_verdicts: f64,
}

/// Probes of stable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceProbes {
    #[serde(serialize_with = "short")]
    pub answered: f64,
    /// That it did not.
    #[serde(serialize_with = "short")]
    pub failed: f64,
}

impl TraceProbes {
    fn is_empty(&self) -> bool {
        *self == TraceProbes::default()
    }
}

impl TraceLine {
    /// What was seen in a time that ended then, at this share of 0 to 1.
    #[must_use]
    pub fn new(at: UnixMillis, share: f64, tick: &Tick) -> TraceLine {
        let (answered, failed) = tick.stable_probes;
        TraceLine {
            at: Timestamp(at),
            seconds: tick.seconds,
            // Shares have two decimals of a percent.
            share_percent: (share * 10_000.0).round() / 100.0,
            stable: TraceArm::from(&tick.stable),
            canary: TraceArm::from(&tick.canary),
            stable_probes: TraceProbes { answered, failed },
            silence: tick.silence.down.then_some(tick.silence),
        }
    }

    /// As the guard takes it.
    #[must_use]
    pub fn tick(&self) -> Tick {
        Tick {
            seconds: self.seconds,
            stable: ArmTick::from(&self.stable),
            canary: ArmTick::from(&self.canary),
            stable_probes: (self.stable_probes.answered, self.stable_probes.failed),
            silence: self.silence.unwrap_or_default(),
        }
    }

    /// The share of users on the canary, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share_percent / 100.0
    }

    /// Why no guard can have seen this; `None`: it can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if self.seconds.is_nan() || self.seconds <= 0.0 {
            return Some(format!("`seconds` is {}: a line tells of a time longer than 0", self.seconds));
        }
        if !(0.0..=100.0).contains(&self.share_percent) {
            return Some(format!("`share_percent` is {}: it must be between 0 and 100", self.share_percent));
        }
        self.stable.problem("stable").or_else(|| self.canary.problem("canary"))
    }
}

impl TraceArm {
    fn problem(&self, arm: &str) -> Option<String> {
        let counts = [
            ("requests", Some(self.requests)),
            ("failures", Some(self.failures)),
            ("successes", self.successes),
            ("slow", Some(self.slow)),
            ("refused", Some(self.refused)),
            ("answered", self.answered),
            ("unconnected", Some(self.unconnected)),
            ("slow_of", self.slow_of),
            ("refused_of", self.refused_of),
            ("empty", Some(self.empty)),
            ("empty_of", self.empty_of),
            ("length", Some(self.length)),
            ("length_of", self.length_of),
            ("filtered", Some(self.filtered)),
            ("filtered_of", self.filtered_of),
            ("pace", Some(self.pace)),
            ("pace_of", self.pace_of),
            ("verdicts", Some(self.verdicts)),
            ("bad_verdicts", Some(self.bad_verdicts)),
        ];
        let wrong = counts.into_iter().find(|(_, count)| count.is_some_and(|count| count.is_nan() || count < 0.0));
        wrong.map(|(name, count)| format!("`{arm}.{name}` is {}: a count is not negative", count.unwrap_or_default()))
    }
}

impl From<&ArmTick> for TraceArm {
    fn from(arm: &ArmTick) -> TraceArm {
        let [requests, slow_of, refused_of, empty_of, length_of, filtered_of, pace_of, verdicts] = arm.requests;
        let [failures, slow, refused, empty, length, filtered, pace, bad_verdicts] = arm.events;
        let other = |count: f64, usual: f64| (count != usual).then_some(count);
        TraceArm {
            requests,
            failures,
            successes: Some(arm.successes),
            slow,
            refused,
            answered: Some(arm.answered),
            unconnected: arm.connections_refused,
            slow_of: other(slow_of, requests),
            refused_of: other(refused_of, requests),
            empty,
            empty_of: other(empty_of, requests),
            length,
            length_of: other(length_of, requests),
            filtered,
            filtered_of: other(filtered_of, requests),
            pace,
            pace_of: other(pace_of, requests),
            verdicts,
            bad_verdicts,
        }
    }
}

impl From<&TraceArm> for ArmTick {
    fn from(line: &TraceArm) -> ArmTick {
        let requests = line.requests;
        ArmTick {
            requests: [
                requests,
                line.slow_of.unwrap_or(requests),
                line.refused_of.unwrap_or(requests),
                line.empty_of.unwrap_or(requests),
                line.length_of.unwrap_or(requests),
                line.filtered_of.unwrap_or(requests),
                line.pace_of.unwrap_or(requests),
                line.verdicts,
            ],
            events: [
                line.failures,
                line.slow,
                line.refused,
                line.empty,
                line.length,
                line.filtered,
                line.pace,
                line.bad_verdicts,
            ],
            successes: line.successes.unwrap_or((requests - line.failures).max(0.0)),
            connections_refused: line.unconnected,
            answered: line.answered.unwrap_or(requests),
        }
    }
}

// Counts are whole unless they are expectations, and a million lines of them are shorter without `.0`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
fn short<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = number.fract() == 0.0 && (0.0..9e15).contains(number);
    if whole { serializer.serialize_u64(*number as u64) } else { serializer.serialize_f64(*number) }
}

fn some<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => short(number, serializer),
        None => serializer.serialize_none(),
    }
}

const fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(1_795_247_762_000);

    fn arm() -> ArmTick {
        ArmTick {
            requests: [45.0, 44.0, 45.0, 45.0, 43.0, 45.0, 45.0, 4.2],
            events: [1.0, 2.0, 3.0, 0.0, 4.0, 0.0, 5.0, 1.05],
            successes: 41.0,
            connections_refused: 1.0,
            answered: 42.0,
        }
    }

    #[test]
    fn a_line_gives_back_what_was_seen() {
        let tick = Tick {
            seconds: 1.25,
            stable: arm(),
            canary: ArmTick::plain(5.0, 0.0),
            stable_probes: (1.0, 2.0),
            ..Tick::default()
        };
        let line = TraceLine::new(AT, 0.1, &tick);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            r#"{"at":"2026-11-21T07:56:02.000Z","seconds":1.25,"share_percent":10,"stable":{"requests":45,"failures":1,"successes":41,"slow":2,"refused":3,"answered":42,"unconnected":1,"slow_of":44,"length":4,"length_of":43,"pace":5,"verdicts":4.2,"bad_verdicts":1.05},"canary":{"requests":5,"failures":0,"successes":5,"slow":0,"refused":0,"answered":5},"stable_probes":{"answered":1,"failed":2}}"#
        );
        let read: TraceLine = serde_json::from_str(&text).unwrap();
        assert_eq!((read.tick(), read.share(), read.problem()), (tick, 0.1, None));
    }

    #[test]
    fn what_is_written_by_hand_needs_requests_and_failures_alone() {
        let text = r#"{"at": "2026-11-21T07:56:02.000Z", "seconds": 10, "share_percent": 7.5,
                       "stable": {"requests": 90, "failures": 1}, "canary": {"requests": 10, "failures": 0.5}}"#;
        let line: TraceLine = serde_json::from_str(text).unwrap();
        let expected = Tick {
            seconds: 10.0,
            stable: ArmTick::plain(90.0, 1.0),
            canary: ArmTick::plain(10.0, 0.5),
            ..Tick::default()
        };
        assert_eq!(line.tick(), expected);
        let misspelt = text.replace("failures", "failure");
        assert!(
            serde_json::from_str::<TraceLine>(&misspelt).unwrap_err().to_string().contains("unknown field `failure`")
        );
    }

    #[test]
    fn what_no_guard_can_have_seen_is_told() {
        let line = |seconds, share, requests| {
            let canary = ArmTick::plain(requests, 0.0);
            TraceLine::new(AT, share, &Tick { seconds, canary, ..Tick::default() }).problem()
        };
        assert_eq!(line(1.0, 1.0, 0.0), None);
        assert_eq!(line(0.0, 1.0, 0.0).unwrap(), "`seconds` is 0: a line tells of a time longer than 0");
        assert_eq!(line(1.0, 1.5, 0.0).unwrap(), "`share_percent` is 150: it must be between 0 and 100");
        assert_eq!(line(1.0, 1.0, -1.0).unwrap(), "`canary.requests` is -1: a count is not negative");
    }
}

//! A decision of the guard or the ramp, with all the numbers that it depends on.
//!
//! Every decision has the same shape, so a promotion is read like a rollback; what belongs to one kind of decision only
//! is in its [`Detail`]. Counts cover canary and stable over the same time, each rate with its interval. Invariant:
//! every figure is finite, so that it survives being written as text and read again.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decide::cause::CauseCount;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::numbers::wilson;
use crate::decide::guard::rule::Rule;
use crate::decide::guard::waiting::ResponseKind;
use crate::decide::units::{Millis, Percent, UnixMillis};

/// The normal quantile of the intervals that are shown: 95%, both ends together.
pub const SHOWN_Z: f64 = 1.96;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The canary is taken back or held.
    Alarm(Rule),
    /// More users follow.
    Promote,
    /// The ramp is over.
    Complete,
    /// Half of the users with each, since the canary fails more often than is usual for stable.
    Confirm,
    /// The same at the ramp's end, since it is not good enough to be done.
    Recheck,
    /// The canary came out as good as stable.
    Confirmed,
    /// Stable went down in the meantime.
    GivenUp,
}

impl DecisionKind {
    /// The rule that fired, if one did.
    #[must_use]
    pub const fn rule(self) -> Option<Rule> {
        match self {
            DecisionKind::Alarm(rule) => Some(rule),
            _ => None,
        }
    }

    /// What was counted for it.
    #[must_use]
    pub fn aspect(self) -> Aspect {
        self.rule().map_or(Aspect::Failing, Rule::aspect)
    }
}

/// A decision of the guard or of the ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: UnixMillis,
    pub decided: DecisionKind,
    /// In how many seconds it was counted.
    pub seconds: f64,
    /// The canary's.
    pub canary: ArmCounts,
    /// Stable's.
    pub stable: ArmCounts,
    /// How many times likelier what was seen is if the canary is worse than tolerated.
    pub evidence: f64,
    /// At how much of it something is done.
    pub bound: f64,
    /// How many times stable's rate is tolerated.
    pub tolerated_ratio: f64,
    /// What belongs to this kind of decision alone.
    pub detail: Detail,
    /// What would have led to another decision; `None`: nothing that an operator can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_change: Option<Counterfactual>,
    /// Why the canary's requests failed, most often first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<CauseCount>,
}

impl Decision {
    /// Why most of the canary's requests failed, where they share a cause.
    #[must_use]
    pub fn main_cause(&self) -> Option<&CauseCount> {
        self.causes.first().filter(|first| first.count > first.of / 2)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmCounts {
    pub requests: f64,
    /// Those of them in which it happened.
    pub events: f64,
    /// The part of them, 0 to 1; `None`: there was no request.
    pub rate: Option<f64>,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Users behind failures; `None`: something else was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
}

impl ArmCounts {
    /// So many events in so many requests. What was sent before the count began may have failed since, so that there
    /// may be more of them: then every request counts as one.
    #[must_use]
    pub fn new(events: f64, requests: f64, users: Option<u32>) -> ArmCounts {
        let of = requests.max(events);
        let (low, high) = wilson(events, of, SHOWN_Z);
        ArmCounts {
            requests: finite(of),
            events: finite(events),
            rate: (of > 0.0).then(|| finite(events / of)),
            low: finite(low),
            high: finite(high),
            users,
        }
    }
}

/// What belongs to one kind of decision alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Detail {
    #[default]
    Nothing,
    /// A canary that fails every request.
    Run {
        /// Failures in a row.
        failures: f64,
        /// Over how many seconds.
        seconds: f64,
        /// That it is down.
        evidence: f64,
        /// At how much of it that is certain.
        bound: f64,
    },
    /// A canary that answers nothing.
    Silence {
        /// Which requests; `None`: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests: Option<ResponseKind>,
        /// Those without output.
        unanswered: f64,
        /// For how many seconds the first of them has waited.
        longest: f64,
        /// For how many the last.
        shortest: f64,
        /// When the first was sent.
        since: UnixMillis,
        /// Whether stable's answers to probes stood in for its traffic.
        probed: bool,
        /// Stable's of the same seconds that had output, or its answers to probes.
        stable_answered: f64,
        /// Those that had none.
        stable_unanswered: f64,
        /// That it never answers.
        evidence: f64,
        /// At how much of it that is certain.
        bound: f64,
    },
    /// Slow answers.
    Slow {
        /// Above which time to its first output a streamed answer is slow.
        streamed: Option<Millis>,
        /// The same of a whole answer.
        whole: Option<Millis>,
    },
    /// Refused requests.
    Refused {
        /// What the canary refuses most, where that is known.
        most: Option<String>,
    },
    /// Slow streams.
    Pace {
        /// Above which mean time between two outputs a stream is slow; `None`: not known yet.
        above: Option<Millis>,
    },
    /// Failures beyond `ceiling`.
    Ceiling {
        ceiling: Percent,
        /// The guard's window.
        window: Millis,
        /// The canary's requests in it.
        requests: u64,
        /// Failures among them.
        failures: u64,
    },
    /// The end of a step, or of the ramp.
    Held {
        /// The share that was held.
        share: Percent,
        /// For how long it had to be.
        hold: Millis,
        /// The highest failure rate that lets it go on.
        limit: f64,
        /// Requests that the canary answered at that share.
        answered: f64,
    },
    /// A canary that fails more often than is usual for stable.
    Suspected {
        /// How much speaks for it.
        suspicion: f64,
        /// How much it takes.
        bound: f64,
        /// Above which failure rate.
        limit: f64,
        /// The share from now on.
        share: Percent,
    },
    /// A canary that is not good enough to be done.
    Rechecked {
        /// Its failure rate.
        rate: f64,
        /// What it must stay below.
        limit: f64,
        /// Requests that it answered.
        answered: f64,
        /// The share from now on.
        share: Percent,
    },
    /// A canary that is as good as stable.
    Compared {
        /// The highest failure rate that lets it go on.
        limit: f64,
        /// Requests that it answered.
        answered: f64,
    },
}

/// What would have led to something else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Counterfactual {
    /// One answered request.
    Answered,
    /// Output for one request sent since then.
    Output {
        /// When.
        since: UnixMillis,
    },
    /// A higher `ceiling`.
    Ceiling,
    /// Fewer events on the canary.
    Fewer {
        /// How many.
        events: f64,
        /// A tolerated ratio above this, where such a one makes sense.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerated_ratio: Option<f64>,
        /// An `ignore_below` above this, where such a one makes sense.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ignore_below: Option<f64>,
    },
    /// More failures of the canary.
    More {
        /// How many.
        failures: f64,
    },
    /// A lower failure rate of the canary.
    LowerRate {
        /// Below this.
        limit: f64,
    },
}

/// What the guard took a canary back for: as it found it, or in a sentence of an earlier version.
#[derive(Clone, Debug, PartialEq)]
pub enum Regression {
    Found(Box<Decision>),
    /// In a sentence.
    Text(String),
}

// As a text where it is one: so an earlier version wrote all of them.
impl Serialize for Regression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Regression::Found(decision) => decision.serialize(serializer),
            Regression::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Regression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Regression, D::Error> {
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Regression;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decision of the guard, or a sentence")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Regression, E> {
                Ok(Regression::Text(text.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Regression, A::Error> {
                let decision = Decision::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Regression::Found(Box::new(decision)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A figure as it can be written down: evidence has no upper bound.
#[must_use]
pub const fn finite(figure: f64) -> f64 {
    if figure.is_nan() { 0.0 } else { figure.clamp(f64::MIN, f64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_can_be_written_down() {
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5].map(finite), [0.0, f64::MAX, f64::MIN, 0.5]);
        // This one came back as another once.
        for figure in [1.647_961_432_350_48e-9, 14.0 / 68.0, f64::MAX] {
            let text = serde_json::to_string(&figure).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), figure.to_bits(), "{text}");
        }
    }

    #[test]
    fn no_more_events_are_counted_than_requests() {
        let counts = ArmCounts::new(7.0, 5.0, None);
        assert_eq!((counts.rate, counts.high), (Some(1.0), 1.0));
        assert_eq!(ArmCounts::new(0.0, 0.0, None).rate, None);
    }

    #[test]
    fn what_an_earlier_version_said_in_a_sentence_stays_one() {
        let text = Regression::Text("50% failed".to_owned());
        assert_eq!(serde_json::to_string(&text).unwrap(), "\"50% failed\"");
        assert_eq!(serde_json::from_str::<Regression>("\"50% failed\"").unwrap(), text);
    }
}

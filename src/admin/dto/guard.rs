//! What the guard knows of a canary, as the API says it.
//!
//! Evidence is a plain number: how many times likelier what was seen is if the canary is worse than tolerated. Rates
//! come with the interval that they lie in by 95% (Wilson). Counts are of users who are not paused for what happened to
//! them before, so they may be lower than those of the metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::event::SHOWN_Z;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::numbers::wilson;
use crate::decide::guard::silent::SilentRun;
use crate::decide::guard::tick::EventSums;
use crate::decide::units::Millis;
use crate::state::status::{AnswersStatus, AspectStatus, ForecastStatus, GuardStatus};

/// What the guard knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// The evidence at which it acts on failures, slow answers, refusals and bad verdicts.
    pub bound: f64,
    /// Failures of the provider.
    pub failing: AspectComparison,
    /// Answers whose first output came late; absent where they are not looked at.
    pub slow: Option<AspectComparison>,
    /// Requests that were refused as the client's error; absent where they are not looked at.
    pub refusing: Option<AspectComparison>,
    /// Whole answers without output; absent where they are not looked at.
    #[serde(default)]
    pub empty: Option<AspectComparison>,
    /// Answers that stopped at a limit of their length; absent where they are not looked at.
    #[serde(default)]
    pub length: Option<AspectComparison>,
    /// Answers that a content filter ended or took the place of; absent where they are not looked at.
    #[serde(default)]
    pub filtered: Option<AspectComparison>,
    /// Streams that came slowly after their first output; absent where they are not looked at.
    #[serde(default)]
    pub pace: Option<AspectComparison>,
    /// Bad verdicts of the application; absent where they are not compared.
    #[serde(default)]
    pub feedback: Option<AspectComparison>,
    /// Verdicts since the start, whether or not they are evidence.
    #[serde(default)]
    pub verdicts: Verdicts,
    /// The evidence at which it acts on empty, cut, filtered or slowly streamed answers.
    #[serde(default)]
    pub answers_bound: f64,
    /// How answers ended lately.
    #[serde(default)]
    pub answers: Answers,
    /// Above which mean time between two outputs a stream is slow; absent: not known yet.
    #[serde(default)]
    pub pace_above_seconds: Option<f64>,
    /// Users behind the failures at this share.
    pub users_failing: Users,
    /// The canary's failures without a success between them.
    pub failures_in_a_row: u64,
    /// Whether stable is in an incident: then the step's time stands still.
    pub incident: bool,
    /// Failures at this share, incidents left out.
    pub step: BothArms,
    /// How much of the step's time, or of the confirmation's, was watched.
    pub watched_seconds: f64,
    /// How much is left of it; absent: it has no end.
    pub left_seconds: Option<f64>,
    /// Canary requests that were sent and answered at this share.
    pub answered: u64,
    /// How many of them a promotion needs.
    pub needed: u64,
    /// Requests a second lately, both arms together.
    pub requests_per_second: f64,
    /// Percent of stable's requests that failed lately.
    pub stable_failure_percent: f64,
    /// `guard.max_error_rate`: no share is raised while the canary's failure rate may be above it, or above twice
    /// stable's if that is higher; absent: an older process.
    #[serde(default)]
    pub max_error_percent: Option<f64>,
    /// Above which time to the first output an answer is slow; absent: not looked at, or not known yet.
    pub slow_above_seconds: Option<f64>,
    /// How long faults of the canary would take to be seen at this traffic.
    pub forecast: Vec<Forecast>,
    /// How long a canary that accepts requests and never answers would; absent: more than two weeks, or never.
    #[serde(default)]
    pub silent_seen_after_seconds: Option<f64>,
    /// The canary's requests without output that are compared with stable's; absent: there are none.
    #[serde(default)]
    pub silence: Option<SilentRun>,
    /// Tries of this attempt that were begun again without a human.
    pub retries: u32,
}

/// What was compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AspectComparison {
    /// How many times likelier what was seen is if the canary is worse than tolerated; 0 while nobody is on it.
    pub evidence: f64,
    /// Whether the canary's rate lies above what is never acted on.
    pub above_floor: bool,
    /// What was seen since the canary last looked well.
    pub since_well: BothArms,
}

/// Both arms over the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BothArms {
    /// How long.
    pub seconds: f64,
    /// The stable arm.
    pub stable: Rate,
    /// The canary arm.
    pub canary: Rate,
}

/// How often something happened on an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub requests: u64,
    /// How many of them it happened to.
    pub events: u64,
    /// In percent; absent without requests.
    pub percent: Option<f64>,
    /// Not less than this.
    pub low_percent: f64,
    /// Not more than this.
    pub high_percent: f64,
}

/// How both arms' answers ended lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    pub stable: ArmAnswers,
    pub canary: ArmAnswers,
}

/// How an arm's answers ended lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmAnswers {
    /// In percent, by the label `finish` of the metrics; empty: there were none.
    pub percent_by_finish: BTreeMap<String, f64>,
    /// The mean time between two outputs of a stream; absent: there was no stream of ten outputs.
    pub mean_gap_seconds: Option<f64>,
}

/// Verdicts of the application, by arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    pub stable: VerdictCounts,
    pub canary: VerdictCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCounts {
    pub good: u64,
    pub bad: u64,
}

impl From<[[u64; 2]; 2]> for Verdicts {
    fn from(verdicts: [[u64; 2]; 2]) -> Verdicts {
        let [stable, canary] = verdicts.map(|[good, bad]| VerdictCounts { good, bad });
        Verdicts { stable, canary }
    }
}

/// How many users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    pub stable: u32,
    pub canary: u32,
}

/// How long a fault of the canary would take to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Percent of its requests that would fail.
    pub error_percent: f64,
    /// How long; absent: more than two weeks, or never.
    pub seen_after_seconds: Option<f64>,
}

impl Guard {
    /// From the report in force.
    #[must_use]
    pub fn new(guard: &GuardStatus, answered: u64, needed: u64) -> Guard {
        let aspect = |aspect: Aspect| {
            let status = &guard.aspects[aspect as usize];
            status.watched.then(|| AspectComparison::from(status))
        };
        Guard {
            bound: guard.bound,
            failing: AspectComparison::from(&guard.aspects[Aspect::Failing as usize]),
            slow: aspect(Aspect::Slow),
            refusing: aspect(Aspect::Refusing),
            empty: aspect(Aspect::Empty),
            length: aspect(Aspect::Length),
            filtered: aspect(Aspect::Filtered),
            pace: aspect(Aspect::Pace),
            feedback: aspect(Aspect::Feedback),
            verdicts: Verdicts::from(guard.verdicts),
            answers_bound: guard.aspects[Aspect::Empty as usize].bound,
            answers: Answers {
                stable: ArmAnswers::from(&guard.answers[0]),
                canary: ArmAnswers::from(&guard.answers[1]),
            },
            pace_above_seconds: guard.pace_above.map(seconds),
            users_failing: Users { stable: guard.users[0], canary: guard.users[1] },
            failures_in_a_row: whole(guard.failures_in_a_row),
            incident: guard.incident,
            step: BothArms::from(&guard.step),
            watched_seconds: seconds(guard.watched),
            left_seconds: guard.left.map(seconds),
            answered,
            needed,
            requests_per_second: guard.per_second,
            stable_failure_percent: guard.stable_rate * 100.0,
            max_error_percent: Some(guard.max_error_rate.as_f64()),
            slow_above_seconds: guard.slow_above.map(seconds),
            forecast: guard.forecast.iter().map(Forecast::from).collect(),
            silent_seen_after_seconds: guard.silent_after.map(seconds),
            silence: (guard.silence.unanswered > 0.0).then_some(guard.silence),
            retries: guard.retries,
        }
    }
}

impl From<&AnswersStatus> for ArmAnswers {
    fn from(answers: &AnswersStatus) -> ArmAnswers {
        let named = |shares: [f64; FinishKind::ALL.len()]| {
            let named = FinishKind::ALL.into_iter().zip(shares);
            named.map(|(finished, share)| (finished.as_str().to_owned(), share * 100.0)).collect()
        };
        ArmAnswers {
            percent_by_finish: answers.shares.map(named).unwrap_or_default(),
            mean_gap_seconds: answers.gap_millis.map(|millis| millis / 1000.0),
        }
    }
}

impl From<&AspectStatus> for AspectComparison {
    fn from(aspect: &AspectStatus) -> AspectComparison {
        AspectComparison {
            evidence: aspect.evidence,
            above_floor: aspect.above_floor,
            since_well: BothArms::from(&aspect.doubt),
        }
    }
}

impl From<&EventSums> for BothArms {
    fn from(tally: &EventSums) -> BothArms {
        BothArms {
            seconds: tally.seconds,
            stable: Rate::new(tally.stable_events, tally.stable),
            canary: Rate::new(tally.canary_events, tally.canary),
        }
    }
}

impl Rate {
    fn new(events: f64, requests: f64) -> Rate {
        let (low, high) = wilson(events, requests, SHOWN_Z);
        Rate {
            requests: whole(requests),
            events: whole(events),
            percent: (requests > 0.0).then(|| events / requests * 100.0),
            low_percent: low * 100.0,
            high_percent: high * 100.0,
        }
    }
}

impl From<&ForecastStatus> for Forecast {
    fn from(forecast: &ForecastStatus) -> Forecast {
        Forecast { error_percent: forecast.rate * 100.0, seen_after_seconds: forecast.after.map(seconds) }
    }
}

fn seconds(length: Millis) -> f64 {
    length.duration().as_secs_f64()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count: whole, and never negative")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

//! What is stated of answers that no status calls bad: how many of each provider's are empty, cut, filtered or slow.
//!
//! The arguments, what stands for those that are not given, and the words for what was stated. Only what is stated is
//! played. Owns when it is a fault: more than the file tolerates of a kind that it does not ignore. Judges nothing.

use clap::Args;

use crate::decide::guard::analysis::fraction;
use crate::decide::guard::aspect::Aspect;
use crate::decide::policy::{Guard, OnExcess};
use crate::decide::units::Percent;
use crate::simulate::excess::{Excess, SPREAD, beyond};
use crate::simulate::feedback::Feedback;
use crate::simulate::rule::ANSWER_ASPECTS;

/// Arguments of `serin simulate` on answers that no status calls bad.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AnswersArgs {
    /// Share of the canary's responses that are a 200 without any output, from --fault-at on [default: stable's].
    #[arg(long, value_name = "RATE", conflicts_with = "canary_silent")]
    canary_empty: Option<Percent>,
    /// Share of the canary's responses that stop at a length limit, from --fault-at on [default: stable's].
    #[arg(long, value_name = "RATE", conflicts_with = "canary_silent")]
    canary_length: Option<Percent>,
    /// Share of the canary's responses that a content filter stops, from --fault-at on [default: stable's].
    #[arg(long, value_name = "RATE", conflicts_with = "canary_silent")]
    canary_filtered: Option<Percent>,
    /// Time between the canary's outputs as a multiple of stable's, such as 3x, from --fault-at on.
    #[arg(long, value_name = "TIMES", conflicts_with = "canary_silent", value_parser = times)]
    canary_pace: Option<f64>,
    /// Share of stable's responses that are a 200 without any output [default: 0.5% if the canary's is given].
    #[arg(long, value_name = "RATE")]
    stable_empty: Option<Percent>,
    /// Share of stable's responses that stop at a length limit [default: 2% if the canary's is given].
    #[arg(long, value_name = "RATE")]
    stable_length: Option<Percent>,
    /// Share of stable's responses that a content filter stops [default: 0.5% if the canary's is given].
    #[arg(long, value_name = "RATE")]
    stable_filtered: Option<Percent>,
    /// Share of bad verdicts of the application on the canary's responses, from --fault-at on [default: stable's].
    #[arg(long, value_name = "RATE", conflicts_with = "canary_silent")]
    canary_bad: Option<Percent>,
    /// Share of bad verdicts on stable's responses [default: 5% if the canary's is given].
    #[arg(long, value_name = "RATE")]
    stable_bad: Option<Percent>,
    /// Share of the responses that get a verdict, if --canary-bad or --stable-bad is given [default: 10%].
    #[arg(long, value_name = "RATE")]
    feedback_share: Option<Percent>,
}

impl AnswersArgs {
    /// Whether they state verdicts of the application.
    pub(super) const fn state_feedback(&self) -> bool {
        self.canary_bad.is_some() || self.stable_bad.is_some()
    }
}

/// What has no place beside a recording.
pub(super) const STATED: [&str; 10] = [
    "canary_empty",
    "canary_length",
    "canary_filtered",
    "canary_pace",
    "stable_empty",
    "stable_length",
    "stable_filtered",
    "canary_bad",
    "stable_bad",
    "feedback_share",
];

fn times(text: &str) -> Result<f64, String> {
    const REMEDY: &str = "write how many times as long, from 0.1 to 100, such as `3x`";
    match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
        Ok(times) if (0.1..=100.0).contains(&times) => Ok(times),
        Ok(_) => Err(format!("`{text}` is out of range; {REMEDY}")),
        Err(_) => Err(format!("`{text}` is not a number; {REMEDY}")),
    }
}

/// What is stated of one kind of answers.
#[derive(Clone, Debug, PartialEq)]
struct StatedAspect {
    aspect: Aspect,
    // Parts of 1.
    stable: f64,
    canary: f64,
    // The arguments that state it.
    options: Vec<(&'static str, String)>,
    // What the canary does, and what stable does, as it was written.
    sentence: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StatedAnswers {
    kinds: Vec<StatedAspect>,
    // Which part of the answers gets a verdict.
    feedback_share: f64,
}

impl StatedAnswers {
    pub(super) fn new(args: &AnswersArgs, guard: &Guard) -> StatedAnswers {
        let AnswersArgs { canary_empty, canary_length, canary_filtered, canary_pace, .. } = *args;
        let AnswersArgs { stable_empty, stable_length, stable_filtered, .. } = *args;
        let AnswersArgs { canary_bad, stable_bad, feedback_share, .. } = *args;
        let usual = |hundredths: u16| Percent::from_hundredths(hundredths).unwrap_or_default();
        let of = |aspect,
                  options: [&'static str; 2],
                  canary: Option<Percent>,
                  stable: Option<Percent>,
                  usual,
                  does: &str| {
            let (canary, stable) = match (canary, stable) {
                (None, None) => return None,
                (None, Some(stable)) => (stable, stable),
                (Some(canary), stable) => (canary, stable.unwrap_or(usual)),
            };
            let text = match canary == stable {
                true => format!("{canary} of both providers' responses {does}"),
                false => format!("{canary} of the canary's responses {does}, and {stable} of stable's"),
            };
            Some(StatedAspect {
                aspect,
                stable: fraction(stable),
                canary: fraction(canary),
                options: options.into_iter().zip([canary.to_string(), stable.to_string()]).collect(),
                sentence: text,
            })
        };
        let rates = [
            of(
                Aspect::Empty,
                ["canary-empty", "stable-empty"],
                canary_empty,
                stable_empty,
                usual(50),
                "have no output",
            ),
            of(
                Aspect::Length,
                ["canary-length", "stable-length"],
                canary_length,
                stable_length,
                usual(200),
                "stop at a length limit",
            ),
            of(
                Aspect::Filtered,
                ["canary-filtered", "stable-filtered"],
                canary_filtered,
                stable_filtered,
                usual(50),
                "are filtered",
            ),
        ];
        let judged = feedback_share.unwrap_or(usual(1000));
        let verdicts = of(
            Aspect::Feedback,
            ["canary-bad", "stable-bad"],
            canary_bad,
            stable_bad,
            usual(500),
            "are called bad",
        )
        .map(|stated| {
            let share = |option: usize| stated.options.get(option).map_or("", |(_, share)| share.as_str());
            let sentence = format!(
                "{} of the verdicts on the canary's responses are bad, and {} of those on stable's (there is a verdict on \
                 {judged} of the responses)",
                share(0),
                share(1)
            );
            let mut options = stated.options;
            options.push(("feedback-share", judged.to_string()));
            StatedAspect { options, sentence, ..stated }
        });
        let pace = canary_pace.map(|times| {
            let rule = guard.pace_rule();
            let beyond = |times| beyond(&rule, times, SPREAD);
            StatedAspect {
                aspect: Aspect::Pace,
                stable: beyond(1.0),
                canary: beyond(times),
                options: vec![("canary-pace", format!("{times}x"))],
                sentence: format!("the canary's outputs are {times} times as far apart as stable's"),
            }
        });
        let kinds = rates.into_iter().chain([pace, verdicts]).flatten().collect();
        StatedAnswers { kinds, feedback_share: fraction(judged) }
    }

    /// Whether nothing is stated.
    pub(super) const fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether the canary differs from stable in something.
    pub(super) fn differ(&self) -> bool {
        self.kinds.iter().any(|kind| (kind.canary - kind.stable).abs() > 1e-9)
    }

    /// Whether the file does not tolerate it.
    pub(super) fn is_fault(&self, guard: &Guard) -> bool {
        self.faults(guard).next().is_some()
    }

    /// Whether it is a fault for which the ramp is paused and nobody is moved.
    pub(super) fn is_held_for(&self, guard: &Guard) -> bool {
        self.is_fault(guard) && self.faults(guard).all(|kind| guard.follows(kind.aspect) == OnExcess::Hold)
    }

    fn faults(&self, guard: &Guard) -> impl Iterator<Item = &StatedAspect> {
        self.kinds.iter().filter(|kind| {
            let floor =
                if kind.aspect == Aspect::Pace { guard.constants.slow_floor } else { fraction(guard.ignore_below) };
            let ratio = match (kind.aspect, guard.feedback) {
                (Aspect::Feedback, Some(feedback)) => feedback.tolerated_ratio,
                _ => guard.constants.answers_ratio,
            };
            guard.follows(kind.aspect) != OnExcess::Ignore
                && kind.canary > floor
                && kind.canary > kind.stable * ratio + 1e-9
        })
    }

    /// What is played; `None`: nothing is stated.
    pub(super) fn excess(&self, from: f64) -> Option<Excess> {
        let mut excess = Excess { from, ..Excess::default() };
        for (aspect, place) in Aspect::OF_ANSWERS.into_iter().zip(0..ANSWER_ASPECTS) {
            if let Some(kind) = self.kinds.iter().find(|kind| kind.aspect == aspect) {
                (excess.stable[place], excess.canary[place]) = (kind.stable, kind.canary);
            }
        }
        self.kinds.iter().any(|kind| kind.aspect.is_of_answers()).then_some(excess)
    }

    /// The verdicts that are played; `None`: none are stated.
    pub(super) fn feedback(&self, from: f64, users: Option<u32>) -> Option<Feedback> {
        let kind = self.kinds.iter().find(|kind| kind.aspect == Aspect::Feedback)?;
        let StatedAspect { stable, canary, .. } = *kind;
        Some(Feedback { share: self.feedback_share, stable, canary, from, users, insistent: None })
    }

    /// The arguments that state it again.
    pub(super) fn options(&self) -> impl Iterator<Item = &(&'static str, String)> {
        self.kinds.iter().flat_map(|kind| &kind.options)
    }

    /// What is stated, in words; empty: nothing.
    pub(super) fn sentence(&self) -> String {
        self.kinds.iter().map(|kind| kind.sentence.as_str()).collect::<Vec<_>>().join("; ")
    }
}

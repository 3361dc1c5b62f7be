//! Sentences for what a ramp waits for: fragments that follow "it waits for".
//!
//! A promotion is due if there is none, so this is the complete list of reasons against a promotion. Rates and counts
//! have the same form as in the guard's decisions.

use super::format::{count, number, percent, time};
use super::{comparison, rollback_ready, silent};
use crate::decide::event::Action;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::first_output::MedianWait;
use crate::decide::rollout::promotion::{PromotionCondition, RateGoal};
use crate::decide::units::Percent;

/// All reasons; empty: none.
#[must_use]
pub fn waiting_for(name: &str, holds: &[PromotionCondition]) -> String {
    holds.iter().map(|hold| one(name, hold)).collect::<Vec<_>>().join("; ")
}

/// The reason of a step that waits for the disk.
#[must_use]
pub fn written(action: Option<&Action>, to: Percent, dir: &str) -> String {
    format!("its {} ({to}) to be written to {dir}", action.map_or("next step", Action::as_str))
}

fn one(name: &str, hold: &PromotionCondition) -> String {
    match hold {
        PromotionCondition::Resume => format!("`serin resume {name}`"),
        PromotionCondition::ResumeOrAttempt(attempt) => format!("`serin resume {name}` or `attempt: {attempt}`"),
        PromotionCondition::Blocked(why) => why.clone(),
        PromotionCondition::Writable(why) => format!("state that can be written ({why})"),
        PromotionCondition::Incident => "stable to recover from its incident: the step's time is paused".to_owned(),
        PromotionCondition::Shut => {
            "stable's breaker to close: there is nothing to compare with, and the step's time is paused".to_owned()
        }
        PromotionCondition::Dead => "a response of the canary, which answers no request either".to_owned(),
        PromotionCondition::SharedSilence(silence) => silent::shared(silence),
        PromotionCondition::Unanswered(requests) => {
            format!("a response of the canary: {} requests have had none", count(*requests))
        }
        PromotionCondition::Probe(None) => "the canary's response to a probe".to_owned(),
        PromotionCondition::Probe(Some(why)) => format!("the canary's response to a probe ({why})"),
        PromotionCondition::Rehearsal(wait) => comparison::waits_for(name, wait),
        PromotionCondition::StableProbe => "stable's response to a probe".to_owned(),
        PromotionCondition::ConfirmationEnds { seconds } => {
            format!("the confirmation to end ({} left)", time(*seconds))
        }
        PromotionCondition::Stage => "a stage: ramp.max is below all of them".to_owned(),
        PromotionCondition::Day => "a day on which ramp.hours allows promotions".to_owned(),
        PromotionCondition::Hours => "the hours of ramp.hours".to_owned(),
        PromotionCondition::StableRequests { got, needed } => {
            format!("more requests of stable ({} of {needed})", count(*got))
        }
        PromotionCondition::Answers { got, needed } => {
            let (more, got) = (count(f64::from(*needed) - got.floor()), count(got.floor()));
            format!("{more} more answered canary requests ({got} of {needed})")
        }
        PromotionCondition::Evidence { aspect, now: None, .. } => {
            format!("the evidence of its {} to fall (beyond its bound, and no user is moved now)", of(*aspect))
        }
        PromotionCondition::Evidence { aspect, now: Some((evidence, bound)), pauses } => {
            let (evidence, bound) = (number(*evidence), number(*bound));
            let then = if *pauses { "the ramp is paused" } else { "it is rolled back" };
            format!(
                "the evidence of its {} to fall ({evidence}; above 1 there is no promotion, at {bound} {then})",
                of(*aspect)
            )
        }
        PromotionCondition::RollbackReady(found) => {
            format!("stable to be able to take everybody back: {}", rollback_ready::reasons(found))
        }
        PromotionCondition::FirstOutput(MedianWait { limit, total, needed, .. }) if *total < u64::from(*needed) => {
            format!("more first outputs of the canary, to know their median ({total} of {needed}; at most {limit})")
        }
        PromotionCondition::FirstOutput(MedianWait { limit, beyond, total, .. }) => {
            format!("the canary's median first output to fall to {limit} ({beyond} of {total} took longer)")
        }
        PromotionCondition::Rate { until, limit, rate } => {
            let (limit, rate) = (percent(*limit), percent(*rate));
            match until {
                RateGoal::Sure => format!("the canary's failure rate to be reliably below {limit} (it may be {rate})"),
                RateGoal::Confirmed => format!("the canary's failure rate to fall below {limit} ({rate})"),
                RateGoal::Done => format!(
                    "the canary's failure rate to fall below {limit} ({rate}), or for an operator to complete it by \
                     pinning the percent"
                ),
            }
        }
    }
}

const fn of(aspect: Aspect) -> &'static str {
    super::decision::counted(aspect).1
}

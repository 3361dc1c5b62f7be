//! Sentences for what a ramp waits for: fragments that follow "it waits for".
//!
//! A promotion is due if there is none, so this is the complete list of reasons against a promotion. Rates and counts
//! have the same form as in the guard's decisions.

use super::format::{count, number, percent, time};
use super::silent;
use crate::decide::event::Action;
use crate::decide::guard::aspect::Aspect;
use crate::decide::rollout::promotion::{Hold, Until};
use crate::decide::units::Percent;

/// All reasons; empty: none.
#[must_use]
pub fn waiting_for(name: &str, holds: &[Hold]) -> String {
    holds.iter().map(|hold| one(name, hold)).collect::<Vec<_>>().join("; ")
}

/// The reason of a step that waits for the disk.
#[must_use]
pub fn written(action: Option<&Action>, to: Percent, dir: &str) -> String {
    format!("its {} ({to}) to be written to {dir}", action.map_or("next step", Action::as_str))
}

fn one(name: &str, hold: &Hold) -> String {
    match hold {
        Hold::Resume => format!("`serin resume {name}`"),
        Hold::ResumeOrAttempt(attempt) => format!("`serin resume {name}` or `attempt: {attempt}`"),
        Hold::Blocked(why) => why.clone(),
        Hold::Writable(why) => format!("state that can be written ({why})"),
        Hold::Incident => "stable to recover from its incident: the step's time is paused".to_owned(),
        Hold::Shut => {
            "stable's breaker to close: there is nothing to compare with, and the step's time is paused".to_owned()
        }
        Hold::Dead => "a response of the canary, which answers no request either".to_owned(),
        Hold::SharedSilence(silence) => silent::shared(silence),
        Hold::Unanswered(requests) => {
            format!("a response of the canary: {} requests have had none", count(*requests))
        }
        Hold::Probe(None) => "the canary's response to a probe".to_owned(),
        Hold::Probe(Some(why)) => format!("the canary's response to a probe ({why})"),
        Hold::StableProbe => "stable's response to a probe".to_owned(),
        Hold::ConfirmationEnds { seconds } => format!("the confirmation to end ({} left)", time(*seconds)),
        Hold::Stage => "a stage: ramp.max is below all of them".to_owned(),
        Hold::Day => "a day on which ramp.hours allows promotions".to_owned(),
        Hold::Hours => "the hours of ramp.hours".to_owned(),
        Hold::StableRequests { got, needed } => format!("more requests of stable ({} of {needed})", count(*got)),
        Hold::Answers { got, needed } => {
            let (more, got) = (count(f64::from(*needed) - got.floor()), count(got.floor()));
            format!("{more} more answered canary requests ({got} of {needed})")
        }
        Hold::Evidence { aspect, now: None, .. } => {
            format!("the evidence of its {} to fall (beyond its bound, and no user is moved now)", of(*aspect))
        }
        Hold::Evidence { aspect, now: Some((evidence, bound)), pauses } => {
            let (evidence, bound) = (number(*evidence), number(*bound));
            let then = if *pauses { "the ramp is paused" } else { "it is rolled back" };
            format!(
                "the evidence of its {} to fall ({evidence}; above 1 there is no promotion, at {bound} {then})",
                of(*aspect)
            )
        }
        Hold::Rate { until, limit, rate } => {
            let (limit, rate) = (percent(*limit), percent(*rate));
            match until {
                Until::Sure => format!("the canary's failure rate to be reliably below {limit} (it may be {rate})"),
                Until::Confirmed => format!("the canary's failure rate to fall below {limit} ({rate})"),
                Until::Done => format!(
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

//! One rollout of a comparison as it could be drawn: what the guard saw and held, and what it did.
//!
//! Plays the run again, since nobody keeps the moments of thousands of them. Where a fault was found, what lies long
//! before it is left out: an hour of health beside seconds of evidence would leave no room for these. Owns which part
//! of a rollout is worth a look, and nothing of how it is shown.

use super::comparison::RuleComparison;
use super::guarded::GuardRule;
use super::rollout::RolloutEnd;
use super::rule::{RolloutRule, TickCounts, TickSource, Verdict};
use super::scenario::CountedRequests;
use super::timeline::{Timeline, TimelinePoint};
use crate::decide::event::Event;
use crate::decide::guard::tick::{ArmTick, Tick};

/// A rollout to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleRun {
    /// Where it begins, in seconds from the rollout's start.
    pub from: f64,
    /// Where it ends.
    pub until: f64,
    /// Since when the canary deserves to be taken back.
    pub fault_at: Option<f64>,
    /// What was seen and held.
    pub strip: Timeline,
    /// What was done, and when in seconds from the start.
    pub events: Vec<(f64, Event)>,
}

#[must_use]
pub fn example_run(comparison: &RuleComparison, seed: u64) -> ExampleRun {
    let (life, guarded) = comparison.guarded(seed);
    let until = life.rollout.at;
    let found = (life.rollout.end == RolloutEnd::RolledBack).then_some(life.rollout.since_fault).flatten();
    let from = match found {
        Some((after, _)) => (until - 3.0 * after.max(10.0)).max(0.0),
        None => 0.0,
    };
    let mut picture =
        ExampleRun { from, until, fault_at: comparison.span.fault_at, strip: Timeline::default(), events: Vec::new() };
    let mut guarded_again = GuardRule::new(comparison.canary.clone(), "simulated", super::comparison::BEGIN);
    let mut source = comparison.scenario.run(seed, CountedRequests::Unpaused);
    let mut at = 0.0;
    while at < until - 1e-6 {
        let seen = source.tick(guarded_again.share());
        let verdict = guarded_again.tick(&seen);
        at += seen.seconds;
        if at > from {
            picture.strip.push(moment(comparison, &guarded_again, at, &seen));
        }
        if verdict == Verdict::Complete {
            break;
        }
    }
    let seconds = |event: &Event| event.at.since(super::comparison::BEGIN).0 as f64 / 1000.0;
    picture.events = guarded.events().iter().map(|event| (seconds(event), event.clone())).collect();
    picture
}

fn moment(comparison: &RuleComparison, guarded: &GuardRule, at: f64, seen: &TickCounts) -> TimelinePoint {
    let arm = |arm: &super::rule::SimulatedArm| ArmTick::plain(f64::from(arm.requests), f64::from(arm.errors));
    let tick = Tick { seconds: seen.seconds, stable: arm(&seen.stable), canary: arm(&seen.canary), ..Tick::default() };
    let state = guarded.state();
    TimelinePoint::new(at, seen.share, &tick, &comparison.canary.guard, &state.analysis, state.tries())
}

impl ExampleRun {
    /// What was done about a regression, if anything was.
    #[must_use]
    pub fn answer(&self) -> Option<&(f64, Event)> {
        self.events.iter().find(|(_, event)| event.action.answers_regression())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::event::Action;
    use crate::simulate::comparison::tests::{comparison, scenario};
    use crate::simulate::guarded::pinned_canary;
    use crate::simulate::schedule::Schedule;

    #[test]
    fn a_picture_ends_with_the_alarm_and_leaves_out_what_lies_long_before() {
        let canary = pinned_canary(0.1, &Schedule::even(0.1, 0.3, 300.0));
        let comparison = RuleComparison { canary, ..comparison(&scenario((0.5, 600.0)), 900.0, Some(600.0)) };
        let picture = example_run(&comparison, 5);
        let (at, event) = picture.answer().unwrap();
        assert_eq!((*at, &event.action), (picture.until, &Action::Rollback));
        assert!(picture.from > 500.0 && picture.until < 640.0);
        let last = picture.strip.moments().last().unwrap();
        assert!((last.worse.max(last.down) - 1.0).abs() < 1e-9 && (last.at - picture.until).abs() < 1e-9);
    }
}

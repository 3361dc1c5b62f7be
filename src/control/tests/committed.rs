//! What becomes of a step of one rollout: in force at once, or proposed and landed, lost, overtaken.

use super::harness::*;
use crate::control::engine::committed::Course;
use crate::control::engine::effects::Denied;
use crate::control::persist::outbox::Proposal;
use crate::decide::rollout::answer::Refusal;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::{Rescue, Step};
use crate::decide::units::UnixMillis;

fn at(share: u16) -> RolloutState {
    let new = RolloutState::new(1, UnixMillis(0));
    RolloutState { phase: Phase::Ramping, percent: percent(share), in_force: percent(share), ..new }
}

/// A step to this share; `waits`: for the disk, while the guard has seen something.
fn step(share: u16, waits: bool) -> Step {
    let meanwhile = waits.then(|| Box::new(RolloutState { judged_by: Some(7), ..at(10) }));
    let (events, notes) = (Vec::new(), Vec::new());
    Step { next: at(share), events, refused: None, notes, meanwhile, rescue: None }
}

fn promoted() -> (Course, Proposal) {
    let mut course = Course::new(at(10));
    let effects = course.follow(step(25, true), true, true);
    assert!(!effects.answer.publish && effects.state.is_none() && effects.answer.proposed);
    (course, effects.proposal.unwrap())
}

#[test]
fn what_waits_for_the_disk_is_in_force_when_it_has_landed() {
    let (mut course, proposal) = promoted();
    assert_eq!((course.state().in_force, course.state().judged_by), (percent(10), Some(7)), "watched meanwhile");
    assert!(course.follow(step(10, false), true, true).state.is_none(), "time alone does not overtake it");
    let landed = course.land(&proposal, &canary(), UnixMillis(5));
    assert!(landed.answer.publish && landed.answer.settled && landed.state.is_none());
    assert_eq!((course.state().in_force, course.state().since), (percent(25), UnixMillis(5)));
    assert!(course.proposed().is_none());
}

#[test]
fn what_takes_users_back_is_in_force_at_once_and_written_over_what_was_proposed() {
    let (mut course, proposal) = promoted();
    let effects = course.follow(Step { rescue: Some(Rescue::Everybody), ..step(0, false) }, true, true);
    assert_eq!((effects.state, effects.rescue), (Some(at(0)), Some(Rescue::Everybody)));
    assert!(effects.answer.publish && course.proposed().is_none());
    let late = course.land(&proposal, &canary(), UnixMillis(5));
    assert!(!late.answer.settled && course.state() == &at(0), "it comes too late");
}

#[test]
fn another_word_takes_the_place_of_what_was_proposed() {
    let (mut course, proposal) = promoted();
    let effects = course.follow(step(40, true), false, true);
    assert_eq!(effects.state.map(|state| state.in_force), Some(percent(10)), "written over it");
    assert_eq!(effects.proposal.map(|next| next.state.in_force), Some(percent(40)));
    assert!(!course.lose(&proposal).answer.settled, "the first is nobody's any more");
}

#[test]
fn what_is_lost_or_withdrawn_leaves_the_rollout_where_it_is() {
    let (mut course, proposal) = promoted();
    let lost = course.lose(&proposal);
    assert!(lost.answer.settled && !lost.answer.publish);
    assert_eq!(lost.state.as_ref(), Some(course.state()));
    let (mut course, _) = promoted();
    assert_eq!(course.withdraw().as_ref(), Some(&course.state().clone()));
    assert_eq!((course.withdraw(), course.state().in_force), (None, percent(10)));
}

#[test]
fn what_is_refused_changes_nothing_and_nothing_waits_for_a_disk_that_never_was() {
    let (mut course, _) = promoted();
    let refused = course.follow(Step { refused: Some(Refusal::Clock), ..step(10, false) }, false, true);
    assert_eq!(refused.answer.denied, Some(Denied::Refused(Refusal::Clock)));
    assert!(refused.state.is_none() && course.proposed().is_some());
    let mut course = Course::new(at(10));
    let effects = course.follow(step(25, true), true, false);
    assert!(effects.answer.publish && effects.proposal.is_none() && course.state() == &at(25));
}

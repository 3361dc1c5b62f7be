//! A step of one rollout: in force at once, or proposed and then committed, abandoned or withdrawn.

use super::harness::*;
use crate::control::engine::committed::Committed;
use crate::control::engine::effects::Denied;
use crate::control::persist::outbox::Proposal;
use crate::decide::rollout::command_result::CommandRefusal;
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::{Step, WithdrawWaiting};
use crate::decide::units::UnixMillis;

fn at(share: u16) -> RolloutState {
    let new = RolloutState::new(1, UnixMillis(0));
    RolloutState { phase: Phase::Ramping, percent: percent(share), in_force: percent(share), ..new }
}

/// A step to this share; `waits`: for the disk, while the guard has seen something.
fn step(share: u16, waits: bool) -> Step {
    let meanwhile = waits.then(|| Box::new(RolloutState { judged_by: Some(7), ..at(10) }));
    let (events, notes) = (Vec::new(), Vec::new());
    Step { next: at(share), events, refused: None, notes, meanwhile, withdraw_waiting: None }
}

fn promoted() -> (Committed, Proposal) {
    let mut committed = Committed::new(at(10));
    let effects = committed.apply(step(25, true), true, true);
    assert!(!effects.result.publish && effects.state.is_none() && effects.result.proposed);
    (committed, effects.proposal.unwrap())
}

#[test]
fn a_proposal_is_in_force_when_it_is_committed() {
    let (mut committed, proposal) = promoted();
    assert_eq!((committed.state().in_force, committed.state().judged_by), (percent(10), Some(7)), "watched meanwhile");
    assert!(committed.apply(step(10, false), true, true).state.is_none(), "time alone does not overtake it");
    let landed = committed.commit(&proposal, &canary(), UnixMillis(5));
    assert!(landed.result.publish && landed.result.proposal_ended && landed.state.is_none());
    assert_eq!((committed.state().in_force, committed.state().since), (percent(25), UnixMillis(5)));
    assert!(committed.proposed().is_none());
}

#[test]
fn a_rollback_is_in_force_at_once_and_replaces_the_proposal() {
    let (mut committed, proposal) = promoted();
    let effects = committed.apply(Step { withdraw_waiting: Some(WithdrawWaiting::All), ..step(0, false) }, true, true);
    assert_eq!((effects.state, effects.withdraw_waiting), (Some(at(0)), Some(WithdrawWaiting::All)));
    assert!(effects.result.publish && committed.proposed().is_none());
    let late = committed.commit(&proposal, &canary(), UnixMillis(5));
    assert!(!late.result.proposal_ended && committed.state() == &at(0), "it comes too late");
}

#[test]
fn a_new_command_replaces_the_proposal() {
    let (mut committed, proposal) = promoted();
    let effects = committed.apply(step(40, true), false, true);
    assert_eq!(effects.state.map(|state| state.in_force), Some(percent(10)), "written over it");
    assert_eq!(effects.proposal.map(|next| next.state.in_force), Some(percent(40)));
    assert!(!committed.abandon(&proposal).result.proposal_ended, "the first is nobody's any more");
}

#[test]
fn an_abandoned_or_withdrawn_proposal_leaves_the_rollout_where_it_is() {
    let (mut committed, proposal) = promoted();
    let lost = committed.abandon(&proposal);
    assert!(lost.result.proposal_ended && !lost.result.publish);
    assert_eq!(lost.state.as_ref(), Some(committed.state()));
    let (mut committed, _) = promoted();
    assert_eq!(committed.withdraw().as_ref(), Some(&committed.state().clone()));
    assert_eq!((committed.withdraw(), committed.state().in_force), (None, percent(10)));
}

#[test]
fn a_refusal_changes_nothing_and_nothing_waits_for_a_disk_that_was_never_written() {
    let (mut committed, _) = promoted();
    let refused = committed.apply(Step { refused: Some(CommandRefusal::Clock), ..step(10, false) }, false, true);
    assert_eq!(refused.result.denied, Some(Denied::Refused(CommandRefusal::Clock)));
    assert!(refused.state.is_none() && committed.proposed().is_some());
    let mut committed = Committed::new(at(10));
    let effects = committed.apply(step(25, true), true, false);
    assert!(effects.result.publish && effects.proposal.is_none() && committed.state() == &at(25));
}

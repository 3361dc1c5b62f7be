//! What only the edges of a state show.

use super::*;
use crate::decide::rollout::context::{Blocked, blocked};
use crate::decide::rollout::state::Pause;

#[test]
fn nothing_blocks_a_canary_that_can_be_used() {
    let auto = canary();
    assert_eq!(blocked(&auto, None, None), None);
    let unusable = Some(Blocked::Unusable { provider: "b", why: "it has no key" });
    assert_eq!(blocked(&auto, unusable, Some("disk full")), unusable);
    assert_eq!(blocked(&auto, None, Some("disk full")), Some(Blocked::Forgotten("disk full")));
    let by_clock = Canary { ramp: Ramp { from: Some(UnixMillis(7)), ..auto.ramp.clone() }, ..auto.clone() };
    let pinned = Canary { percent: Intent::Pinned(percent(10)), ..auto };
    assert_eq!([&by_clock, &pinned].map(|canary| blocked(canary, None, Some("disk full"))), [None, None]);
}

#[test]
fn a_ramp_that_follows_the_clock_says_so() {
    let canary = canary();
    let state = RolloutState { phase: Phase::Ramping, percent: percent(25), ..RolloutState::new(1, UnixMillis(0)) };
    assert_eq!(reason(&view(&canary), &state), "the ramp is at 25%");
    let by_clock = RolloutContext { by_clock: true, ..view(&canary) };
    assert!(reason(&by_clock, &state).contains("follows ramp.from and the clock"));
}

#[test]
fn only_what_somebody_must_be_told_is_news() {
    let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "ana".into(), reason: String::new() };
    let pause = Pause {
        at: UnixMillis(1),
        actor: "ana".into(),
        reason: String::new(),
        regression: false,
        rules: Vec::new(),
        found: Vec::new(),
    };
    let before = RolloutState::new(1, UnixMillis(0));
    let news: [fn(&mut RolloutState); 8] = [
        |state| state.percent = percent(10),
        |state| state.since = UnixMillis(5),
        |state| state.attempt += 1,
        |state| state.epoch += 1,
        |state| state.in_force = percent(10),
        |state| state.phase = Phase::Ramping,
        |state| state.retries += 1,
        |state| state.step_backs += 1,
    ];
    for (index, change) in news.into_iter().enumerate() {
        let mut after = before.clone();
        change(&mut after);
        assert!(after.is_reportable_change_from(&before) && before.is_reportable_change_from(&after), "{index}");
        assert!(!after.is_reportable_change_from(&after.clone()), "{index}");
    }
    assert!(RolloutState { lock: Some(lock), ..before.clone() }.is_reportable_change_from(&before));
    assert!(RolloutState { paused: Some(pause), ..before.clone() }.is_reportable_change_from(&before));
    let gathered = RolloutState { waited: Millis(5), judged_by: Some(7), ..before.clone() };
    assert!(!gathered.is_reportable_change_from(&before), "it gathers by itself");
}

#[test]
fn a_rollback_that_ends_the_guards_own_pause_waits_for_no_disk() {
    let bad = seen((30, 100), (0, 150));
    let holding = Canary { on_regression: OnRegression::Hold, ..canary() };
    let held = until_acted(&view(&holding), &at_share(40), &bad).next;
    assert!(held.paused.as_ref().is_some_and(|pause| pause.regression));
    let back = until_acted(&view(&canary()), &held, &seen((100, 100), (0, 150)));
    assert_eq!((back.next.in_force, &back.next.paused, &back.meanwhile), (Percent::ZERO, &None, &None));
}

#[test]
fn until_a_promotion_is_written_the_guard_has_seen_what_it_saw() {
    let (canary, before) = (canary(), at_share(25));
    let promoted = step(&view(&canary), &before, &Input::Tick(healthy()), NOW);
    let meanwhile = promoted.meanwhile.unwrap();
    assert_eq!((promoted.next.in_force, meanwhile.in_force, meanwhile.epoch), (percent(40), percent(25), before.epoch));
    assert!(meanwhile.analysis.step.seconds > before.analysis.step.seconds, "the tick is not lost");
}

#[test]
fn state_that_was_moved_goes_with_its_lock() {
    let canary = canary();
    let moved = |state: &RolloutState| step(&view(&canary), state, &Input::StateMoved, NOW).next;
    assert!(!moved(&at_share(40)).state_moved, "without a lock nothing is moved");
    let lock = Some(Lock { to: Percent::ZERO, at: NOW, actor: "bob".into(), reason: String::new() });
    let locked = RolloutState { lock, in_force: Percent::ZERO, ..at_share(40) };
    let next = moved(&locked);
    assert!(next.state_moved && next.is_reportable_change_from(&locked), "it is written");
    let kept: RolloutState = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
    assert!(kept.state_moved);
    let again = Input::Command {
        verb: RolloutCommand::Rollback { to: Percent::ZERO },
        actor: "ana".into(),
        reason: "again".into(),
    };
    assert!(step(&view(&canary), &next, &again, NOW).next.state_moved);
    let resume =
        Input::Command { verb: RolloutCommand::Resume { at: None }, actor: "ana".into(), reason: String::new() };
    let resumed = step(&view(&canary), &next, &resume, NOW).next;
    assert!(resumed.lock.is_none() && !resumed.state_moved);
}

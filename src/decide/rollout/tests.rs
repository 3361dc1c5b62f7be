//! What a step makes of its input, from a rollout's start to its end.

mod edges;
mod numbers;
mod traces;

use super::context::{Observation, RolloutContext};
use super::in_force::{in_force, share_reason};
use super::promotion::next_promotion;
use super::state::{Lock, OverallPhase, Phase, RolloutCommand, RolloutState};
use super::step::{Input, Step, step};
use crate::decide::event::{Action, Actor, DecisionKind, Regression};
use crate::decide::guard::Arms;
use crate::decide::guard::rule::Rule;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::policy::plain::{self, percent};
use crate::decide::policy::{Canary, Guard, Intent, OnRegression, Ramp};
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::window::Counts;
use crate::describe::command::{note, refusal};
use crate::describe::promotion::waiting_for;

pub(in crate::decide) fn canary() -> Canary {
    Canary {
        ramp: plain::ramp(&[10, 25, 40, 55, 70, 85, 100], Millis(1000)),
        guard: Guard { window: Millis(60_000), ..Guard::default() },
        ..plain::canary()
    }
}

fn view(canary: &Canary) -> RolloutContext<'_> {
    RolloutContext {
        name: "chat",
        canary,
        blocked: None,
        unwritable: None,
        writing: false,
        by_clock: false,
        generation: 1,
    }
}

/// A second with so many failures of so many requests on each arm, all answered at once.
fn seen(canary: (u64, u64), stable: (u64, u64)) -> Observation {
    let counts = |(failures, requests)| Counts { requests, failures };
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let arm = |(failures, requests): (u64, u64)| ArmTick::plain(requests as f64, failures as f64);
    let tick = Tick { seconds: 1.0, stable: arm(stable), canary: arm(canary), ..Tick::default() };
    Observation {
        tick: Some(tick),
        window: Arms { stable: counts(stable), canary: counts(canary) },
        ceiling_counts: counts(canary),
        canary_answers: Some(Ok(())),
        stable_answers: Some(true),
        ..Observation::default()
    }
}

/// Seconds like this one, until something is done about them; fails after a minute.
fn until_acted(view: &RolloutContext<'_>, state: &RolloutState, seen: &Observation) -> Step {
    let mut state = state.clone();
    for second in 1..60 {
        let step = step(view, &state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000)));
        if !step.events.is_empty() {
            return step;
        }
        state = step.next;
    }
    panic!("nothing was done: {state:?}");
}

fn healthy() -> Observation {
    seen((0, 100), (0, 900))
}

/// Why the share in force is what it is, in words.
fn reason(view: &RolloutContext<'_>, state: &RolloutState) -> String {
    crate::describe::in_force::reason(view.name, &share_reason(view, state))
}

fn command(verb: RolloutCommand) -> Input {
    Input::Command { verb, actor: "alice".to_owned(), reason: "test".to_owned() }
}

fn at_share(share: u16) -> RolloutState {
    let new = RolloutState::new(1, UnixMillis(0));
    RolloutState { phase: Phase::Ramping, percent: percent(share), in_force: percent(share), ..new }
}

const NOW: UnixMillis = UnixMillis(1_000_000);

#[test]
fn a_healthy_canary_climbs_every_stage_and_completes() {
    let canary = canary();
    let mut state = RolloutState::new(1, UnixMillis(0));
    let mut shares = Vec::new();
    for tick in 0..20 {
        state = step(&view(&canary), &state, &Input::Tick(healthy()), UnixMillis(tick * 1000)).next;
        if shares.last() != Some(&state.in_force) {
            shares.push(state.in_force);
        }
    }
    assert_eq!(shares, [10, 25, 40, 55, 70, 85, 100].map(percent));
    assert_eq!(state.phase, Phase::Completed);
}

#[test]
fn a_median_first_output_above_its_bound_holds_promotions_alone() {
    use crate::decide::guard::first_output::FirstOutputs;
    use crate::decide::guard::waiting::ResponseKind;
    let guard = Guard { max_first_output: Some(Millis(2000)), ..canary().guard };
    let canary = Canary { guard, ..canary() };
    let outputs = |millis: u64, count: u32| {
        let mut outputs = FirstOutputs::default();
        (0..count).for_each(|_| outputs.add(ResponseKind::Streamed, Millis(millis), false, Millis(2000)));
        outputs
    };
    let run = |share: u16, first_outputs: FirstOutputs| {
        let mut state = at_share(share);
        let seen = Observation { first_outputs, ..healthy() };
        for second in 1..30 {
            state = step(&view(&canary), &state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000))).next;
        }
        let holds = next_promotion(&view(&canary), &state, &seen, NOW.plus(Millis(30_000))).waiting_for;
        (state.in_force, waiting_for("chat", &holds))
    };
    let slow = "the canary's median first output to fall to 2s (30 of 30 took longer)".to_owned();
    assert_eq!(run(25, outputs(2001, 30)), (percent(25), slow), "held, and never taken back");
    let few = "more first outputs of the canary, to know their median (5 of 20; at most 2s)".to_owned();
    assert_eq!(run(25, outputs(1, 5)), (percent(25), few));
    assert_eq!(run(25, outputs(2000, 30)).0, percent(100));
    // Completion moves no user.
    assert_eq!(run(100, outputs(9000, 30)), (percent(100), String::new()));
    assert_eq!(run(10, FirstOutputs::default()).0, percent(10));
}

#[test]
fn promotions_beyond_half_wait_for_a_stable_that_could_take_everybody_back() {
    use crate::decide::rollback_ready::NotReady;
    let run = |rollback_ready: bool, not_ready: &[NotReady]| {
        let canary = Canary { guard: Guard { rollback_ready, ..canary().guard }, ..canary() };
        let mut state = RolloutState::new(1, UnixMillis(0));
        let seen = Observation { not_ready: not_ready.into(), ..healthy() };
        for second in 1..60 {
            state = step(&view(&canary), &state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000))).next;
        }
        let holds = next_promotion(&view(&canary), &state, &seen, NOW.plus(Millis(60_000))).waiting_for;
        (state.in_force, waiting_for("chat", &holds))
    };
    let told = "stable to be able to take everybody back: it answers no requests now".to_owned();
    assert_eq!(run(true, &[NotReady::Down]), (percent(40), told), "the next stage is 55%");
    assert_eq!(run(false, &[NotReady::Down]), (percent(100), String::new()));
    assert_eq!(run(true, &[]), (percent(100), String::new()));
    // Completion moves no user, and a rollback is never held.
    let guard = canary().guard;
    let mut state = at_share(100);
    let seen = Observation { not_ready: [NotReady::Down].as_slice().into(), ..healthy() };
    for second in 1..30 {
        state = step(&view(&canary()), &state, &Input::Tick(seen.clone()), NOW.plus(Millis(second * 1000))).next;
    }
    assert_eq!((guard.rollback_ready, state.phase), (true, Phase::Completed));
}

#[test]
fn a_rollback_wins_over_a_promotion_that_is_due() {
    let canary = canary();
    let mut state = at_share(25);
    let bad = seen((50, 100), (0, 900));
    // The step is over when the evidence is complete: it is held up by the doubt before that.
    let step = until_acted(&view(&canary), &state, &bad);
    assert_eq!((step.next.in_force, step.events.len()), (Percent::ZERO, 1));
    assert_eq!((step.events[0].actor.as_str(), &step.events[0].action), ("guard", &Action::Rollback));
    let decision = step.events[0].decision().unwrap();
    assert_eq!((decision.decided, decision.canary.rate), (DecisionKind::Alarm(Rule::Worse), Some(0.5)));
    state.lock = Some(Lock { to: percent(5), at: NOW, actor: "bob".into(), reason: String::new() });
    state.in_force = percent(5);
    let locked = until_acted(&view(&canary), &state, &bad).next;
    assert_eq!((locked.in_force, locked.lock.is_some()), (Percent::ZERO, true), "a lock does not keep the guard away");
}

#[test]
fn the_guard_takes_back_pinned_and_completed_rollouts_as_well() {
    let bad = seen((50, 100), (0, 100));
    let pinned = Canary { percent: Intent::Pinned(percent(30)), rollback_to: percent(2), ..canary() };
    let before = step(&view(&pinned), &RolloutState::new(1, NOW), &Input::PolicyChanged { fresh: false }, NOW).next;
    assert_eq!(before.in_force, percent(30));
    let back = until_acted(&view(&pinned), &before, &bad).next;
    assert_eq!(back.in_force, percent(2));
    assert!(reason(&view(&pinned), &back).contains("although the file has percent: 30%: "), "a pinned percent says so");
    let completed = RolloutState { phase: Phase::Completed, ..at_share(100) };
    let alone = seen((50, 100), (0, 0));
    let confirming = until_acted(&view(&canary()), &completed, &alone);
    assert_eq!(confirming.events[0].action, Action::Confirm, "at 100% stable is given half to compare with");
    assert_eq!(confirming.next.in_force, percent(50));
    assert_eq!(until_acted(&view(&canary()), &confirming.next, &bad).next.in_force, Percent::ZERO);
}

#[test]
fn locks_blocks_and_rollbacks_only_ever_lower_the_share() {
    let canary = Canary { percent: Intent::Pinned(Percent::ZERO), rollback_to: percent(5), ..canary() };
    let phase = Phase::RolledBack { at: NOW, cause: Regression::Text(String::new()), emptied: false };
    let lock = Some(Lock { to: percent(20), at: NOW, actor: "alice".into(), reason: String::new() });
    let state = RolloutState { phase, lock, ..at_share(50) };
    // `percent: 0` is everybody back on stable, whatever happened before.
    assert_eq!(in_force(&view(&canary), &state).percent, Percent::ZERO);
    let higher = step(&view(&canary), &at_share(0), &command(RolloutCommand::Rollback { to: percent(50) }), NOW);
    assert_eq!(higher.next.in_force, Percent::ZERO);
    assert_eq!(
        higher.notes.iter().map(|entry| note("chat", entry)).collect::<Vec<_>>(),
        ["`chat` stays at 0%: a rollback never raises the share"]
    );
}

#[test]
fn a_lock_says_who_why_and_what_lifts_it() {
    let pinned = Canary { percent: Intent::Pinned(percent(30)), ..canary() };
    let locked =
        step(&view(&pinned), &at_share(30), &command(RolloutCommand::Rollback { to: Percent::ZERO }), NOW).next;
    let (effective, reason) = (in_force(&view(&pinned), &locked), reason(&view(&pinned), &locked));
    assert_eq!(
        (effective.percent, effective.phase, effective.buckets_only),
        (Percent::ZERO, OverallPhase::Locked, true)
    );
    assert_eq!(
        reason,
        "rolled back to 0% by alice (test), although the file has percent: 30%; only `serin resume chat` lifts it"
    );
}

#[test]
fn the_api_and_the_file_of_one_rollback_are_one_event() {
    let canary = canary();
    let first = step(&view(&canary), &at_share(40), &command(RolloutCommand::Rollback { to: Percent::ZERO }), NOW).next;
    let lock = Lock { to: Percent::ZERO, at: NOW, actor: "alice".into(), reason: "test".into() };
    let found = step(&view(&canary), &first, &Input::LockFound(lock), NOW.plus(Millis(50)));
    assert_eq!((found.events.len(), &found.next), (0, &first));
    let again =
        step(&view(&canary), &first, &command(RolloutCommand::Rollback { to: Percent::ZERO }), NOW.plus(Millis(90)));
    assert_eq!(again.events.len(), 0);
}

#[test]
fn resume_begins_again_at_the_start_or_where_it_is_told() {
    let canary = canary();
    let phase = Phase::RolledBack { at: NOW, cause: Regression::Text("50% failed".into()), emptied: false };
    let back = RolloutState { phase, in_force: Percent::ZERO, ..at_share(70) };
    let resumed = step(&view(&canary), &back, &command(RolloutCommand::Resume { at: None }), NOW);
    assert_eq!((&resumed.next.phase, resumed.next.in_force), (&Phase::Probing, Percent::ZERO));
    let started = step(&view(&canary), &resumed.next, &Input::Tick(healthy()), NOW);
    assert_eq!(started.next.in_force, percent(10));
    let after_resume = step(&view(&canary), &back, &command(RolloutCommand::Resume { at: Some(percent(40)) }), NOW);
    assert_eq!((&after_resume.next.phase, after_resume.next.in_force), (&Phase::Ramping, percent(40)));
}

#[test]
fn resume_of_a_pause_keeps_the_share() {
    let canary = canary();
    let paused = step(&view(&canary), &at_share(40), &command(RolloutCommand::Pause), NOW).next;
    assert_eq!(step(&view(&canary), &paused, &Input::Tick(healthy()), NOW).next.in_force, percent(40));
    let resumed = step(&view(&canary), &paused, &command(RolloutCommand::Resume { at: None }), NOW).next;
    assert_eq!(resumed.in_force, percent(40));
    assert_eq!(step(&view(&canary), &resumed, &Input::Tick(healthy()), NOW).next.in_force, percent(55));
}

#[test]
fn a_higher_attempt_begins_a_new_try_and_lifts_no_human_lock() {
    let next = Canary { attempt: 2, ..canary() };
    let phase = Phase::RolledBack { at: NOW, cause: Regression::Text(String::new()), emptied: false };
    let back = RolloutState { phase, in_force: Percent::ZERO, ..at_share(70) };
    let begun = step(&view(&next), &back, &Input::PolicyChanged { fresh: false }, NOW);
    assert_eq!((&begun.next.phase, begun.next.attempt), (&Phase::Probing, 2));
    let lock = Some(Lock { to: Percent::ZERO, at: NOW, actor: "alice".into(), reason: String::new() });
    let locked = step(&view(&next), &RolloutState { lock, ..back }, &Input::PolicyChanged { fresh: false }, NOW).next;
    assert_eq!(step(&view(&next), &locked, &Input::Tick(healthy()), NOW).next.in_force, Percent::ZERO);
}

#[test]
fn only_time_and_humans_go_on_and_only_towards_the_canary() {
    let goes_on = |state: &RolloutState, input: &Input| step(&view(&canary()), state, input, NOW).meanwhile.is_some();
    let lock = Lock { to: Percent::ZERO, at: NOW, actor: "bob".into(), reason: String::new() };
    let locked = RolloutState { lock: Some(lock.clone()), in_force: Percent::ZERO, ..at_share(40) };
    let promote = command(RolloutCommand::Promote { to: None });
    let resume = command(RolloutCommand::Resume { at: None });
    for (state, input) in [(at_share(25), &promote), (at_share(25), &Input::Tick(healthy())), (locked, &resume)] {
        assert!(goes_on(&state, input), "{input:?}");
    }
    assert!(goes_on(&at_share(100), &Input::Tick(healthy())), "completion");
    let back = Phase::RolledBack { at: NOW, cause: Regression::Text("x".into()), emptied: false };
    let back = RolloutState { phase: back, in_force: Percent::ZERO, ..at_share(40) };
    assert!(goes_on(&back, &resume));
    let bad = Input::Tick(seen((50, 100), (0, 900)));
    let rollback = command(RolloutCommand::Rollback { to: Percent::ZERO });
    for input in
        [bad, rollback, Input::LockFound(lock), command(RolloutCommand::Pause), Input::PolicyChanged { fresh: true }]
    {
        assert!(!goes_on(&at_share(25), &input), "{input:?}");
    }
    // The next start reads the same file.
    let next = Canary { attempt: 2, percent: Intent::Pinned(percent(50)), ..canary() };
    let tried = step(&view(&next), &back, &Input::PolicyChanged { fresh: false }, NOW);
    assert_eq!((tried.next.in_force, tried.meanwhile), (percent(50), None));
}

#[test]
fn a_wall_clock_that_jumps_neither_promotes_nor_holds_up() {
    let canary = Canary { try_again_after: Some(Millis(3000)), ..canary() };
    let quiet = Observation { canary_answers: Some(Ok(())), ..Observation::default() };
    let year = Millis(365 * 86_400_000);
    // Ahead by a year, without a second that was watched: nothing is due.
    let far = step(&view(&canary), &at_share(10), &Input::Tick(quiet.clone()), NOW.plus(year)).next;
    assert_eq!(far.in_force, percent(10));
    // Back by a year: a second that was watched is one.
    let near = step(&view(&canary), &far, &Input::Tick(healthy()), NOW).next;
    assert_eq!(near.in_force, percent(25));
    let phase = Phase::RolledBack { at: NOW, cause: Regression::Text(String::new()), emptied: false };
    let back = RolloutState { phase, in_force: Percent::ZERO, ..at_share(70) };
    let waits = step(&view(&canary), &back, &Input::Tick(quiet), NOW.plus(year)).next;
    assert!(matches!(waits.phase, Phase::RolledBack { .. }), "no retry by a clock that jumps");
    let mut state = waits;
    let mut seconds = 0;
    while matches!(state.phase, Phase::RolledBack { .. }) {
        seconds += 1;
        state = step(&view(&canary), &state, &Input::Tick(healthy()), NOW).next;
    }
    assert_eq!((seconds, state.retries), (3, 1));
}

#[test]
fn each_wait_is_four_times_as_long_and_the_fourth_never_ends() {
    let canary = Canary { try_again_after: Some(Millis(2000)), ..canary() };
    let phase = Phase::RolledBack { at: NOW, cause: Regression::Text(String::new()), emptied: false };
    let mut state = RolloutState { phase: phase.clone(), in_force: Percent::ZERO, ..at_share(70) };
    let mut waits = Vec::new();
    for _ in 0..4 {
        let waited = (1..200).find(|_| {
            state = step(&view(&canary), &state, &Input::Tick(seen((0, 0), (0, 100))), NOW).next;
            state.phase == Phase::Probing
        });
        waits.push(waited);
        state.phase = phase.clone();
        state.waited = Millis(0);
    }
    assert_eq!(waits, [Some(2), Some(8), Some(32), None]);
    assert!(reason(&view(&canary), &state).contains("it was retried 3 times"));
}

#[test]
fn a_regression_pauses_or_goes_one_stage_back_where_the_file_says_so() {
    let bad = seen((30, 100), (0, 150));
    let holding = Canary { on_regression: OnRegression::Hold, ..canary() };
    let held = until_acted(&view(&holding), &at_share(40), &bad);
    assert_eq!((held.next.in_force, &held.events[0].action), (percent(40), &Action::Hold));
    assert!(held.next.paused.as_ref().is_some_and(|pause| pause.regression && pause.actor == "guard"));
    let on = step(&view(&holding), &held.next, &Input::Tick(bad.clone()), NOW);
    assert!(on.events.is_empty() && on.next.in_force == percent(40), "told once, and nothing moves");
    let resumed = step(&view(&holding), &held.next, &command(RolloutCommand::Resume { at: None }), NOW).next;
    assert!(resumed.paused.is_none() && resumed.analysis.step.seconds == 0.0, "judged anew");

    let stages = [5, 10, 20, 30, 40].map(percent).to_vec();
    let ramp = Ramp { stages, ..canary().ramp };
    let stepping = Canary { on_regression: OnRegression::StepBack, ramp, ..canary() };
    let mut state = at_share(40);
    let mut shares = Vec::new();
    for _ in 0..4 {
        let step = until_acted(&view(&stepping), &state, &bad);
        shares.push((step.events[0].action.to_string(), step.next.in_force));
        state = step.next;
    }
    let back = |share| ("step_back".to_owned(), percent(share));
    assert_eq!(shares, [back(30), back(20), back(10), ("rollback".to_owned(), Percent::ZERO)]);
    let down = until_acted(&view(&stepping), &at_share(40), &seen((100, 100), (0, 150)));
    assert_eq!(down.events[0].action, Action::Rollback, "a canary that is down is rolled back all the same");
}

#[test]
fn what_both_fail_at_moves_nobody() {
    let canary = canary();
    let mut state = at_share(40);
    for _ in 0..300 {
        let step = step(&view(&canary), &state, &Input::Tick(seen((50, 100), (75, 150))), NOW);
        assert!(step.events.is_empty(), "{:?}", step.events);
        state = step.next;
    }
    let ahead = waiting_for("chat", &next_promotion(&view(&canary), &state, &Observation::default(), NOW).waiting_for);
    assert!(ahead.contains("stable to recover from its incident"), "{ahead}");
}

#[test]
fn without_writable_state_the_ramp_follows_the_clock() {
    let mut canary = canary();
    canary.ramp.from = Some(NOW);
    let view = RolloutContext { by_clock: true, unwritable: Some("read-only"), ..view(&canary) };
    let at = |state: &RolloutState, later| step(&view, state, &Input::Tick(healthy()), NOW.plus(Millis(later))).next;
    let started = at(&RolloutState::new(1, NOW), 2500);
    assert_eq!(started.in_force, percent(40));
    let end = at(&started, 7000);
    assert_eq!((end.in_force, &end.phase), (Percent::ALL, &Phase::Completed));
    // The guard watches all the same: stable has no traffic, but it answers probes.
    let mut dead = seen((100, 100), (0, 0));
    dead.tick.as_mut().unwrap().stable_probes = (1.0, 0.0);
    let mut state = end;
    (7..12).for_each(|second| {
        state = step(&view, &state, &Input::Tick(dead.clone()), NOW.plus(Millis(second * 1000))).next;
    });
    assert_eq!(state.in_force, Percent::ZERO);
}

#[test]
fn commands_that_make_no_sense_say_what_does() {
    let refused = |canary: &Canary, state: &RolloutState, verb: RolloutCommand| {
        let Step { refused, next, .. } = step(&view(canary), state, &command(verb), NOW);
        assert_eq!(&next, state);
        refusal("chat", &refused.unwrap())
    };
    let to = |share| RolloutCommand::Promote { to: Some(percent(share)) };
    let pinned = Canary { percent: Intent::Pinned(percent(25)), ..canary() };
    let capped = Canary { ramp: Ramp { max: percent(50), ..canary().ramp }, ..canary() };
    let lock = Some(Lock { to: Percent::ZERO, at: NOW, actor: "bob".into(), reason: String::new() });
    let locked = RolloutState { lock, in_force: Percent::ZERO, ..at_share(40) };
    assert_eq!(
        refused(&pinned, &RolloutState { in_force: percent(25), ..at_share(0) }, RolloutCommand::Promote { to: None }),
        "flags.yaml pins `chat` at 25%: edit `percent` there (promote to a share works with percent: auto)"
    );
    assert_eq!(
        refused(&capped, &at_share(40), to(60)),
        "`chat` may not go above ramp.max 50%: raise it in flags.yaml first"
    );
    assert_eq!(
        refused(&canary(), &at_share(100), RolloutCommand::Promote { to: None }),
        "`chat` is at 100%, the end of its ramp"
    );
    assert_eq!(
        refused(&canary(), &at_share(40), to(20)),
        "`chat` is at 40% already; `serin resume chat --at 20%` moves the ramp back to 20%, `serin rollback chat --to \
         20%` locks it there"
    );
    assert_eq!(refused(&canary(), &locked, to(60)), "`chat` was rolled back; `serin resume chat --at P` sets a share");
}

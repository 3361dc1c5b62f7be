//! What must hold for any trace of inputs.
//!
//! Any sequence of ticks, commands, lock files and edits is played against one rollout, and every step is judged from
//! outside. Invariant: the same trace gives the same steps.

use proptest::prelude::*;

use super::*;
use crate::decide::rollout::{ramp, retry_after_rollback};

fn any_share() -> impl Strategy<Value = Percent> {
    (0_u16..=10_000).prop_map(|share| Percent::from_hundredths(share).unwrap())
}

fn any_input() -> impl Strategy<Value = Move> {
    let counts = || (0_u64..300, 0_u64..100).prop_map(|(n, part)| (n * part / 100, n));
    let tick = (counts(), counts(), any::<bool>(), any::<Option<bool>>(), 0_u32..10).prop_map(
        |(canary, stable, probed, stable_answers, slept)| {
            let canary_answers = probed.then_some(Ok(()));
            let seen =
                Observation { canary_answers, stable_answers, was_suspended: slept == 0, ..seen(canary, stable) };
            Move::Do(Input::Tick(seen))
        },
    );
    prop_oneof![
        6 => tick,
        4 => Just(Move::Do(Input::Tick(healthy()))),
        1 => any_share().prop_map(|to| Move::Do(command(RolloutCommand::Rollback { to }))),
        1 => any_share().prop_map(|to| Move::Do(Input::LockFound(
            Lock { to, at: NOW, actor: "cli".into(), reason: String::new() }))),
        1 => prop::option::of(any_share()).prop_map(|at| Move::Do(command(RolloutCommand::Resume { at }))),
        1 => prop::option::of(any_share()).prop_map(|to| Move::Do(command(RolloutCommand::Promote { to }))),
        1 => Just(Move::Do(command(RolloutCommand::Pause))),
        1 => prop::option::of(any_share()).prop_map(Move::Percent),
        1 => any_share().prop_map(Move::Max),
        1 => Just(Move::Attempt),
        1 => any::<bool>().prop_map(Move::Block),
    ]
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a test")]
enum Move {
    Do(Input),
    Percent(Option<Percent>),
    Max(Percent),
    Attempt,
    Block(bool),
}

/// What a move may not do, judged from outside.
#[expect(clippy::cast_precision_loss, reason = "times and counts of a test")]
fn check(canary: &Canary, blocked: bool, before: &RolloutState, input: &Input, after: &Step) {
    let next = &after.next;
    assert!(next.in_force <= canary.ramp.max);
    assert!(!blocked || next.in_force == Percent::ZERO);
    assert!(after.events.iter().all(|event| event.to == next.in_force && event.from == before.in_force));
    assert!(next.in_force == before.in_force || !after.events.is_empty(), "a change that nobody is told of");
    assert!(next.epoch > before.epoch || next.in_force == before.in_force, "evidence outlives its share");
    assert_eq!(
        next.in_force,
        in_force(&RolloutContext { blocked: blocked.then_some("x"), ..view(canary) }, next).percent
    );
    for event in after.events.iter().filter(|event| event.actor == Actor::Guard) {
        let back = event.action.answers_regression() || event.action == Action::Confirm;
        assert!(!back || event.to <= event.from, "a canary that was found bad has more users: {event:?}");
        assert!(!back || after.meanwhile.is_none(), "and that waits for no disk: {event:?}");
    }
    let resumed = matches!(input, Input::Command { verb: RolloutCommand::Resume { .. }, .. });
    assert!(before.lock.is_none() || next.lock.is_some() || resumed, "only resume lifts a lock");
    if let Phase::RolledBack { .. } = before.phase {
        let watched = if let Input::Tick(Observation { tick: Some(tick), .. }) = input { tick.seconds } else { 0.0 };
        let again = retry_after_rollback::pause_before_retry(canary, before)
            .is_some_and(|pause| before.waited.0 as f64 + watched * 1000.0 >= pause.0 as f64);
        assert!(
            next.retries <= before.retries + 1 && next.retries <= 3 && next.step_backs <= 3,
            "attempts are bounded"
        );
        let reopened = !matches!(next.phase, Phase::RolledBack { .. });
        assert!(!reopened || resumed || again || next.attempt > before.attempt, "reopened by {input:?}");
    }
    if let Input::Tick(seen) = input {
        // What a pin or a block hid may come back into sight; the ramp itself did not move then.
        let promoted = next.percent > before.percent;
        let watched = seen.tick.unwrap_or_default();
        if promoted && before.phase != Phase::Probing {
            assert!(before.lock.is_none() && before.paused.is_none() && canary.percent == Intent::Auto && !blocked);
            let answered = before.analysis.answered + watched.canary.answered;
            assert!(answered >= f64::from(canary.guard.min_requests), "promoted on {answered} answers");
            let hold = ramp::hold_time(&canary.ramp, before.percent).0 as f64 / 1000.0;
            assert!(before.analysis.step.seconds + watched.seconds >= hold - 1e-6);
            assert!(!next.analysis.baseline.in_incident(&canary.guard.constants), "promoted in an incident");
        }
    }
}

proptest! {
    #[test]
    fn no_trace_breaks_the_rules(
        moves in prop::collection::vec((any_input(), 0_u64..2500), 1..120),
        again in prop::option::of(1_u64..5000),
        on_regression in prop_oneof![
            Just(OnRegression::Rollback), Just(OnRegression::Hold), Just(OnRegression::StepBack)
        ],
        rollback_to in prop_oneof![3 => Just(Percent::ZERO), 1 => any_share()],
    ) {
        let mut canary =
            Canary { try_again_after: again.map(Millis), on_regression, rollback_to, ..canary() };
        canary.guard.constants.confirm_seconds = 5.0;
        let (mut state, mut now, mut blocked) = (RolloutState::new(1, NOW), NOW, false);
        for (next, passed) in moves {
            now = now.plus(Millis(passed));
            let input = match next {
                Move::Do(input) => input,
                Move::Percent(share) => {
                    canary.percent = share.map_or(Intent::Auto, Intent::Pinned);
                    Input::PolicyChanged { fresh: false }
                }
                Move::Max(max) => {
                    canary.ramp.max = max;
                    Input::PolicyChanged { fresh: true }
                }
                Move::Attempt => {
                    canary.attempt += 1;
                    Input::PolicyChanged { fresh: false }
                }
                Move::Block(now_blocked) => {
                    blocked = now_blocked;
                    Input::Tick(Observation::default())
                }
            };
            let view = RolloutContext { blocked: blocked.then_some("x"), ..view(&canary) };
            let after = step(&view, &state, &input, now);
            check(&canary, blocked, &state, &input, &after);
            if let Some(meanwhile) = &after.meanwhile {
                // What the guard makes of it where nothing may go on.
                let watched = step(&RolloutContext { writing: true, ..view }, &state, &input, now).next;
                let reportable = watched.is_reportable_change_from(&state) || !matches!(input, Input::Tick(_));
                prop_assert_eq!(&**meanwhile, if reportable { &state } else { &watched });
            }
            prop_assert_eq!(&after, &step(&view, &state, &input, now), "the same trace gives the same steps");
            state = after.next;
        }
    }
}

//! Golden numbers: `tests/golden/guard/rule.json`, what an independent implementation of the rule says, tick by tick.
//!
//! The parts are replayed one by one. Whole rollouts are replayed through [`step`], the same that production and the
//! simulation run, with a stable that answers probes and a canary that answers everything it was sent. There a retry
//! begins at the ramp's first stage at once; here it takes a probe, which the replay gives between two ticks.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::aspect::Aspect;
use super::constants::Constants;
use super::numbers::wilson;
use super::relative::{Comparison, Elapsed, EventCounts, RelativeDetector};
use super::slow::SlowThreshold;
use super::tick::{ArmTick, Tick};
use super::user_cap::UserCap;
use crate::decide::policy::{Canary, Guard, SlowRule};
use crate::decide::rollout::context::{Observation, RolloutContext};
use crate::decide::rollout::state::{Phase, RolloutState};
use crate::decide::rollout::step::{Input, Step, step};
use crate::decide::rollout::tests::canary;
use crate::decide::units::{Millis, Percent, Slot, UnixMillis};

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/guard/rule.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// A number; null is minus infinity.
fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NEG_INFINITY } else { value.as_f64().unwrap() }
}

fn is_close(got: f64, wanted: f64) -> bool {
    got == wanted || (got - wanted).abs() <= 1e-9 + 1e-9 * wanted.abs()
}

fn expect(got: f64, wanted: &Value, place: &str) {
    assert!(is_close(got, number(wanted)), "{place}: {got} is not {wanted}");
}

#[test]
fn wilsons_interval() {
    for row in list(&golden()["wilson_upper"]) {
        let [events, requests, z] = [0, 1, 2].map(|at| number(&row[at]));
        expect(wilson(events, requests, z).1, &row[3], &row.to_string());
    }
}

#[test]
fn the_pauses_of_users() {
    let golden = &golden()["user_cap"];
    let mut cap = UserCap::of_size(usize::try_from(golden["slots"].as_u64().unwrap()).unwrap());
    for row in list(&golden["events"]) {
        let user = Slot::of(u16::try_from(row[0].as_u64().unwrap()).unwrap());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "half seconds")]
        let now = Millis((number(&row[1]) * 1000.0) as u64);
        let got = if row[2] == "error" { cap.event(user, now).is_some() } else { cap.counts(user, now) };
        assert_eq!(got, row[3].as_bool().unwrap(), "{row}");
    }
}

#[test]
fn the_threshold_of_slowness() {
    let rule = SlowRule::default();
    let mut threshold = SlowThreshold::default();
    for row in list(&golden()["slow_threshold"]["events"]) {
        let latency = number(&row[0]);
        assert_eq!(threshold.is_slow(&rule, latency), row[2].as_bool().unwrap(), "{row}");
        if row[1] == "old" {
            threshold.learn(&rule, latency);
        }
        expect(threshold.log_quantile(), &row[3], &row.to_string());
    }
}

#[test]
fn the_relative_detector() {
    let constants = Constants::default();
    let mut checked = 0;
    for case in list(&golden()["relative_detector"]) {
        let interval = number(&case["params"]["step_interval"]);
        let comparison = Comparison { tolerated_ratio: 1.25, patience: 1.0, horizon: 7.0 * interval };
        let mut detector = RelativeDetector::new(&constants);
        for (index, tick) in list(&case["ticks"]).iter().enumerate() {
            let place = format!("{} tick {index}", case["name"]);
            let given = &tick["in"];
            let [seconds, nominal, stable, stable_events, canary, canary_events, mass] =
                [0, 1, 2, 3, 4, 5, 6].map(|at| number(&given[at]));
            detector.add_mass(mass);
            if given[7].as_bool().unwrap() {
                detector.forget_share();
            }
            let labels = EventCounts { stable, stable_events, canary, canary_events };
            let evidence =
                detector.update(&constants, &comparison, &Elapsed::new(&constants, seconds), nominal, &labels);
            expect(evidence.ln(), &tick["log_evidence"], &place);
            expect(detector.share(&constants, nominal), &tick["pi"], &place);
            let (evidence, tokens) = detector.numbers();
            for (k, (evidence, tokens)) in evidence.into_iter().zip(tokens).enumerate() {
                expect(evidence.ln(), &tick["log_r"][k], &place);
                expect(tokens, &tick["tokens"][k], &place);
                checked += 2;
            }
        }
    }
    assert!(checked > 1000, "{checked}");
}

/// The rollout of a case: seven stages of equal length, tried again after its cool-down.
fn rollout(params: &Value) -> Canary {
    let millis = |name: &str| Millis(params[name].as_u64().or(params[name].as_f64().map(whole)).unwrap() * 1000);
    let mut canary = canary();
    let constants = Constants {
        confirm_seconds: number(&params["confirm_seconds"]),
        retry_factor: number(&params["cooldown_factor"]),
        most_retries: params["max_retries"].as_u64().map_or(3, |most| u32::try_from(most).unwrap()),
        ..Constants::default()
    };
    canary.guard = Guard { constants, ..Guard::default() };
    (canary.ramp.hold_start, canary.ramp.every) = (millis("step_interval"), millis("step_interval"));
    canary.try_again_after = Some(millis("cooldown"));
    canary
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

fn observation(row: &Value) -> (Observation, u64) {
    let [seconds, stable_ok, stable_failures, canary_ok, canary_failures] = [0, 1, 2, 3, 4].map(|at| number(&row[at]));
    let arm = |ok: f64, failures: f64| {
        let requests = (ok + failures).max(0.0);
        ArmTick { successes: ok, ..ArmTick { answered: requests, ..ArmTick::plain(requests, failures) } }
    };
    let (mut stable, mut canary) = (arm(stable_ok, stable_failures), arm(canary_ok, canary_failures));
    if let Some(given) = row.get(5) {
        (stable.successes, canary.successes, canary.connections_refused) =
            (number(given), number(&row[6]), number(&row[7]));
    }
    let tick = Tick { seconds, stable, canary, ..Tick::default() };
    let seen = Observation {
        tick: Some(tick),
        canary_answers: Some(Ok(())),
        stable_answers: Some(true),
        ..Observation::default()
    };
    (seen, whole(seconds) * 1000)
}

/// What happened, in the words of the golden file.
fn texts(step: &Step) -> (String, String) {
    let Some(event) = step.events.last() else { return ("none".to_owned(), String::new()) };
    let rule = event.decision().and_then(|decision| decision.decided.rule());
    let action = match event.action.as_str() {
        "confirmed" => "resume",
        action => action,
    };
    let reason = match (action, &step.next.phase) {
        ("rollback", _) => rule.map_or_else(String::new, |rule| rule.as_str().to_owned()),
        ("confirm", _) if step.next.analysis.rechecks > 0 => "recheck".to_owned(),
        ("confirm", _) => "above_reference".to_owned(),
        ("resume", _) => "not_worse".to_owned(),
        _ => String::new(),
    };
    (action.to_owned(), reason)
}

fn phase_name(state: &RolloutState, canary: &Canary) -> &'static str {
    match state.phase {
        Phase::Probing | Phase::Ramping => "canary",
        Phase::Confirming { .. } => "confirm",
        Phase::RolledBack { .. } if state.retries >= canary.guard.constants.most_retries => "failed",
        Phase::RolledBack { .. } => "rolled_back",
        Phase::Completed => "completed",
    }
}

#[test]
fn whole_rollouts() {
    let golden = golden();
    let mut checked = 0;
    for case in list(&golden["controller"]["cases"]) {
        let canary = rollout(&case["params"]);
        let view = RolloutContext {
            name: "chat",
            canary: &canary,
            blocked: None,
            unwritable: None,
            writing: false,
            by_clock: false,
            generation: 1,
        };
        let mut now = UnixMillis(1_700_000_000_000);
        let probed = Input::Tick(Observation { canary_answers: Some(Ok(())), ..Observation::default() });
        let mut state = step(&view, &RolloutState::new(1, now), &probed, now).next;
        assert_eq!(state.in_force, Percent::from_hundredths(1000).unwrap());
        let mut expected = list(&case["expect"]).iter().peekable();
        for (index, row) in list(&case["ticks"]).iter().enumerate() {
            let place = format!("{} tick {index}", case["name"]);
            let (seen, passed) = observation(row);
            now = now.plus(Millis(passed));
            let rested = matches!(state.phase, Phase::RolledBack { .. } | Phase::Completed);
            let mut after = step(&view, &state, &Input::Tick(seen.clone()), now);
            let (action, reason) = texts(&after);
            let analysis = after.next.analysis.clone();
            if action == "retry" {
                after = step(&view, &after.next, &probed, now);
            }
            let wanted = expected.next_if(|wanted| wanted[0] == index);
            let Some(wanted) = wanted else {
                assert_eq!(action, "none", "{place}");
                state = after.next;
                continue;
            };
            // Why nothing moves is compared by what moves in the end.
            let wanted_action = if wanted[1] == "hold" { "none" } else { wanted[1].as_str().unwrap() };
            assert_eq!(action, wanted_action, "{place}: {:?}", after.events);
            if wanted_action != "none" {
                assert_eq!(reason, wanted[2].as_str().unwrap(), "{place}");
            }
            assert_eq!(phase_name(&after.next, &canary), wanted[3].as_str().unwrap(), "{place}");
            expect(after.next.in_force.as_f64() / 100.0, &wanted[4], &place);
            // At rest nothing is gathered.
            if !rested && action != "retry" {
                expect(analysis.detector(Aspect::Failing).evidence().ln(), &wanted[5], &place);
                let result = analysis.result(&canary.guard, state.tries());
                expect(result.of(Aspect::Failing).floor, &wanted[6], &place);
                expect(analysis.canary_run().evidence(), &wanted[7], &place);
                checked += 3;
                // These belong to the share, which an action may have changed.
                if action != "none" {
                    state = after.next;
                    continue;
                }
                expect(result.suspicion, &wanted[8], &place);
                let share = state.in_force.as_f64() / 100.0;
                expect(analysis.detector(Aspect::Failing).share(&canary.guard.constants, share), &wanted[9], &place);
                checked += 2;
            }
            checked += 1;
            state = after.next;
        }
        assert!(expected.next().is_none(), "{}", case["name"]);
        assert_eq!(phase_name(&state, &canary), case["final_state"].as_str().unwrap(), "{}", case["name"]);
    }
    assert!(checked > 3000, "{checked}");
}

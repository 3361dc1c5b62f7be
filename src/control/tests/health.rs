//! Breakers in the history and the status, and requests that canaries refuse.

use std::sync::Arc;

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::evidence::rejections::MAX_INCOMPATIBILITIES;
use crate::control::now::Now;
use crate::decide::breaker::{AttemptSignal, BreakerPhase};
use crate::decide::event::{Action, Event};
use crate::decide::incompatibility::Incompatibility;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{BreakerRule, Canary, Intent, Policy, Provider};
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::{Arm, Millis, ProviderId, RolloutId, Slot, UnixMillis};
use crate::describe::event::reason;
use crate::describe::incompatibility::sentence;
use crate::state::counters::Core;
use crate::state::inbox::{Command, Rejection};
use crate::state::provider::{ProviderAdmission, ProviderState};
use crate::state::status::{BreakerStatus, FallbackStatus, IncompatibilityStatus};

const RULE: BreakerRule = BreakerRule { failures: 3, open_for: Millis(60_000) };
const NEW: ProviderId = ProviderId(1);

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

/// `chat` with a canary that has a breaker, edited.
fn file(edit: impl FnOnce(&mut Provider)) -> Policy {
    let pinned = Canary { percent: Intent::Pinned(percent(25)), ..canary() };
    let mut policy = one(pinned);
    let canary = Arc::make_mut(&mut policy.providers[1]);
    canary.breaker = Some(RULE);
    edit(canary);
    policy
}

fn engine() -> Engine {
    let mut engine = Engine::new(bootstrap(file(|_| {}), Vec::new()), at(0));
    engine.outbox.events.clear();
    engine
}

fn health(engine: &Engine) -> Arc<ProviderState> {
    Arc::clone(engine.shared.load().provider(NEW))
}

fn fail(engine: &Engine, now: u64) {
    for _ in 0..RULE.failures {
        health(engine).end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, Millis(now));
    }
}

fn probe(engine: &Engine, verdict: AttemptSignal, now: u64) {
    let ProviderAdmission::Probe(ticket) = health(engine).admits(Some(&RULE), Millis(now)) else {
        unreachable!("it is due")
    };
    health(engine).end_attempt(Some(&RULE), None, Some(ticket), verdict, Millis(now));
}

fn breaker(engine: &Engine) -> Option<BreakerStatus> {
    engine.status.load().providers[1].breaker
}

fn stands(state: BreakerPhase, failures: u32, open_until: Option<UnixMillis>) -> BreakerStatus {
    BreakerStatus { state, failures, open_until, unreachable: false }
}

fn events(engine: &mut Engine) -> Vec<String> {
    let reported = |event: Event| format!("{} {}: {}", event.actor, event.action, reason(&event));
    engine.outbox.events.drain(..).map(reported).collect()
}

#[test]
fn a_breaker_outlives_reloads_until_it_is_another_provider() {
    let mut engine = engine();
    let first = health(&engine);
    fail(&engine, 100);
    engine.flags_read(read(file(|provider| provider.max_connections = 7)), at(200));
    assert!(Arc::ptr_eq(&first, &health(&engine)));
    assert_eq!(breaker(&engine).unwrap().state, BreakerPhase::Open);
    let mut moved = file(|_| {});
    moved.providers.insert(0, Arc::new(provider("third", "c.test")));
    for rollout in &mut moved.rollouts {
        let rollout = Arc::make_mut(rollout);
        rollout.stable = ProviderId(1);
        rollout.canary = rollout.canary.take().map(|canary| Canary { provider: ProviderId(2), ..canary });
    }
    engine.flags_read(read(moved), at(300));
    assert!(Arc::ptr_eq(&first, engine.shared.load().provider(ProviderId(2))), "wherever it stands in the file");
    engine.flags_read(read(file(|provider| provider.base_url.host = "elsewhere.test".to_owned())), at(400));
    assert!(!Arc::ptr_eq(&first, &health(&engine)));
    assert_eq!(breaker(&engine).unwrap().state, BreakerPhase::Closed);
}

#[test]
fn a_breaker_that_is_turned_off_forgets() {
    let mut engine = engine();
    fail(&engine, 100);
    engine.flags_read(read(file(|provider| provider.breaker = None)), at(200));
    assert_eq!(breaker(&engine), None);
    engine.flags_read(read(file(|_| {})), at(300));
    assert_eq!(breaker(&engine), Some(stands(BreakerPhase::Closed, 0, None)));
}

#[test]
fn opening_and_closing_are_recorded_and_a_flapping_breaker_once_in_ten_minutes() {
    let mut engine = engine();
    engine.tick(at(100));
    assert_eq!(events(&mut engine), Vec::<String>::new());
    fail(&engine, 200);
    engine.tick(at(300));
    let open = "breaker open: the breaker of holysheep is open after 3 failures in a row: for 1m its requests go to \
                another candidate where one is left";
    assert_eq!(events(&mut engine), [open]);
    let until = Some(UnixMillis(1_000_000 + 60_200));
    assert_eq!(breaker(&engine), Some(stands(BreakerPhase::Open, 3, until)));
    engine.tick(at(60_200));
    assert_eq!(breaker(&engine), Some(stands(BreakerPhase::HalfOpen, 3, None)));
    probe(&engine, AttemptSignal::Failure, 60_200);
    engine.tick(at(60_300));
    assert_eq!(events(&mut engine), Vec::<String>::new(), "it was open all the time");
    probe(&engine, AttemptSignal::Success, 180_200);
    engine.tick(at(180_300));
    assert_eq!(events(&mut engine), ["breaker close: the breaker of holysheep is closed: it answers again"]);
    fail(&engine, 190_000);
    engine.tick(at(190_100));
    probe(&engine, AttemptSignal::Success, 250_000);
    engine.tick(at(250_100));
    assert_eq!(events(&mut engine), Vec::<String>::new(), "once in ten minutes");
    fail(&engine, 700_000);
    engine.tick(at(700_100));
    assert_eq!(events(&mut engine), [open]);
}

/// `chat` with a stable that has a breaker and cannot be connected to.
fn out_of_reach() -> (Engine, Arc<ProviderState>) {
    let mut policy = file(|_| {});
    Arc::make_mut(&mut policy.providers[0]).breaker = Some(RULE);
    let mut engine = Engine::new(bootstrap(policy, Vec::new()), at(0));
    engine.outbox.events.clear();
    let stable = Arc::clone(engine.shared.load().provider(ProviderId(0)));
    [100, 600, 1100].into_iter().for_each(|now| stable.record_connect_failure(Some(&RULE), Millis(now)));
    (engine, stable)
}

#[test]
fn an_unreachable_stable_is_recorded_and_serin_tries_to_connect() {
    let (mut engine, stable) = out_of_reach();
    engine.tick(at(1200));
    let open = "breaker open: the breaker of openai is open: 3 connections in a row failed; until it answers or a \
                test connection succeeds, its rollouts use another candidate first";
    assert_eq!(events(&mut engine), [open]);
    let reported = engine.status.load().providers[0].breaker.unwrap();
    let open_until = Some(UnixMillis(1_000_000 + 2100));
    assert_eq!(reported, BreakerStatus { state: BreakerPhase::Open, failures: 3, open_until, unreachable: true });
    assert!(engine.due_reachability_checks(at(2000)).is_empty());
    for (now, connected) in [(2100, false), (4100, true)] {
        let mut due = engine.due_reachability_checks(at(now));
        let connection = due.pop().unwrap();
        assert_eq!((connection.provider.name.as_str(), due.len()), ("openai", 0));
        assert!(engine.due_reachability_checks(at(now)).is_empty(), "one at a time");
        connection.finish(connected, at(now));
    }
    engine.tick(at(4200));
    assert_eq!(events(&mut engine), ["breaker close: the breaker of openai is closed: it is reachable again"]);
    assert!(stable.is_healthy());
}

#[test]
fn a_dead_canary_beside_a_dead_stable_is_named_and_no_user_is_moved() {
    let (mut engine, stable) = out_of_reach();
    let evidence = Arc::clone(&engine.shared.load().in_force(RolloutId(0)).evidence);
    let share = |engine: &Engine| engine.shared.load().in_force(RolloutId(0)).percent;
    let mut events_seen = Vec::new();
    for (step, now) in (1200..12_000).step_by(100).enumerate() {
        let user = Some(Slot::of(u16::try_from(step).unwrap()));
        evidence.begin(Core(0), (Arm::Canary, user));
        evidence.end(Core(0), (Arm::Canary, user), Outcome::Connect);
        engine.tick(at(now));
        events_seen.extend(events(&mut engine));
    }
    assert!(!engine.shared.load().in_force(RolloutId(0)).diverts);
    assert_eq!(share(&engine), percent(25), "nobody is moved to a stable that is dead");
    let reported: Vec<_> = events_seen.iter().filter(|event| event.contains("answers no request")).collect();
    let named = "serin notice: holysheep, the canary of chat, answers no request while openai is not reachable: no \
                 user is moved, and stable's requests go to openai first again";
    assert_eq!(reported, [named], "{events_seen:?}");
    stable.record_response_head();
    engine.tick(at(13_100));
    engine.tick(at(14_200));
    assert!(engine.shared.load().in_force(RolloutId(0)).diverts, "should it be lost again");
}

#[test]
fn for_ten_minutes_one_users_failures_at_stable_move_no_user() {
    for beside in [0_u16, 1, 20] {
        let mut policy = file(|_| {});
        Arc::make_mut(&mut policy.providers[0]).breaker = Some(RULE);
        let mut engine = Engine::new(bootstrap(policy, Vec::new()), at(0));
        engine.outbox.events.clear();
        let evil = Some(Slot::of(7));
        for look in 1..=6000_u64 {
            let now = at(look * 100);
            let shared = engine.shared.load();
            let (stable, evidence) = (shared.provider(ProviderId(0)), &shared.in_force(RolloutId(0)).evidence);
            // Others ask every other second, so that it fails a few dozen times in a row.
            let others = if look % 20 == 0 { beside } else { 0 };
            let others = (0..others).map(|user| (Some(Slot::of(100 + user * 3)), Outcome::Ok, AttemptSignal::Success));
            for (user, outcome, verdict) in others.chain([(evil, Outcome::ServerError, AttemptSignal::Failure); 3]) {
                assert_eq!(stable.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes, "after {look} looks");
                evidence.begin(Core(0), (Arm::Stable, user));
                stable.record_response_head();
                stable.end_attempt(Some(&RULE), None, None, verdict, now.mono);
                evidence.end(Core(0), (Arm::Stable, user), outcome);
            }
            engine.tick(now);
            assert_eq!(engine.shared.load().in_force(RolloutId(0)).percent, percent(25), "after {look} looks");
        }
        let of_rollout: Vec<&Event> = engine.outbox.events.iter().filter(|event| event.rollout.is_some()).collect();
        assert!(of_rollout.is_empty(), "{of_rollout:?}");
        let reported = engine.status.load().rollouts[0].clone();
        assert_eq!((reported.percent, reported.window[1].failures), (percent(25), 0), "{reported:?}");
    }
}

#[test]
fn a_stable_that_a_reload_leaves_without_a_breaker_is_asked() {
    let (mut engine, stable) = out_of_reach();
    engine.flags_read(read(file(|_| {})), at(1200));
    assert_eq!(stable.admits_to_stable(Some(&RULE)), ProviderAdmission::Yes);
    assert!(engine.due_reachability_checks(at(60_000)).is_empty());
    engine.tick(at(60_100));
    assert_eq!(events(&mut engine).iter().filter(|event| event.contains("the breaker of")).count(), 0);
}

#[test]
fn fallbacks_are_counted_by_arm_and_provider() {
    let mut engine = engine();
    let snapshot = engine.shared.load();
    let series = |arm, provider| snapshot.in_force(RolloutId(0)).series(arm, provider).clone();
    (0..36).for_each(|_| series(Arm::Stable, NEW).count_fallback(Core(0)));
    series(Arm::Canary, ProviderId(0)).count_fallback(Core(0));
    engine.tick(at(100));
    let reported = engine.status.load().rollouts[0].fallbacks.clone();
    let fallback = |arm, provider: &str, requests| FallbackStatus { arm, provider: provider.into(), requests };
    assert_eq!(reported, [fallback(Arm::Stable, "holysheep", 36), fallback(Arm::Canary, "openai", 1)]);
}

#[test]
fn open_requests_on_the_canary_are_counted_for_both_arms() {
    let mut engine = engine();
    let snapshot = engine.shared.load();
    let series = |arm, provider| snapshot.in_force(RolloutId(0)).series(arm, provider).clone();
    let (own, rescued, other) =
        (series(Arm::Canary, NEW), series(Arm::Canary, ProviderId(0)), series(Arm::Stable, NEW));
    (0..3).for_each(|_| own.begin(Core(0)));
    own.leave(Core(0));
    rescued.enter(Core(0));
    other.enter(Core(0));
    let command = Command {
        rollout: Some("chat".to_owned()),
        verb: RolloutCommand::Rollback { to: percent(0) },
        actor: "ana".to_owned(),
        reason: String::new(),
    };
    assert_eq!(engine.command(&command, at(10)).unwrap().open_on_canary, 3);
}

fn refuse(engine: &mut Engine, finding: Incompatibility, now: u64) {
    let (rollout, provider) = ("chat".to_owned(), "holysheep".to_owned());
    engine.request_rejected(Rejection { rollout, provider, finding, status: 400, code: None, accepted: true }, at(now));
}

fn findings(engine: &mut Engine, now: u64) -> Vec<IncompatibilityStatus> {
    engine.tick(at(now));
    engine.status.load().rollouts[0].findings.clone()
}

fn key() -> Incompatibility {
    Incompatibility::Parameter("prompt_cache_key".to_owned())
}

#[test]
fn a_finding_is_recorded_once_and_then_counted() {
    let mut engine = engine();
    refuse(&mut engine, key(), 100);
    let event = engine.outbox.events[0].clone();
    assert_eq!((event.rollout.as_deref(), event.from, event.to), (Some("chat"), percent(25), percent(25)));
    assert_eq!(
        events(&mut engine),
        ["serin advise: holysheep refused `prompt_cache_key`, which openai accepts; write \
          providers.holysheep.drop_fields: [prompt_cache_key]"]
    );
    refuse(&mut engine, Incompatibility::Model("gpt-4".to_owned()), 200);
    refuse(&mut engine, key(), 300);
    assert_eq!(events(&mut engine).len(), 1, "the model's");
    let found = findings(&mut engine, 400);
    let reported: Vec<_> =
        found.iter().map(|found| (found.finding.clone(), found.count, found.first, found.last)).collect();
    assert_eq!(
        reported,
        [
            (key(), 2, at(100).unix, at(300).unix),
            (Incompatibility::Model("gpt-4".to_owned()), 1, at(200).unix, at(200).unix)
        ]
    );
}

#[test]
fn refusals_of_what_is_not_in_force_are_ignored() {
    let mut engine = engine();
    for (rollout, provider) in [("gone", "holysheep"), ("chat", "earlier"), ("plain", "openai")] {
        let (rollout, provider) = (rollout.to_owned(), provider.to_owned());
        engine.request_rejected(
            Rejection { rollout, provider, finding: key(), status: 400, code: None, accepted: true },
            at(100),
        );
    }
    assert_eq!((events(&mut engine).len(), findings(&mut engine, 200).len()), (0, 0));
}

#[test]
fn findings_are_bounded() {
    let mut engine = engine();
    for number in 0..MAX_INCOMPATIBILITIES + 50 {
        refuse(&mut engine, Incompatibility::Parameter(format!("p{number}")), 100);
    }
    assert_eq!(
        (events(&mut engine).len(), findings(&mut engine, 200).len()),
        (MAX_INCOMPATIBILITIES, MAX_INCOMPATIBILITIES)
    );
    refuse(&mut engine, Incompatibility::Parameter("p7".to_owned()), 300);
    assert_eq!(findings(&mut engine, 400)[0].count, 2, "those that are known are counted on");
    let long = Incompatibility::Parameter("x".repeat(5000));
    engine.flags_read(read(file(|provider| provider.unmapped = crate::decide::policy::Unmapped::Stable)), at(500));
    refuse(&mut engine, long, 600);
    let sentence = sentence(&findings(&mut engine, 700)[0].finding, "holysheep", "openai");
    assert!(sentence.len() < 200);
}

#[test]
fn findings_last_until_a_reload_changes_what_they_depend_on() {
    let mut engine = engine();
    refuse(&mut engine, key(), 100);
    engine.flags_read(read(file(|provider| provider.max_connections = 7)), at(200));
    assert_eq!(findings(&mut engine, 300).len(), 1, "an edit that mends nothing");
    let dropped = |provider: &mut Provider| provider.fields.drop = vec![vec!["prompt_cache_key".to_owned()]];
    engine.flags_read(read(file(dropped)), at(400));
    assert_eq!(findings(&mut engine, 500).len(), 0, "the rule that was asked for");
    refuse(&mut engine, key(), 600);
    let mut narrower = file(dropped);
    Arc::make_mut(&mut narrower.rollouts[0]).matches.endpoints = vec!["chat/completions".to_owned()];
    engine.flags_read(read(narrower), at(700));
    assert_eq!(findings(&mut engine, 800).len(), 0, "other requests");
}

#[test]
fn the_most_common_refusal_is_a_sentence() {
    let words = |engine: &mut Engine| engine.entries[0].rollout.as_mut().unwrap().most_common_rejection();
    let mut engine = engine();
    let tell = |engine: &mut Engine, finding, status, code: Option<&str>, accepted| {
        let (rollout, provider) = ("chat".to_owned(), "holysheep".to_owned());
        let code = code.map(str::to_owned);
        engine.request_rejected(Rejection { rollout, provider, finding, status, code, accepted }, at(100));
    };
    assert_eq!(words(&mut engine), None);
    let parameter = || Incompatibility::Parameter("logit_bias".to_owned());
    for accepted in [true, false, false] {
        tell(&mut engine, parameter(), 400, Some("unsupported_parameter"), accepted);
    }
    tell(&mut engine, Incompatibility::ContextLength, 400, None, false);
    let reported = words(&mut engine).unwrap();
    assert_eq!(&*reported, "400 `unsupported_parameter` (logit_bias), 3 of 4");
    assert!(Arc::ptr_eq(&reported, &words(&mut engine).unwrap()), "put into words once");
    assert_eq!(events(&mut engine).len(), 1, "what stable does not accept either is no advice");
    assert_eq!(findings(&mut engine, 200)[0].count, 1);
    let others = [
        (Incompatibility::ContextLength, 400, None, "400 (too long), 11 of 14"),
        (
            Incompatibility::Model("gpt-4".to_owned()),
            404,
            Some("model_not_found"),
            "404 `model_not_found` (model gpt-4), 20 of 34",
        ),
        (Incompatibility::Endpoint("embeddings".to_owned()), 404, None, "404 (no embeddings), 30 of 64"),
        (
            Incompatibility::Other { status: 400, code: "content_filter".to_owned() },
            400,
            Some("content_filter"),
            "400 `content_filter`, 40 of 104",
        ),
        (Incompatibility::Other { status: 400, code: String::new() }, 400, None, "400, 50 of 154"),
    ];
    for (times, (finding, status, code, expected)) in (1..).zip(others) {
        (0..times * 10).for_each(|_| tell(&mut engine, finding.clone(), status, code, false));
        assert_eq!(words(&mut engine).as_deref(), Some(expected));
    }
    for number in 0..2 * MAX_INCOMPATIBILITIES {
        tell(&mut engine, Incompatibility::Parameter(format!("p{number}")), 400, None, false);
    }
    let expected = format!("400, 50 of {}", 154 + 2 * MAX_INCOMPATIBILITIES);
    assert_eq!(words(&mut engine).as_deref(), Some(&*expected), "as many kinds as one can read");
}

#[test]
fn actions_that_need_an_operator_are_warnings() {
    let warns = |action: &&str| Action::from((**action).to_owned()).is_warning();
    let warnings = ["rollback", "step_back", "hold", "confirm", "block", "refuse", "open", "advise", "notice"];
    assert!(warnings.iter().all(warns));
    let others = ["promote", "complete", "confirmed", "resume", "retry", "start", "reload", "close", "unblock"];
    assert!(!others.iter().any(warns));
}

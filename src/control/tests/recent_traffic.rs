//! The recent traffic in the status, at whatever share, and the start of the guard's window.

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Anonymous, Canary, Fallback, Intent, Policy, Rollout, UserSource};
use crate::decide::rollout::state::{Lock, OverallPhase};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::state::counters::Core;
use crate::state::status::{ArmRecent, RolloutStatus};
use crate::store::locks::LocksFound;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

fn chat(engine: &Engine) -> RolloutStatus {
    engine.status.load().rollouts[0].clone()
}

/// The canary's requests, the first of which end so at its own provider, and others in its place at stable.
fn end(engine: &Engine, outcome: Outcome, own: u64, elsewhere: u64) {
    let entry = &engine.entries[0];
    let series = &entry.series;
    for _ in 0..own {
        series.own(Arm::Canary).begin(Core(0));
        series.own(Arm::Canary).end(Core(0), outcome);
    }
    let stable = series.of(Arm::Canary, entry.spec.stable);
    for _ in 0..elsewhere {
        series.own(Arm::Canary).begin(Core(0));
        series.own(Arm::Canary).leave(Core(0));
        stable.enter(Core(0));
        stable.end(Core(0), Outcome::Ok);
        stable.count_fallback(Core(0));
    }
}

fn serving() -> Policy {
    policy(vec![Rollout { fallback: Fallback::OtherArm, ..rollout("chat", Some(canary())) }])
}

/// Ten looks a second, until this second.
fn watch(engine: &mut Engine, from: u64, until: u64) {
    (from * 10..=until * 10).for_each(|look| engine.tick(at(look * 100)));
}

#[test]
fn recent_traffic_outlives_a_rollback_and_a_reload() {
    let mut engine = Engine::new(bootstrap(serving(), Vec::new()), at(0));
    let none = ArmRecent::default();
    assert_eq!(chat(&engine).recent.arms, [none; 2]);
    end(&engine, Outcome::Ok, 7, 0);
    end(&engine, Outcome::ServerError, 2, 24);
    end(&engine, Outcome::ClientError, 3, 0);
    engine.entries[0].series.own(Arm::Canary).begin(Core(0));
    watch(&mut engine, 0, 20);
    let reported = ArmRecent { requests: 36, failed: 2, refused: 3, elsewhere: 24, in_flight: 1 };
    assert_eq!((chat(&engine).recent.length, chat(&engine).recent.arms), (Millis(20_000), [none, reported]));
    let lock = Lock { to: Percent::ZERO, at: at(20_000).unix, actor: "ana".into(), reason: String::new() };
    engine.locks_read(LocksFound { rollouts: vec![("chat".into(), lock)], every: None }, at(20_100));
    engine.flags_read(read(serving()), at(20_200));
    watch(&mut engine, 21, 60);
    assert_eq!((chat(&engine).phase, chat(&engine).recent.arms), (OverallPhase::Locked, [none, reported]));
    // Another provider behind the same name of a canary is the same arm.
    let mut other = serving();
    other.providers[1] = std::sync::Arc::new(provider("deepseek", "c.test"));
    engine.flags_read(read(other), at(60_100));
    watch(&mut engine, 61, 100);
    assert_eq!(chat(&engine).recent.arms, [none, reported]);
    watch(&mut engine, 101, 320);
    assert_eq!(chat(&engine).recent.arms, [none, ArmRecent { in_flight: 1, ..none }]);
}

#[test]
fn the_window_has_its_start() {
    let pinned = Canary { percent: Intent::Pinned(percent(10)), ..canary() };
    let mut engine = Engine::new(bootstrap(one(pinned), Vec::new()), at(0));
    assert_eq!(chat(&engine).window_since, at(0).unix);
    watch(&mut engine, 0, 30);
    let lock = Lock { to: Percent::ZERO, at: at(30_000).unix, actor: "ana".into(), reason: String::new() };
    engine.locks_read(LocksFound { rollouts: vec![("chat".into(), lock)], every: None }, at(32_000));
    assert_eq!((chat(&engine).percent, chat(&engine).window_since), (Percent::ZERO, at(32_000).unix));
    watch(&mut engine, 33, 200);
    assert_eq!(chat(&engine).window_since, at(140_000).unix, "no longer ago than the window is long");
}

#[test]
fn many_recent_requests_without_a_user_id_cause_advice() {
    let user = vec![UserSource::Header("x-user-id".into())];
    let file = policy(vec![Rollout { user, anonymous: Anonymous::Conversation, ..rollout("chat", Some(canary())) }]);
    let mut engine = Engine::new(bootstrap(file, Vec::new()), at(0));
    let send = |engine: &Engine, requests: u32, anonymous: u32| {
        let series = engine.entries[0].series.own(Arm::Stable);
        (0..requests).for_each(|_| series.begin(Core(0)));
        (0..anonymous).for_each(|_| series.count_anonymous(Core(0)));
    };
    send(&engine, 19, 19);
    watch(&mut engine, 0, 2);
    assert_eq!(chat(&engine).anonymous_advice, None, "too few to report");
    send(&engine, 81, 1);
    watch(&mut engine, 3, 4);
    assert_eq!((chat(&engine).recent.sent, chat(&engine).recent.anonymous), (100, 20));
    assert_eq!(chat(&engine).anonymous_advice, None, "a fifth is not above it");
    send(&engine, 1, 1);
    watch(&mut engine, 5, 6);
    let advice = chat(&engine).anonymous_advice.unwrap();
    assert!(advice.contains("looked for in header:x-user-id") && advice.contains("rollouts[chat].user"), "{advice}");
    watch(&mut engine, 7, 400);
    assert_eq!((chat(&engine).anonymous_advice, chat(&engine).recent.sent), (None, 0));
    assert!(chat(&engine).anonymous_ratio.is_some_and(|ratio| ratio > 0.2), "since the start it stays");
}

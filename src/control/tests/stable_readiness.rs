//! Whether stable could take everybody back: what is watched, and when it is asked by a probe.

use std::sync::Arc;

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::limit::Rate;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Canary, Intent, Policy, Provider, RateLimit, Secret, WhenFull};
use crate::decide::rollback_ready::{KeyCounts, Limit, LimitSource, NotReady};
use crate::decide::units::{Arm, Millis, ProviderId, RolloutId, UnixMillis};
use crate::state::counters::Core;
use crate::state::keys::{KeySignal, model_hash};
use crate::state::status::RolloutStatus;
use crate::state::told_limits::ToldSample;

const STABLE: ProviderId = ProviderId(0);

fn at(seconds: u64) -> Now {
    Now { mono: Millis(seconds * 1000), unix: UnixMillis(1_000_000_000 + seconds * 1000) }
}

fn pinned(share: u16) -> Canary {
    Canary { percent: Intent::Pinned(percent(share)), ..canary() }
}

/// `chat` with this canary, whose stable is changed.
fn file(canary: Canary, edit: impl FnOnce(&mut Provider)) -> Policy {
    let mut policy = one(canary);
    edit(Arc::make_mut(&mut policy.providers[0]));
    policy
}

fn allowing(requests: u32) -> impl FnOnce(&mut Provider) {
    move |provider| {
        provider.rate_limit = Some(RateLimit {
            requests: Some(Rate::new(requests, 100)),
            tokens: None,
            in_flight: None,
            when_full: WhenFull::Fallback,
            wait: Millis(0),
            follow_headers: true,
        });
    }
}

fn chat(engine: &Engine) -> RolloutStatus {
    engine.status.load().rollouts[0].clone()
}

/// So many requests of an arm end well.
fn answer(engine: &Engine, arm: Arm, requests: u64) {
    let snapshot = engine.shared.load();
    let series = snapshot.in_force(RolloutId(0)).series.own(arm);
    for _ in 0..requests {
        series.begin(Core(0));
        series.end_attempt(Core(0), Outcome::Ok);
        series.end(Core(0), Outcome::Ok);
    }
}

#[test]
fn a_limit_that_is_smaller_than_the_traffic_of_both_arms_is_told() {
    let mut engine = Engine::new(bootstrap(file(pinned(40), allowing(600)), Vec::new()), at(0));
    for second in 1..=60 {
        answer(&engine, Arm::Canary, 8);
        answer(&engine, Arm::Stable, 4);
        engine.tick(at(second));
        if second == 5 {
            assert_eq!(*chat(&engine).not_ready, [], "five seconds say too little of a minute");
        }
    }
    let [NotReady::Requests { limit, sent }] = *chat(&engine).not_ready else { panic!("{:?}", chat(&engine)) };
    assert_eq!(limit, Limit { most: 600, source: LimitSource::File });
    assert!((700..=730).contains(&sent), "{sent}");
}

#[test]
fn what_headers_tell_counts_once_for_each_account_with_a_usable_key() {
    let keys = |provider: &mut Provider| {
        provider.api_keys = ["sk-one-0123456789", "sk-two-0123456789"].map(|key| Secret::new(key.to_owned())).to_vec();
    };
    let mut engine = Engine::new(bootstrap(file(pinned(40), keys), Vec::new()), at(0));
    engine.tick(at(0));
    let told = || engine.shared.load().provider(STABLE).told_limits.is_wanted();
    assert!(told(), "the next response is read");
    for _ in 0..5 {
        let sample = ToldSample { model: 1, client: 0, per_minute: [Some(400), None] };
        engine.shared.load().provider(STABLE).told_limits.note(sample);
    }
    for second in 1..=30 {
        answer(&engine, Arm::Canary, 10);
        engine.tick(at(second));
    }
    assert_eq!(*chat(&engine).not_ready, [], "600 fit into twice 400");
    engine.shared.load().keys(STABLE).record(1, model_hash(None), KeySignal::Refused(401), Millis(30_000));
    engine.shared.load().provider(STABLE).note_key_trouble();
    engine.tick(at(31));
    engine.tick(at(32));
    assert!(matches!(*chat(&engine).not_ready, [NotReady::Requests { limit: Limit { most: 400, .. }, .. }]));
    engine.shared.load().keys(STABLE).record(0, model_hash(None), KeySignal::Spent(Millis(60_000)), Millis(32_000));
    engine.tick(at(33));
    engine.tick(at(34));
    let found = chat(&engine).not_ready;
    let [NotReady::Keys(KeyCounts { usable: 0, resting: 1, refused: 1 }), ..] = *found else { panic!("{found:?}") };
}

#[test]
fn a_stable_that_nobody_needs_is_not_asked() {
    let mut engine = Engine::new(bootstrap(one(pinned(0)), Vec::new()), at(0));
    for second in (0..3600).step_by(10) {
        engine.tick(at(second));
        assert!(engine.due_stable_checks(at(second)).is_empty());
    }
    assert_eq!(*chat(&engine).not_ready, []);
}

#[test]
fn a_stable_that_no_request_reaches_is_asked_and_told_when_it_does_not_answer() {
    let mut engine = Engine::new(bootstrap(one(pinned(100)), Vec::new()), at(0));
    let mut asked = Vec::new();
    for second in (0..=3600).step_by(5) {
        engine.tick(at(second));
        // It stops answering after half an hour.
        let result = if second < 1800 { Ok(()) } else { Err("401".to_owned()) };
        for check in engine.due_stable_checks(at(second)) {
            asked.push(second);
            assert_eq!(check.provider.name, "openai");
            assert!(engine.due_stable_checks(at(second)).is_empty(), "one at a time");
            engine.stable_checked(&check, &result);
        }
        if second < 1800 {
            assert_eq!(*chat(&engine).not_ready, [], "at {second}");
        }
    }
    assert_eq!(asked[..6], [300, 600, 900, 1200, 1500, 1800]);
    assert!(asked[6..].windows(2).all(|pair| pair[1] - pair[0] == 30), "{asked:?}");
    let found = chat(&engine).not_ready;
    assert!(matches!(*found, [NotReady::Down, NotReady::Silent(_)]), "{found:?}");
    // A request that stable answers is as good.
    answer(&engine, Arm::Stable, 1);
    engine.tick(at(3601));
    engine.tick(at(3602));
    assert_eq!(*chat(&engine).not_ready, []);
}

//! What is known of keys: told, kept over reloads, and written so that a restart knows it.

use std::sync::Arc;

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::{Action, Alert, Event, KeyChange, Reason};
use crate::decide::policy::{Policy, Provider, Secret};
use crate::decide::units::{Millis, ProviderId, UnixMillis};
use crate::state::keys::{KeySignal, model_hash};
use crate::state::status::{KeyCondition, KeyStatus};

const NEW: ProviderId = ProviderId(1);
const DAY: u64 = 86_400_000;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000_000 + millis) }
}

/// `chat`, whose canary's provider has these keys.
fn file(keys: &[&str], edit: impl FnOnce(&mut Provider)) -> Policy {
    let mut policy = one(canary());
    let provider = Arc::make_mut(&mut policy.providers[1]);
    provider.api_keys = keys.iter().map(|key| Secret::new((*key).to_owned())).collect();
    edit(provider);
    policy
}

const KEYS: [&str; 3] = ["sk-one-0123456789-wxyz", "sk-two-0123456789-rstu", "short"];

fn engine(policy: Policy, kept: Option<&str>) -> Engine {
    Engine::new(
        crate::control::engine::bootstrap::Bootstrap { keys: kept.map(str::to_owned), ..bootstrap(policy, Vec::new()) },
        at(0),
    )
}

/// As a core does.
fn learn(engine: &Engine, key: usize, signal: KeySignal, now: u64) {
    let snapshot = engine.shared.load();
    snapshot.keys(NEW).record(key, model_hash(Some("m")), signal, Millis(now));
    snapshot.provider(NEW).note_key_trouble();
}

fn status(engine: &Engine) -> Vec<KeyStatus> {
    engine.status.load().providers[1].keys.clone()
}

fn conditions(engine: &Engine) -> Vec<&'static str> {
    status(engine).iter().map(|key| key.condition.as_str()).collect()
}

/// The events about keys since the last time.
fn told(engine: &mut Engine) -> Vec<(usize, KeyChange)> {
    let events: Vec<Event> = std::mem::take(&mut engine.outbox.events);
    let of_key = |event: Event| match (event.action, event.reason) {
        (action, Reason::Key { provider, key, turn }) => {
            assert_eq!((provider.as_str(), event.rollout), ("holysheep", None));
            let refused = matches!(turn, KeyChange::Refused { .. });
            assert_eq!(action, if refused { Action::KeyRefused } else { Action::KeyRestored });
            Some((key.position, turn))
        }
        _ => None,
    };
    events.into_iter().filter_map(of_key).collect()
}

fn alerts(engine: &mut Engine) -> Vec<Alert> {
    let events: Vec<Event> = std::mem::take(&mut engine.outbox.events);
    let noticed = |event: Event| if let Reason::Noticed(alert) = event.reason { Some(alert) } else { None };
    events.into_iter().filter_map(noticed).collect()
}

#[test]
fn a_refused_key_is_told_once_and_so_is_its_end() {
    let mut engine = engine(file(&KEYS, |_| {}), None);
    told(&mut engine);
    learn(&engine, 1, KeySignal::Refused(401), 10);
    for now in [100, 200] {
        engine.tick(at(now));
    }
    assert_eq!(told(&mut engine), [(2, KeyChange::Refused { status: 401, others: 2 })]);
    assert_eq!(conditions(&engine), ["usable", "refused", "usable"]);
    engine.shared.load().keys(NEW).accepted(1, 1);
    engine.tick(at(300));
    assert_eq!(told(&mut engine), [(2, KeyChange::Accepted)]);
    // It goes on so: the history hears of it again after ten minutes, the log each time.
    for (now, turns) in [(400, 0), (600_300, 1)] {
        learn(&engine, 1, KeySignal::Refused(401), now);
        engine.tick(at(now));
        engine.shared.load().keys(NEW).accepted(1, 1);
        engine.tick(at(now + 50));
        assert_eq!(told(&mut engine).len(), turns * 2, "at {now}");
    }
}

#[test]
fn a_key_is_shown_by_its_position_and_its_end_alone() {
    let mut engine =
        engine(file(&KEYS, |provider| provider.keys.accounts = vec![Some("main".into()), None, None]), None);
    learn(&engine, 0, KeySignal::Throttled(Some(Millis(20_000))), 0);
    learn(&engine, 1, KeySignal::Spent(Millis(60_000)), 0);
    learn(&engine, 2, KeySignal::Refused(403), 0);
    engine.tick(at(100));
    let keys = status(&engine);
    assert_eq!(
        keys.iter().map(|key| (key.position, key.tail.as_str())).collect::<Vec<_>>(),
        [(1, "wxyz"), (2, "rstu"), (3, "")]
    );
    assert_eq!(keys[0].account.as_deref(), Some("main"));
    let until = |millis| UnixMillis(at(millis).unix.0);
    assert_eq!(
        keys.iter().map(|key| key.condition).collect::<Vec<_>>(),
        [
            KeyCondition::Throttled { until: until(20_000), models: 1 },
            KeyCondition::Spent { until: until(60_000) },
            KeyCondition::Refused { status: 403, next_try: until(600_000) },
        ]
    );
    let spent = alerts(&mut engine).into_iter().filter(|alert| matches!(alert, Alert::KeySpent { .. }));
    assert_eq!(spent.count(), 1);
    engine.tick(at(700_000));
    assert_eq!(conditions(&engine), ["usable", "usable", "refused"], "a rest ends by itself");
}

#[test]
fn what_is_known_of_a_key_goes_on_over_reloads_and_belongs_to_its_text() {
    let mut engine = engine(file(&KEYS, |_| {}), None);
    learn(&engine, 1, KeySignal::Refused(401), 0);
    learn(&engine, 0, KeySignal::Throttled(Some(Millis(900_000))), 0);
    engine.tick(at(100));
    told(&mut engine);
    let before = engine.shared.load();
    engine.flags_read(read(file(&KEYS, |provider| provider.max_connections = 7)), at(200));
    assert_eq!(conditions(&engine), ["resting", "refused", "usable"]);
    // In another order, and with one more.
    engine.flags_read(read(file(&[KEYS[1], "sk-new-0123456789-cccc", KEYS[0]], |_| {})), at(300));
    assert_eq!(conditions(&engine), ["refused", "usable", "resting"]);
    engine.tick(at(400));
    assert_eq!(told(&mut engine), [], "it is the same key");
    // A request that began before the edits is heard.
    before.keys(NEW).accepted(1, model_hash(Some("m")));
    engine.tick(at(500));
    assert_eq!(told(&mut engine), [(2, KeyChange::Accepted)]);
    learn(&engine, 0, KeySignal::Refused(401), 700_000);
    engine.tick(at(700_000));
    assert_eq!(told(&mut engine).len(), 1);
    // Another text in its place is another key, and the old one is what it was if it comes back.
    engine.flags_read(read(file(&["sk-next-0123456789-dddd"], |_| {})), at(700_100));
    engine.tick(at(700_200));
    assert_eq!((told(&mut engine), conditions(&engine)), (vec![(1, KeyChange::Replaced)], vec!["usable"]));
    engine.flags_read(read(file(&[KEYS[1]], |_| {})), at(700_300));
    assert_eq!(conditions(&engine), ["refused"]);
    engine.tick(at(700_350));
    assert!(engine.shared.load().provider(NEW).has_key_trouble(), "requests look at it, and one of them tests it");
    // Another address is another provider.
    engine.flags_read(read(file(&[KEYS[1]], |provider| provider.base_url.port = 8443)), at(700_400));
    assert_eq!(conditions(&engine), ["usable"]);
}

#[test]
fn a_restart_knows_what_was_known_and_no_key_is_written() {
    let accounts = |provider: &mut Provider| provider.keys.accounts = vec![None, Some("spare".into()), None];
    let mut first = engine(file(&KEYS, accounts), None);
    learn(&first, 0, KeySignal::Throttled(Some(Millis(60_000))), 100);
    learn(&first, 1, KeySignal::Spent(Millis(60_000)), 100);
    learn(&first, 2, KeySignal::Refused(401), 100);
    first.tick(at(200));
    let kept = first.outbox.keys.take().unwrap();
    for key in KEYS {
        assert!(!kept.contains(key) && !kept.contains(&key[key.len() - 4..]), "{kept}");
    }
    let mut second = engine(file(&KEYS, accounts), Some(&kept));
    second.tick(at(100));
    assert_eq!(conditions(&second), ["resting", "resting", "refused"]);
    let is_spent = |event: &Event| matches!(event.reason, Reason::Noticed(Alert::KeySpent { .. }));
    assert!(!second.outbox.events.iter().any(is_spent), "it was told");
    assert_eq!(told(&mut second), [], "it was told");
    assert!(second.shared.load().provider(NEW).has_key_trouble(), "the cores look");
    assert!(second.outbox.keys.is_none(), "nothing is new");
    second.shared.load().keys(NEW).accepted(2, 1);
    second.tick(at(200));
    assert_eq!(told(&mut second), [(3, KeyChange::Accepted)], "what an earlier process told is over");
    // A rest that was over meanwhile is over.
    let mut late = Engine::new(
        crate::control::engine::bootstrap::Bootstrap {
            keys: Some(kept.to_string()),
            ..bootstrap(file(&KEYS, accounts), Vec::new())
        },
        Now { mono: Millis(0), unix: UnixMillis(at(120_000).unix.0) },
    );
    late.tick(Now { mono: Millis(1), unix: UnixMillis(at(120_001).unix.0) });
    assert_eq!(conditions(&late), ["usable", "usable", "refused"]);
    // What cannot be read is learnt again.
    for broken in ["", "{}", "{\"salt\":\"zz\"}", "[1]"] {
        let mut anew = engine(file(&KEYS, |_| {}), Some(broken));
        anew.tick(at(100));
        assert_eq!(conditions(&anew), ["usable"; 3], "{broken}");
        assert!(anew.outbox.keys.is_some());
    }
}

#[test]
fn rests_are_written_seldom_and_refusals_at_once_and_the_rest_at_the_end() {
    let mut engine = engine(file(&KEYS, |_| {}), None);
    engine.tick(at(10_000));
    assert!(engine.outbox.keys.take().is_some(), "since when they are in use");
    learn(&engine, 0, KeySignal::Throttled(None), 10_100);
    engine.tick(at(10_200));
    assert!(engine.outbox.keys.take().is_none());
    engine.tick(at(15_000));
    assert!(engine.outbox.keys.take().is_some());
    learn(&engine, 1, KeySignal::Refused(401), 15_100);
    engine.tick(at(15_200));
    assert!(engine.outbox.keys.take().is_some());
    learn(&engine, 1, KeySignal::Throttled(Some(Millis(50_000))), 15_300);
    engine.drain(at(15_400));
    assert!(engine.outbox.keys.take().is_some());
}

#[test]
fn a_file_without_keys_writes_nothing() {
    let mut engine = engine(one(canary()), None);
    engine.tick(at(10_000));
    engine.drain(at(20_000));
    assert!(engine.outbox.keys.is_none());
}

#[test]
fn a_key_that_is_in_use_for_long_is_told_once_and_warned_of_until_it_is_replaced() {
    let old = |provider: &mut Provider| provider.keys.warn_after = Some(Millis(90 * DAY));
    let mut engine = engine(file(&KEYS[..1], old), None);
    let told =
        |engine: &mut Engine| alerts(engine).into_iter().filter(|alert| matches!(alert, Alert::KeyOld { .. })).count();
    let warned = |engine: &Engine| {
        let warned = engine.status.load().flags.warnings.iter().any(|text| text.contains("has been in use"));
        assert_eq!(status(engine)[0].is_old, warned);
        warned
    };
    for (day, alert, warning) in [(89, 0, false), (90, 1, true), (91, 0, true)] {
        engine.tick(at(day * DAY));
        assert_eq!((told(&mut engine), warned(&engine)), (alert, warning), "on day {day}");
    }
    engine.flags_read(read(file(&[KEYS[1]], old)), at(92 * DAY));
    engine.tick(at(92 * DAY + 100));
    assert_eq!((told(&mut engine), warned(&engine)), (0, false));
    // Taken back, it is as old as it is.
    engine.flags_read(read(file(&KEYS[..1], old)), at(93 * DAY));
    engine.tick(at(93 * DAY + 100));
    assert_eq!((told(&mut engine), warned(&engine)), (0, true));
}

#[test]
fn what_is_over_is_not_written_again_and_again() {
    let mut engine = engine(file(&KEYS, |_| {}), None);
    learn(&engine, 1, KeySignal::Refused(401), 0);
    learn(&engine, 0, KeySignal::Throttled(Some(Millis(1000))), 0);
    let mut written = 0;
    // Nothing comes to either of them for an hour, but other requests do.
    for second in (0..3600).step_by(5) {
        engine.tick(at(second * 1000));
        written += usize::from(engine.outbox.keys.take().is_some());
    }
    assert!(written <= 4, "{written}");
}

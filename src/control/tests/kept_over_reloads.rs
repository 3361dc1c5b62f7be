//! What a reload keeps of providers and of rollouts' budgets, and what it forgets.

use std::sync::Arc;

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::breaker::{AttemptSignal, BreakerPhase};
use crate::decide::file_error::FileError;
use crate::decide::policy::{BreakerRule, Policy, Provider, Rollout};
use crate::decide::units::{Millis, Percent, ProviderId, RolloutId, UnixMillis};
use crate::state::counters::Core;
use crate::state::provider::{BreakerKind, ProviderAdmission, ProviderState};
use crate::state::retry_budget::RetryBudget;

const RULE: BreakerRule = BreakerRule { failures: 3, open_for: Millis(60_000) };
const NEW: ProviderId = ProviderId(1);
const MINE: Core = Core(0);

type Edit = fn(&mut Provider);

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

fn engine(policy: Policy) -> Engine {
    Engine::new(bootstrap(policy, Vec::new()), at(0))
}

/// `chat`, whose canary's provider has a breaker, edited.
fn file(edit: impl FnOnce(&mut Provider)) -> Policy {
    let mut policy = one(canary());
    let provider = Arc::make_mut(&mut policy.providers[1]);
    provider.breaker = Some(RULE);
    edit(provider);
    policy
}

fn provider_of(engine: &Engine) -> Arc<ProviderState> {
    Arc::clone(engine.shared.load().provider(NEW))
}

/// Plain routes with these names.
fn routes(names: &[&str], edit: impl Fn(&mut Rollout)) -> Policy {
    let route = |name: &&str| {
        let mut route = rollout(name, None);
        edit(&mut route);
        route
    };
    policy(names.iter().map(route).collect())
}

fn budget(engine: &Engine, rollout: u16) -> Arc<RetryBudget> {
    Arc::clone(&engine.shared.load().in_force(RolloutId(rollout)).retry)
}

fn spend_all(budget: &RetryBudget) {
    while budget.affords() {
        budget.spend();
    }
}

#[test]
fn a_breaker_goes_on_over_an_edit_of_anything_else() {
    let mut engine = engine(file(|_| {}));
    let first = provider_of(&engine);
    (0..RULE.failures).for_each(|_| first.end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, Millis(10)));
    let more_keys = |provider: &mut Provider| {
        provider.api_keys = ["one", "two", "three"].map(|key| crate::decide::policy::Secret::new(key.into())).to_vec();
    };
    engine.flags_read(read(file(more_keys)), at(20));
    let second = provider_of(&engine);
    assert_eq!(second.admits(Some(&RULE), Millis(60_009)), ProviderAdmission::No, "as long as before");
    // The probe of a request that began before a reload ends it after that.
    let ProviderAdmission::Probe(ticket) = first.admits(Some(&RULE), Millis(60_010)) else { unreachable!("it is due") };
    engine.flags_read(read(file(|provider| provider.max_connections = 7)), at(60_011));
    first.end_attempt(Some(&RULE), None, Some(ticket), AttemptSignal::Success, Millis(60_012));
    assert_eq!(provider_of(&engine).phase(BreakerKind::Failures, Millis(60_012)), BreakerPhase::Closed);
}

#[test]
fn another_base_url_or_name_is_another_provider_and_one_that_leaves_is_forgotten() {
    let elsewhere: [(&str, Edit); 5] = [
        ("host", |provider| provider.base_url.host = "elsewhere.test".to_owned()),
        ("port", |provider| provider.base_url.port = 8443),
        ("path", |provider| provider.base_url.path = "/v2".to_owned()),
        ("scheme", |provider| provider.base_url.https = !provider.base_url.https),
        ("name", |provider| provider.name = "another".to_owned()),
    ];
    for (what, edit) in elsewhere {
        let mut engine = engine(file(|_| {}));
        let first = provider_of(&engine);
        (0..RULE.failures).for_each(|_| first.end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, Millis(10)));
        for (file, now) in [(file(edit), 20), (file(|_| {}), 30)] {
            engine.flags_read(read(file), at(now));
            let second = provider_of(&engine);
            assert_eq!(second.admits(Some(&RULE), Millis(now)), ProviderAdmission::Yes, "{what} at {now}");
        }
        // Who was on its way to the first one tells that, and nobody else.
        first.end_attempt(Some(&RULE), None, None, AttemptSignal::Failure, Millis(40));
        assert!(provider_of(&engine).is_healthy(), "{what}");
    }
}

#[test]
fn a_spent_budget_stays_spent_over_every_edit_that_keeps_the_rollout() {
    let mut engine = engine(routes(&["chat", "code"], |_| {}));
    spend_all(&budget(&engine, 0));
    let in_flight = budget(&engine, 0);
    engine.flags_read(read(routes(&["chat", "code"], |route| route.retry.budget = Percent::ALL)), at(20));
    assert_eq!([0, 1].map(|rollout| budget(&engine, rollout).affords()), [false, true], "another share");
    // Wherever it stands, and whoever answers.
    let mut with_canary = routes(&["new", "code", "chat"], |_| {});
    with_canary.rollouts[2] = Arc::new(rollout("chat", Some(canary())));
    engine.flags_read(read(with_canary), at(30));
    assert_eq!([0, 1, 2].map(|rollout| budget(&engine, rollout).affords()), [true, true, false]);
    // What a request that began long ago earns is of use now.
    (0..2).for_each(|_| in_flight.earn(MINE, Percent::ALL));
    assert!(budget(&engine, 2).affords());
}

#[test]
fn a_renamed_rollout_is_another_and_begins_with_a_full_budget() {
    let mut engine = engine(routes(&["chat", "code"], |_| {}));
    [0, 1].iter().for_each(|rollout| spend_all(&budget(&engine, *rollout)));
    engine.flags_read(read(routes(&["talk", "code"], |_| {})), at(20));
    assert_eq!([0, 1].map(|rollout| budget(&engine, rollout).affords()), [true, false]);
    engine.flags_read(read(routes(&["chat", "code"], |_| {})), at(30));
    assert!(budget(&engine, 0).affords(), "it was forgotten");
}

#[test]
fn a_file_that_is_refused_forgets_nothing() {
    let mut engine = engine(file(|_| {}));
    let before = (provider_of(&engine), budget(&engine, 0));
    let refused = Err(vec![FileError::whole("no".to_owned())]);
    engine.flags_read(crate::state::inbox::FlagsRead { result: refused, ..read(file(|_| {})) }, at(20));
    assert!(Arc::ptr_eq(&before.0, &provider_of(&engine)) && Arc::ptr_eq(&before.1, &budget(&engine, 0)));
}

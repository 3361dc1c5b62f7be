//! What one caller's requests can tell the breaker of a rollout's canary, and what they cannot.

use std::net::SocketAddr;

use super::support::*;
use crate::decide::breaker::CircuitState;
use crate::decide::policy::{BreakerRule, Fallback, Policy};
use crate::decide::units::{Millis, Percent, ProviderId};
use crate::state::provider::BreakerKind;

const NEW: ProviderId = ProviderId(1);
const RULE: BreakerRule = BreakerRule { failures: 100, open_for: Millis(600_000) };

fn ask(headers: &str) -> String {
    post("/v1/chat/completions", headers, "{}")
}

fn of_user(number: usize) -> String {
    ask(&format!("x-user-id: user-{number}\r\n"))
}

fn failing() -> Scripted {
    Scripted::answering(json(500, "", "{}")).0
}

fn between(old: SocketAddr, new: SocketAddr) -> Policy {
    let mut policy = policy(old, new);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    with_provider(&mut policy, 1, |provider| provider.breaker = Some(RULE));
    policy
}

/// Failures in a row that count.
fn counted(sidecar: &Sidecar) -> u32 {
    sidecar.settle();
    let state = sidecar.shared.load().provider(NEW).circuit(BreakerKind::Failures);
    assert!(matches!(state, CircuitState::Closed { .. }), "too soon: {state:?}");
    state.failures()
}

fn counted_of(percent: Percent, several_sources: bool, requests: impl IntoIterator<Item = String>) -> u32 {
    let sidecar = Sidecar::start(between(failing().address, failing().address), percent);
    if several_sources {
        let now = sidecar.shared.load();
        let mut next = snapshot(now.revision + 1, (*now.policy).clone(), percent, 1);
        next.rollouts[0].several_sources = true;
        next.providers.clone_from(&now.providers);
        let revision = next.revision;
        sidecar.shared.publish(next);
        until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    }
    requests.into_iter().for_each(|request| assert_eq!(sidecar.ask(&request).status, 500));
    counted(&sidecar)
}

#[test]
fn failures_of_one_caller_count_once() {
    assert_eq!(counted_of(Percent::ALL, false, (0..9).map(|_| of_user(1))), 1, "one user");
    assert_eq!(counted_of(Percent::ALL, false, (0..9).map(|number| of_user(number % 2))), 9, "two by turns");
    assert_eq!(counted_of(Percent::ALL, true, (0..9).map(of_user)), 1, "users made up by one of several sources");
}

#[test]
fn whom_the_split_did_not_send_to_the_canary_says_nothing_of_it() {
    let one = Percent::from_hundredths(1).unwrap();
    assert_eq!(counted_of(one, false, (0..9).map(of_user)), 0, "users of stable whom stable did not answer");
    let pinned = (0..9).map(|_| ask("x-user-id: canary-user\r\n"));
    assert_eq!(counted_of(one, false, pinned), 0, "a user who is pinned");
    let forced = (0..9).map(|_| ask("x-user-id: u\r\nx-force: token\r\n"));
    assert_eq!(counted_of(one, false, forced), 0, "a tester");
}

#[test]
fn that_no_connection_can_be_made_is_no_callers_doing() {
    let sidecar = Sidecar::start(between(failing().address, refusing_address()), Percent::ALL);
    (0..9).for_each(|_| drop(sidecar.ask(&of_user(1))));
    assert_eq!(counted(&sidecar), 9);
}

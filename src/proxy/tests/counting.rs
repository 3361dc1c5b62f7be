//! What is reported to the guard, when, and for whom.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::support::*;
use crate::decide::breaker::AttemptSignal;
use crate::decide::bucket::bucket_and_slot;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::policy::{BreakerRule, Fallback};
use crate::decide::units::{Arm, Millis, Percent, ProviderId, Slot};
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::samples::{Sample, SampleKind};

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const NEW: ProviderId = ProviderId(1);
const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);
pub(super) const EXPOSED: (u64, u64, u64, u64) = (1, 0, 0, 0);
pub(super) const ONE_FAILURE: (u64, u64, u64, u64) = (1, 0, 1, 0);
pub(super) const ONE_SUCCESS: (u64, u64, u64, u64) = (1, 1, 0, 0);
pub(super) const ONE_NOT_JUDGED: (u64, u64, u64, u64) = (1, 0, 0, 1);
pub(super) const FAILED: SampleKind = SampleKind::Failed { connect: false };
pub(super) const PAUSE: Duration = Duration::from_millis(60);

/// Of a user whom a bucket sends to the canary at 100% and to stable at 0.01%.
pub(super) fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

pub(super) fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

pub(super) fn slot(user: &str) -> Slot {
    bucket_and_slot("", user.as_bytes()).slot
}

pub(super) fn evidence(sidecar: &Sidecar) -> Arc<Evidence> {
    Arc::clone(&sidecar.shared.load().rollouts[0].evidence)
}

/// What was reported of `u` on this arm since the last time, except for waits.
pub(super) fn reported(evidence: &Evidence, arm: Arm) -> Vec<SampleKind> {
    let mut all = Vec::new();
    evidence.samples.drain(|sample| {
        let Sample { evidence: id, whose, kind: what, .. } = sample;
        assert_eq!((id, whose.arm, whose.slot), (evidence.id, arm, Some(slot("u"))), "{sample:?}");
        if !matches!(what, SampleKind::Sent | SampleKind::SentAgain | SampleKind::WaitEnded(_)) {
            all.push(what);
        }
    });
    all
}

/// The times alone.
pub(super) fn times(reported: &[SampleKind]) -> Vec<(bool, Millis)> {
    let time = |what: &SampleKind| match what {
        SampleKind::Output { after } => (true, *after),
        SampleKind::ClientGone { after } => (false, *after),
        other => panic!("{other:?} is no time"),
    };
    reported.iter().map(time).collect()
}

/// Lets some time pass that can be measured.
pub(super) fn pause() {
    let (_never, wait) = channel::<()>();
    let _ = wait.recv_timeout(PAUSE);
}

pub(super) fn is_after_the_pause(after: Millis) -> bool {
    (50..5000).contains(&after.0)
}

pub(super) fn error(status: u16, code: &str) -> String {
    json(status, "", &format!(r#"{{"error":{{"message":"no","type":"x","param":null,"code":{code}}}}}"#))
}

#[test]
fn a_request_is_exposure_before_its_answer_comes() {
    for (arm, percent) in [(Arm::Stable, some()), (Arm::Canary, Percent::ALL)] {
        let (provider, seen, go) = on_signal([completion("well")]);
        let sidecar = Sidecar::start(policy(provider.address, provider.address), percent);
        let mut client = sidecar.client();
        client.send(ask("{}"));
        got(&seen);
        assert_eq!(sidecar.judged(arm), EXPOSED);
        assert_eq!(reported(&evidence(&sidecar), arm), []);
        pause();
        go.send(()).unwrap();
        assert_eq!(client.reply().status, 200);
        sidecar.settle();
        assert_eq!(sidecar.judged(arm), ONE_SUCCESS);
        let reported = times(&reported(&evidence(&sidecar), arm));
        assert!(matches!(reported[..], [(true, after)] if is_after_the_pause(after)), "{reported:?}");
    }
}

#[test]
fn a_failure_is_reported_before_the_recovery_has_ended() {
    let (old, seen_old, go) = on_signal([completion("rescued")]);
    let (new, _seen_new) = Scripted::in_turn([json(500, "", "{}")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), [FAILED]);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("rescued"));
    sidecar.settle();
    // Once, and how long the recovery took counts for no provider.
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (ONE_FAILURE, NOTHING));
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), []);
}

#[test]
fn a_client_that_leaves_a_recovery_takes_nothing_back() {
    let (old, seen_old, _go) = on_signal([]);
    let (new, _seen_new) = Scripted::in_turn([json(500, "", "{}")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    drop(client);
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), [FAILED]);
}

#[test]
fn what_a_change_of_percent_finds_under_way_belongs_to_the_time_before() {
    for fails in [true, false] {
        let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new, go) = on_signal([if fails { json(500, "", "{}") } else { completion("well") }]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let before = evidence(&sidecar);
        let mut client = sidecar.client();
        client.send(ask("{}"));
        got(&seen_new);
        sidecar.set_percent(some());
        go.send(()).unwrap();
        assert_eq!(client.reply().status, 200);
        sidecar.settle();
        let ArmTotals { dispatched, succeeded, failed, .. } = before.totals(Arm::Canary);
        assert_eq!((dispatched, succeeded, failed), (1, u64::from(!fails), u64::from(fails)));
        let said = reported(&before, Arm::Canary);
        assert!(if fails { said == [FAILED] } else { matches!(said[..], [SampleKind::Output { .. }]) }, "{said:?}");
        assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
        assert_eq!(reported(&evidence(&sidecar), Arm::Canary), []);
    }
}

#[test]
fn a_user_who_is_paused_is_sent_and_not_exposed() {
    for (arm, percent) in [(Arm::Stable, some()), (Arm::Canary, Percent::ALL)] {
        let (provider, _seen) = Scripted::in_turn((0..3).map(|_| json(500, "", "{}")));
        let sidecar = Sidecar::start(policy(provider.address, provider.address), percent);
        let evidence = evidence(&sidecar);
        let user = (arm, SourceGroup::of(1), slot("u"));
        evidence.silence.set(user, Aspect::Failing, true);
        evidence.silence.set(user, Aspect::Refusing, true);
        sidecar.ask(&ask("{}"));
        sidecar.settle();
        // Whether a sample of theirs counts is for control to say.
        assert_eq!(reported(&evidence, arm), [FAILED]);
        sidecar.ask(&post(CHAT, "x-user-id: somebody else\r\n", "{}"));
        evidence.silence.set(user, Aspect::Failing, false);
        sidecar.ask(&ask("{}"));
        sidecar.settle();
        let totals = evidence.totals(arm);
        assert_eq!((totals.dispatched, totals.exposed), (3, [2, 3, 1, 3, 3, 3, 3, 3]));
    }
}

#[test]
fn at_100_a_conversation_without_a_user_is_distinguished_from_others() {
    let (provider, _seen) = Scripted::in_turn((0..3).map(|_| json(500, "", "{}")));
    let sidecar = Sidecar::start(policy(provider.address, provider.address), Percent::ALL);
    let evidence = evidence(&sidecar);
    for words in ["u", "u", "other"] {
        // `user` names no user, so the text alone is hashed.
        sidecar.ask(&post(CHAT, "", &format!(r#"{{"user":"anonymous","input":"{words}"}}"#)));
    }
    sidecar.settle();
    let mut slots = Vec::new();
    evidence.samples.drain(|sample| slots.extend((sample.kind == FAILED).then_some(sample.whose.slot)));
    let expected = ["\"u\"", "\"u\"", "\"other\""].map(|words| Some(slot(words)));
    assert_eq!(slots, expected);
}

#[test]
fn whether_there_was_a_connection_is_reported() {
    let (old, _seen) = Scripted::in_turn([completion("rescued")]);
    let mut policy = policy(old.address, refusing_address());
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    sidecar.settle();
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), [SampleKind::Failed { connect: true }]);
}

#[test]
fn what_no_bucket_chose_is_not_reported() {
    for (headers, body) in [
        ("x-user-id: u\r\nx-force: token\r\n", "{}"),
        ("x-user-id: u\r\nx-force: token:stable\r\n", "{}"),
        ("x-user-id: canary-user\r\n", "{}"),
        ("x-user-id: stable-user\r\n", "{}"),
        ("x-user-id: u\r\n", r#"{"previous_response_id":"resp_1"}"#),
    ] {
        for answer in [completion("well"), json(500, "", "{}"), error(400, "null")] {
            let (provider, _seen) = Scripted::in_turn([answer]);
            let mut policy = policy(provider.address, provider.address);
            with_rollout(&mut policy, |rollout| rollout.fallback_4xx = false);
            let sidecar = Sidecar::start(policy, Percent::ALL);
            sidecar.ask(&post(CHAT, headers, body));
            sidecar.settle();
            assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING), "{headers}");
            assert_eq!(reported(&evidence(&sidecar), Arm::Canary), [], "{headers}");
            assert_eq!(sidecar.refusals(), [], "{headers}");
        }
    }
}

#[test]
fn what_an_open_breaker_sends_elsewhere_is_not_reported() {
    let rule = BreakerRule { failures: 1, open_for: Millis(600_000) };
    let (old, _seen) = Scripted::in_turn([completion("instead"), json(500, "", "{}")]);
    let mut policy = both_ways(&old, &Scripted::in_turn([json(500, "", "{}")]).0);
    with_provider(&mut policy, 1, |provider| provider.breaker = Some(rule));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    sidecar.shared.load().provider(NEW).end_attempt(
        Some(&rule),
        None,
        None,
        AttemptSignal::Failure,
        crate::clock::now(),
    );
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    // And one that comes to it in the end, as no other candidate could answer.
    assert_eq!(sidecar.ask(&ask("{}")).header("x-serin-attempts").as_deref(), Some("2"));
    sidecar.settle();
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), []);
}

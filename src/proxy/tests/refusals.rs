//! What a refusal is reported as, and when.

use super::counting::{EXPOSED, FAILED, ONE_FAILURE, ONE_NOT_JUDGED, ask, error, evidence, reported, some};
use super::support::*;
use crate::decide::finish_kind::FinishKind;
use crate::decide::incompatibility::Incompatibility;
use crate::decide::policy::Secret;
use crate::decide::units::{Arm, Percent};
use crate::state::inbox::Rejection;
use crate::state::samples::SampleKind;

#[test]
fn a_pending_refusal_is_reported_when_stable_has_answered() {
    for (answer, accepts) in [(completion("taken"), true), (error(400, "null"), false)] {
        let (old, seen_old, go) = on_signal([answer]);
        let (new, _seen_new) = Scripted::in_turn([error(422, "\"bad_field\"")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask("{}"));
        got(&seen_old);
        assert_eq!((sidecar.judged(Arm::Canary), reported(&evidence(&sidecar), Arm::Canary)), (EXPOSED, vec![]));
        assert_eq!(sidecar.refusals(), []);
        go.send(()).unwrap();
        assert_eq!(client.reply().status, if accepts { 200 } else { 422 });
        sidecar.settle();
        // What both refuse says nothing of either.
        let (judged, expected): (_, &[_]) =
            if accepts { (ONE_FAILURE, &[FAILED, SampleKind::Rejected]) } else { (ONE_NOT_JUDGED, &[]) };
        assert_eq!(sidecar.judged(Arm::Canary), judged);
        assert_eq!(reported(&evidence(&sidecar), Arm::Canary), expected);
        let refused = refusal(422, "bad_field");
        assert_eq!(sidecar.refusals(), [Rejection { accepted: accepts, ..refused }]);
    }
}

#[test]
fn a_refusal_after_a_throttled_key_is_what_stable_says() {
    let (old, _seen_old) = Scripted::in_turn([error(400, "null")]);
    let (new, _seen_new) = Scripted::in_turn([error(429, "null"), error(400, "null")]);
    let mut policy = both_ways(&old, &new);
    let keys = ["one", "two"].map(|key| Secret::new(key.to_owned()));
    with_provider(&mut policy, 1, |provider| provider.api_keys = keys.to_vec());
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&ask("{}")).status, 400);
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED);
    assert_eq!(reported(&evidence(&sidecar), Arm::Canary), []);
}

#[test]
fn what_neither_accepts_does_not_hide_what_stable_accepts() {
    let (old, _seen_old) = Scripted::in_turn([error(400, "null"), error(400, "null"), completion("taken")]);
    let (new, _seen_new) = Scripted::in_turn((0..3).map(|_| error(400, "\"bad_field\"")));
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    for status in [400, 400, 200] {
        assert_eq!(sidecar.ask(&ask("{}")).status, status);
    }
    sidecar.settle();
    let reported: Vec<_> = sidecar.refusals().iter().map(|refused| refused.accepted).collect();
    assert!(reported.first() == Some(&false) && reported.last() == Some(&true), "{reported:?}");
}

fn refusal(status: u16, code: &str) -> Rejection {
    Rejection {
        rollout: "chat".to_owned(),
        provider: "new".to_owned(),
        finding: Incompatibility::Other { status, code: code.to_owned() },
        status,
        code: Some(code.to_owned()),
        accepted: false,
    }
}

#[test]
fn a_refusal_that_no_other_provider_is_asked_about_is_reported_with_its_words() {
    let filter = "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n";
    let in_json = json(200, "", r#"{"error":{"message":"no","code":"content_filter"}}"#);
    for (answer, status, code, asks) in [
        (error(400, "\"bad_field\""), 400, "bad_field", false),
        (error(400, "\"content_filter\""), 400, "content_filter", true),
        (error(409, "null"), 409, "x", true),
        (in_json, 200, "content_filter", true),
        (stream(&[ROLE, filter]) + LAST, 200, "content_filter", true),
        (stream(&[ROLE, WORD, filter]) + LAST, 200, "content_filter", true),
    ] {
        let (new, _seen) = Scripted::in_turn([answer.clone()]);
        let mut policy = both_ways(&Scripted::in_turn([completion("not asked")]).0, &new);
        with_rollout(&mut policy, |rollout| rollout.fallback_4xx = asks);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        sidecar.ask(&ask(r#"{"stream":true}"#));
        sidecar.settle();
        assert_eq!(sidecar.refusals(), [refusal(status, code)], "{answer}");
        let mut said = reported(&evidence(&sidecar), Arm::Canary);
        said.retain(|what| !matches!(what, SampleKind::Output { .. }));
        let filtered = SampleKind::Answered { finished: FinishKind::Filtered };
        // What a filter refuses hangs on what was asked.
        let expected = match (status, code) {
            (200, _) => vec![filtered],
            (_, "content_filter") => vec![],
            _ => vec![SampleKind::Rejected],
        };
        assert_eq!((said, sidecar.judged(Arm::Canary)), (expected, ONE_NOT_JUDGED), "{answer}");
    }
}

#[test]
fn refusals_of_stable_are_reported_to_the_guard_alone() {
    let (old, _seen) = Scripted::in_turn([error(400, "\"bad_field\"")]);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), some());
    assert_eq!(sidecar.ask(&ask("{}")).status, 400);
    sidecar.settle();
    assert_eq!(reported(&evidence(&sidecar), Arm::Stable), [SampleKind::Rejected]);
    assert_eq!(sidecar.refusals(), []);
}

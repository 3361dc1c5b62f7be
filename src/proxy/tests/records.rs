//! What is known of a request whose attempts failed, whatever plans it was served by.

use super::support::*;
use crate::decide::cause::CauseCount;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{AccessLog, AccessLogOnly, AccessLogTo, Fallback, Policy, Secret, Unmatched};
use crate::decide::units::{Arm, Millis, Percent, ProviderId, UnixMillis};
use crate::state::access_log::{LogMessage, RequestLine};
use crate::state::evidence::{ArmTotals, Evidence};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

const CHAT: &str = "/v1/chat/completions";
const NEW: ProviderId = ProviderId(1);
/// Exposed, succeeded, failed, not judged.
type Counted = (u64, u64, u64, u64);
/// What a reload changes.
type Change<'a> = &'a dyn Fn(&mut Policy);

const ONE_FAILURE: Counted = (1, 0, 1, 0);

/// Of a user whom a bucket sends to the canary.
fn ask() -> String {
    post(CHAT, "x-user-id: u\r\n", "{}")
}

/// With a line for every request.
pub(super) fn logged(mut policy: Policy) -> Policy {
    policy.access_log = Some(AccessLog {
        to: AccessLogTo::Stdout,
        only: AccessLogOnly::All,
        sample: Percent::ALL,
        max_per_second: 1_000_000,
        max_bytes: 1 << 20,
    });
    policy
}

/// The next line.
pub(super) fn line(entries: &Receiver<LogMessage>) -> RequestLine {
    let LogMessage::Line(line) = got(entries) else { panic!("no line") };
    line.request
}

/// An attempt of a line: whose, and what came of it.
pub(super) fn attempts(line: &RequestLine) -> Vec<(&str, Outcome)> {
    line.attempts.iter().map(|attempt| (&*attempt.provider, attempt.outcome)).collect()
}

fn causes(evidence: &Evidence) -> Vec<CauseCount> {
    evidence.causes.of(Arm::Canary, Millis(0), UnixMillis(0))
}

/// What is reported of a cause: in how many requests of how many, which providers answered them, and how many users saw
/// an error.
fn reported(cause: &CauseCount) -> (u64, u64, Vec<(&str, u64)>, u64) {
    let answered = cause.answered.iter().map(|(name, count)| (&**name, *count)).collect();
    (cause.count, cause.of, answered, cause.users_failed)
}

fn evidence(sidecar: &Sidecar) -> Arc<Evidence> {
    Arc::clone(&sidecar.shared.load().rollouts[0].evidence)
}

/// What the guard counted of the canary.
fn counted(evidence: &Evidence) -> Counted {
    let ArmTotals { dispatched, succeeded, failed, not_judged, .. } = evidence.totals(Arm::Canary);
    (dispatched, succeeded, failed, not_judged)
}

fn failure() -> String {
    json(500, "", "{}")
}

fn throttled() -> String {
    json(429, "", "{}")
}

fn with_keys(mut policy: Policy) -> Policy {
    with_provider(&mut policy, 1, |provider| {
        provider.api_keys = ["one", "two"].map(|key| Secret::new(key.to_owned())).into();
    });
    policy
}

#[test]
fn what_was_attempted_before_a_reload_stays_in_the_requests_record() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let (new, seen_new, go) = on_signal([failure(), failure()]);
    let sidecar = Sidecar::start(logged(both_ways(&old, &new)), Percent::ALL);
    let entries = sidecar.shared.access_log.receiver().unwrap();
    let mut client = sidecar.client();
    client.send(ask());
    got(&seen_new);
    sidecar.reload(|_| ());
    go.send(()).unwrap();
    got(&seen_new);
    go.send(()).unwrap();
    let reply = client.reply();
    assert!(reply.text().contains("rescued"));
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("3"));
    sidecar.settle();
    let line = line(&entries);
    let failed = ("new", Outcome::ServerError);
    assert_eq!(attempts(&line), [failed, failed, ("old", Outcome::Ok)]);
    assert_eq!((line.status, line.provider.as_deref()), (Some(200), Some("old")));
    // One request, that failed there twice.
    assert_eq!(counted(&evidence(&sidecar)), ONE_FAILURE);
    let causes = causes(&evidence(&sidecar));
    assert_eq!(causes.iter().map(reported).collect::<Vec<_>>(), [(1, 1, vec![("old", 1)], 0)]);
}

#[test]
fn a_request_that_is_planned_again_is_counted_once_by_the_guard() {
    let no_change = |_: &mut Policy| ();
    let salted = |policy: &mut Policy| with_rollout(policy, |rollout| "another".clone_into(&mut rollout.salt));
    let cases: [(&str, String, Change<'_>, Counted); 3] = [
        // The canary is asked again, with its other key.
        ("all that it amounts to is not known", throttled(), &no_change, (1, 1, 0, 0)),
        // Stable was about to be asked.
        ("its failure was reported", failure(), &no_change, ONE_FAILURE),
        // It was exposed for another user, and stays there.
        ("its user has another place", throttled(), &salted, ONE_FAILURE),
    ];
    for (case, first, change, expected) in cases {
        let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new, go) = on_signal([first, completion("well")]);
        let sidecar = Sidecar::start(with_keys(both_ways(&old, &new)), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask());
        got(&seen_new);
        sidecar.reload(change);
        go.send(()).unwrap();
        got(&seen_new);
        go.send(()).unwrap();
        assert!(client.reply().text().contains("well"), "{case}");
        sidecar.settle();
        assert_eq!(counted(&evidence(&sidecar)), expected, "{case}");
    }
}

#[test]
fn a_plan_by_which_nothing_was_attempted_loses_nothing_of_an_earlier_one() {
    let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
    let (new, seen_new, go) = on_signal([failure(), completion("of a file"), failure()]);
    let mut policy = logged(both_ways(&old, &new));
    policy.unmatched = Unmatched::Provider(NEW);
    with_provider(&mut policy, 1, |provider| provider.max_connections = 2);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let (mut client, mut occupant) = (sidecar.client(), sidecar.client());
    client.send(ask());
    got(&seen_new);
    occupant.send(post("/v1/files", "", "{}"));
    got(&seen_new);
    // From now on there is one connection, and the other request has it.
    sidecar.reload(|policy| with_provider(policy, 1, |provider| provider.max_connections = 1));
    go.send(()).unwrap();
    let failed = [(Outcome::ServerError, 1)];
    until("the second plan waits for its turn", || sidecar.attempts(Arm::Canary, NEW) == failed);
    sidecar.reload(|_| ());
    go.send(()).unwrap();
    assert!(occupant.reply().text().contains("of a file"));
    got(&seen_new);
    go.send(()).unwrap();
    let reply = client.reply();
    assert!(reply.text().contains("rescued"), "{reply:?}");
    assert_eq!(reply.header("x-serin-attempts").as_deref(), Some("3"));
    sidecar.settle();
    assert_eq!(counted(&evidence(&sidecar)), ONE_FAILURE);
    let causes = causes(&evidence(&sidecar));
    assert_eq!(causes.iter().map(reported).collect::<Vec<_>>(), [(1, 1, vec![("old", 1)], 0)]);
}

#[test]
fn an_answer_after_a_rollback_is_counted_in_the_epoch_that_is_over() {
    let (old, _seen_old) = Scripted::in_turn([completion("of stable")]);
    let (new, seen_new, go) = on_signal([throttled()]);
    let sidecar = Sidecar::start(logged(with_keys(both_ways(&old, &new))), Percent::ALL);
    let entries = sidecar.shared.access_log.receiver().unwrap();
    let before = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask());
    got(&seen_new);
    sidecar.set_percent(Percent::ZERO);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("of stable"));
    sidecar.settle();
    assert_eq!(attempts(&line(&entries)), [("new", Outcome::Throttled), ("old", Outcome::Ok)]);
    assert_eq!(counted(&before), ONE_FAILURE);
    assert_eq!(causes(&before).iter().map(reported).collect::<Vec<_>>(), [(1, 1, vec![("old", 1)], 0)]);
    assert_eq!(causes(&evidence(&sidecar)), []);
}

#[test]
fn a_request_that_is_unmatched_after_a_reload_has_its_line_and_its_cause_is_reported() {
    let (new, seen_new, go) = on_signal([failure()]);
    let sidecar =
        Sidecar::start(logged(both_ways(&Scripted::in_turn([completion("not asked")]).0, &new)), Percent::ALL);
    let entries = sidecar.shared.access_log.receiver().unwrap();
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask());
    got(&seen_new);
    sidecar.reload(|policy| {
        with_rollout(policy, |rollout| rollout.matches.endpoints = vec!["responses".to_owned()]);
        policy.unmatched = Unmatched::Reject;
    });
    go.send(()).unwrap();
    let reply = client.reply();
    assert_eq!(reply.status, 404, "{reply:?}");
    let line = line(&entries);
    assert_eq!(attempts(&line), [("new", Outcome::ServerError)]);
    assert_eq!((line.status, line.error), (Some(404), reply.header("x-serin-error").as_deref()), "{line:?}");
    sidecar.settle();
    assert_eq!(counted(&evidence), ONE_FAILURE);
    assert_eq!(causes(&evidence).iter().map(reported).collect::<Vec<_>>(), [(1, 1, vec![], 1)]);
}

#[test]
fn a_request_counts_once_for_each_cause_that_it_met() {
    let refused = || json(401, "", "{}");
    let (throttled, all) = (|| json(429, "retry-after: 0.01\r\n", "{}"), vec![("old", 1)]);
    let fine = || completion("well");
    // What the canary says in turn, whether it has two keys and another provider answers, and what is reported of each
    // cause.
    let cases = [
        ("two keys, one cause", vec![throttled(), throttled()], true, true, vec![(1, 1, all.clone(), 0)]),
        (
            "two keys, two causes",
            vec![refused(), throttled()],
            true,
            true,
            vec![(1, 1, all.clone(), 0), (1, 1, all.clone(), 0)],
        ),
        ("the second key is well", vec![throttled(), fine()], true, true, vec![(1, 1, vec![], 0)]),
        ("asked again, in vain", vec![throttled(), throttled()], false, false, vec![(1, 1, vec![], 1)]),
        ("asked again, and well", vec![throttled(), fine()], false, false, vec![(1, 1, vec![], 0)]),
        ("another answers", vec![failure()], false, true, vec![(1, 1, all, 0)]),
        ("no other does", vec![failure()], false, false, vec![(1, 1, vec![], 1)]),
    ];
    for (case, answers, keys, fallback, expected) in cases {
        let (old, _seen_old) = Scripted::in_turn([fine()]);
        let (new, _seen_new) = Scripted::in_turn(answers);
        let mut policy = both_ways(&old, &new);
        if keys {
            policy = with_keys(policy);
        }
        if case.starts_with("asked again") {
            with_rollout(&mut policy, |rollout| rollout.retry.attempts = 2);
        }
        if !fallback {
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
        }
        let sidecar = Sidecar::start(policy, Percent::ALL);
        sidecar.ask(&ask());
        sidecar.settle();
        let causes = causes(&evidence(&sidecar));
        assert_eq!(causes.iter().map(reported).collect::<Vec<_>>(), expected, "{case}");
    }
}

#[test]
fn a_client_that_leaves_after_a_failure_got_no_answer_and_saw_no_error() {
    let (old, seen_old, _go) = on_signal([]);
    let (new, _seen_new) = Scripted::in_turn([failure()]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask());
    got(&seen_old);
    drop(client);
    sidecar.settle();
    assert_eq!(causes(&evidence(&sidecar)).iter().map(reported).collect::<Vec<_>>(), [(1, 1, vec![], 0)]);
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ServerError, 1)]);
}

#[test]
fn attempts_are_recorded_in_their_order_where_stable_is_asked_about_a_refusal() {
    let (old, _seen_old) = Scripted::in_turn([throttled(), completion("accepted")]);
    let (new, _seen_new) = Scripted::in_turn([json(400, "", r#"{"error":{"message":"no"}}"#)]);
    let mut policy = logged(both_ways(&old, &new));
    with_provider(&mut policy, 0, |provider| {
        provider.api_keys = ["one", "two"].map(|key| Secret::new(key.to_owned())).into();
    });
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let entries = sidecar.shared.access_log.receiver().unwrap();
    assert_eq!(sidecar.ask(&ask()).status, 200);
    sidecar.settle();
    let (asked, throttled) = (("new", Outcome::Unsupported), ("old", Outcome::Throttled));
    assert_eq!(attempts(&line(&entries)), [asked, throttled, ("old", Outcome::Ok)]);
}

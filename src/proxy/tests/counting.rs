//! What the guard is told of, when, and of whom.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::*;
use crate::decide::advice::Finding;
use crate::decide::breaker::Verdict;
use crate::decide::bucket::place;
use crate::decide::finished::Finished;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::guard::waiting::Over;
use crate::decide::policy::{BreakerRule, Fallback, Secret, StreamMode};
use crate::decide::units::{Arm, Millis, Percent, ProviderId, Slot};
use crate::state::evidence::{ArmTotals, Evidence};
use crate::state::inbox::Refused;
use crate::state::samples::{Sample, What};

const CHAT: &str = "/v1/chat/completions";
const NEW: ProviderId = ProviderId(1);
const NOTHING: (u64, u64, u64, u64) = (0, 0, 0, 0);
const EXPOSED: (u64, u64, u64, u64) = (1, 0, 0, 0);
const ONE_FAILURE: (u64, u64, u64, u64) = (1, 0, 1, 0);
const ONE_SUCCESS: (u64, u64, u64, u64) = (1, 1, 0, 0);
const ONE_NOT_JUDGED: (u64, u64, u64, u64) = (1, 0, 0, 1);
const FAILED: What = What::Failed { connect: false };

/// Of a user whom a bucket sends to the canary at 100% and to stable at 0.01%.
fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

fn slot(user: &str) -> Slot {
    place("", user.as_bytes()).slot
}

fn evidence(sidecar: &Sidecar) -> Arc<Evidence> {
    Arc::clone(&sidecar.shared.load().rollouts[0].evidence)
}

/// What was told of `u` on this arm since the last time, but for who waits.
fn told(evidence: &Evidence, arm: Arm) -> Vec<What> {
    let mut all = Vec::new();
    evidence.samples.drain(|sample| {
        let Sample { evidence: id, whose, what, .. } = sample;
        assert_eq!((id, whose.arm, whose.slot), (evidence.id, arm, Some(slot("u"))), "{sample:?}");
        if !matches!(what, What::Sent | What::SentAgain | What::Over(_)) {
            all.push(what);
        }
    });
    all
}

/// The times alone.
fn times(told: &[What]) -> Vec<(bool, Millis)> {
    let time = |what: &What| match what {
        What::Output { after } => (true, *after),
        What::LeftWaiting { after } => (false, *after),
        other => panic!("{other:?} is no time"),
    };
    told.iter().map(time).collect()
}

/// Lets some time pass that can be measured.
fn pause() {
    let (_never, wait) = channel::<()>();
    let _ = wait.recv_timeout(PAUSE);
}

const PAUSE: Duration = Duration::from_millis(60);

fn is_after_the_pause(after: Millis) -> bool {
    (50..5000).contains(&after.0)
}

fn error(status: u16, code: &str) -> String {
    json(status, "", &format!(r#"{{"error":{{"message":"no","type":"x","param":null,"code":{code}}}}}"#))
}

#[test]
fn a_request_is_exposure_before_its_answer_comes() {
    for (arm, percent) in [(Arm::Stable, some()), (Arm::Canary, Percent::ALL)] {
        let (provider, seen, go) = when_told([completion("well")]);
        let sidecar = Sidecar::start(policy(provider.address, provider.address), percent);
        let mut client = sidecar.client();
        client.send(ask("{}"));
        got(&seen);
        assert_eq!(sidecar.judged(arm), EXPOSED);
        assert_eq!(told(&evidence(&sidecar), arm), []);
        pause();
        go.send(()).unwrap();
        assert_eq!(client.reply().status, 200);
        sidecar.settle();
        assert_eq!(sidecar.judged(arm), ONE_SUCCESS);
        let told = times(&told(&evidence(&sidecar), arm));
        assert!(matches!(told[..], [(true, after)] if is_after_the_pause(after)), "{told:?}");
    }
}

#[test]
fn a_failure_is_told_before_the_rescue_has_ended() {
    let (old, seen_old, go) = when_told([completion("rescued")]);
    let (new, _seen_new) = Scripted::in_turn([json(500, "", "{}")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), [FAILED]);
    go.send(()).unwrap();
    assert!(client.reply().text().contains("rescued"));
    sidecar.settle();
    // Once, and how long the rescue took is nobody's.
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (ONE_FAILURE, NOTHING));
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), []);
}

#[test]
fn a_client_that_leaves_a_rescue_takes_nothing_back() {
    let (old, seen_old, _go) = when_told([]);
    let (new, _seen_new) = Scripted::in_turn([json(500, "", "{}")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    drop(client);
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), ONE_FAILURE);
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), [FAILED]);
}

#[test]
fn what_a_change_of_percent_finds_under_way_belongs_to_the_time_before() {
    for fails in [true, false] {
        let (old, _seen_old) = Scripted::in_turn([completion("rescued")]);
        let (new, seen_new, go) = when_told([if fails { json(500, "", "{}") } else { completion("well") }]);
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
        let said = told(&before, Arm::Canary);
        assert!(if fails { said == [FAILED] } else { matches!(said[..], [What::Output { .. }]) }, "{said:?}");
        assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
        assert_eq!(told(&evidence(&sidecar), Arm::Canary), []);
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
        assert_eq!(told(&evidence, arm), [FAILED]);
        sidecar.ask(&post(CHAT, "x-user-id: somebody else\r\n", "{}"));
        evidence.silence.set(user, Aspect::Failing, false);
        sidecar.ask(&ask("{}"));
        sidecar.settle();
        let totals = evidence.totals(arm);
        assert_eq!((totals.dispatched, totals.exposed), (3, [2, 3, 1, 3, 3, 3, 3]));
    }
}

#[test]
fn at_100_a_conversation_without_a_user_is_told_from_others() {
    let (provider, _seen) = Scripted::in_turn((0..3).map(|_| json(500, "", "{}")));
    let sidecar = Sidecar::start(policy(provider.address, provider.address), Percent::ALL);
    let evidence = evidence(&sidecar);
    for words in ["u", "u", "other"] {
        // `user` is nobody, and the words are all that is hashed.
        sidecar.ask(&post(CHAT, "", &format!(r#"{{"user":"anonymous","input":"{words}"}}"#)));
    }
    sidecar.settle();
    let mut slots = Vec::new();
    evidence.samples.drain(|sample| slots.extend((sample.what == FAILED).then_some(sample.whose.slot)));
    let expected = ["\"u\"", "\"u\"", "\"other\""].map(|words| Some(slot(words)));
    assert_eq!(slots, expected);
}

#[test]
fn whether_there_was_a_connection_is_told() {
    let (old, _seen) = Scripted::in_turn([completion("rescued")]);
    let mut policy = policy(old.address, nobody());
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    sidecar.settle();
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), [What::Failed { connect: true }]);
}

#[test]
fn the_time_is_told_when_output_comes_and_not_before() {
    // While frames go out as they come, and while they are held.
    for recoverable in [false, true] {
        let (go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let (sender, seen) = channel();
        let new = Scripted::new(move |mut client| {
            client.message();
            client.send(stream(&[ROLE]));
            sender.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
            client.send(format!("{:x}\r\n{WORD}\r\n", WORD.len()));
            let _ = wait.lock().unwrap().recv();
            client.send(format!("{:x}\r\n{STOP}\r\n{LAST}", STOP.len()));
        });
        let mut policy = policy(nobody(), new.address);
        if recoverable {
            with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
        }
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let evidence = evidence(&sidecar);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen);
        if !recoverable {
            client.read_to("assistant");
        }
        pause();
        assert_eq!(told(&evidence, Arm::Canary), []);
        go.send(()).unwrap();
        client.read_to("hi");
        let said = times(&told(&evidence, Arm::Canary));
        assert!(matches!(said[..], [(true, after)] if is_after_the_pause(after)), "{said:?}");
        assert_eq!(sidecar.judged(Arm::Canary), EXPOSED);
        go.send(()).unwrap();
        client.read_to("0\r\n\r\n");
        sidecar.settle();
        assert_eq!((sidecar.judged(Arm::Canary), told(&evidence, Arm::Canary)), (ONE_SUCCESS, vec![]));
    }
}

/// Both providers begin their answers alike and end them when told to; the canary's are held, since stable could answer
/// for it and nobody else for stable.
fn buffered(begin: String, end: String) -> (Sidecar, Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let [old, new] = [(), ()].map(|()| {
        let (begin, end, wait) = (begin.clone(), end.clone(), Arc::clone(&wait));
        Scripted::new(move |mut client| {
            while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
                client.message();
                client.send(&begin);
                if wait.lock().unwrap().recv().is_err() {
                    return;
                }
                client.send(&end);
            }
        })
    });
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| {
        rollout.stream_mode = StreamMode::Buffered;
        rollout.fallback = Fallback::List(vec![ProviderId(0)]);
    });
    (Sidecar::start(policy, Percent::ALL), go)
}

/// SendLimits for the time of the output, while the answer's end is still to come.
fn output_told(evidence: &Evidence, arm: Arm) {
    let mut said = Vec::new();
    until("the time of the output is told", || {
        said.extend(told(evidence, arm));
        !said.is_empty()
    });
    assert!(matches!(said[..], [What::Output { .. }]), "{said:?}");
}

#[test]
fn the_time_of_an_answer_that_is_held_is_that_of_one_which_is_not() {
    let rest = format!("{:x}\r\n{STOP}\r\n{LAST}", STOP.len());
    // Events that can be read, and events that cannot: there any byte is output.
    let unread = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: x-own\r\n\
                  transfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    for (begin, end) in [(stream(&[ROLE, WORD]), rest), (unread.to_owned(), LAST.to_owned())] {
        let (sidecar, go) = buffered(begin.clone(), end);
        for (arm, percent) in [(Arm::Canary, Percent::ALL), (Arm::Stable, some())] {
            sidecar.set_percent(percent);
            let evidence = evidence(&sidecar);
            let mut client = sidecar.client();
            client.send(ask(r#"{"stream":true}"#));
            output_told(&evidence, arm);
            go.send(()).unwrap();
            assert_eq!(client.reply().status, 200);
            sidecar.settle();
            assert_eq!(told(&evidence, arm), [], "{arm:?} {begin}");
        }
    }
}

#[test]
fn a_client_that_leaves_an_answer_that_is_held_has_not_waited_for_its_output() {
    let (sidecar, _go) = buffered(stream(&[ROLE, WORD]), String::new());
    let evidence = evidence(&sidecar);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    output_told(&evidence, Arm::Canary);
    pause();
    drop(client);
    sidecar.settle();
    assert_eq!(told(&evidence, Arm::Canary), []);
    assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED);
}

#[test]
fn an_answer_that_is_held_and_breaks_off_has_told_its_time_as_any_other() {
    let broken = stream(&[ROLE, WORD]) + &BREAK.to_string();
    let (new, _seen) = Scripted::in_turn([broken]);
    let (old, _seen_old) = Scripted::in_turn([stream(&[ROLE, WORD, STOP]) + LAST]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.stream_mode = StreamMode::Buffered);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask(r#"{"stream":true}"#)).text().contains("[DONE]"));
    sidecar.settle();
    let told = told(&evidence(&sidecar), Arm::Canary);
    assert!(matches!(told[..], [What::Output { .. }, FAILED]), "{told:?}");
}

#[test]
fn a_client_that_leaves_tells_for_how_long_it_had_waited_for_output() {
    for (came, waited) in [
        (String::new(), true),
        (stream(&[]), true),
        (stream(&[ROLE]), true),
        (stream(&[ROLE, WORD]), false),
        ("HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n".to_owned(), false),
    ] {
        let (sender, seen) = channel();
        let new = {
            let came = came.clone();
            Scripted::new(move |mut client| {
                client.message();
                client.send(&came);
                sender.send(()).unwrap();
                client.read_to_end();
            })
        };
        let sidecar = Sidecar::start(policy(nobody(), new.address), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen);
        if came.contains("delta") {
            client.read_to("delta");
        }
        if !waited && came.contains("hi") {
            client.read_to("hi");
        }
        pause();
        drop(client);
        sidecar.settle();
        assert_eq!(sidecar.judged(Arm::Canary), ONE_NOT_JUDGED, "{came}");
        let said = times(&told(&evidence(&sidecar), Arm::Canary));
        match &said[..] {
            [(false, after)] => assert!(waited && is_after_the_pause(*after), "{came}: {said:?}"),
            [(true, _)] => assert!(came.contains("hi"), "{came}"),
            none => assert!(none.is_empty() && !waited && !came.contains("hi"), "{came}: {said:?}"),
        }
    }
}

#[test]
fn a_repetition_that_succeeds_is_one_success_and_its_time_is_that_of_both() {
    let (new, _seen) = Scripted::in_turn([json(429, "retry-after-ms: 60\r\n", "{}"), completion("at last")]);
    let mut policy = policy(nobody(), new.address);
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 2);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask("{}")).text().contains("at last"));
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), ONE_SUCCESS);
    let said = times(&told(&evidence(&sidecar), Arm::Canary));
    assert!(matches!(said[..], [(true, after)] if is_after_the_pause(after)), "{said:?}");
}

#[test]
fn a_pause_is_no_silence_of_the_provider() {
    let (new, _seen) = Scripted::in_turn([json(429, "retry-after-ms: 60\r\n", "{}"), completion("at last")]);
    let mut policy = policy(nobody(), new.address);
    with_rollout(&mut policy, |rollout| rollout.retry.attempts = 2);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask("{}")).text().contains("at last"));
    sidecar.settle();
    // It waited twice, and is one request of its user.
    assert_eq!((sidecar.evidence(Arm::Canary).waits, sidecar.judged(Arm::Canary)), ((2, 2), ONE_SUCCESS));
    let mut all = Vec::new();
    evidence(&sidecar).samples.drain(|sample| all.push(sample.what));
    assert_eq!(all[..3], [What::Sent, What::Over(Over::Paused), What::SentAgain], "{all:?}");
}

#[test]
fn a_client_that_leaves_between_two_attempts_leaves_a_failure_and_no_time() {
    let (new, _seen) = Scripted::in_turn([json(429, "retry-after: 2\r\n", "{}")]);
    let sidecar = Sidecar::start(policy(nobody(), new.address), Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    until("the failure is accounted for", || !sidecar.attempts(Arm::Canary, NEW).is_empty());
    drop(client);
    sidecar.settle();
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), [FAILED]);
}

#[test]
fn what_no_bucket_chose_is_told_of_in_no_way() {
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
            assert_eq!(told(&evidence(&sidecar), Arm::Canary), [], "{headers}");
            assert_eq!(sidecar.refusals(), [], "{headers}");
        }
    }
}

#[test]
fn what_an_open_breaker_sends_elsewhere_is_told_of_in_no_way() {
    let rule = BreakerRule { failures: 1, open_for: Millis(600_000) };
    let (old, _seen) = Scripted::in_turn([completion("instead"), json(500, "", "{}")]);
    let mut policy = both_ways(&old, &Scripted::in_turn([json(500, "", "{}")]).0);
    with_provider(&mut policy, 1, |provider| provider.breaker = Some(rule));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    sidecar.shared.load().provider(NEW).tell(Some(&rule), None, None, Verdict::Failure, crate::clock::now());
    assert_eq!(sidecar.ask(&ask("{}")).status, 200);
    // And one that comes to it in the end, as nobody else could answer.
    assert_eq!(sidecar.ask(&ask("{}")).header("x-serin-attempts").as_deref(), Some("2"));
    sidecar.settle();
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), []);
}

#[test]
fn a_question_to_stable_is_told_when_stable_has_answered() {
    for (answer, accepts) in [(completion("taken"), true), (error(400, "null"), false)] {
        let (old, seen_old, go) = when_told([answer]);
        let (new, _seen_new) = Scripted::in_turn([error(422, "\"bad_field\"")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask("{}"));
        got(&seen_old);
        assert_eq!((sidecar.judged(Arm::Canary), told(&evidence(&sidecar), Arm::Canary)), (EXPOSED, vec![]));
        assert_eq!(sidecar.refusals(), []);
        go.send(()).unwrap();
        assert_eq!(client.reply().status, if accepts { 200 } else { 422 });
        sidecar.settle();
        // What both refuse says nothing of either.
        let (judged, expected): (_, &[_]) =
            if accepts { (ONE_FAILURE, &[FAILED, What::Refused]) } else { (ONE_NOT_JUDGED, &[]) };
        assert_eq!(sidecar.judged(Arm::Canary), judged);
        assert_eq!(told(&evidence(&sidecar), Arm::Canary), expected);
        let refused = refusal(422, "bad_field");
        assert_eq!(sidecar.refusals(), [Refused { accepted: accepts, ..refused }]);
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
    assert_eq!(told(&evidence(&sidecar), Arm::Canary), []);
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
    let told: Vec<_> = sidecar.refusals().iter().map(|refused| refused.accepted).collect();
    assert!(told.first() == Some(&false) && told.last() == Some(&true), "{told:?}");
}

fn refusal(status: u16, code: &str) -> Refused {
    Refused {
        rollout: "chat".to_owned(),
        provider: "new".to_owned(),
        finding: Finding::Other { status, code: code.to_owned() },
        status,
        code: Some(code.to_owned()),
        accepted: false,
    }
}

#[test]
fn a_refusal_that_nobody_else_is_asked_about_is_told_with_its_words() {
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
        let mut said = told(&evidence(&sidecar), Arm::Canary);
        said.retain(|what| !matches!(what, What::Output { .. }));
        let filtered = What::Answered { finished: Finished::Filtered };
        // What a filter refuses hangs on what was asked.
        let expected = match (status, code) {
            (200, _) => vec![filtered],
            (_, "content_filter") => vec![],
            _ => vec![What::Refused],
        };
        assert_eq!((said, sidecar.judged(Arm::Canary)), (expected, ONE_NOT_JUDGED), "{answer}");
    }
}

#[test]
fn of_stables_own_refusals_the_guard_is_told_and_nobody_else() {
    let (old, _seen) = Scripted::in_turn([error(400, "\"bad_field\"")]);
    let sidecar = Sidecar::start(policy(old.address, nobody()), some());
    assert_eq!(sidecar.ask(&ask("{}")).status, 400);
    sidecar.settle();
    assert_eq!(told(&evidence(&sidecar), Arm::Stable), [What::Refused]);
    assert_eq!(sidecar.refusals(), []);
}

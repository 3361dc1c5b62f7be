//! Who else is asked about what stable does not have, for how long, and what is learned and forgotten by the answers.

use super::recovery::NEW;
use super::state::*;
use super::support::*;
use crate::clock;
use crate::decide::breaker::AttemptSignal;
use crate::decide::policy::{BreakerRule, Policy};
use crate::decide::units::{Millis, Percent, ProviderId};

const GONE: &str = r#"{"error":{"message":"Response with id 'resp_lost1' not found.","type":"invalid_request_error"}}"#;
const OTHER: &str = r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}"#;
const OPENS_AT_ONCE: BreakerRule = BreakerRule { failures: 1, open_for: Millis(600_000) };

fn start(change: impl FnOnce(&mut Policy)) -> (Owner, Owner, Sidecar) {
    let (old, new) = (owner("old"), owner("new"));
    let mut policy = responses(&old, &new);
    change(&mut policy);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    (old, new, sidecar)
}

fn is_known(sidecar: &Sidecar, id: &str) -> bool {
    sidecar.shared.state_ids.find(sidecar.shared.state_ids.key(id), clock::unix()).is_some()
}

fn learn(sidecar: &Sidecar, id: &str, provider: ProviderId) {
    let policy = &sidecar.shared.load().policy;
    let (name, url) = (&policy.provider(provider).name, policy.provider(provider).base_url.to_string());
    let ids = &sidecar.shared.state_ids;
    ids.learn(ids.key(id), ids.owner(name, &url).unwrap(), clock::unix());
}

fn say(owner: &Owner, answer: String) {
    *owner.says.lock().unwrap() = Some(answer);
}

#[test]
fn a_canary_that_is_silent_does_not_keep_the_client_from_stables_answer() {
    let (old, new, sidecar) = start(|policy| with_rollout(policy, |rollout| rollout.give_up_after = Millis(300)));
    say(&new, String::new());
    let began = clock::instant();
    let reply = by_path(&sidecar, "GET", "/responses/resp_unknown1");
    assert_eq!((reply.status, reply.text(), served(&reply).as_str()), (404, UNKNOWN, "old"));
    assert!(began.elapsed().as_millis() < 3000, "{:?}", began.elapsed());
    assert_eq!((asked(&old).len(), asked(&new).len()), (1, 1));
    assert_eq!(by_path(&sidecar, "GET", "/responses/resp_unknown1").status, 404);
    assert_eq!((asked(&old).len(), asked(&new).len()), (1, 0), "it is not asked again at once");
}

#[test]
fn a_canary_whose_breaker_is_open_is_not_asked() {
    let (old, new, sidecar) =
        start(|policy| with_provider(policy, 1, |provider| provider.breaker = Some(OPENS_AT_ONCE)));
    let (now, state) = (clock::now(), sidecar.shared.load().provider(NEW).clone());
    state.end_attempt(Some(&OPENS_AT_ONCE), None, None, AttemptSignal::Failure, now);
    assert_eq!(by_path(&sidecar, "GET", "/responses/resp_lost1").status, 404);
    assert_eq!((asked(&old).len(), asked(&new).len()), (1, 0));
}

#[test]
fn a_canary_that_fails_is_not_taken_for_one_that_does_not_have_it() {
    for status in [429, 500, 503, 403, 413] {
        let (old, new, sidecar) = start(|_| {});
        say(&new, json(status, "", OTHER));
        let reply = by_path(&sidecar, "GET", "/responses/resp_lost1");
        assert_eq!((reply.status, served(&reply).as_str()), (status, "new"), "{reply:?}");
        assert!(sidecar.shared.state_ids.is_empty() && asked(&old).len() == 1);
        *new.says.lock().unwrap() = None;
        new.kept.lock().unwrap().insert("resp_lost1".to_owned());
        assert_eq!(by_path(&sidecar, "GET", "/responses/resp_lost1").status, 200, "it is looked up again");
    }
}

#[test]
fn only_an_answer_that_shows_it_is_learned_from() {
    for (status, body, learned) in [
        (200, "{}", true),
        (304, "", true),
        (400, OTHER, true),
        (409, OTHER, true),
        (400, "<html>bad request</html>", false),
        (405, OTHER, false),
        (415, OTHER, false),
        (422, OTHER, false),
        (501, OTHER, false),
        (404, OTHER, false),
    ] {
        let (_old, new, sidecar) = start(|_| {});
        say(&new, if status == 304 { "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned() } else { json(status, "", body) });
        by_path(&sidecar, "GET", "/responses/resp_lost1");
        assert_eq!(is_known(&sidecar, "resp_lost1"), learned, "{status} {body}");
    }
}

#[test]
fn the_next_key_of_the_canary_is_tried_in_a_lookup_too() {
    let two = || ["one", "two"].map(|key| crate::decide::policy::Secret::new(key.to_owned())).to_vec();
    let (_old, new, sidecar) = start(|policy| with_provider(policy, 1, |provider| provider.api_keys = two()));
    say(&new, json(429, "", OTHER));
    assert_eq!(by_path(&sidecar, "GET", "/responses/resp_lost1").status, 429);
    assert_eq!(asked(&new).len(), 2);
}

#[test]
fn one_not_found_of_something_in_between_forgets_nothing() {
    for (path, body, forgotten) in [
        ("/responses/resp_lost1", "<html>404</html>", false),
        ("/responses/resp_lost1", r#"{"detail":"Not Found"}"#, false),
        (
            "/responses/resp_lost1",
            r#"{"error":{"message":"Unknown request URL","type":"x","code":"unknown_url"}}"#,
            false,
        ),
        ("/responses/resp_lost1/input_items", UNKNOWN, false),
        ("/responses/resp_lost1/input_items", GONE, true),
        ("/responses/resp_lost1", UNKNOWN, true),
    ] {
        let (_old, new, sidecar) = start(|_| {});
        learn(&sidecar, "resp_lost1", NEW);
        say(&new, json(404, "", body));
        assert_eq!(by_path(&sidecar, "GET", path).status, 404);
        assert_eq!(!is_known(&sidecar, "resp_lost1"), forgotten, "{path} {body}");
    }
}

#[test]
fn what_a_request_goes_on_from_decides_before_what_it_uses() {
    let (old, new, sidecar) = start(|_| {});
    old.kept.lock().unwrap().insert("resp_stable1".to_owned());
    learn(&sidecar, "file-canary1", NEW);
    let body = |id: &str| format!(r#"{{"previous_response_id":"{id}","file_id":"file-canary1"}}"#);
    let reply = sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", &body("resp_stable1")));
    assert_eq!((reply.status, served(&reply).as_str()), (200, "old"), "{reply:?}");
    new.kept.lock().unwrap().insert("resp_canary1".to_owned());
    let reply = sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", &body("resp_canary1")));
    assert_eq!((reply.status, served(&reply).as_str()), (200, "new"), "{reply:?}");
    learn(&sidecar, "resp_known1", NEW);
    assert_eq!(sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", &body("resp_known1"))).status, 400);
    assert!(is_known(&sidecar, "file-canary1"), "only what decided can be forgotten");
}

#[test]
fn a_user_who_is_kept_on_stable_is_not_looked_up_elsewhere() {
    for percent in [Percent::ALL, Percent::ZERO] {
        let (old, new, sidecar) = start(|_| {});
        sidecar.set_percent(percent);
        let body = r#"{"previous_response_id":"resp_none1"}"#;
        assert_eq!(sidecar.ask(&post(RESPONSES, "x-user-id: stable-user\r\n", body)).status, 400);
        assert_eq!((asked(&old).len(), asked(&new).len()), (1, 0));
        assert_eq!(sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", body)).status, 400);
        assert_eq!((asked(&old).len(), asked(&new).len()), (1, 1));
    }
}

#[test]
fn a_canary_that_may_not_be_asked_is_not_looked_up_at() {
    let (old, new, sidecar) = start(|_| {});
    let now = sidecar.shared.load();
    let mut next = snapshot(now.revision + 1, (*now.policy).clone(), Percent::ZERO, 1);
    next.rollouts[0].looks_up = false;
    let revision = next.revision;
    sidecar.shared.publish(next);
    until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    assert_eq!(go_on(&sidecar, "resp_none1").status, 400);
    assert_eq!((asked(&old).len(), asked(&new).len()), (1, 0));
}

#[test]
fn state_that_one_rollout_moved_stays_for_another() {
    let (old, new) = (owner("old"), owner("new"));
    let mut policy = responses(&old, &new);
    let mut other = (*policy.rollouts[0]).clone();
    other.name = "conversations".to_owned();
    other.matches.endpoints = vec!["conversations".to_owned()];
    policy.rollouts.push(std::sync::Arc::new(other));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let id = make(&sidecar, "{}");
    for (moved, by_rollout, by_none) in
        [([true, false], "old", "new"), ([false, true], "new", "new"), ([true; 2], "old", "old")]
    {
        let now = sidecar.shared.load();
        let mut next = snapshot(now.revision + 1, (*now.policy).clone(), Percent::ZERO, 1);
        next.rollouts.iter_mut().zip(moved).for_each(|(rollout, moved)| rollout.state_moved = moved);
        let revision = next.revision;
        sidecar.shared.publish(next);
        until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
        assert_eq!(served(&go_on(&sidecar, &id)), by_rollout, "{moved:?}");
        assert_eq!(served(&by_path(&sidecar, "GET", &format!("/responses/{id}"))), by_none, "{moved:?}");
    }
}

#[test]
fn a_request_without_an_id_is_split_as_ever() {
    let (old, new, sidecar) = start(|_| {});
    say(&new, json(200, "", r#"{"id":"resp_1","object":"response","status":"completed","output":[]}"#));
    for body in [r#"{"previous_response_id":""}"#, r#"{"conversation":{}}"#, r#"{"conversation":""}"#] {
        let reply = sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", body));
        assert_eq!(served(&reply), "new", "{body}");
    }
    assert_eq!((asked(&old).len(), asked(&new).len()), (0, 3));
}

#[test]
fn counting_tokens_follows_the_file_that_is_counted() {
    let (_old, new, sidecar) = start(|policy| {
        with_rollout(policy, |rollout| rollout.matches.endpoints = vec!["messages".to_owned()]);
    });
    sidecar.set_percent(Percent::ZERO);
    learn(&sidecar, "file_of_new1", NEW);
    let body = r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_of_new1"}}]}]}"#;
    say(&new, json(200, "", r#"{"input_tokens":3}"#));
    let reply = sidecar.ask(&post("/v1/messages/count_tokens", "x-user-id: u\r\n", body));
    assert_eq!((reply.status, served(&reply).as_str()), (200, "new"), "{reply:?}");
}

#[test]
fn what_is_known_stays_although_its_body_could_not_be_held() {
    let (_old, new, sidecar) = start(|policy| policy.limits.replay_body = 16);
    learn(&sidecar, "resp_large1", NEW);
    say(&new, json(200, "", "{}"));
    let body = format!(r#"{{"input":"{}"}}"#, "x".repeat(100));
    let reply = sidecar.ask(&post("/v1/responses/resp_large1/cancel", "", &body));
    assert_eq!(served(&reply), "new", "{reply:?}");
}

#[test]
fn a_form_and_a_doubled_member_pass_where_no_rollout_takes_them() {
    let (old, _new, sidecar) = start(|_| {});
    say(&old, json(200, "", "{}"));
    let doubled = r#"{"model":"a","model":"b"}"#;
    assert_eq!(sidecar.ask(&post("/v1/batches", "", doubled)).status, 200);
    assert_eq!(sidecar.ask(&post(RESPONSES, "", doubled)).status, 400);
    let form = "--X\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\na\r\n--X--\r\n";
    let request = format!(
        "POST /v1/files HTTP/1.1\r\nhost: s\r\ncontent-type: multipart/form-data; boundary=X\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    // With no memory at all it passes all the same.
    assert_eq!(sidecar.ask(&request).status, 200);
}

//! Requests that name what one provider keeps go there, whatever the percent is, and are no evidence.

use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use super::recovery::{NEW, NOTHING, OLD};
use super::support::*;
use crate::clock;
use crate::decide::policy::{Fallback, Policy, Secret};
use crate::decide::units::{Arm, Percent};

pub(super) const RESPONSES: &str = "/v1/responses";
pub(super) const UNKNOWN: &str =
    r#"{"error":{"message":"not here","type":"invalid_request_error","param":null,"code":null}}"#;
const NO_PREVIOUS: &str = r#"{"error":{"message":"Previous response not found.","type":"invalid_request_error",
    "param":"previous_response_id","code":"previous_response_not_found"}}"#;

fn response(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"response","status":"completed","output":[{{"id":"msg_of_{id}","type":"message",
        "content":[{{"type":"output_text","text":"hi"}}]}}],"usage":{{"input_tokens":1,"output_tokens":1}}}}"#
    )
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// A provider that keeps responses, each under an id with its name; what it kept, and what it was asked.
pub(super) struct Owner {
    pub(super) provider: Scripted,
    pub(super) kept: Arc<Mutex<BTreeSet<String>>>,
    /// What it answers instead, whatever it is asked; empty: nothing at all.
    pub(super) says: Arc<Mutex<Option<String>>>,
    pub(super) seen: Receiver<Message>,
}

pub(super) fn owner(name: &'static str) -> Owner {
    let kept: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let says: Arc<Mutex<Option<String>>> = Arc::default();
    let (sender, seen) = std::sync::mpsc::channel();
    let (keeps, told) = (Arc::clone(&kept), Arc::clone(&says));
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            let message = client.message();
            let told = told.lock().unwrap().clone();
            let answer = told.unwrap_or_else(|| answer(name, &mut keeps.lock().unwrap(), &message));
            let _ = sender.send(message);
            client.send(answer);
        }
    });
    Owner { provider, kept, says, seen }
}

fn answer(name: &str, kept: &mut BTreeSet<String>, asked: &Message) -> String {
    let line: Vec<&str> = asked.first_line().split(' ').collect();
    let (method, path) = (line[0], line[1].trim_start_matches("/v1/"));
    let parts: Vec<&str> = path.split('/').collect();
    if let Some(id) = parts.get(1) {
        if !kept.contains(*id) {
            return json(404, "", UNKNOWN);
        }
        return match method {
            "DELETE" => {
                kept.remove(*id);
                json(200, "", &format!(r#"{{"id":"{id}","object":"response","deleted":true}}"#))
            }
            _ if parts.get(2) == Some(&"cancel") => {
                json(400, "", r#"{"error":{"message":"it is over already","type":"invalid_request_error"}}"#)
            }
            _ => json(200, "", &response(id)),
        };
    }
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    for named in [&body["previous_response_id"], &body["input_file_id"], &body["input"][0]["id"]] {
        if named.as_str().is_some_and(|named| !kept.contains(named)) {
            return json(400, "", NO_PREVIOUS);
        }
    }
    let id = format!("resp_{name}_{}", kept.len());
    if body["store"] != false {
        kept.insert(id.clone());
        kept.insert(format!("msg_of_{id}"));
    }
    if body["stream"] == true {
        let created =
            event(&format!(r#"{{"type":"response.created","response":{{"id":"{id}","object":"response"}}}}"#));
        let (one, two) = created.split_at(48);
        let word = event(r#"{"type":"response.output_text.delta","delta":"hi"}"#);
        let done = event(&format!(r#"{{"type":"response.completed","response":{}}}"#, response(&id).replace('\n', "")));
        return stream(&[one, two, &word, &done]) + LAST;
    }
    json(200, "", &response(&id))
}

pub(super) fn responses(old: &Owner, new: &Owner) -> Policy {
    let mut policy = policy(old.provider.address, new.provider.address);
    with_rollout(&mut policy, |rollout| {
        rollout.matches.endpoints = vec!["responses".to_owned()];
        rollout.fallback = Fallback::OtherArm;
    });
    policy
}

pub(super) fn make(sidecar: &Sidecar, body: &str) -> String {
    let reply = sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", body));
    assert_eq!(reply.status, 200, "{reply:?}");
    let at = reply.text().find("resp_").unwrap();
    reply.text()[at..].split('"').next().unwrap().to_owned()
}

pub(super) fn go_on(sidecar: &Sidecar, id: &str) -> Reply {
    sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", &format!(r#"{{"previous_response_id":"{id}"}}"#)))
}

pub(super) fn by_path(sidecar: &Sidecar, method: &str, path: &str) -> Reply {
    sidecar.ask(&format!("{method} /v1{path} HTTP/1.1\r\nhost: sidecar\r\nauthorization: Bearer of-the-client\r\n\r\n"))
}

pub(super) fn asked(owner: &Owner) -> Vec<String> {
    owner.seen.try_iter().map(|message| message.first_line().to_owned()).collect()
}

pub(super) fn served(reply: &Reply) -> String {
    reply.header("x-serin-provider").unwrap_or_default()
}

#[test]
fn what_the_canary_made_is_found_there_at_any_percent() {
    for body in ["{}", r#"{"stream":true}"#] {
        let (old, new) = (owner("old"), owner("new"));
        let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
        let id = make(&sidecar, body);
        assert!(id.starts_with("resp_new"), "{id}");
        for percent in [Percent::ALL, Percent::ZERO] {
            sidecar.set_percent(percent);
            // Evidence begins anew.
            assert_eq!(sidecar.judged(Arm::Canary), NOTHING);
            let reply = go_on(&sidecar, &id);
            assert_eq!((reply.status, served(&reply).as_str()), (200, "new"), "{percent:?} {reply:?}");
            assert_eq!(reply.header("x-serin-arm").as_deref(), Some("canary"));
            let reply = by_path(&sidecar, "GET", &format!("/responses/{id}"));
            assert_eq!((reply.status, served(&reply).as_str()), (200, "new"));
            let item = format!(r#"{{"input":[{{"type":"item_reference","id":"msg_of_{id}"}}]}}"#);
            let reply = sidecar.ask(&post(RESPONSES, "x-user-id: u\r\n", &item));
            assert_eq!((reply.status, served(&reply).as_str()), (200, "new"));
            sidecar.settle();
            assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
        }
        assert_eq!(asked(&old), [""; 0], "it was never asked");
    }
}

#[test]
fn what_nobody_is_known_to_keep_is_stables_and_no_evidence() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ZERO);
    let id = make(&sidecar, "{}");
    sidecar.set_percent(Percent::ALL);
    let reply = go_on(&sidecar, &id);
    assert_eq!((reply.status, served(&reply).as_str()), (200, "old"), "{reply:?}");
    assert_eq!(by_path(&sidecar, "GET", &format!("/responses/{id}")).status, 200);
    assert_eq!(asked(&new), [""; 0]);
    sidecar.settle();
    assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
    assert!(sidecar.shared.state_ids.is_empty(), "what stable made is not remembered");
}

#[test]
fn what_stable_does_not_have_is_asked_once_of_the_canary_and_learned() {
    for percent in [Percent::ALL, Percent::ZERO] {
        let (old, new) = (owner("old"), owner("new"));
        new.kept.lock().unwrap().insert("resp_lost1".to_owned());
        let sidecar = Sidecar::start(responses(&old, &new), percent);
        let reply = go_on(&sidecar, "resp_lost1");
        assert_eq!((reply.status, served(&reply).as_str()), (200, "new"), "{reply:?}");
        assert_eq!((asked(&old).len(), asked(&new).len()), (1, 1));
        let reply = by_path(&sidecar, "GET", "/responses/resp_lost1");
        assert_eq!((reply.status, served(&reply).as_str()), (200, "new"));
        assert_eq!((asked(&old).len(), asked(&new).len()), (0, 1), "it is known now");
        sidecar.settle();
        assert_eq!((sidecar.judged(Arm::Canary), sidecar.judged(Arm::Stable)), (NOTHING, NOTHING));
    }
}

#[test]
fn an_answer_that_shows_that_it_is_there_is_the_clients_and_learned() {
    let (old, new) = (owner("old"), owner("new"));
    new.kept.lock().unwrap().insert("resp_lost1".to_owned());
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    let reply = sidecar.ask(&post("/v1/responses/resp_lost1/cancel", "", ""));
    assert_eq!((reply.status, served(&reply).as_str()), (400, "new"), "{reply:?}");
    assert_eq!(sidecar.shared.state_ids.len(), 1);
}

#[test]
fn what_nobody_has_gets_stables_answer_and_costs_one_request_from_then_on() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    for round in 0..3 {
        let reply = by_path(&sidecar, "GET", "/responses/resp_none1");
        assert_eq!((reply.status, reply.text(), served(&reply).as_str()), (404, UNKNOWN, "old"));
        assert_eq!((asked(&old).len(), asked(&new).len()), (1, usize::from(round == 0)));
    }
    assert_eq!(go_on(&sidecar, "resp_none1").status, 400);
    assert_eq!((asked(&old).len(), asked(&new).len()), (1, 0));
    // However many different ones there are.
    let mut client = sidecar.client();
    for number in 0..1000 {
        client.send(format!("GET /v1/responses/resp_{number} HTTP/1.1\r\nhost: sidecar\r\n\r\n"));
        assert_eq!(client.reply().status, 404);
    }
    let (of_old, of_new) = (asked(&old).len(), asked(&new).len());
    assert!(of_old == 1000 && (200..600).contains(&of_new), "{of_old} {of_new}");
}

#[test]
fn the_clients_credentials_never_go_along_to_who_keeps_it() {
    let (old, new) = (owner("old"), owner("new"));
    let mut policy = responses(&old, &new);
    with_provider(&mut policy, 1, |provider| provider.api_keys = vec![Secret::new("of-new".to_owned())]);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let id = make(&sidecar, "{}");
    new.kept.lock().unwrap().insert("resp_lost1".to_owned());
    asked(&new);
    for id in [&id, "resp_lost1"] {
        assert_eq!(by_path(&sidecar, "GET", &format!("/responses/{id}")).status, 200);
        let authorization = got(&new.seen).header("authorization");
        assert_eq!(authorization.as_deref(), Some("Bearer of-new"));
    }
}

#[test]
fn who_keeps_it_is_the_only_one_that_is_asked() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    let id = make(&sidecar, "{}");
    new.kept.lock().unwrap().clear();
    asked(&new);
    assert_eq!(go_on(&sidecar, &id).status, 400);
    assert_eq!((asked(&old).len(), asked(&new).len()), (0, 1), "no fallback to who cannot have it");
    assert!(sidecar.shared.state_ids.find(sidecar.shared.state_ids.key(&id), clock::unix()).is_none());
    old.kept.lock().unwrap().insert(id.clone());
    assert_eq!(served(&go_on(&sidecar, &id)), "old", "it is looked for anew");
}

#[test]
fn what_is_deleted_or_not_stored_is_not_remembered() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    make(&sidecar, r#"{"store":false}"#);
    assert!(sidecar.shared.state_ids.is_empty());
    let id = make(&sidecar, "{}");
    assert_eq!(sidecar.shared.state_ids.len(), 2, "the answer and its item");
    assert_eq!(by_path(&sidecar, "DELETE", &format!("/responses/{id}")).status, 200);
    assert_eq!(sidecar.shared.state_ids.len(), 1);
}

#[test]
fn a_file_in_a_batch_is_found_though_no_rollout_has_its_path() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ZERO);
    let file = "file-new1".to_owned();
    new.kept.lock().unwrap().insert(file.clone());
    assert_eq!(served(&by_path(&sidecar, "GET", &format!("/files/{file}"))), "new");
    let reply = sidecar.ask(&post("/v1/batches", "", &format!(r#"{{"input_file_id":"{file}"}}"#)));
    assert_eq!((reply.status, served(&reply).as_str()), (200, "new"), "{reply:?}");
    asked(&old);
    let reply = sidecar.ask(&post("/v1/batches", "", r#"{"input_file_id":"file-none1"}"#));
    assert_eq!((reply.status, served(&reply).as_str(), asked(&old).len()), (400, "old", 1));
}

#[test]
fn state_that_was_moved_is_asked_of_stable_alone() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    let id = make(&sidecar, "{}");
    asked(&new);
    let now = sidecar.shared.load();
    let mut next = snapshot(now.revision + 1, (*now.policy).clone(), Percent::ZERO, 1);
    next.rollouts[0].state_moved = true;
    let revision = next.revision;
    sidecar.shared.publish(next);
    until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    assert_eq!((go_on(&sidecar, &id).status, by_path(&sidecar, "GET", &format!("/responses/{id}")).status), (400, 404));
    assert_eq!((asked(&old).len(), asked(&new).len()), (2, 0));
}

#[test]
fn a_file_that_swaps_the_arms_changes_nothing() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    let (id, before) = (make(&sidecar, "{}"), "resp_before1".to_owned());
    old.kept.lock().unwrap().insert(before.clone());
    sidecar.reload(|policy| {
        with_rollout(policy, |rollout| {
            rollout.stable = NEW;
            rollout.canary.as_mut().unwrap().provider = OLD;
        });
    });
    for id in [&id, &before] {
        let reply = by_path(&sidecar, "GET", &format!("/responses/{id}"));
        assert_eq!(reply.status, 200, "{id} {reply:?}");
    }
    assert_eq!(served(&go_on(&sidecar, &id)), "new");
}

#[test]
fn a_body_that_names_nothing_is_split_as_ever() {
    let (old, new) = (owner("old"), owner("new"));
    let sidecar = Sidecar::start(responses(&old, &new), Percent::ALL);
    make(&sidecar, r#"{"metadata":{"file_id":"file-1"},"input":"about file_id and container"}"#);
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

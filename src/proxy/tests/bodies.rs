//! Which bodies are held, and what is read and rewritten in them.

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Percent};

// The bucket of "user-123" is 3128.
const USER_123: &str = r#"{"model":"gpt-4","messages":[],"user":"user-123"}"#;

fn percent(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

#[test]
fn the_user_in_the_body_chooses_the_arm() {
    let (old, _seen_old) = Scripted::answering(OK);
    let (new, seen_new) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, new.address), percent(3128));
    let arm =
        |headers: &str| sidecar.ask(&post("/v1/chat/completions", headers, USER_123)).header("x-serin-arm").unwrap();
    assert_eq!(arm(""), "stable");
    sidecar.set_percent(percent(3129));
    assert_eq!(arm(""), "canary");
    assert_eq!(got(&seen_new).text(), USER_123);
    assert_eq!(arm("x-user-id: stable-user\r\n"), "stable");
    sidecar.until_ended(Arm::Canary, Outcome::Ok, 1);
    assert_eq!((sidecar.evidence(Arm::Canary).dispatched, sidecar.evidence(Arm::Canary).succeeded), (1, 1));
}

#[test]
fn json_without_a_content_type_is_read_all_the_same() {
    let (old, _seen) = Scripted::answering(OK);
    let (new, seen_new) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, new.address), percent(3129));
    let ask = |body: &str| {
        sidecar.ask(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(ask(USER_123).header("x-serin-arm").as_deref(), Some("canary"));
    assert_eq!(got(&seen_new).text(), USER_123);
    assert_eq!(ask("user=user-123").header("x-serin-arm").as_deref(), Some("stable"));
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let (old, seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), percent(1));
    let reply = sidecar.ask(&post("/v1/chat/completions", "", r#"{"user":"a","user":"b"}"#));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (400, Some("duplicate_key")));
    assert!(reply.text().contains("key `user` more than once"), "{}", reply.text());
    assert!(seen.try_recv().is_err());
    // What is not JSON at all is the provider's to judge.
    assert_eq!(sidecar.ask(&post("/v1/chat/completions", "", "{nonsense")).status, 200);
}

#[test]
fn a_body_that_cannot_be_held_goes_to_stable_as_it_comes() {
    let (old, seen) = Scripted::answering(OK);
    for (limit, memory, header, chunked) in [
        (1000, 1 << 20, "", false),
        (1000, 1 << 20, "", true),
        (1 << 20, 5000, "", false),
        (1 << 20, 1 << 20, "content-encoding: gzip\r\n", false),
    ] {
        let mut policy = policy(old.address, refusing_address());
        policy.limits.replay_body = limit;
        policy.limits.replay_memory = memory;
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let body = format!(r#"{{"user":"user-123","messages":"{}"}}"#, "x".repeat(200_000));
        let request = if chunked {
            format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: \
                 chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            )
        } else {
            post("/v1/chat/completions", header, &body)
        };
        let reply = sidecar.ask(&request);
        assert_eq!(reply.header("x-serin-arm").as_deref(), Some("stable"), "{limit} {memory} {header}");
        let seen = got(&seen);
        assert!(seen.text() == body, "{limit} {memory} {header}: it arrives whole");
        assert_eq!(seen.header("content-length").is_some(), !chunked);
        sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
        assert_eq!(sidecar.evidence(Arm::Stable).dispatched, 0, "it is no evidence");
        assert_eq!(sidecar.shared.load().rollouts[0].series.own(Arm::Stable).unbuffered(), 1, "it is counted as such");
    }
}

#[test]
fn a_model_goes_by_the_name_that_the_provider_knows() {
    let (old, seen_old) = Scripted::answering(OK);
    let (new, seen_new) = Scripted::answering(OK);
    let mut policy = policy(old.address, new.address);
    with_provider(&mut policy, 1, |provider| {
        provider.models.insert("gpt-4".to_owned(), "deepseek-chat".to_owned());
    });
    let sidecar = Sidecar::start(policy, percent(3129));
    sidecar.ask(&post("/v1/chat/completions", "content-md5: x\r\n", USER_123));
    let seen = got(&seen_new);
    assert_eq!(seen.text(), USER_123.replace("gpt-4", "deepseek-chat"));
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string()));
    assert_eq!(seen.header("content-md5"), None);
    sidecar.set_percent(Percent::ZERO);
    sidecar.ask(&post("/v1/chat/completions", "content-md5: x\r\n", USER_123));
    let seen = got(&seen_old);
    assert_eq!((seen.text(), seen.header("content-md5").as_deref()), (USER_123, Some("x")));
}

#[test]
fn an_unsplit_path_is_held_only_where_names_have_to_be_translated() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let old = Scripted::new(move |mut client| {
        client.read_to("\r\n\r\n");
        sender.send(()).unwrap();
        client.read_exact(2);
        client.send(OK);
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client
        .send("POST /v1/embeddings HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n");
    // The head is there before the body is.
    got(&receiver);
    client.send("{}");
    assert_eq!(client.reply().status, 200);

    let (old, seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    with_provider(&mut policy, 0, |provider| {
        provider.models.insert("small".to_owned(), "text-embedding-3".to_owned());
    });
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    sidecar.ask(&post("/v1/embeddings", "", r#"{"model":"small"}"#));
    assert_eq!(got(&seen).text(), r#"{"model":"text-embedding-3"}"#);
}

#[test]
fn a_rollback_reaches_a_request_that_is_still_sending_its_body() {
    let (old, seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ALL);
    let mut client = sidecar.client();
    let request = post("/v1/chat/completions", "", USER_123);
    let (first, second) = request.split_at(request.len() - 5);
    client.send(first);
    until("the request is being served", || sidecar.running.open_requests() == 1);
    sidecar.set_percent(Percent::ZERO);
    client.send(second);
    assert_eq!(client.reply().header("x-serin-arm").as_deref(), Some("stable"));
    assert_eq!(got(&seen).text(), USER_123);
    assert_eq!(sidecar.shared.load().rollouts[0].series.own(Arm::Canary).dispatched().0, 0);
}

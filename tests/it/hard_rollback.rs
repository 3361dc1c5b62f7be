//! `serin rollback --hard` ends what is under way on the canary, and a plain rollback lets it finish there.

use std::io::Write;

use crate::support::client::Client;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::End;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Step, StepSender, head, step_queue};
use crate::support::sidecar::spoken;

const PIECE: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const ENDS: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A canary that streams as the test says, and a sidecar with everybody on it.
fn start() -> (Harness, Scripted, StepSender) {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let (sender, dictated) = step_queue();
    let head = head(200, &format!("content-type: text/event-stream\r\n{CHUNKED}\r\n"));
    canary.queue([vec![Step::Write(head.into_bytes()), dictated, Step::Write(LAST_CHUNK.to_vec())]]);
    let flags = Flags::new().provider("oldcorp", &stable.base_url(), "auth: none").provider(
        "newcorp",
        &canary.base_url(),
        "auth: none",
    );
    (Harness::start(&flags.chat("percent: 100%")).keeping(stable), canary, sender)
}

/// A stream on the canary whose first piece has come.
fn stream(sidecar: &Harness, sender: &StepSender) -> Client {
    let mut client = sidecar.client();
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.raw().write_all(request.as_bytes()).unwrap();
    sender.say(Some(PIECE));
    let answer = client.receive_head().unwrap();
    assert_eq!((answer.status, answer.arm()), (200, "canary"));
    assert_eq!(client.receive_chunk().unwrap().unwrap(), PIECE);
    client
}

/// Everything that still comes.
fn rest(client: &mut Client) -> String {
    let mut rest = Vec::new();
    while let Some(chunk) = client.receive_chunk().unwrap() {
        rest.extend(chunk);
    }
    String::from_utf8(rest).unwrap()
}

#[test]
fn a_hard_one_ends_a_stream_with_an_error_event_and_leaves_the_canary() {
    let (sidecar, canary, sender) = start();
    let mut client = stream(&sidecar, &sender);
    let output = sidecar.workspace().run(&["rollback", "chat", "--hard", "--reason", "wrong language"]);
    assert!(output.status.success(), "{}", spoken(&output));
    assert!(spoken(&output).contains("1 request was under way on the canary and ended"), "{}", spoken(&output));
    let rest = rest(&mut client);
    assert!(rest.contains("rolled_back") && rest.contains("\"error\"") && !rest.contains("[DONE]"), "{rest}");
    let left = || matches!(canary.last().end, Some(End::Left(_)));
    eventually("the canary is left", SOON, || left().then_some(()));
    assert_eq!((sidecar.phase().as_str(), sidecar.arm("user-1").as_str()), ("locked", "stable"));
    let chat = || sidecar.chat();
    eventually("nothing is on the canary", SOON, || (chat()["in_flight"]["canary"]["requests"] == 0).then_some(()));
    assert_eq!(chat()["window"]["canary"]["failures"], 0, "an operator's decision is no evidence");
}

#[test]
fn a_plain_one_lets_a_stream_finish_and_a_hard_one_after_it_does_not() {
    for hard in [false, true] {
        let (sidecar, _canary, sender) = start();
        let mut client = stream(&sidecar, &sender);
        let reply = sidecar.change("rollback").json();
        assert_eq!(
            (&reply["in_force"], &reply["open_on_canary"], &reply["ended_on_canary"]),
            (&true.into(), &1.into(), &0.into())
        );
        sender.say(Some(PIECE));
        assert_eq!(client.receive_chunk().unwrap().unwrap(), PIECE);
        if hard {
            let output = sidecar.workspace().run(&["rollback", "chat", "--hard"]);
            assert!(spoken(&output).contains("1 request was under way"), "{}", spoken(&output));
            assert!(!rest(&mut client).contains("[DONE]"));
        } else {
            sender.say(Some(ENDS));
            sender.say(None);
            assert!(rest(&mut client).ends_with("data: [DONE]\n\n"));
        }
    }
}

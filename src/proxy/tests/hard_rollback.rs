//! A hard rollback ends what is under way on the canary; a plain one lets it finish.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::recovery::{CHAT, NEW, ask};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, Policy};
use crate::decide::units::{Arm, Percent};

/// As control does it.
fn roll_back_hard(sidecar: &Sidecar) {
    sidecar.shared.load().rollouts[0].evidence.withdrawal.cut();
    sidecar.set_percent(Percent::ZERO);
}

/// A canary that says this at once and that on a signal, and tells when it got a request and when it was left.
fn canary(first: String, then: String) -> (Scripted, Receiver<&'static str>, Sender<()>) {
    let (tells, told) = channel();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let provider = Scripted::new(move |mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            client.message();
            client.send(&first);
            tells.send("asked").unwrap();
            if !then.is_empty() {
                wait.lock().unwrap().recv().unwrap();
                client.send(&then);
            } else {
                client.read_to_end();
                let _ = tells.send("left");
            }
        }
    });
    (provider, told, go)
}

fn alone(old: &Scripted, new: &Scripted) -> Policy {
    let mut policy = both_ways(old, new);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
    policy
}

#[test]
fn an_open_stream_ends_so_that_its_client_notices_and_after_a_plain_rollback_it_finishes() {
    for hard in [true, false] {
        let (old, _old) = Scripted::answering(completion("stable"));
        let then = if hard { String::new() } else { chunk(STOP) + LAST };
        let (new, told, go) = canary(stream(&[ROLE, WORD]), then);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&told);
        client.read_to("hi");
        if hard {
            roll_back_hard(&sidecar);
            let rest = client.read_to("0\r\n\r\n");
            assert!(rest.contains("rolled_back") && !rest.contains("[DONE]"), "{rest}");
            assert_eq!(got(&told), "left", "the canary is not waited for");
        } else {
            sidecar.set_percent(Percent::ZERO);
            go.send(()).unwrap();
            assert!(client.read_to("0\r\n\r\n").contains("[DONE]"));
        }
        sidecar.settle();
        let outcome = if hard { Outcome::SerinError } else { Outcome::Ok };
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)]);
    }
}

#[test]
fn a_request_without_output_goes_to_stable_whether_or_not_it_may_fall_back() {
    for fallback in [Fallback::OtherArm, Fallback::Nobody] {
        for first in ["", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"choices\":["] {
            let (old, seen) = Scripted::answering(completion("stable"));
            let (new, told, _go) = canary(first.to_owned(), String::new());
            let mut policy = alone(&old, &new);
            with_rollout(&mut policy, |rollout| rollout.fallback = fallback.clone());
            let sidecar = Sidecar::start(policy, Percent::ALL);
            let mut client = sidecar.client();
            client.send(ask("{}"));
            got(&told);
            roll_back_hard(&sidecar);
            let reply = client.reply();
            assert!(reply.status == 200 && reply.text().contains("stable"), "{reply:?}");
            assert_eq!(reply.header("x-serin-arm").as_deref(), Some("stable"));
            got(&seen);
            assert_eq!(got(&told), "left");
            sidecar.settle();
            let (_, succeeded, failed, _) = sidecar.judged(Arm::Canary);
            assert_eq!((succeeded, failed), (0, 0), "an operator's decision is no evidence");
        }
    }
}

#[test]
fn an_answer_of_a_known_length_is_aborted() {
    let (old, _old) = Scripted::answering(completion("stable"));
    let (new, told, _go) =
        canary("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf".into(), String::new());
    let sidecar = Sidecar::start(alone(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(post(CHAT, "x-user-id: u\r\n", "{}"));
    got(&told);
    client.read_to("half");
    roll_back_hard(&sidecar);
    assert!(client.read_to_end().len() < 96);
    sidecar.settle();
}

#[test]
fn what_cannot_be_sent_again_gets_an_error() {
    let (old, _old) = Scripted::answering(completion("stable"));
    let (new, told, _go) = canary(String::new(), String::new());
    let sidecar = Sidecar::start(alone(&old, &new), Percent::ALL);
    let mut client = sidecar.client();
    client.send(format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-user-id: u\r\ncontent-type: application/octet-stream\r\ncontent-length: 4\r\n\r\nblob"
    ));
    got(&told);
    roll_back_hard(&sidecar);
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("rolled_back")));
    assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
    sidecar.settle();
}

#[test]
fn what_is_on_stable_and_what_comes_after_a_resume_is_not_ended() {
    let (old, told_old, go_old) = canary(stream(&[ROLE, WORD]), chunk(STOP) + LAST);
    let (new, told_new, go_new) = canary(stream(&[ROLE, WORD]), chunk(STOP) + LAST);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ZERO);
    let mut stable = sidecar.client();
    stable.send(ask(r#"{"stream":true}"#));
    got(&told_old);
    stable.read_to("hi");
    roll_back_hard(&sidecar);
    sidecar.set_percent(Percent::ALL);
    let mut again = sidecar.client();
    again.send(ask(r#"{"stream":true}"#));
    got(&told_new);
    again.read_to("hi");
    go_old.send(()).unwrap();
    go_new.send(()).unwrap();
    assert!(stable.read_to("0\r\n\r\n").contains("[DONE]") && again.read_to("0\r\n\r\n").contains("[DONE]"));
    sidecar.settle();
    assert_eq!(sidecar.ended(Arm::Canary, Outcome::Ok), 1);
}

/// A canary that accepts a WebSocket, sends these bytes, and waits until it is left.
fn socket_canary(bytes: Vec<u8>) -> Scripted {
    Scripted::new(move |mut client| {
        let request = client.message();
        let key = request.header("sec-websocket-key").unwrap();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        client.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        ));
        client.send(&bytes);
        client.read_to_end();
    })
}

fn ends_as(bytes: Vec<u8>) -> Option<CloseCode> {
    let (old, _old) = Scripted::answering(completion("stable"));
    let new = socket_canary(bytes);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.matches.endpoints.push("realtime".to_owned()));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let code = runtime.block_on(async {
        let address = sidecar.running.local_addr();
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/v1/realtime");
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hi"));
        roll_back_hard(&sidecar);
        let code = tokio::time::timeout(PATIENCE, async {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => Some(frame.code),
                _ => None,
            }
        });
        let code = code.await.unwrap();
        let _ = socket.close(None).await;
        code
    });
    sidecar.settle();
    code
}

#[test]
fn a_websocket_is_closed_with_1012_between_two_frames_and_breaks_within_one() {
    assert_eq!(ends_as(vec![0x81, 2, b'h', b'i']), Some(CloseCode::Restart));
    assert_eq!(ends_as(vec![0x81, 2, b'h', b'i', 0x81, 5, b'h']), None, "half a frame");
}

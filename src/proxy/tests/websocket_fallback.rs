//! A WebSocket that one provider refuses is opened at another, up to the 101.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::recovery::{NEW, OLD};
use super::support::*;
use super::websocket::{block_on, close, connect, provider, try_to_connect};
use crate::decide::cause::{Cause, HandshakeFault};
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, Policy};
use crate::decide::units::{Arm, Percent};
use crate::wire::shape::Shape;
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ";

/// Realtime sessions are split, and either provider answers for the other.
pub(super) fn realtime(old: SocketAddr, new: SocketAddr) -> Policy {
    let mut policy = policy(old, new);
    with_rollout(&mut policy, |rollout| {
        rollout.fallback = Fallback::OtherArm;
        rollout.matches.endpoints.push("realtime".to_owned());
    });
    policy
}

/// A provider that says who it is, and then what it hears.
fn named(name: &'static str) -> SocketAddr {
    provider(move |mut socket| async move {
        socket.send(Message::text(name)).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    })
}

async fn talks_with(sidecar: &Sidecar, name: &str) {
    let mut client = connect(sidecar).await;
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text(name));
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
    client.send(close(CloseCode::Normal, "")).await.unwrap();
    while client.next().await.is_some() {}
}

/// Every way in which a provider refuses, and what that is.
fn refusals() -> Vec<(String, Outcome)> {
    let status = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 2\r\n\r\nno");
    vec![
        (status("500 Internal Server Error"), Outcome::ServerError),
        (status("503 Service Unavailable"), Outcome::ServerError),
        (status("429 Too Many Requests"), Outcome::Throttled),
        (status("200 OK"), Outcome::Malformed),
        (status("302 Found\r\nlocation: /elsewhere"), Outcome::Malformed),
        (format!("{SWITCH}websocket\r\nsec-websocket-accept: wrong\r\n\r\n"), Outcome::Reset),
        (format!("{SWITCH}websocket\r\n\r\n"), Outcome::Reset),
        (format!("{SWITCH}another\r\n\r\n"), Outcome::Reset),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), Outcome::Reset),
        (BREAK.to_string(), Outcome::Reset),
    ]
}

#[test]
fn a_handshake_that_the_canary_refuses_is_accepted_by_stable() {
    for (refusal, outcome) in refusals() {
        let (new, seen) = Scripted::in_turn([&refusal]);
        let sidecar = Sidecar::start(realtime(named("old"), new.address), Percent::ALL);
        block_on(talks_with(&sidecar, "old"));
        let asked = got(&seen);
        assert_eq!(asked.header("upgrade").as_deref(), Some("websocket"));
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)], "{refusal}");
        assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::Ok, 1)], "{refusal}");
        let (_, succeeded, failed, _) = sidecar.judged(Arm::Canary);
        assert_eq!((succeeded, failed), (0, 1), "{refusal}: what stable rescued counts against the canary");
        new.end();
    }
}

#[test]
fn a_handshake_that_stable_refuses_is_accepted_by_the_canary() {
    for (refusal, outcome) in refusals() {
        let (old, _seen) = Scripted::in_turn([&refusal]);
        let mut policy = realtime(old.address, named("new"));
        with_rollout(&mut policy, |rollout| rollout.pins = [("u".to_owned(), Arm::Stable)].into());
        let sidecar = Sidecar::start(policy, Percent::from_hundredths(5000).unwrap());
        block_on(talks_with(&sidecar, "new"));
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(outcome, 1)], "{refusal}");
        assert_eq!(sidecar.attempts(Arm::Stable, NEW), [(Outcome::Ok, 1)], "{refusal}");
        old.end();
    }
}

#[test]
fn a_canary_without_a_connection_or_an_answer_is_no_hindrance() {
    let (silent, _seen) = Scripted::answering("");
    for (new, outcome) in [(refusing_address(), Outcome::Connect), (silent.address, Outcome::Timeout)] {
        let mut policy = realtime(named("old"), new);
        with_provider(&mut policy, 1, |provider| provider.timeouts.headers = crate::decide::units::Millis(50));
        let sidecar = Sidecar::start(policy, Percent::ALL);
        block_on(talks_with(&sidecar, "old"));
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)]);
    }
}

#[test]
fn what_the_canary_rejects_is_asked_of_stable_which_may_accept_it() {
    let (new, _seen) = Scripted::in_turn(["HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno"]);
    let sidecar = Sidecar::start(realtime(named("old"), new.address), Percent::ALL);
    block_on(talks_with(&sidecar, "old"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Unsupported, 1)]);
}

#[test]
fn the_last_refusal_is_a_clean_answer() {
    for (refusal, status) in [
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno", 503),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno", 502),
        ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 502),
    ] {
        let (old, _old) = Scripted::answering(refusal);
        let (new, _new) = Scripted::answering(refusal);
        let sidecar = Sidecar::start(realtime(old.address, new.address), Percent::ALL);
        block_on(async {
            match try_to_connect(&sidecar).await {
                Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status, "{refusal}"),
                other => panic!("{refusal}: {other:?}"),
            }
        });
        sidecar.settle();
        until("no connection is left", || sidecar.running.connections() == 0);
    }
}

#[test]
fn an_answer_that_begins_no_session_passes_where_nobody_else_can_be_asked() {
    let (old, _old) = Scripted::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    block_on(async {
        match try_to_connect(&sidecar).await {
            Err(Error::Http(answer)) => {
                assert_eq!((answer.status().as_u16(), answer.body().as_deref()), (200, Some(&b"hello"[..])));
            }
            other => panic!("{other:?}"),
        }
    });
    until("it is counted", || sidecar.unsplit_ended(Outcome::Malformed) == 1);
}

#[test]
fn a_redirect_of_a_strict_canary_goes_to_nobody_and_one_of_stable_passes() {
    const REDIRECT: &str = "HTTP/1.1 302 Found\r\nlocation: https://sso.example/in\r\ncontent-length: 0\r\n\r\n";
    for (canary, status) in [(true, 502), (false, 302)] {
        let (redirects, _seen) = Scripted::answering(REDIRECT);
        let mut policy = realtime(redirects.address, redirects.address);
        with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::Nobody);
        let sidecar = Sidecar::start(policy, if canary { Percent::ALL } else { Percent::ZERO });
        block_on(async {
            match try_to_connect(&sidecar).await {
                Err(Error::Http(answer)) => {
                    assert_eq!(answer.status().as_u16(), status);
                    assert_eq!(answer.headers().get("location").is_some(), !canary);
                }
                other => panic!("{other:?}"),
            }
        });
        sidecar.settle();
        if canary {
            let host = Some("sso.example".to_owned());
            assert_eq!(super::websocket_sessions::causes(&sidecar), [Cause::Redirect { host }]);
        }
    }
}

#[test]
fn nothing_is_retried_after_the_101() {
    let new = provider(|socket| async move { drop(socket) });
    let (old, seen) = Scripted::answering("");
    let sidecar = Sidecar::start(realtime(old.address, new), Percent::ALL);
    block_on(async {
        let mut client = connect(&sidecar).await;
        while client.next().await.is_some_and(|message| message.is_ok()) {}
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1)]);
    assert!(seen.try_recv().is_err());
}

#[test]
fn a_refusal_has_its_cause() {
    for (refusal, cause) in [
        (format!("{SWITCH}another\r\n\r\n"), Cause::Handshake(HandshakeFault::OtherProtocol)),
        (format!("{SWITCH}websocket\r\n\r\n"), Cause::Handshake(HandshakeFault::WrongAccept)),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Cause::Malformed { shape: Shape::NoUpgrade, media: None },
        ),
    ] {
        let (new, _seen) = Scripted::in_turn([&refusal]);
        let sidecar = Sidecar::start(realtime(named("old"), new.address), Percent::ALL);
        block_on(talks_with(&sidecar, "old"));
        sidecar.settle();
        assert_eq!(super::websocket_sessions::causes(&sidecar), [cause]);
    }
}

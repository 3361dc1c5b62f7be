//! The lines of the access log, for every way in which a request ends: what the client saw, and how long it took.

use std::sync::mpsc::Receiver;

use super::records::{attempts, line, logged};
use super::support::*;
use crate::decide::breaker::CircuitState;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{BreakerRule, Client as Named, Fallback, Policy, Secret};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};
use crate::state::access_log::{LogMessage, RequestLine};
use crate::state::provider::BreakerKind;

const CHAT: &str = "/v1/chat/completions";
const NEW: ProviderId = ProviderId(1);

/// Of a user whom a bucket sends to the canary.
fn ask(body: &str) -> String {
    post(CHAT, "x-user-id: u\r\n", body)
}

/// Everybody is on the canary, and nothing that is held goes out for its time.
fn start(old: &Scripted, new: &Scripted) -> (Sidecar, Receiver<LogMessage>) {
    let mut policy = both_ways(old, new);
    with_rollout(&mut policy, |rollout| rollout.hold = Millis(600_000));
    running(policy)
}

fn running(policy: Policy) -> (Sidecar, Receiver<LogMessage>) {
    let sidecar = Sidecar::start(logged(policy), Percent::ALL);
    let entries = sidecar.shared.access_log.receiver().unwrap();
    (sidecar, entries)
}

/// Says this to each request and then nothing.
fn silent_after(said: &str) -> (Scripted, Receiver<Message>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let said = said.to_owned();
    let provider = Scripted::new(move |mut client| {
        let _ = sender.send(client.message());
        client.send(&said);
        client.read_to_end();
    });
    (provider, receiver)
}

fn not_asked() -> Scripted {
    Scripted::in_turn([completion("not asked")]).0
}

/// What a line says of the answer: status, whose, Serin's own word, and what it came to.
fn seen(line: &RequestLine) -> (Option<u16>, Option<&str>, Option<&str>, Option<Outcome>) {
    (line.status, line.provider.as_deref(), line.error, line.outcome)
}

const LEFT: (Option<u16>, Option<&str>, Option<&str>, Option<Outcome>) = (None, None, None, Some(Outcome::ClientGone));

#[test]
fn a_client_that_leaves_before_an_answer_saw_no_status() {
    let failure = json(500, "", "{}");
    for (case, said) in [("no head", String::new()), ("a head that is held", stream(&[ROLE]))] {
        let (new, seen_new) = silent_after(&said);
        let (sidecar, entries) = start(&not_asked(), &new);
        let canary = std::sync::Arc::clone(sidecar.shared.load().provider(NEW));
        let rule = BreakerRule { failures: 5, open_for: Millis(600_000) };
        // Any head clears it.
        canary.record_connect_failure(Some(&rule), crate::clock::now());
        assert_ne!(canary.circuit(BreakerKind::Reach), CircuitState::CLOSED);
        let mut client = sidecar.client();
        client.send(ask(r#"{"stream":true}"#));
        got(&seen_new);
        if !said.is_empty() {
            until("its head came", || canary.circuit(BreakerKind::Reach) == CircuitState::CLOSED);
        }
        drop(client);
        assert_eq!(seen(&line(&entries)), LEFT, "{case}");
    }
    let (old, seen_old) = silent_after("");
    let (new, _seen_new) = Scripted::in_turn([failure]);
    let (sidecar, entries) = start(&old, &new);
    let mut client = sidecar.client();
    client.send(ask("{}"));
    got(&seen_old);
    drop(client);
    let line = line(&entries);
    assert_eq!(seen(&line), LEFT);
    assert_eq!(attempts(&line), [("new", Outcome::ServerError), ("old", Outcome::ClientGone)]);
    assert_eq!(line.attempts[0].status, Some(500));
}

#[test]
fn an_answer_that_is_cut_after_its_head_has_its_status() {
    let (new, _seen_new) = silent_after(&stream(&[WORD]));
    let (sidecar, entries) = start(&not_asked(), &new);
    let mut client = sidecar.client();
    client.send(ask(r#"{"stream":true}"#));
    client.read_to(WORD);
    drop(client);
    assert_eq!(seen(&line(&entries)), (Some(200), Some("new"), None, Some(Outcome::ClientGone)));
    let cut = Scripted::in_turn([stream(&[WORD]) + &BREAK.to_string()]).0;
    let (sidecar, entries) = start(&not_asked(), &cut);
    let reply = sidecar.ask(&ask(r#"{"stream":true}"#));
    let line = line(&entries);
    assert_eq!(seen(&line), (Some(200), Some("new"), None, Some(Outcome::Truncated)));
    assert!(reply.text().contains("ended its response before its end") && line.bytes >= WORD.len() as u64, "{line:?}");
}

#[test]
fn what_a_stop_cuts_has_the_status_that_its_client_saw() {
    let silent = |said: &str| silent_after(said).0;
    let (nothing, held, begun) = (silent(""), silent(&stream(&[ROLE])), silent(&stream(&[WORD])));
    let pause = Scripted::in_turn([json(429, "retry-after: 2\r\n", "{}")]).0;
    for (case, new, fallback) in
        [("no head", &nothing, true), ("held", &held, true), ("a pause", &pause, false), ("begun", &begun, true)]
    {
        let mut policy = both_ways(&not_asked(), new);
        with_rollout(&mut policy, |rollout| {
            rollout.hold = Millis(600_000);
            rollout.retry.attempts = 2;
            if !fallback {
                rollout.fallback = Fallback::Nobody;
            }
        });
        let (Sidecar { running, shared, .. }, entries) = running(policy);
        let mut client = Client::connect(running.local_addr());
        client.send(ask(r#"{"stream":true}"#));
        let in_force = shared.load().rollouts[0].clone();
        let at_canary = || in_force.series(Arm::Canary, NEW);
        let waits =
            || at_canary().in_flight() == 1 && (case != "a pause" || at_canary().attempts(Outcome::Throttled) == 1);
        if case == "begun" {
            client.read_to(WORD);
        } else {
            until("it is at the canary", waits);
        }
        drop(running);
        let cut = if case == "begun" {
            (Some(200), Some("new"), None, Some(Outcome::SerinError))
        } else {
            assert_eq!(client.reply().status, 503);
            (Some(503), None, Some("stopping"), Some(Outcome::SerinError))
        };
        assert_eq!(seen(&line(&entries)), cut, "{case}");
    }
}

#[test]
fn a_rejected_request_has_a_line_with_the_status_and_the_time_it_took() {
    let mut policy = policy(refusing_address(), refusing_address());
    policy.clients = vec![Named { name: "app".to_owned(), key: Secret::new("sk-app".to_owned()), rate_limit: None }];
    let (sidecar, entries) = running(policy);
    let known = "authorization: Bearer sk-app\r\n";
    for (request, status, error) in [
        (format!("CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n{known}\r\n"), 405, "method"),
        (format!("TRACE /v1/x HTTP/1.1\r\nhost: x\r\n{known}\r\n"), 405, "method"),
        (format!("GET /v1/x HTTP/1.1\r\nhost: x\r\nhost: y\r\n{known}\r\n"), 400, "host"),
        (format!("GET /v2/x HTTP/1.1\r\nhost: x\r\n{known}\r\n"), 404, "outside_mount"),
        (format!("GET /v1/../x HTTP/1.1\r\nhost: x\r\n{known}\r\n"), 400, "dot_segments"),
        ("GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 401, "unauthorized"),
        (post(CHAT, known, r#"{"user":"a","user":"b"}"#), 400, "duplicate_key"),
        // Its status is in a header of gRPC.
        (
            "POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n".to_owned(),
            200,
            "unauthorized",
        ),
        (post(CHAT, known, "{}"), 502, "connect"),
    ] {
        let reply = sidecar.ask(&request);
        let line = line(&entries);
        assert_eq!(
            (Some(reply.status), reply.header("x-serin-error").as_deref()),
            (line.status, line.error),
            "{line:?}"
        );
        assert_eq!((reply.status, line.error), (status, Some(error)), "{request}");
        assert!(line.duration_ms > 0.0 && line.provider.is_none(), "{line:?}");
    }
}

/// A request whose body is held and of which one byte of nine comes.
fn begun() -> String {
    format!("POST {CHAT} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{")
}

#[test]
fn a_request_that_a_stop_cuts_while_its_body_is_read_gets_an_error() {
    let (Sidecar { running, .. }, entries) = running(policy(refusing_address(), refusing_address()));
    let mut client = Client::connect(running.local_addr());
    client.send(begun());
    until("it is open", || running.open_requests() == 1);
    drop(running);
    assert_eq!(client.reply().status, 503);
    let line = line(&entries);
    assert_eq!((seen(&line), line.attempts.len()), ((Some(503), None, Some("stopping"), None), 0));
}

#[test]
fn a_client_that_leaves_while_the_body_is_read_saw_no_status() {
    let mut policy = policy(refusing_address(), refusing_address());
    policy.limits.idle = Millis(50);
    let (sidecar, entries) = running(policy);
    let mut client = sidecar.client();
    client.send(begun());
    assert!(client.read_to_end().is_empty());
    let line = line(&entries);
    assert_eq!(seen(&line), LEFT);
    assert!(line.duration_ms > 0.0 && line.attempts.is_empty(), "{line:?}");
}

#[test]
fn a_tunnel_has_its_status_and_its_bytes() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nwelcome;";
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send(switched);
        client.read_to_end();
    });
    let mut policy = policy(old.address, refusing_address());
    policy.rollouts.clear();
    let (sidecar, entries) = running(policy);
    let mut client = sidecar.client();
    client.send("GET /v1/realtime HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.reply().status, 101);
    client.read_to("welcome;");
    drop(client);
    let line = line(&entries);
    assert_eq!((line.status, line.provider.as_deref(), line.bytes), (Some(101), Some("old"), 8), "{line:?}");
}

#[test]
fn a_preflight_and_a_switch_that_was_not_asked_for_have_the_status_that_went_out() {
    let (old, _seen_old) =
        Scripted::in_turn(["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n"]);
    let (sidecar, entries) = running(policy(old.address, refusing_address()));
    let asks = "OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: h\r\norigin: https://a\r\naccess-control-request-method: \
                POST\r\n\r\n";
    assert_eq!(sidecar.ask(asks).status, 204);
    let (reported, whose) = (line(&entries), Some("old"));
    assert_eq!(
        (reported.status, reported.provider.as_deref(), reported.error),
        (Some(204), whose, None),
        "{reported:?}"
    );
    let reply = sidecar.ask("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    let reported = line(&entries);
    assert_eq!(
        (reported.status, reported.error),
        (Some(reply.status), reply.header("x-serin-error").as_deref()),
        "{reported:?}"
    );
    assert_eq!(reply.status, 502);
}

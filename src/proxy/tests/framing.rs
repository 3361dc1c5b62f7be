//! Where a message ends, on both sides, and what is refused because it is ambiguous.

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Percent};

fn plain() -> (Sidecar, std::sync::mpsc::Receiver<Message>) {
    let (old, seen) = Scripted::answering(OK);
    (Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO), seen)
}

#[test]
fn a_request_framed_twice_goes_on_in_chunks_and_its_connection_closes() {
    let (sidecar, seen) = plain();
    let mut client = sidecar.client();
    client.send(
        "POST /v1/files HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET \
         /v1/smuggled HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!(client.reply().status, 200);
    let request = got(&seen);
    assert_eq!(request.header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(request.header("content-length"), None);
    assert_eq!(request.body, b"hello");
    assert!(client.read_to_end().is_empty(), "nothing more is served on this connection");
    assert!(seen.try_recv().is_err(), "nothing was smuggled");
}

#[test]
fn ambiguous_framing_is_refused() {
    let (sidecar, seen) = plain();
    for (head, status, label) in [
        ("transfer-encoding: gzip, chunked\r\n", 400, "framing"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 400, "framing"),
        ("transfer-encoding: xchunked\r\n", 400, "malformed"),
        ("transfer-encoding: chunked, identity\r\n", 400, "malformed"),
        ("content-length: 3\r\ncontent-length: 4\r\n", 400, "malformed"),
        ("content-length: +3\r\n", 400, "malformed"),
        ("content-length: 3, 3\r\n", 400, "malformed"),
        ("content length: 3\r\n", 400, "malformed"),
        (" folded: 3\r\n", 400, "malformed"),
        ("content-length : 3\r\n", 400, "malformed"),
    ] {
        let reply = sidecar.ask(&format!("POST /v1/files HTTP/1.1\r\nhost: h\r\n{head}\r\n"));
        assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (status, Some(label)), "{head}");
        assert!(reply.text().contains("chunked` alone"), "{}", reply.text());
    }
    let reply = sidecar.ask("nonsense\r\n\r\n");
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (400, Some("malformed")));
    let long = "x".repeat(70_000);
    let reply = sidecar.ask(&format!("GET /v1/models HTTP/1.1\r\nhost: h\r\nx-long: {long}\r\n\r\n"));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (431, Some("header_bytes")));
    assert!(reply.text().contains("`limits.header_bytes`"), "{}", reply.text());
    assert!(seen.try_recv().is_err(), "nothing of this reached a provider");
}

#[test]
fn a_bad_chunk_is_refused_whether_the_body_is_held_or_not() {
    for path in ["/v1/chat/completions", "/v1/files"] {
        for chunks in ["zz\r\nhello\r\n", "5\r\nhelloXX", "-1\r\n\r\n", "ffffffffffffffffff\r\n", "5 5\r\nhello\r\n"] {
            // It takes the head and waits for a body that never ends.
            let old = Scripted::new(|mut client| {
                client.read_to("\r\n\r\n");
                client.read_to_end();
            });
            let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
            let reply = sidecar.ask(&format!(
                "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: \
                 chunked\r\n\r\n{chunks}"
            ));
            assert_eq!(
                (reply.status, reply.header("x-serin-error").as_deref()),
                (400, Some("body")),
                "{path} {chunks}"
            );
        }
    }
}

#[test]
fn an_answer_framed_twice_is_not_forwarded() {
    let (old, _seen) = Scripted::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    );
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let reply = sidecar.ask(&post("/v1/chat/completions", "", "{}"));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (502, Some("reset")));
    assert!(reply.text().contains("content-length and a transfer-encoding"), "{}", reply.text());
    sidecar.until_ended(Arm::Stable, Outcome::Reset, 1);
}

#[test]
fn answers_without_a_body_keep_their_announced_length() {
    for (method, answer, length, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n", Some("1234"), 200),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None, 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None, 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", None, 304),
        ("DELETE", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some("0"), 200),
    ] {
        let (old, _seen) = Scripted::answering(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        for _ in 0..2 {
            client.send(format!("{method} /v1/models HTTP/1.1\r\nhost: h\r\n\r\n"));
            let head = client.read_to("\r\n\r\n");
            let reply = Message { head, body: Vec::new(), trailers: String::new() };
            assert!(reply.first_line().starts_with(&format!("HTTP/1.1 {status}")), "{}", reply.head);
            assert_eq!(reply.header("content-length").as_deref(), length, "{method} {answer}");
        }
        until("both are accounted for", || sidecar.unsplit_ended(Outcome::Ok) == 2);
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let (old, seen) = Scripted::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 2\r\n\r\n",
    );
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    for path in ["/v1/files", "/v1/chat/completions"] {
        let reply = sidecar.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nte: trailers\r\ntrailer: \
             x-mine\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nx-mine: 1\r\n\r\n"
        ));
        assert_eq!((reply.text(), reply.message.trailers.as_str()), ("hi", "x-sum: 2\r\n"), "{path}");
        let request = got(&seen);
        assert_eq!((request.text(), request.trailers.as_str()), ("{}", "x-mine: 1\r\n"), "{path}");
    }
}

#[test]
fn serin_answers_expect_and_drops_other_interim_answers() {
    let (old, seen) = Scripted::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: \
         2\r\n\r\n{}",
    );
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    for path in ["/v1/files", "/v1/chat/completions"] {
        let mut client = sidecar.client();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: \
             2\r\n\r\n"
        ));
        assert_eq!(client.read_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("{}");
        assert_eq!(client.reply().status, 200);
        let request = got(&seen);
        assert_eq!((request.header("expect"), request.text()), (None, "{}"), "{path}");
    }
}

#[test]
fn chunks_without_a_usual_body_method_keep_their_body() {
    let (sidecar, seen) = plain();
    for method in ["GET", "DELETE", "QUERY"] {
        let reply = sidecar.ask(&format!(
            "{method} /v1/files HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ));
        assert_eq!((reply.status, got(&seen).text()), (200, "hi"), "{method}");
    }
}

#[test]
fn clients_of_http_1_0_get_an_answer_that_ends_with_the_connection() {
    let (old, seen) = Scripted::answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send("GET /v1/models HTTP/1.0\r\n\r\n");
    let all = String::from_utf8(client.read_to_end()).unwrap();
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") && all.ends_with("\r\n\r\nhi"), "{all}");
    assert_eq!(got(&seen).first_line(), "GET /v1/models HTTP/1.1");
}

//! Requests and answers as an attacker writes them: what reaches the other side, and what the sender sees.
//!
//! Each test is a table. A request that is refused reaches no provider; one that is served reaches it in one
//! unambiguous form, whatever form it came in.

use super::support::*;
use crate::decide::units::Percent;

/// A request, and what becomes of it: status, `x-serin-error`, and the lines that the provider gets.
struct Case(&'static str, u16, &'static str, &'static [&'static str]);

fn check(cases: &[Case]) {
    for Case(request, status, label, lines) in cases {
        let (old, seen) = Scripted::answering(OK);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let reply = sidecar.ask(request);
        let given = reply.header("x-serin-error").unwrap_or_default();
        assert_eq!((reply.status, given.as_str()), (*status, *label), "{request:?}: {}", reply.text());
        if *status == 200 {
            let arrived = got(&seen);
            let text = format!("{}{}{}", arrived.head, arrived.text(), arrived.trailers);
            for line in *lines {
                match line.strip_prefix('!') {
                    None => assert!(text.contains(line), "{request:?}: {line:?} is missing in {text:?}"),
                    Some(line) => assert!(!text.contains(line), "{request:?}: {line:?} is in {text:?}"),
                }
            }
        } else {
            assert!(reply.text().contains("(from Serin)"), "{request:?}: {}", reply.text());
        }
        assert!(seen.try_recv().is_err(), "{request:?}: nothing more reaches the provider");
    }
}

macro_rules! head {
    ($line:literal, $rest:literal) => {
        concat!($line, " HTTP/1.1\r\nhost: h\r\n", $rest)
    };
}

#[test]
fn transfer_codings_and_lengths() {
    check(&[
        Case(head!("POST /v1/f", "transfer-encoding: Chunked \r\n\r\n2\r\nhi\r\n0\r\n\r\n"), 200, "", &["\r\n\r\nhi"]),
        Case(head!("POST /v1/f", "transfer-encoding: identity\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: identity\r\ncontent-length: 0\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: \r\ncontent-length: 0\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: chunked;a=b\r\n\r\n0\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: , chunked\r\n\r\n0\r\n\r\n"), 400, "framing", &[]),
        Case(head!("POST /v1/f", "transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), 400, "malformed", &[]),
        Case("POST /v1/f HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed", &[]),
        Case(
            head!("POST /v1/f", "content-length: 2\r\ncontent-length: 2\r\n\r\nhi"),
            200,
            "",
            &["length: 2\r\n", "\r\n\r\nhi"],
        ),
        Case(head!("POST /v1/f", "content-length: \t2 \r\n\r\nhi"), 200, "", &["content-length: 2\r\n", "\r\n\r\nhi"]),
        Case(head!("POST /v1/f", "content-length: -2\r\n\r\nhi"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "content-length: 0x2\r\n\r\nhi"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "content-length: 2 0\r\n\r\nhi"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "content-length: \r\n\r\nhi"), 400, "malformed", &[]),
        Case(head!("POST /v1/f", "content-length: 99999999999999999999\r\n\r\nhi"), 400, "malformed", &[]),
        Case(head!("GET /v1/f", "content-length: 2\r\n\r\nhi"), 200, "", &["GET /v1/f", "\r\n\r\nhi"]),
        Case(
            head!("POST /v1/f", "connection: content-length\r\ncontent-length: 2\r\n\r\nhi"),
            200,
            "",
            &["length: 2", "hi"],
        ),
    ]);
}

#[test]
fn chunks_are_written_anew() {
    check(&[
        Case(
            head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n000;c\r\n\r\n"),
            200,
            "",
            &["\r\n\r\nhello", "!a=b"],
        ),
        Case(head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n"), 400, "body", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n5\nhello\n0\n\n"), 400, "body", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"), 400, "body", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"), 400, "body", &[]),
        Case(head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"), 400, "body", &[]),
        Case(
            head!("POST /v1/f", "transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\nhello\r\n0\r\n\r\n"),
            400,
            "body",
            &[],
        ),
    ]);
}

#[test]
fn trailers_carry_no_framing_and_no_credentials() {
    check(&[Case(
        head!(
            "POST /v1/chat/completions",
            "content-type: application/json\r\nte: trailers\r\ntrailer: x-ok, content-length, host, authorization, \
             x-serin-arm\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-ok: 1\r\ncontent-length: 9\r\nhost: \
             evil\r\nauthorization: Bearer stolen\r\nx-serin-arm: canary\r\n\r\n"
        ),
        200,
        "",
        &["x-ok: 1", "!content-length:", "!host: evil", "!stolen", "!x-serin-arm: canary"],
    )]);
}

#[test]
fn bytes_that_end_a_line_for_some_readers_only() {
    check(&[
        Case(head!("GET /v1/m", "x-a: b\rc\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("GET /v1/m", "x-a: b\0c\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("GET /v1/m", "x\0a: b\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("GET /v1/m", "x-a: 1\r\n 2\r\n\r\n"), 400, "malformed", &[]),
        Case(head!("GET /v1/m", "x-a : 1\r\n\r\n"), 400, "malformed", &[]),
        // A lone line feed ends a line for Serin; the provider gets the usual two bytes.
        Case("GET /v1/m HTTP/1.1\nhost: h\nx-a: b\n\n", 200, "", &["GET /v1/m HTTP/1.1\r\n", "x-a: b\r\n"]),
        Case(" GET /v1/m HTTP/1.1\r\nhost: h\r\n\r\n", 400, "malformed", &[]),
        Case("GET /v1/m m HTTP/1.1\r\nhost: h\r\n\r\n", 400, "malformed", &[]),
        Case("GET /v1/m\x01 HTTP/1.1\r\nhost: h\r\n\r\n", 400, "malformed", &[]),
        Case("GET /v1/m HTTP/1.2\r\nhost: h\r\n\r\n", 400, "malformed", &[]),
        Case("GET /v1/m\r\n\r\n", 400, "malformed", &[]),
    ]);
}

#[test]
fn hosts_and_paths() {
    check(&[
        Case("GET /v1/m HTTP/1.1\r\n\r\n", 400, "host", &[]),
        Case(head!("GET /v1/m", "host: other\r\n\r\n"), 400, "host", &[]),
        Case("GET /v1/m HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400, "host", &[]),
        Case(
            head!("GET http://other:99/v1/m?x", "\r\n"),
            200,
            "",
            &["GET /v1/m?x HTTP/1.1", "host: 127.0.0.1", "!other"],
        ),
        Case(head!("GET http://u:p@other/v1/m", "\r\n"), 200, "", &["GET /v1/m HTTP/1.1", "!u:p"]),
        Case(head!("GET //v1/m", "\r\n"), 404, "outside_mount", &[]),
        Case(head!("GET /%76%31/m", "\r\n"), 404, "outside_mount", &[]),
        Case(head!("GET /v1\\..\\m", "\r\n"), 400, "dot_segments", &[]),
        Case(head!("GET /v1/a%2fb/%2e%2e//c", "\r\n"), 400, "dot_segments", &[]),
        Case(head!("GET /v1/..;x/m", "\r\n"), 400, "dot_segments", &[]),
        Case(head!("GET /v1/%2e?a", "\r\n"), 400, "dot_segments", &[]),
        Case(head!("GET http://other/v1/../m", "\r\n"), 400, "dot_segments", &[]),
        Case(head!("GET /../v1/m", "\r\n"), 400, "dot_segments", &[]),
        Case(
            head!("GET /v1/a%2fb/%252e%252e/.../x..//;c%5c?a=../b", "\r\n"),
            200,
            "",
            &["GET /v1/a%2fb/%252e%252e/.../x..//;c%5c?a=../b HTTP/1.1"],
        ),
        Case(head!("OPTIONS *", "\r\n"), 404, "outside_mount", &[]),
        Case(head!("CONNECT other:443", "\r\n"), 405, "method", &[]),
        Case(head!("TRACE /v1/m", "\r\n"), 405, "method", &[]),
    ]);
}

#[test]
fn sizes() {
    let long = format!("GET /v1/{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(60_000));
    let longer = format!("GET /v1/{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(70_000));
    let fields = |number: usize| {
        let fields: String = (1..number).map(|number| format!("x-{number}: 1\r\n")).collect();
        format!("GET /v1/m HTTP/1.1\r\nhost: h\r\n{fields}\r\n")
    };
    let (old, seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    for (request, status) in [(long, 200), (longer, 431), (fields(100), 200), (fields(101), 431)] {
        assert_eq!(sidecar.ask(&request).status, status, "{}", request.len());
        if status == 200 {
            assert_eq!(got(&seen).first_line().len(), request.lines().next().unwrap().len());
        }
    }
}

#[test]
fn kept_connections_of_http_1_0() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    for _ in 0..2 {
        client.send("GET /v1/m HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("connection").as_deref()), (200, Some("keep-alive")));
    }
}

#[test]
fn a_request_behind_a_refused_upgrade_is_one_of_its_own_and_behind_a_granted_one_it_is_bytes() {
    let both = "GET /v1/rt HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nGET /v1/m HTTP/1.1\r\nhost: h\r\n\r\n";
    let (old, seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(both);
    assert_eq!((client.reply().status, client.reply().status), (200, 200));
    assert_eq!(got(&seen).first_line(), "GET /v1/rt HTTP/1.1");
    assert_eq!(got(&seen).first_line(), "GET /v1/m HTTP/1.1");

    let (sender, tunnelled) = std::sync::mpsc::channel();
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
        sender.send(client.read_to("\r\n\r\n")).unwrap();
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(both);
    assert_eq!(client.reply().status, 101);
    assert_eq!(got(&tunnelled), "GET /v1/m HTTP/1.1\r\nhost: h\r\n\r\n", "untouched: no Host of the provider's");
}

/// A provider's answer to a request, and what the client gets of it, in part.
struct Response(&'static str, &'static str, u16, &'static [&'static str]);

#[test]
fn answers_that_cannot_be_trusted() {
    const GET: &str = "GET /v1/m HTTP/1.1\r\nhost: h\r\n\r\n";
    const HEAD: &str = "HEAD /v1/m HTTP/1.1\r\nhost: h\r\n\r\n";
    const WITH_TRAILERS: &str = "GET /v1/m HTTP/1.1\r\nhost: h\r\nte: trailers\r\n\r\n";
    for Response(request, answer, status, parts) in [
        Response(
            GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            200,
            &["{}", "!evil"],
        ),
        Response(GET, "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\n{}", 200, &["content-length: 2\r\n"]),
        Response(
            GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
            200,
            &["content-length: 2\r\n"],
        ),
        Response(
            GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
            502,
            &["x-serin-error: reset"],
        ),
        Response(GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 2\r\n\r\n{}", 502, &[]),
        Response(GET, "HTTP/1.1 200 OK\r\nx-a: b\rc\r\ncontent-length: 2\r\n\r\n{}", 502, &[]),
        Response(GET, "HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 2\r\n\r\n{}", 502, &[]),
        Response(GET, "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\n{}", 502, &[]),
        Response(GET, "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", 204, &["!content-length", "!hello"]),
        Response(GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: e\r\n\r\n", 304, &["etag: e"]),
        Response(HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, &["content-length: 2", "!{}"]),
        Response(
            GET,
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            200,
            &["!link"],
        ),
        Response(
            GET,
            "HTTP/1.1 200 OK\r\nconnection: x-own\r\nx-own: 1\r\nx-serin-arm: canary\r\ncontent-length: 2\r\n\r\n{}",
            200,
            &["!x-own", "!x-serin-arm"],
        ),
        Response(
            WITH_TRAILERS,
            "HTTP/1.1 200 OK\r\ntrailer: x-ok, content-length, set-cookie, x-serin-arm\r\ntransfer-encoding: \
             chunked\r\n\r\n2\r\n{}\r\n0\r\nx-ok: 1\r\ncontent-length: 5\r\nset-cookie: a\r\nx-serin-arm: canary\r\n\r\n",
            200,
            &["x-ok: 1", "!content-length: 5", "!set-cookie: a", "!x-serin-arm: canary"],
        ),
    ] {
        let (old, _seen) = Scripted::answering(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        // The second time shows that nothing of the first one was left on a kept connection.
        for _ in 0..2 {
            let mut client = sidecar.client();
            client.send(request.replace("host: h\r\n", "host: h\r\nconnection: close\r\n"));
            let text = String::from_utf8(client.read_to_end()).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}: {text:?}");
            for part in parts {
                match part.strip_prefix('!') {
                    None => assert!(text.contains(part), "{answer:?}: {part:?} is missing in {text:?}"),
                    Some(part) => assert!(!text.contains(part), "{answer:?}: {part:?} is in {text:?}"),
                }
            }
        }
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let old = Scripted::new(|mut client| {
        client.message();
        client.send("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nhello ");
        client.send("world");
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    for _ in 0..2 {
        client.send("GET /v1/m HTTP/1.1\r\nhost: h\r\n\r\n");
        let reply = client.reply();
        assert_eq!((reply.status, reply.text()), (200, "hello world"));
        assert_eq!(
            reply.header("transfer-encoding").as_deref(),
            Some("chunked"),
            "its end is announced in another way"
        );
    }
}

#[test]
fn an_answer_before_the_upload_is_done_reaches_the_client() {
    let old = Scripted::new(|mut client| {
        client.read_to("\r\n\r\n");
        client.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlarge");
        client.read_to_end();
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send("POST /v1/files HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nthe first of many bytes");
    let reply = client.reply();
    assert_eq!((reply.status, reply.text()), (413, "large"));
}

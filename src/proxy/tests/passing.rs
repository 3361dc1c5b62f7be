//! What arrives at a provider, and what comes back.

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Auth, Client as Customer, Secret, Unmatched};
use crate::decide::units::{Arm, Percent};

#[test]
fn a_request_arrives_byte_for_byte_and_so_does_its_answer() {
    let (old, seen) = Scripted::answering(
        "HTTP/1.1 201 Sort Of\r\nx-request-id: abc\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: x-hop\r\nx-hop: \
         1\r\nkeep-alive: timeout=9\r\nx-serin-arm: forged\r\ncontent-length: 5\r\n\r\nhello",
    );
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(
        "POST /v1/files/a%2Fb//%252e/c?x=%20&&y HTTP/1.1\r\nHost: sidecar\r\nAuthorization: Bearer app\r\nX-Two: 1\r\nX-Two: \
         2\r\nAccept-Encoding: gzip\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Serin-Debug: \
         1\r\nX-User-Id: u\r\nX-Force: f\r\nTE: trailers, deflate\r\nContent-Length: 4\r\n\r\n\0\u{ff}\x01z"
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect::<Vec<u8>>(),
    );
    let reply = client.reply();
    let request = got(&seen);
    assert_eq!(request.first_line(), "POST /v1/files/a%2Fb//%252e/c?x=%20&&y HTTP/1.1");
    assert_eq!(request.header("host"), Some(old.address.to_string()));
    assert_eq!(request.header("authorization").as_deref(), Some("Bearer app"));
    assert_eq!(request.header("x-two").as_deref(), Some("1|2"));
    assert_eq!(request.header("accept-encoding").as_deref(), Some("gzip"));
    assert_eq!(request.header("content-length").as_deref(), Some("4"));
    for gone in ["connection", "x-hop", "keep-alive", "x-serin-debug", "x-user-id", "x-force", "te"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.body, b"\0\xff\x01z");
    assert_eq!(reply.message.first_line(), "HTTP/1.1 201 Sort Of");
    assert_eq!(reply.text(), "hello");
    assert_eq!(reply.header("x-request-id").as_deref(), Some("abc"));
    assert_eq!(reply.header("set-cookie").as_deref(), Some("a=1|b=2"));
    assert_eq!(reply.header("x-serin-provider").as_deref(), Some("old"));
    assert_eq!(reply.header("x-serin-generation").as_deref(), Some("7"));
    for gone in ["x-hop", "keep-alive", "connection", "x-serin-arm", "x-serin-rollout", "date"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
    until("the request is accounted for", || sidecar.unsplit_ended(Outcome::Ok) == 1);
}

#[test]
fn the_canary_gets_no_credentials_of_the_client_and_sets_no_cookies() {
    let (old, seen_old) = Scripted::answering(OK);
    let (new, seen_new) = Scripted::answering(OK.replacen("content-type", "set-cookie: tracked\r\ncontent-type", 1));
    let sidecar = Sidecar::start(policy(old.address, new.address), Percent::from_hundredths(1).unwrap());
    let headers = |user: &str| {
        format!(
            "x-user-id: {user}\r\nauthorization: Bearer app\r\nx-api-key: app\r\napi-key: app\r\ncookie: c\r\n\
             openai-organization: o\r\nopenai-project: p\r\nx-other: kept\r\n"
        )
    };
    let reply = sidecar.ask(&post("/v1/chat/completions?key=app&x=1", &headers("canary-user"), "{}"));
    assert_eq!(reply.header("x-serin-provider").as_deref(), Some("new"));
    assert_eq!(reply.header("x-serin-rollout").as_deref(), Some("chat"));
    assert_eq!(reply.header("x-serin-arm").as_deref(), Some("canary"));
    assert_eq!(reply.header("set-cookie"), None);
    let request = got(&seen_new);
    assert_eq!(request.first_line(), "POST /v1/chat/completions?x=1 HTTP/1.1");
    for gone in ["authorization", "x-api-key", "api-key", "cookie", "openai-organization", "openai-project"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.header("x-other").as_deref(), Some("kept"));
    let reply = sidecar.ask(&post("/v1/chat/completions?key=app&x=1", &headers("stable-user"), "{}"));
    assert_eq!(reply.header("x-serin-arm").as_deref(), Some("stable"));
    let request = got(&seen_old);
    assert_eq!(request.first_line(), "POST /v1/chat/completions?key=app&x=1 HTTP/1.1");
    assert_eq!(request.header("authorization").as_deref(), Some("Bearer app"));
    assert_eq!(request.header("cookie").as_deref(), Some("c"));
    // Pins are no evidence, and are counted all the same.
    sidecar.until_ended(Arm::Canary, Outcome::Ok, 1);
    sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
    assert_eq!(sidecar.evidence(Arm::Canary).dispatched, 0);
}

#[test]
fn a_key_of_serin_replaces_the_clients_in_the_providers_own_style() {
    let (old, seen) = Scripted::answering(OK);
    for (auth, line, header) in [
        (Auth::Bearer, "/v1/models?a=b", ("authorization", Some("Bearer ours"))),
        (Auth::Header("api-key".to_owned()), "/v1/models?a=b", ("api-key", Some("ours"))),
        (Auth::Query("key".to_owned()), "/v1/models?a=b&key=ours", ("authorization", None)),
    ] {
        let mut policy = policy(old.address, refusing_address());
        with_provider(&mut policy, 0, |provider| {
            provider.auth = auth;
            provider.api_keys = vec![Secret::new("ours".to_owned())];
            provider.set_headers = vec![("x-team".to_owned(), Secret::new("blue".to_owned()))];
        });
        let sidecar = Sidecar::start(policy, Percent::ZERO);
        sidecar.ask(
            "GET /v1/models?key=app&a=b HTTP/1.1\r\nhost: h\r\nauthorization: Bearer app\r\nx-api-key: app\r\nx-team: \
             red\r\n\r\n",
        );
        let request = got(&seen);
        assert_eq!(request.first_line(), format!("GET {line} HTTP/1.1"));
        assert_eq!(request.header(header.0).as_deref(), header.1);
        assert_eq!(request.header("x-api-key"), None);
        assert_eq!(request.header("x-team").as_deref(), Some("blue"));
    }
}

#[test]
fn of_several_keys_the_first_is_used() {
    let (old, seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    with_provider(&mut policy, 0, |provider| {
        provider.api_keys = ["a", "b"].map(|key| Secret::new(key.to_owned())).into();
    });
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let keys: Vec<_> = (0..3)
        .map(|_| {
            sidecar.ask("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
            got(&seen).header("authorization").unwrap()
        })
        .collect();
    assert_eq!(keys, ["Bearer a"; 3]);
}

#[test]
fn only_what_is_below_the_mount_is_served() {
    let (old, seen) = Scripted::answering(OK);
    let mut reject = policy(old.address, refusing_address());
    reject.unmatched = Unmatched::Reject;
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    for (request, status, label, says) in [
        ("GET /v1x HTTP/1.1\r\nhost: h\r\n\r\n", 404, "outside_mount", "`/v1x` is not below `/v1`"),
        ("GET /?v1/ HTTP/1.1\r\nhost: h\r\n\r\n", 404, "outside_mount", "the base URL must end in `/v1`"),
        ("OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n", 404, "outside_mount", "`*` is not below `/v1`"),
        ("CONNECT api:443 HTTP/1.1\r\nhost: api:443\r\n\r\n", 405, "method", "CONNECT is not supported"),
    ] {
        let reply = sidecar.ask(request);
        assert_eq!(reply.status, status, "{request}");
        assert_eq!(reply.header("x-serin-error").as_deref(), Some(label));
        assert!(reply.text().contains(says), "{}", reply.text());
    }
    let reply = sidecar.ask("GET http://elsewhere/v1/models?a HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!((reply.status, got(&seen).first_line()), (200, "GET /v1/models?a HTTP/1.1"));
    let reply = sidecar.ask("PURGE /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!((reply.status, got(&seen).first_line()), (200, "PURGE /v1/models HTTP/1.1"));
    let reply = Sidecar::start(reject, Percent::ZERO).ask("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (404, Some("unmatched")));
}

#[test]
fn a_client_without_a_key_of_clients_is_turned_away_in_its_dialect() {
    let (old, seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.clients =
        vec![Customer { name: "app".to_owned(), key: Secret::new("let-me-in".to_owned()), rate_limit: None }];
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let reply = sidecar.ask(&post("/v1/messages", "x-api-key: wrong\r\n", "{}"));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (401, Some("unauthorized")));
    assert!(reply.text().starts_with(r#"{"error":{"message":"no key of `clients` was sent"#), "{}", reply.text());
    assert!(reply.text().ends_with(r#""type":"authentication_error"},"type":"error"}"#), "{}", reply.text());
    let reply = sidecar.ask(&post("/v1/messages", "x-api-key: let-me-in\r\nauthorization: Bearer app\r\n", "{}"));
    assert_eq!(reply.status, 200);
    let request = got(&seen);
    assert_eq!(request.header("x-api-key"), None);
    assert_eq!(request.header("authorization").as_deref(), Some("Bearer app"));
}

// Once the connection was closed without a word, and the client's next request on it failed.
#[test]
fn a_rejection_before_the_body_was_read_announces_that_the_connection_closes() {
    let mut policy = policy(refusing_address(), refusing_address());
    policy.clients =
        vec![Customer { name: "app".to_owned(), key: Secret::new("let-me-in".to_owned()), rate_limit: None }];
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut client = sidecar.client();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("connection").as_deref()), (401, Some("close")));
    // Without a body there is nothing that could be taken for a request.
    let mut client = sidecar.client();
    for _ in 0..2 {
        client.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("connection")), (401, None));
    }
}

#[test]
fn headers_of_serin_can_be_hidden() {
    let (old, _seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.response_headers = false;
    let reply = Sidecar::start(policy, Percent::ZERO).ask("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(!reply.message.head.contains("x-serin"), "{}", reply.message.head);
}

#[test]
fn a_provider_that_cannot_be_reached_or_used_is_named() {
    let mut policy = policy(refusing_address(), refusing_address());
    with_provider(&mut policy, 1, |provider| provider.unusable = Some("${KEY} is not set".to_owned()));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&post("/v1/chat/completions", "x-user-id: stable-user\r\n", "{}"));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (502, Some("connect")));
    assert!(reply.text().contains("provider `old` (stable) was not reachable"), "{}", reply.text());
    sidecar.until_ended(Arm::Stable, Outcome::Connect, 1);
    let reply = sidecar.ask(&post("/v1/chat/completions", "x-user-id: somebody\r\n", "{}"));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("unusable")));
    assert!(reply.text().contains("provider `new` cannot be used: ${KEY} is not set"), "{}", reply.text());
}

//! Which methods are split, who may only ask what it may ask, and paths that are spelled oddly.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Auth, Client as Customer, Fallback, Pattern, Policy, Secret, Unmatched};
use crate::decide::units::{Arm, Millis, Percent, ProviderId};

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\naccess-control-allow-origin: *\r\n\r\n";
const NOT_ALLOWED: &str = "HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\n\r\n";
const PREFLIGHT: &str = "origin: https://app.example\r\naccess-control-request-method: POST\r\n\
                         access-control-request-headers: authorization\r\n";

fn bare(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: h\r\n{headers}\r\n")
}

/// A stable provider with credentials of every kind, and one client.
fn guarded(old: &Scripted) -> Policy {
    let mut policy = policy(old.address, refusing_address());
    policy.clients =
        vec![Customer { name: "app".to_owned(), key: Secret::new("let-me-in".to_owned()), rate_limit: None }];
    with_provider(&mut policy, 0, |provider| {
        provider.api_keys = ["ours-1", "ours-2"].map(|key| Secret::new(key.to_owned())).into();
        provider.set_headers = [("x-token", "ours-3"), ("Host", "api.example"), ("x-api-key", "ours-4")]
            .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
            .into();
        provider.query = vec![("sig".to_owned(), Secret::new("ours-5".to_owned()))];
    });
    policy
}

/// All that Serin adds is `ours-N`.
fn shows_nothing_of_ours(message: &Message) -> bool {
    !message.head.contains("ours-")
}

#[test]
fn what_generates_nothing_goes_to_stable_and_belongs_to_no_rollout() {
    for (percent, canary) in [(Percent::ALL, "new"), (Percent::ZERO, "old")] {
        let (old, seen) = Scripted::answering(NOT_ALLOWED);
        let (new, _seen_new) = Scripted::answering(NOT_ALLOWED);
        let sidecar = Sidecar::start(both_ways(&old, &new), percent);
        for method in ["OPTIONS", "GET", "PUT", "DELETE", "post"] {
            let reply = sidecar.ask(&bare(method, "/v1/chat/completions", "x-user-id: u\r\nx-force: token\r\n"));
            let reported = ["x-serin-provider", "x-serin-arm", "x-serin-rollout"].map(|name| reply.header(name));
            assert_eq!((reply.status, reported), (405, [Some("old".to_owned()), None, None]), "{method} at {percent}");
            assert_eq!(got(&seen).first_line(), format!("{method} /v1/chat/completions HTTP/1.1"));
        }
        let mut client = sidecar.client();
        client.send(bare("HEAD", "/v1/chat/completions", "x-user-id: u\r\n"));
        assert!(client.read_to("\r\n\r\n").contains("x-serin-provider: old"));
        until("all are accounted for", || sidecar.unsplit_ended(Outcome::ClientError) == 6);
        for arm in [Arm::Stable, Arm::Canary] {
            assert_eq!((sidecar.judged(arm), sidecar.ended(arm, Outcome::ClientError)), ((0, 0, 0, 0), 0));
        }
        // What generates is split as ever.
        let reply = sidecar.ask(&post("/v1/chat/completions", "x-user-id: u\r\nx-http-method-override: GET\r\n", "{}"));
        assert_eq!(reply.header("x-serin-arm").as_deref(), Some(if canary == "new" { "canary" } else { "stable" }));
        sidecar.settle();
    }
}

#[test]
fn the_canary_answers_for_stable_only_what_is_split() {
    let (old, _seen) = Scripted::in_turn([json(503, "", "{}"), json(503, "", "{}")]);
    let (new, _seen_new) = Scripted::in_turn([completion("rescued")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::from_hundredths(1).unwrap());
    let reply = sidecar.ask(&bare("GET", "/v1/chat/completions", "x-user-id: stable-user\r\n"));
    assert_eq!((reply.status, reply.header("x-serin-provider").as_deref()), (503, Some("old")));
    let reply = sidecar.ask(&post("/v1/chat/completions", "x-user-id: stable-user\r\n", "{}"));
    assert_eq!((reply.status, reply.header("x-serin-provider").as_deref()), (200, Some("new")));
}

#[test]
fn a_rollout_of_a_path_splits_every_method_but_options() {
    let (old, _seen) = Scripted::answering(OK);
    let (new, _seen_new) = Scripted::answering(OK);
    let mut policy = policy(old.address, new.address);
    with_rollout(&mut policy, |rollout| rollout.matches.path = Some(Pattern("/files/*".to_owned())));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    for (method, provider, arm) in
        [("GET", "new", Some("canary")), ("DELETE", "new", Some("canary")), ("OPTIONS", "old", None)]
    {
        for path in ["/v1/files/a", "/v1//files/a"] {
            let reply = sidecar.ask(&bare(method, path, "x-user-id: u\r\n"));
            assert_eq!(reply.header("x-serin-provider").as_deref(), Some(provider), "{method} {path}");
            assert_eq!(reply.header("x-serin-arm").as_deref(), arm, "{method} {path}");
        }
    }
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (4, 4, 0, 0));
}

#[test]
fn a_web_socket_on_an_endpoint_is_split() {
    let refused = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n";
    let (old, _seen) = Scripted::answering(refused);
    let (new, _seen_new) = Scripted::answering(refused);
    let sidecar = Sidecar::start(policy(old.address, new.address), Percent::ALL);
    for (upgrade, provider) in [
        ("connection: upgrade\r\nupgrade: websocket\r\n", "new"),
        // No upgrade that Serin carries: a plain GET.
        ("connection: upgrade, http2-settings\r\nupgrade: h2c\r\n", "old"),
        ("upgrade: websocket\r\n", "old"),
    ] {
        let reply = sidecar.ask(&bare("GET", "/v1/messages", &format!("x-user-id: u\r\n{upgrade}")));
        assert_eq!(reply.header("x-serin-provider").as_deref(), Some(provider), "{upgrade}");
    }
    let reply = sidecar.ask(&bare("OPTIONS", "/v1/messages", "connection: upgrade\r\nupgrade: websocket\r\n"));
    assert_eq!(reply.header("x-serin-provider").as_deref(), Some("old"));
}

#[test]
fn a_preflight_needs_no_key_and_gets_none() {
    let (old, seen) = Scripted::answering(NO_CONTENT);
    let sidecar = Sidecar::start(guarded(&old), Percent::ZERO);
    for path in ["/v1/chat/completions", "/v1/models", "/v1//messages?key=theirs&x=1"] {
        for credentials in
            ["", "authorization: Bearer wrong\r\nx-api-key: wrong\r\ncookie: c\r\n", "content-length: 0\r\n"]
        {
            let reply = sidecar.ask(&bare("OPTIONS", path, &format!("{PREFLIGHT}{credentials}")));
            assert_eq!(reply.status, 204, "{path} {credentials}");
            assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some("*"));
            let request = got(&seen);
            assert!(shows_nothing_of_ours(&request), "{}", request.head);
            assert!(!request.head.contains("wrong") && !request.head.contains("theirs"), "{}", request.head);
            assert_eq!(request.header("host").as_deref(), Some("api.example"));
            assert_eq!(request.header("origin").as_deref(), Some("https://app.example"));
            assert_eq!(request.header("access-control-request-headers").as_deref(), Some("authorization"));
        }
    }
    // A client's own is its own: with the operator's key, as everything of a client's.
    sidecar.ask(&bare("OPTIONS", "/v1/models", &format!("{PREFLIGHT}authorization: Bearer let-me-in\r\n")));
    let request = got(&seen);
    assert!(request.head.contains("Bearer ours-1") || request.head.contains("Bearer ours-2"), "{}", request.head);
    assert!(request.head.contains("x-token: ours-3") && request.head.contains("sig=ours-5"), "{}", request.head);
}

#[test]
fn nothing_else_passes_without_a_key() {
    let (old, seen) = Scripted::answering(NO_CONTENT);
    let sidecar = Sidecar::start(guarded(&old), Percent::ZERO);
    let path = "/v1/chat/completions";
    for request in [
        bare("OPTIONS", path, ""),
        bare("OPTIONS", path, "origin: https://app.example\r\n"),
        bare("OPTIONS", path, "access-control-request-method: POST\r\n"),
        bare("OPTIONS", path, &format!("{PREFLIGHT}content-length: 1\r\n")) + "x",
        bare("OPTIONS", path, &format!("{PREFLIGHT}transfer-encoding: chunked\r\n")) + "1\r\nx\r\n0\r\n\r\n",
        bare("OPTIONS", path, &format!("{PREFLIGHT}connection: upgrade\r\nupgrade: websocket\r\n")),
        bare("options", path, PREFLIGHT),
        bare("GET", path, PREFLIGHT),
        bare("GET", path, &format!("{PREFLIGHT}x-http-method-override: OPTIONS\r\n")),
        post(path, PREFLIGHT, "{}"),
    ] {
        let reply = sidecar.ask(&request);
        assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (401, Some("unauthorized")), "{request}");
    }
    assert!(seen.try_recv().is_err(), "a request without a key reached the provider");
}

#[test]
fn a_preflight_without_a_key_passes_without_serins_keys() {
    for auth in [Auth::Bearer, Auth::Header("x-api-key".to_owned()), Auth::Query("key".to_owned())] {
        for status in [401, 403, 429] {
            let (old, seen) = Scripted::in_turn(vec![json(status, "", "{}"); 2]);
            let mut policy = guarded(&old);
            with_provider(&mut policy, 0, |provider| provider.auth = auth.clone());
            let sidecar = Sidecar::start(policy, Percent::ZERO);
            let reply = sidecar.ask(&bare("OPTIONS", "/v1/messages", PREFLIGHT));
            assert_eq!(reply.status, status, "{auth:?}");
            assert!(shows_nothing_of_ours(&got(&seen)));
            // Not a key of Serin's was refused, and no other is tried.
            let outcome = if status == 429 { Outcome::Throttled } else { Outcome::ClientError };
            until("it is accounted for", || sidecar.unsplit_ended(outcome) == 1);
            assert!(seen.try_recv().is_err());
        }
    }
}

#[test]
fn a_preflight_over_http2_is_the_same() {
    let (old, seen) = Scripted::answering(NO_CONTENT);
    let sidecar = Sidecar::start(guarded(&old), Percent::ZERO);
    let address = sidecar.running.local_addr();
    let ask = |body: &'static str, headers: &[(&'static str, &'static str)]| {
        let mut request = Request::options("http://h/v1/chat/completions").body(Full::from(body)).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let statuses = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        #[expect(clippy::disallowed_methods, reason = "a client of a test, not the data plane")]
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for request in [ask("", &preflight), ask("x", &preflight), ask("", &preflight[..1])] {
            let answer = sender.send_request(request).await.unwrap();
            statuses.push(answer.status().as_u16());
            answer.into_body().collect().await.unwrap();
        }
        statuses
    });
    assert_eq!(statuses, [204, 401, 401]);
    assert!(shows_nothing_of_ours(&got(&seen)));
}

#[test]
fn a_preflight_is_answered_where_the_file_rejects_unmatched_requests() {
    let (old, seen) = Scripted::answering(NO_CONTENT);
    let mut policy = guarded(&old);
    policy.unmatched = Unmatched::Reject;
    with_rollout(&mut policy, |rollout| {
        rollout.matches.model = Some(Pattern("gpt-*".to_owned()));
        rollout.fallback = Fallback::OtherArm;
    });
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&bare("OPTIONS", "/v1/chat/completions", PREFLIGHT)).status, 204);
    assert_eq!(got(&seen).first_line(), "OPTIONS /v1/chat/completions HTTP/1.1");
    let reply = sidecar.ask(&bare("OPTIONS", "/v1/models", PREFLIGHT));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (404, Some("unmatched")));
}

#[test]
fn an_endpoint_is_known_however_its_path_is_spelled_and_arrives_so() {
    let (old, _seen_old) = Scripted::in_turn(vec![completion("stable"); 8]);
    let broken = stream(&[ROLE]) + LAST;
    let (new, seen) = Scripted::in_turn(vec![broken; 8]);
    let mut policy = both_ways(&old, &new);
    with_provider(&mut policy, 1, |provider| provider.base_url.path = "/api".to_owned());
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let paths = ["//chat/completions", "/chat//completions/", "/chat/completions//", "/%63hat/completions"];
    for path in paths {
        let reply = sidecar.ask(&post(&format!("/v1{path}?x=//"), "x-user-id: u\r\n", r#"{"stream":true}"#));
        assert_eq!(got(&seen).first_line(), format!("POST /api{path}?x=// HTTP/1.1"));
        // Its stream broke off before any output: that is known for an endpoint alone.
        assert_eq!((reply.status, reply.header("x-serin-provider").as_deref()), (200, Some("old")), "{path}");
    }
    sidecar.settle();
    let count = u64::try_from(paths.len()).unwrap();
    assert_eq!(sidecar.attempts(Arm::Canary, ProviderId(1)), [(Outcome::Truncated, count)]);
}

#[test]
fn an_error_has_the_shape_of_the_endpoint_however_its_path_is_spelled() {
    let mut policy = policy(refusing_address(), refusing_address());
    with_provider(&mut policy, 0, |provider| provider.timeouts.connect = Millis(2000));
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    for (path, anthropic) in [("//messages", true), ("/messages//count_tokens", true), ("//chat/completions", false)] {
        let reply = sidecar.ask(&post(&format!("/v1{path}"), "x-user-id: u\r\n", "{}"));
        assert_eq!(reply.text().ends_with(r#""type":"error"}"#), anthropic, "{path}: {}", reply.text());
    }
}

#[test]
fn what_answers_a_web_socket_with_something_else_is_no_answer() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>";
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://sso.example/\r\ncontent-length: 0\r\n\r\n";
    let refused = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n";
    for answer in [page, moved] {
        let (old, _seen) = Scripted::answering(refused);
        let (new, _seen_new) = Scripted::answering(answer);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let upgrade = "x-user-id: u\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
        let reply = sidecar.ask(&bare("GET", "/v1/messages", upgrade));
        // Stable refuses as well, so what is reported is that the canary gave no answer.
        assert_eq!((reply.status, reply.header("location")), (502, None), "{answer}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, ProviderId(1)), [(Outcome::Malformed, 1)], "{answer}");
    }
}

#[test]
fn a_redirect_of_embeddings_is_no_answer_either() {
    let moved = "HTTP/1.1 307 X\r\nlocation: https://sso.example/\r\ncontent-length: 0\r\n\r\n";
    let (old, _seen) = Scripted::answering(OK);
    let (new, _seen_new) = Scripted::answering(moved);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.matches.endpoints = vec!["embeddings".to_owned()]);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&post("/v1/embeddings", "x-user-id: u\r\n", "{}"));
    // No other provider's numbers would be of use, and no other may follow it.
    assert_eq!((reply.status, reply.header("location")), (502, None));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, ProviderId(1)), [(Outcome::Malformed, 1)]);
}

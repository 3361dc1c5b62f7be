//! What counts as a live provider.

use super::*;
use crate::decide::policy::{PathPart, PathTemplate};
use crate::proxy::upstream::{Question, Redirect, Reply, ask_question, probe, probe_endpoint, probe_without_key};

/// What the probe says of a provider that answers with this status, and what it asked.
async fn probed(status: &str, edit: impl FnOnce(&mut Provider)) -> (Result<String, String>, String) {
    answered(status, edit, probe).await
}

/// The same where the application's own key passes.
async fn probe_without_key_of(status: &str, edit: impl FnOnce(&mut Provider)) -> Result<String, String> {
    answered(status, edit, probe_without_key).await.0
}

async fn answered<F: Future<Output = Result<String, String>>>(
    status: &str,
    edit: impl FnOnce(&mut Provider),
    probe: impl FnOnce(Arc<Provider>, Option<Secret>) -> F,
) -> (Result<String, String>, String) {
    let (listener, address) = listener().await;
    let mut provider = provider(address);
    edit(&mut provider);
    let provider_side = async {
        let mut peer = Peer::accept(&listener).await;
        let head = peer.head().await;
        peer.say(&format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok")).await;
        peer.closed().await;
        head
    };
    let (head, said) = tokio::join!(provider_side, probe(Arc::new(provider), None));
    (said, head)
}

#[test]
fn any_answer_but_a_refused_key_and_a_server_error_is_alive() {
    on_a_core(async {
        for (status, alive) in [("200 OK", true), ("404 Not Found", true), ("429 Too Many Requests", true)] {
            let said = probed(status, |_| {}).await.0.unwrap();
            assert_eq!(said.starts_with(&status[..3]) && said.ends_with(" ms"), alive, "{said}");
        }
        for status in ["401", "403"] {
            let (said, _) = probed(&format!("{status} No"), |provider| provider.api_keys = vec![secret("k1")]).await;
            assert_eq!(
                said.unwrap_err(),
                format!("{status} for /models: its key is refused; check its `api_keys` and its `auth`")
            );
        }
        let (said, _) = probed("401 No", |_| {}).await;
        assert_eq!(said.unwrap_err(), "401 for /models: it requires a key, and without `api_keys` a probe has none");
        let brought = probe_without_key_of("401 No", |_| {}).await.unwrap();
        assert!(brought.starts_with("401 in ") && brought.contains("; not probed with a key: "), "{brought}");
        for (status, keys) in [("401 No", vec![secret("k1")]), ("503 Busy", Vec::new())] {
            let said = probe_without_key_of(status, |provider| provider.api_keys = keys).await;
            assert!(said.unwrap_err().starts_with(&status[..3]), "{status}");
        }
        let said = probed("503 Busy", |_| {}).await.0.unwrap_err();
        assert!(said.starts_with("503 for /models in "), "{said}");
    });
}

#[test]
fn it_asks_as_traffic_would() {
    on_a_core(async {
        let (said, head) = probed("200 OK", |provider| {
            provider.api_keys = vec![secret("k1"), secret("k2")];
            provider.query = vec![("api-version".into(), Secret::new("2024 06".into()))];
            provider.set_headers = vec![("x-team".into(), secret("red"))];
        })
        .await;
        assert!(said.is_ok(), "{said:?}");
        assert!(head.starts_with("GET /v1/models?api-version=2024%2006 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer k1\r\n"), "{head}");
        assert!(head.contains("x-team: red\r\n"), "{head}");
        let (_, head) = probed("200 OK", |provider| {
            provider.api_keys = vec![secret("k1")];
            provider.auth = Auth::Query("key".into());
            provider.probe_path = secret("health");
        })
        .await;
        assert!(head.starts_with("GET /v1/health?key=k1 HTTP/1.1\r\n"), "{head}");
    });
}

#[test]
fn an_unusable_and_an_absent_provider_are_said() {
    on_a_core(async {
        let address = unused_address();
        let said = probe(Arc::new(provider(address)), None).await.unwrap_err();
        let remedy = "check its `base_url` (host, port, http or https), DNS and the network";
        assert_eq!(said, format!("cannot connect to {address}: Connection refused (os error 111); {remedy}"));
        let mut unusable = provider(address);
        unusable.unusable = Some("api_keys: ${ACME_KEY} is not set".into());
        assert_eq!(probe(Arc::new(unusable), None).await.unwrap_err(), "api_keys: ${ACME_KEY} is not set");
    });
}

/// What is made of a provider that answers an empty request so, and what it was asked. Headers may follow the status.
async fn asked(status: &str, body: &str, endpoint: &str, edit: impl FnOnce(&mut Provider)) -> (Reply, String, String) {
    let (listener, address) = listener().await;
    let mut provider = provider(address);
    provider.api_keys = vec![secret("k1")];
    edit(&mut provider);
    let provider_side = async {
        let mut peer = Peer::accept(&listener).await;
        let (head, sent) = peer.request().await;
        peer.say(&format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        peer.closed().await;
        (head, sent)
    };
    let asking = probe_endpoint(Arc::new(provider), None, endpoint.into(), Some("gpt 4".into()));
    let ((head, sent), reply) = tokio::join!(provider_side, asking);
    (reply, head, sent)
}

#[test]
fn a_refusal_of_an_empty_request_shows_whether_the_endpoint_is_there() {
    on_a_core(async {
        let no_model = r#"{"error": {"message": "The model `` does not exist", "code": "model_not_found"}}"#;
        let no_deployment = r#"{"error": {"code": "DeploymentNotFound", "message": "It does not exist."}}"#;
        for (status, body, reply) in [
            ("400 Bad Request", "{}", Reply::Speaks(400)),
            ("422 Unprocessable", "{}", Reply::Speaks(422)),
            ("429 Too Many Requests", "", Reply::Speaks(429)),
            ("402 Payment Required", "", Reply::Speaks(402)),
            ("404 Not Found", no_model, Reply::Speaks(404)),
            ("404 Not Found", no_deployment, Reply::Speaks(404)),
            ("404 Not Found", r#"{"detail": "Not Found"}"#, Reply::Absent(404)),
            ("404 Not Found", "<html>No such page. See our models.</html>", Reply::Absent(404)),
            ("404 Not Found", "", Reply::Absent(404)),
            ("405 Method Not Allowed", "", Reply::Absent(405)),
            ("501 Not Implemented", "", Reply::Absent(501)),
            ("401 Unauthorized", "", Reply::Refused(401, "its key is refused")),
            ("403 Forbidden", "", Reply::Refused(403, "its key is refused")),
            ("500 Oops", "", Reply::Unclear("500".into())),
        ] {
            assert_eq!(asked(status, body, "responses", |_| {}).await.0, reply, "{status} {body}");
        }
        let keyless = asked("401 No", "", "responses", |provider| provider.api_keys.clear()).await.0;
        assert_eq!(keyless, Reply::Refused(401, "it requires a key, and has no `api_keys`"));
        let forwarding = asked("401 No", "", "responses", |provider| {
            provider.api_keys.clear();
            provider.forward_headers.insert("authorization".into());
        });
        assert!(matches!(forwarding.await.0, Reply::Unclear(_)));
    });
}

#[test]
fn something_else_than_the_endpoint_is_recognised_by_its_answer() {
    const JSON: &str = "200 OK\r\ncontent-type: application/json";
    let answer = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
    on_a_core(async {
        for (status, body, seen) in [
            (
                "200 OK\r\ncontent-type: text/html; charset=utf-8",
                "<!DOCTYPE html><p>Hi",
                "text/html, `<!doctype html>`",
            ),
            (JSON, "<html>", "application/json, `<!doctype html>`"),
            (JSON, "{}", "application/json, `{}`"),
            (JSON, "null", "application/json, `null`"),
            (JSON, "[]", "application/json, a JSON list"),
            (JSON, r#"{"success":false}"#, "application/json, JSON that is not a response of this API"),
            ("200 OK", "OK", "no content type, text"),
            (
                "202 Accepted\r\ncontent-type: application/json",
                r#"{"id":"1"}"#,
                "application/json, JSON that is not a response of this API",
            ),
            ("200 OK", " \n", "no content type, only white space"),
            ("200 OK", "", "no content type, no body"),
        ] {
            let number = status[..3].parse().unwrap();
            let reply = asked(status, body, "chat/completions", |_| {}).await.0;
            assert_eq!(reply, Reply::Other(number, seen.into()), "{status} {body}");
        }
        let status = "200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip";
        let page = "<!doctype html>".repeat(10_000);
        let reply = asked("200 OK\r\ncontent-type: text/html", &page, "chat/completions", |_| {}).await.0;
        assert!(matches!(reply, Reply::Other(200, _)), "{reply:?}");
        // It is what it says only where its bytes can be read; those that cannot are no answer either.
        assert!(matches!(asked(status, "no gzip", "chat/completions", |_| {}).await.0, Reply::Other(200, _)));
        // An answer to nothing is an answer, and an error is what a provider has to say to it.
        for body in [answer, r#"{"error":{"message":"no messages"}}"#] {
            assert_eq!(asked(JSON, body, "chat/completions", |_| {}).await.0, Reply::Speaks(200), "{body}");
        }
        let reply = asked("400 Bad\r\ncontent-type: text/html", "<html>", "responses", |_| {}).await.0;
        assert_eq!(reply, Reply::Unclear("400: text/html, `<!doctype html>`".into()));
    });
}

#[test]
fn a_redirect_is_shown_with_the_address_to_write() {
    on_a_core(async {
        for status in ["301", "302", "303", "307", "308"] {
            let answer = format!("{status} Moved\r\nlocation: https://api.example/v1/responses?key=k1");
            let Reply::Redirected(found_status, redirect) = asked(&answer, "", "responses", |_| {}).await.0 else {
                panic!("{status} is no redirect");
            };
            assert_eq!(found_status.to_string(), status);
            assert_eq!(redirect.to.as_deref(), Some("https://api.example/v1/responses"));
            assert_eq!(redirect.base_url.as_deref(), Some("https://api.example/v1"));
        }
        let (reply, _, _) = asked("304 Not Modified", "", "responses", |_| {}).await;
        assert_eq!(reply, Reply::Redirected(304, Redirect { to: None, base_url: None }));
        // By the template of its paths.
        let answer = "308 Moved\r\nlocation: https://api.example/x/d/gpt%204/responses";
        let (reply, _, _) = asked(answer, "", "responses", |provider| {
            let text = |text: &str| PathPart::Text(text.into());
            provider.path = Some(PathTemplate(vec![text("/d/"), PathPart::Model, text("/"), PathPart::Rest]));
        })
        .await;
        let Reply::Redirected(308, redirect) = reply else { panic!("{reply:?}") };
        assert_eq!(redirect.base_url.as_deref(), Some("https://api.example/x"));
    });
}

#[test]
fn a_live_provider_at_a_doubtful_address_is_live_and_doubted() {
    on_a_core(async {
        for (status, doubt) in [
            ("200 OK\r\ncontent-type: Text/HTML", ", as a web page (text/html): is that the address of an API?"),
            ("404 Not Found\r\ncontent-type: text/html", ""),
            (
                "301 Moved\r\nlocation: https://x.example/v1/models",
                ", which redirects: write `base_url: https://x.example/v1`",
            ),
            ("302 Found\r\nlocation: https://x.example/login?k=s", ", which redirects to https://x.example/login"),
            ("302 Found", ", which redirects without a location"),
        ] {
            let said = probed(status, |_| {}).await.0.unwrap();
            assert!(said.starts_with(&status[..3]) && said.ends_with(&format!(" ms{doubt}")), "{said}");
        }
    });
}

#[test]
fn an_endpoint_is_asked_for_as_traffic_would_ask() {
    on_a_core(async {
        let (_, head, sent) = asked("400 Bad", "", "chat/completions", |provider| {
            provider.query = vec![("api-version".into(), secret("2024"))];
            provider.set_headers = vec![("x-team".into(), secret("red"))];
        })
        .await;
        assert!(head.starts_with("POST /v1/chat/completions?api-version=2024 HTTP/1.1\r\n"), "{head}");
        for line in ["authorization: Bearer k1", "x-team: red", "content-type: application/json", "content-length: 2"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
        }
        assert!(!head.contains("anthropic-version"), "{head}");
        assert_eq!(sent, "{}");

        let (_, head, _) = asked("400 Bad", "", "messages", |provider| {
            provider.auth = Auth::Header("x-api-key".into());
            let text = |text: &str| PathPart::Text(text.into());
            provider.path = Some(PathTemplate(vec![text("/deployments/"), PathPart::Model, text("/"), PathPart::Rest]));
        })
        .await;
        assert!(head.starts_with("POST /v1/deployments/gpt%204/messages HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("x-api-key: k1\r\n") && head.contains("anthropic-version: 2023-06-01\r\n"), "{head}");
        let (_, head, _) = asked("400 Bad", "", "messages", |provider| {
            provider.set_headers = vec![("anthropic-version".into(), secret("2026-01-01"))];
        })
        .await;
        assert!(head.contains("anthropic-version: 2026-01-01\r\n") && !head.contains("2023-06-01"), "{head}");
    });
}

#[test]
fn what_cannot_be_asked_is_unclear() {
    on_a_core(async {
        let address = unused_address();
        let ask = |provider: Provider| probe_endpoint(Arc::new(provider), None, "responses".into(), None);
        let reply = ask(provider(address)).await;
        let expected = format!("cannot connect to {address}: Connection refused (os error 111)");
        assert_eq!(reply, Reply::Unclear(expected));
        let mut templated = provider(address);
        templated.path = Some(PathTemplate(vec![PathPart::Text("/".into()), PathPart::Model]));
        let reply = ask(templated).await;
        assert_eq!(reply, Reply::Unclear("its `path` needs a model's name, and `models` has none".into()));
        let mut unusable = provider(address);
        unusable.unusable = Some("the variable ACME is not set".into());
        assert_eq!(ask(unusable).await, Reply::Unclear("the variable ACME is not set".into()));
    });
}

#[test]
fn an_answer_that_never_ends_is_read_up_to_a_bound() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let provider_side = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
            peer.say("HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let piece = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            // Until Serin has closed its end.
            while peer.0.write_all(piece.as_bytes()).await.is_ok() {}
        };
        let asking = probe_endpoint(Arc::new(provider(address)), None, "responses".into(), None);
        let ((), reply) = tokio::join!(provider_side, asking);
        assert_eq!(reply, Reply::Absent(404));
    });
}

fn question(address: SocketAddr, key: Option<usize>) -> Question {
    let mut provider = provider(address);
    provider.api_keys = vec![secret("k1"), secret("k2")];
    Question { provider: Arc::new(provider), below: "/models?a=b".into(), key, of_anthropic: true, most: 100_000 }
}

#[test]
fn a_question_shows_the_key_that_it_is_asked_with_or_none() {
    on_a_core(async {
        for (key, shown) in [(Some(1), Some("authorization: Bearer k2\r\n")), (None, None)] {
            let (listener, address) = listener().await;
            let provider_side = async {
                let mut peer = Peer::accept(&listener).await;
                let head = peer.head().await;
                peer.answer("it was k2").await;
                peer.closed().await;
                head
            };
            let question = question(address, key);
            let (head, answer) = tokio::join!(provider_side, ask_question(&question, None));
            let answer = answer.unwrap();
            assert!(head.starts_with("GET /v1/models?a=b HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("anthropic-version: 2023-06-01\r\n"), "{head}");
            assert_eq!(head.contains("authorization"), shown.is_some(), "{head}");
            assert!(shown.is_none_or(|shown| head.contains(shown)), "{head}");
            let body = if key.is_some() { "it was (key)" } else { "it was k2" };
            assert_eq!((answer.status, answer.body.as_slice(), answer.whole), (200, body.as_bytes(), true));
        }
    });
}

#[test]
fn an_answer_that_drips_is_left_after_a_time() {
    on_a_core(async {
        let (listener, address) = listener().await;
        // Time passes by itself where nothing else happens.
        tokio::time::pause();
        let dripping = async {
            let mut peer = Peer::accept(&listener).await;
            peer.head().await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
            while peer.0.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let question = question(address, Some(0));
        let ((), answer) = tokio::join!(dripping, ask_question(&question, None));
        let answer = answer.unwrap();
        assert!(!answer.whole && (2..100).contains(&answer.body.len()), "{answer:?}");
    });
}

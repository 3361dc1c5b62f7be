//! What counts as a live provider.

use super::*;
use crate::decide::policy::{PathPart, PathTemplate};
use crate::proxy::upstream::{Reply, probe, probe_endpoint};

/// What the probe says of a provider that answers with this status, and what it asked.
async fn probed(status: &str, edit: impl FnOnce(&mut Provider)) -> (Result<String, String>, String) {
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
            assert_eq!(said.unwrap_err(), format!("{status} for /models: its key is refused"));
        }
        let (said, _) = probed("401 No", |_| {}).await;
        assert_eq!(said.unwrap_err(), "401 for /models: it wants a key, and without `api_keys` a probe has none");
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
            provider.probe_path = "health".into();
        })
        .await;
        assert!(head.starts_with("GET /v1/health?key=k1 HTTP/1.1\r\n"), "{head}");
    });
}

#[test]
fn an_unusable_and_an_absent_provider_are_said() {
    on_a_core(async {
        let (listener, address) = listener().await;
        drop(listener);
        let said = probe(Arc::new(provider(address)), None).await.unwrap_err();
        assert_eq!(said, format!("cannot connect to {address}: Connection refused (os error 111)"));
        let mut unusable = provider(address);
        unusable.unusable = Some("api_keys: ${ACME_KEY} is not set".into());
        assert_eq!(probe(Arc::new(unusable), None).await.unwrap_err(), "api_keys: ${ACME_KEY} is not set");
    });
}

/// What is made of a provider that answers an empty request so, and what it was asked.
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
fn a_refusal_of_an_empty_request_tells_whether_the_endpoint_is_there() {
    on_a_core(async {
        let no_model = r#"{"error": {"message": "The model `` does not exist", "code": "model_not_found"}}"#;
        let no_deployment = r#"{"error": {"code": "DeploymentNotFound", "message": "It does not exist."}}"#;
        for (status, body, reply) in [
            ("400 Bad Request", "{}", Reply::Speaks(400)),
            ("422 Unprocessable", "{}", Reply::Speaks(422)),
            ("429 Too Many Requests", "", Reply::Speaks(429)),
            ("402 Payment Required", "", Reply::Speaks(402)),
            ("200 OK", "{}", Reply::Speaks(200)),
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
            ("307 Elsewhere", "", Reply::Unclear("307".into())),
        ] {
            assert_eq!(asked(status, body, "responses", |_| {}).await.0, reply, "{status} {body}");
        }
        let keyless = asked("401 No", "", "responses", |provider| provider.api_keys.clear()).await.0;
        assert_eq!(keyless, Reply::Refused(401, "it wants a key, and has no `api_keys`"));
        let forwarding = asked("401 No", "", "responses", |provider| {
            provider.api_keys.clear();
            provider.forward_headers.insert("authorization".into());
        });
        assert!(matches!(forwarding.await.0, Reply::Unclear(_)));
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
        let (listener, address) = listener().await;
        drop(listener);
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

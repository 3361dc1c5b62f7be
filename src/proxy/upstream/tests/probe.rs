//! What counts as a live provider.

use super::*;
use crate::proxy::upstream::probe;

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

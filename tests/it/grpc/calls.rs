//! The four kinds of calls pass unchanged, on the arm that the split chose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;

use crate::support::grpc::app::{App, beside, block_on, flags, header, of_user, sidecar, with_providers};
use crate::support::grpc::echo::Echo;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::secure::Pair;

/// A sidecar between two tonic servers, with everybody on the canary.
async fn stage(keys: &str) -> (Harness, Echo, Echo, App) {
    let (stable, canary) = (Echo::start("old").await, Echo::start("new").await);
    let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), keys)).await;
    let app = App::connect(harness.listen).await;
    (harness, stable, canary, app)
}

#[test]
fn a_user_keeps_an_arm_whatever_is_called() {
    block_on(async {
        let (_harness, _stable, _canary, app) = stage("percent: 50%").await;
        let mut arms = std::collections::BTreeMap::new();
        for user in ["user-1", "user-2", "user-3", "user-4", "user-5", "user-6", "user-7", "user-8"] {
            let answer = app.unary(of_user(user, b"hi")).await.unwrap();
            let (arm, by) = (header(&answer, "x-serin-arm"), header(&answer, "x-served-by"));
            assert_eq!((arm == "canary", arm == "stable"), (by == "new", by == "old"), "{arm} {by}");
            assert_eq!(answer.get_ref(), &Bytes::from(format!("{by}:hi")));
            let again = app.server_stream(of_user(user, b"2")).await.unwrap();
            assert_eq!(header(&again, "x-serin-arm"), arm);
            *arms.entry(arm).or_insert(0) += 1;
        }
        assert_eq!(arms.len(), 2, "both arms were met: {arms:?}");
        // Whoever has no id stays on stable.
        assert_eq!(header(&app.ask("hi").await.unwrap(), "x-serin-arm"), "stable");
    });
}

#[test]
fn all_four_kinds_pass_and_are_counted() {
    block_on(async {
        let (harness, _stable, _canary, app) = stage("percent: 100%").await;
        assert_eq!(app.ask("hi").await.unwrap().into_inner(), "new:hi");
        let streamed: Vec<Bytes> =
            app.server_stream(of_user("u", b"3")).await.unwrap().into_inner().map(Result::unwrap).collect().await;
        assert_eq!(streamed, ["new:0", "new:1", "new:2"]);
        let sent = stream::iter(["a", "b", "c"].map(Bytes::from));
        assert_eq!(app.client_stream(sent).await.unwrap().into_inner(), "new:abc");
        let sent = stream::iter(["a", "b"].map(Bytes::from));
        let both = app.bidi(tonic::Request::new(sent)).await.unwrap().into_inner();
        assert_eq!(both.map(Result::unwrap).collect::<Vec<_>>().await, ["new:a", "new:b"]);
        // No message at all is a call too.
        let none = app.server_stream(of_user("u", b"0")).await.unwrap().into_inner();
        assert_eq!(none.collect::<Vec<_>>().await.len(), 0);
        beside(move || harness.expect_attempts("chat", &[("newcorp", "ok", 5)])).await.unwrap();
    });
}

#[test]
fn metadata_and_statuses_pass_both_ways() {
    block_on(async {
        let (harness, _stable, _canary, app) = stage("percent: 0%").await;
        let mut request = of_user("u", b"hi");
        request.metadata_mut().insert("x-text", "a, b".parse().unwrap());
        request.metadata_mut().insert_bin("x-bytes-bin", MetadataValue::from_bytes(&[0, 1, 0xff, 0x80]));
        let answer = app.unary(request).await.unwrap();
        assert_eq!(header(&answer, "x-text"), "a, b");
        let bytes = answer.metadata().get_bin("x-bytes-bin").unwrap().to_bytes().unwrap();
        assert_eq!(&bytes[..], [0, 1, 0xff, 0x80]);
        // The provider's own refusal, in its own words.
        let refused = app.ask("fail").await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "you asked for it: 100 %"));
        assert!(refused.metadata().get("x-serin-error").is_none());
        beside(move || harness.expect_attempts("chat", &[("oldcorp", "ok", 1), ("oldcorp", "client_error", 1)]))
            .await
            .unwrap();
    });
}

#[test]
fn compressed_messages_pass() {
    block_on(async {
        let (_harness, _stable, _canary, mut app) = stage("percent: 100%").await;
        app.grpc = app.grpc.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
        let said = "x".repeat(10_000);
        let answer = app.unary(tonic::Request::new(Bytes::from(said.clone()))).await.unwrap();
        assert_eq!(header(&answer, "grpc-encoding"), "gzip");
        assert_eq!(answer.into_inner(), Bytes::from(format!("new:{said}")));
    });
}

#[test]
fn a_provider_without_http_2_is_named() {
    block_on(async {
        let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
        let (old, new) = (stable.base_url(), canary.base_url());
        let harness = sidecar(with_providers((&old, "http2: never"), (&new, "http2: never"), "percent: 0%")).await;
        let app = App::connect(harness.listen).await;
        let refused = app.ask("hi").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
        assert!(refused.message().contains("provider `oldcorp`") && refused.message().contains("prior_knowledge"));
        assert_eq!(refused.metadata().get("x-serin-error").unwrap(), "no_http2");
        drop((stable, canary));
    });
}

/// A server over TLS that negotiates HTTP/1.1 and answers nothing. Returns its port, and how many connections came.
fn negotiates_http_1(pair: &Pair) -> (u16, Arc<AtomicUsize>) {
    let key = PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![pair.certificate.clone()], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (config, came) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, counter) = (listener.local_addr().unwrap().port(), Arc::clone(&came));
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut stream).unwrap();
            }
            // The tickets of the session.
            connection.complete_io(&mut stream).unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            open.push((stream, connection));
        }
    });
    (port, came)
}

#[test]
fn a_provider_that_negotiates_http_1_has_not_failed() {
    block_on(async {
        let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
        pair.write(folder.path());
        let (port, came) = negotiates_http_1(&pair);
        let secure = format!("http2: auto, tls: {{ ca_file: {} }}", folder.path().join("tls.crt").display());
        let url = format!("https://127.0.0.1:{port}");
        let stable = Echo::start("old").await;
        let old = (&*stable.base_url(), "http2: prior_knowledge");
        let harness = sidecar(with_providers(old, (&url, &secure), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        for _ in 0..3 {
            assert_eq!(app.ask("hi").await.unwrap().into_inner(), "old:hi");
        }
        // It was no attempt, so no evidence either; and the connection was there for the next one.
        beside(move || harness.expect_attempts("chat", &[("oldcorp", "ok", 3)])).await.unwrap();
        assert_eq!(came.load(Ordering::Relaxed), 1);
        // Where nobody else is left, it is named.
        let harness = sidecar(with_providers((&url, &secure), (&url, &secure), "percent: 0%")).await;
        let refused = App::connect(harness.listen).await.ask("hi").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
        assert_eq!(refused.metadata().get("x-serin-error").unwrap(), "no_http2");
    });
}

#[test]
fn a_path_that_nothing_serves_is_unimplemented_and_is_serins_word() {
    block_on(async {
        let stable = Echo::start("old").await;
        let flags = flags(&stable.base_url(), &stable.base_url(), "percent: 0%").top("unmatched: reject");
        let harness = sidecar(flags).await;
        let mut grpc = App::connect(harness.listen).await.grpc;
        grpc.ready().await.unwrap();
        let path = "/pkg.Other/Method".parse().unwrap();
        let message = tonic::Request::new(Bytes::new());
        let codec = crate::support::grpc::codec::Raw;
        let refused = grpc.unary::<_, Bytes, _>(message, path, codec).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
        assert_eq!(refused.metadata().get("x-serin-error").unwrap(), "unmatched");
    });
}

//! Time limits and cancellation reach both ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use serin::clock;
use tokio::sync::mpsc::unbounded_channel;
use tonic::{Code, Request};

use crate::support::grpc::app::{App, beside, block_on, dictated, flags, of_user, sidecar, spawned, with_providers};
use crate::support::grpc::echo::Echo;
use crate::support::grpc::provider::{CallProvider, request};

/// What the issue of cancellation allows.
const PROMPT: Duration = Duration::from_millis(100);

fn nanos(timeout: &str) -> u64 {
    let (digits, unit) = timeout.split_at(timeout.len() - 1);
    let factor = match unit {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "S" => 1_000_000_000,
        other => panic!("{other}"),
    };
    digits.parse::<u64>().unwrap() * factor
}

#[test]
fn the_time_limit_gets_shorter_with_every_hop_and_attempt() {
    block_on(async {
        let (stable, canary) = (
            CallProvider::start(|call| async move { call.trailers_only(&[("grpc-status", "0")]) }).await,
            CallProvider::start(|call| async move { call.trailers_only(&[("grpc-status", "14")]) }).await,
        );
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        let mut call = of_user("u", b"hi");
        call.set_timeout(Duration::from_secs(20));
        // An OK without a message is a fault that tonic itself finds.
        assert_eq!(app.unary(call).await.unwrap_err().code(), Code::Internal);
        let told = |provider: &CallProvider| {
            let heads = provider.heads.lock().unwrap();
            nanos(heads[0].headers["grpc-timeout"].to_str().unwrap())
        };
        let (first, second) = (told(&canary), told(&stable));
        assert!(first <= 20_000_000_000 && second < first && second > 10_000_000_000, "{first} {second}");
        // No limit is none.
        app.ask("hi").await.unwrap_err();
        assert!(!canary.heads.lock().unwrap()[1].headers.contains_key("grpc-timeout"));
    });
}

#[test]
fn at_the_limit_the_client_is_told_and_the_provider_is_left() {
    block_on(async {
        let (left, mut seen) = unbounded_channel();
        let canary = CallProvider::start(move |mut call| {
            let left = left.clone();
            async move { left.send(call.reset().await).ok() }
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        // Directly, since a library would look at its own clock.
        let stream = tokio::net::TcpStream::connect(harness.listen).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let _connection = spawned(async move { connection.await.ok() });
        let call = request(harness.listen, "/pkg.Echo/Unary", &[("grpc-timeout", "1200m"), ("x-user-id", "u")]);
        let began = clock::instant();
        let (answer, mut body) = client.send_request(call, false).unwrap();
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), true).unwrap();
        let answer = answer.await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(1200));
        assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"4".parse().unwrap()));
        assert_eq!(answer.headers()["x-serin-error"], "deadline");
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        assert!(began.elapsed() < Duration::from_millis(1200) + 10 * PROMPT);
        // Nobody else is asked when the time is over.
        beside(move || harness.expect_attempts("chat", &[("newcorp", "timeout", 1)])).await.unwrap();
    });
}

#[test]
fn a_client_that_hardly_waits_charges_nobody() {
    block_on(async {
        let silent = || CallProvider::start(|mut call| async move { call.reset().await.map(drop) });
        let (stable, canary) = (silent().await, silent().await);
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        let mut call = of_user("u", b"hi");
        call.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
        let refused = app.unary(call).await.unwrap_err();
        assert!(matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled), "{refused:?}");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "client_gone", 1)])).await.unwrap();
    });
}

#[test]
fn a_limit_that_is_over_while_a_call_waits_for_room_is_told_as_such() {
    block_on(async {
        let stable = Echo::start("old").await;
        let keys = "http2: prior_knowledge, rate_limit: { requests_per_minute: 1, when_full: wait, wait: 30s }";
        let providers = with_providers((&stable.base_url(), keys), (&stable.base_url(), keys), "percent: 0%");
        let harness = sidecar(providers).await;
        let app = App::connect(harness.listen).await;
        app.ask("hi").await.unwrap();
        let stream = tokio::net::TcpStream::connect(harness.listen).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let _connection = spawned(async move { connection.await.ok() });
        let call = request(harness.listen, "/pkg.Echo/Unary", &[("grpc-timeout", "300m"), ("x-user-id", "u")]);
        let (answer, mut body) = client.send_request(call, false).unwrap();
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(
            (&answer.headers()["grpc-status"], &answer.headers()["x-serin-error"]),
            (&"4".parse().unwrap(), &"deadline".parse().unwrap())
        );
    });
}

#[test]
fn at_the_limit_of_a_stream_it_ends_with_a_status() {
    block_on(async {
        let canary = CallProvider::start(|mut call| async move {
            let mut reply = call.begin()?;
            reply.message(b"one").await?;
            reply.reset().await.map(drop)
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let stream = tokio::net::TcpStream::connect(harness.listen).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let _connection = spawned(async move { connection.await.ok() });
        let call = request(harness.listen, "/pkg.Echo/Bidi", &[("grpc-timeout", "300m")]);
        // The client's side stays open.
        let (answer, _body) = client.send_request(call, false).unwrap();
        let mut answer = answer.await.unwrap().into_body();
        assert_eq!(&answer.data().await.unwrap().unwrap()[5..], b"one");
        assert!(answer.data().await.is_none());
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "4");
        // It was under way: nobody's fault.
        beside(move || harness.expect_attempts("chat", &[("newcorp", "client_gone", 1)])).await.unwrap();
    });
}

#[test]
fn a_malformed_limit_is_refused_as_servers_do() {
    block_on(async {
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &stable.base_url(), "percent: 0%")).await;
        let app = App::connect(harness.listen).await;
        let mut call = of_user("u", b"hi");
        call.metadata_mut().insert("grpc-timeout", "1.5S".parse().unwrap());
        let refused = app.unary(call).await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal);
        assert!(refused.message().contains("malformed grpc-timeout `1.5S`"), "{}", refused.message());
    });
}

#[test]
fn a_client_that_cancels_is_noticed_by_the_provider_in_time() {
    block_on(async {
        let times = Arc::new(Mutex::new(Vec::new()));
        let (left, mut seen) = unbounded_channel();
        let noted = Arc::clone(&times);
        let canary = CallProvider::start(move |mut call| {
            let (left, noted) = (left.clone(), Arc::clone(&noted));
            async move {
                let reason = match call.head.uri.path() {
                    "/pkg.Echo/Unary" => {
                        left.send(None).ok()?;
                        call.reset().await
                    }
                    _ => {
                        let mut reply = call.begin()?;
                        reply.message(b"one").await?;
                        left.send(None).ok()?;
                        reply.reset().await
                    }
                };
                noted.lock().unwrap().push(clock::instant());
                left.send(reason).ok()
            }
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        // Before a head: a unary call; within a stream whose client's side is open; and within one that is closed.
        let unary = app.clone();
        let call = spawned(async move { unary.ask("hi").await });
        assert_eq!(seen.recv().await.unwrap(), None);
        let mut cancelled = vec![clock::instant()];
        call.abort();
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        // A library would go on sending, so this one is done by hand.
        let stream = tokio::net::TcpStream::connect(harness.listen).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let _connection = spawned(async move { connection.await.ok() });
        let call = request(harness.listen, "/pkg.Echo/Bidi", &[]);
        let (answer, mut body) = client.send_request(call, false).unwrap();
        let mut answer = answer.await.unwrap().into_body();
        assert_eq!(&answer.data().await.unwrap().unwrap()[5..], b"one");
        assert_eq!(seen.recv().await.unwrap(), None);
        cancelled.push(clock::instant());
        body.send_reset(Reason::CANCEL);
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        let mut streamed = app.server_stream(of_user("u", b"1")).await.unwrap().into_inner();
        assert_eq!(streamed.message().await.unwrap().unwrap(), "one");
        assert_eq!(seen.recv().await.unwrap(), None);
        cancelled.push(clock::instant());
        drop(streamed);
        assert_eq!(seen.recv().await.unwrap(), Some(Reason::CANCEL));
        for (cancelled, noted) in cancelled.iter().zip(times.lock().unwrap().iter()) {
            assert!(noted.duration_since(*cancelled) < PROMPT, "{:?}", noted.duration_since(*cancelled));
        }
        beside(move || harness.expect_attempts("chat", &[("newcorp", "client_gone", 3)])).await.unwrap();
    });
}

#[test]
fn a_provider_that_resets_a_stream_is_noticed_by_the_client_in_time() {
    block_on(async {
        let (said, mut when) = unbounded_channel();
        let canary = CallProvider::start(move |mut call| {
            let said = said.clone();
            async move {
                let mut reply = call.begin()?;
                reply.message(b"one").await?;
                call.message().await?;
                said.send(clock::instant()).ok()?;
                reply.break_off(Reason::CANCEL)
            }
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        let (sender, messages) = dictated();
        let mut both = app.bidi(Request::new(messages)).await.unwrap().into_inner();
        assert_eq!(both.message().await.unwrap().unwrap(), "one");
        sender.send("go").unwrap();
        let error = both.message().await.unwrap_err();
        let took = when.recv().await.unwrap().elapsed();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(took < PROMPT, "{took:?}");
        drop(harness);
    });
}

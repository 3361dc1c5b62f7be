//! A canary that fails before its first message is recovered by stable; afterwards the client is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use h2::Reason;
use tokio::sync::Notify;
use tonic::Code;

use crate::support::closed_port::ClosedPort;
use crate::support::grpc::app::{
    App, beside, block_on, dictated, flags, header, of_user, sidecar, spawned, with_providers,
};
use crate::support::grpc::echo::Echo;
use crate::support::grpc::provider::{Call, CallProvider};
use crate::support::harness::Harness;

/// Everybody on a canary that does this, and stable answers.
async fn stage<F>(script: impl Fn(Call) -> F + Send + Sync + 'static) -> (Harness, Echo, CallProvider, App)
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let (stable, canary) = (Echo::start("old").await, CallProvider::start(script).await);
    let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
    let app = App::connect(harness.listen).await;
    (harness, stable, canary, app)
}

const UNAVAILABLE: &[(&str, &str)] = &[("grpc-status", "14"), ("grpc-message", "no%20place")];

#[test]
fn each_way_to_fail_before_a_message_is_recovered() {
    type Way = fn(Call) -> Option<()>;
    let ways: [(&str, &str, Way); 8] = [
        ("HTTP 400", "unsupported", |call| call.http(400, "text/plain", "no")),
        ("trailers only", "server_error", |call| call.trailers_only(UNAVAILABLE)),
        ("a head, then trailers", "server_error", |mut call| call.begin()?.end(UNAVAILABLE)),
        ("a head, then no status", "truncated", |mut call| call.begin()?.end_bare()),
        ("a reset", "reset", |call| call.break_off(Reason::INTERNAL_ERROR)),
        ("refused", "reset", |call| call.break_off(Reason::REFUSED_STREAM)),
        ("a page", "server_error", |call| call.http(200, "text/html", "<html>login</html>")),
        ("HTTP 503", "server_error", |call| call.http(503, "text/plain", "no place")),
    ];
    block_on(async {
        for (way, outcome, fails) in ways {
            let (harness, _stable, canary, app) = stage(move |mut call| async move {
                call.read_to_end().await;
                fails(call)
            })
            .await;
            let answer = app.ask("hi").await.unwrap_or_else(|error| panic!("{way}: {error:?}"));
            assert_eq!(header(&answer, "x-serin-provider"), "oldcorp", "{way}");
            assert_eq!(header(&answer, "x-serin-attempts"), "2", "{way}");
            assert_eq!(answer.into_inner(), "old:hi", "{way}");
            assert!(canary.calls() > 0, "{way}");
            let expected = [("newcorp", outcome, 1), ("oldcorp", "ok", 1)];
            beside(move || harness.expect_attempts("chat", &expected))
                .await
                .unwrap_or_else(|error| panic!("{way}: {error}"));
        }
    });
}

#[test]
fn a_canary_that_refuses_the_connection_is_recovered() {
    block_on(async {
        let stable = Echo::start("old").await;
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let _closed = beside(move || ClosedPort::at(address)).await;
        let harness = sidecar(flags(&stable.base_url(), &format!("http://{address}"), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        assert_eq!(app.ask("hi").await.unwrap().into_inner(), "old:hi");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "connect", 1), ("oldcorp", "ok", 1)]))
            .await
            .unwrap();
    });
}

#[test]
fn why_it_failed_is_shown_by_name() {
    block_on(async {
        let (harness, _stable, _canary, app) = stage(|call| async move { call.trailers_only(UNAVAILABLE) }).await;
        app.ask("hi").await.unwrap();
        let told = beside(move || {
            harness.expect_attempts("chat", &[("newcorp", "server_error", 1), ("oldcorp", "ok", 1)]).unwrap();
            crate::support::eventually::eventually("the cause is shown", crate::support::eventually::SOON, || {
                let told = crate::support::sidecar::spoken(&harness.workspace().run(&["why", "chat"]));
                told.contains("UNAVAILABLE").then_some(told)
            })
        })
        .await;
        // Its message is the application's.
        assert!(told.contains("UNAVAILABLE") && !told.contains("no place"), "{told}");
    });
}

#[test]
fn what_a_client_has_streamed_so_far_is_replayed_and_the_rest_follows() {
    block_on(async {
        // The canary takes two messages, and fails when the third is on its way.
        let (harness, _stable, _canary, app) = stage(|mut call| async move {
            for _ in 0..2 {
                call.message().await?;
            }
            call.trailers_only(UNAVAILABLE)
        })
        .await;
        let (sender, messages) = dictated();
        let answer = spawned(async move { app.client_stream(messages).await });
        for message in ["one,", "two,"] {
            sender.send(message).unwrap();
        }
        let told = beside(move || {
            harness.expect_attempts("chat", &[("newcorp", "server_error", 1)]).unwrap();
            harness
        })
        .await;
        sender.send("three").unwrap();
        drop(sender);
        assert_eq!(answer.await.unwrap().unwrap().into_inner(), "old:one,two,three");
        beside(move || told.expect_attempts("chat", &[("newcorp", "server_error", 1), ("oldcorp", "ok", 1)]))
            .await
            .unwrap();
    });
}

/// A canary that is silent, after a head or without one, with a client that goes on waiting with its side open.
async fn is_recovered_from_silence(canary: &CallProvider, keys: &str, rollout: &str) {
    let stable = Echo::start("old").await;
    let flags = with_providers(
        (&stable.base_url(), "http2: prior_knowledge"),
        (&canary.base_url(), &format!("http2: prior_knowledge, {keys}")),
        &format!("percent: 100%, {rollout}"),
    );
    let harness = sidecar(flags).await;
    let app = App::connect(harness.listen).await;
    let (sender, messages) = dictated();
    sender.send("one").unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), app.bidi(tonic::Request::new(messages))).await;
    let mut both = answer.expect("a silent canary is not waited for").unwrap().into_inner();
    assert_eq!(both.message().await.unwrap().unwrap(), "old:one");
    // What is said from then on goes to stable.
    sender.send("two").unwrap();
    assert_eq!(both.message().await.unwrap().unwrap(), "old:two");
    drop(sender);
    assert!(both.message().await.unwrap().is_none());
    let expected = [("newcorp", "timeout", 1), ("oldcorp", "ok", 1)];
    beside(move || harness.expect_attempts("chat", &expected)).await.unwrap();
}

#[test]
fn a_canary_that_takes_a_message_and_is_silent_is_recovered() {
    block_on(async {
        let silent = CallProvider::start(|mut call| async move {
            call.message().await?;
            call.reset().await.map(drop)
        })
        .await;
        is_recovered_from_silence(&silent, "timeouts: { headers: 500ms }", "hold: 0s").await;
        is_recovered_from_silence(&silent, "timeouts: { headers: 50s }", "give_up_after: 1s").await;
    });
}

#[test]
fn a_canary_that_sends_a_head_and_is_silent_is_recovered() {
    block_on(async {
        let silent = CallProvider::start(|mut call| async move {
            call.message().await?;
            let mut reply = call.begin()?;
            reply.reset().await.map(drop)
        })
        .await;
        is_recovered_from_silence(&silent, "timeouts: { first_output: 500ms }", "hold: 20s").await;
        is_recovered_from_silence(&silent, "timeouts: { first_output: 50s }", "hold: 20s, give_up_after: 1s").await;
    });
}

#[test]
fn what_is_more_than_may_be_kept_is_passed_on_and_not_replayed() {
    block_on(async {
        let (stable, canary) = (
            Echo::start("old").await,
            CallProvider::start(|mut call| async move {
                let mut bytes = 0;
                while bytes < 300_000 {
                    bytes += call.message().await?.len();
                }
                call.trailers_only(UNAVAILABLE)
            })
            .await,
        );
        let flags =
            flags(&stable.base_url(), &canary.base_url(), "percent: 100%").top("limits: { replay_body: 64KiB }");
        let harness = sidecar(flags).await;
        let app = App::connect(harness.listen).await;
        let messages = stream::iter((0..40).map(|_| Bytes::from(vec![7; 10_000])));
        let error = app.client_stream(messages).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Unavailable, "no place"), "the canary's own words");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "server_error", 1)])).await.unwrap();
    });
}

#[test]
fn what_the_canary_does_not_implement_is_asked_of_stable() {
    block_on(async {
        let (harness, _stable, _canary, app) =
            stage(|call| async move { call.trailers_only(&[("grpc-status", "12")]) }).await;
        assert_eq!(app.ask("hi").await.unwrap().into_inner(), "old:hi");
        // What both refuse is the client's fault, and the canary's words are what the client gets.
        let refused = app.ask("fail").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
        let expected = [
            ("newcorp", "unsupported", 1),
            ("newcorp", "client_error", 1),
            ("oldcorp", "ok", 1),
            ("oldcorp", "client_error", 1),
        ];
        beside(move || harness.expect_attempts("chat", &expected)).await.unwrap();
    });
}

#[test]
fn a_status_in_a_head_is_not_the_end_where_messages_follow() {
    block_on(async {
        let (harness, _stable, _canary, app) = stage(|mut call| async move {
            let mut reply = call.begin_with(&[("grpc-status", "0")])?;
            reply.message(b"one").await?;
            reply.end(&[("grpc-status", "0")])
        })
        .await;
        assert_eq!(app.ask("hi").await.unwrap().into_inner(), "one");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "ok", 1)])).await.unwrap();
    });
}

#[test]
fn a_refusal_that_is_about_what_the_server_holds_is_not_asked_elsewhere() {
    block_on(async {
        let (harness, _stable, _canary, app) =
            stage(|call| async move { call.trailers_only(&[("grpc-status", "9"), ("grpc-message", "not now")]) }).await;
        let refused = app.ask("hi").await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "not now"));
        beside(move || harness.expect_attempts("chat", &[("newcorp", "client_error", 1)])).await.unwrap();
    });
}

#[test]
fn after_the_first_message_a_failure_is_told_and_nobody_else_is_asked() {
    type Way = fn(crate::support::grpc::provider::Reply) -> Option<()>;
    let ways: [(&str, &str, Code, Way); 3] = [
        ("its own status", "stream_error", Code::Unavailable, |reply| reply.end(UNAVAILABLE)),
        ("no status", "truncated", Code::Unavailable, |reply| reply.end_bare()),
        ("a reset", "truncated", Code::Unavailable, |reply| reply.break_off(Reason::INTERNAL_ERROR)),
    ];
    block_on(async {
        for (way, outcome, code, fails) in ways {
            let seen = Arc::new(Notify::new());
            let go = Arc::clone(&seen);
            let (harness, _stable, _canary, app) = stage(move |mut call| {
                let go = Arc::clone(&go);
                async move {
                    call.read_to_end().await;
                    let mut reply = call.begin()?;
                    reply.message(b"one").await?;
                    // What is still to be sent is thrown away by a reset.
                    go.notified().await;
                    fails(reply)
                }
            })
            .await;
            let mut messages = app.server_stream(of_user("u", b"2")).await.unwrap().into_inner();
            assert_eq!(messages.message().await.unwrap().unwrap(), "one", "{way}");
            seen.notify_one();
            let error = messages.message().await.unwrap_err();
            assert_eq!(error.code(), code, "{way}");
            beside(move || harness.expect_attempts("chat", &[("newcorp", outcome, 1)]))
                .await
                .unwrap_or_else(|error| panic!("{way}: {error}"));
        }
    });
}

#[test]
fn a_provider_that_dies_in_mid_stream_leaves_no_clean_end() {
    block_on(async {
        let (harness, _stable, canary, app) = stage(|mut call| async move {
            let mut reply = call.begin()?;
            reply.message(b"one").await?;
            // Half of a message.
            reply.bytes(Bytes::from_static(&[0, 0, 0, 0, 9, 1, 2])).await?;
            reply.reset().await.map(drop)
        })
        .await;
        let mut messages = app.server_stream(of_user("u", b"2")).await.unwrap().into_inner();
        assert_eq!(messages.message().await.unwrap().unwrap(), "one");
        canary.die();
        let error = messages.message().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "truncated", 1)])).await.unwrap();
    });
}

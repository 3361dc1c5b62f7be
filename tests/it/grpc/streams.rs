//! Long streams: nothing is lost, nobody is hurried, and an operator can end them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};
use tonic::{Code, Request};

use crate::support::eventually::{SOON, eventually};
use crate::support::grpc::app::{App, beside, block_on, dictated, flags, header, of_user, sidecar, spawned};
use crate::support::grpc::echo::Echo;
use crate::support::grpc::provider::CallProvider;
use crate::support::sidecar::spoken;

fn count() -> usize {
    std::env::var("SERIN_GRPC_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000)
}

fn message(index: usize) -> Bytes {
    let seed = u64::try_from(index).unwrap();
    let byte = |at: u64| u8::try_from((seed.wrapping_mul(31) ^ at.wrapping_mul(7)) & 0xff).unwrap();
    (0..64 * 1024_u64).map(byte).collect::<Vec<u8>>().into()
}

/// None is like another: one that is lost, doubled or overtaken is seen.
fn numbered(index: usize, sample: &Bytes) -> Bytes {
    [&index.to_be_bytes()[..], &sample[size_of::<usize>()..]].concat().into()
}

#[test]
fn thousands_of_large_messages_arrive_whole_in_both_directions() {
    block_on(async {
        let canary = CallProvider::start(|mut call| async move {
            let mut reply = call.begin()?;
            // Back as it came, while more comes.
            while let Some(message) = call.message().await {
                reply.message(&message).await?;
            }
            reply.end(&[("grpc-status", "0")])
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        let samples: Arc<Vec<Bytes>> = Arc::new((0..16).map(message).collect());
        let sent = Arc::clone(&samples);
        let messages = stream::iter((0..count()).map(move |at| numbered(at, &sent[at % 16])));
        let mut echoed = app.bidi(Request::new(messages)).await.unwrap().into_inner();
        let (mut expected, mut seen, mut came) = (Md5::new(), Md5::new(), 0);
        while let Some(message) = echoed.message().await.unwrap() {
            expected.update(numbered(came, &samples[came % 16]));
            seen.update(&message);
            came += 1;
        }
        assert_eq!(came, count());
        assert!(seen.finalize() == expected.finalize());
        beside(move || harness.expect_attempts("chat", &[("newcorp", "ok", 1)])).await.unwrap();
    });
}

#[test]
fn a_reader_that_waits_holds_the_provider_back_and_memory_stays_bounded() {
    block_on(async {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let canary = CallProvider::start(move |mut call| {
            let counter = Arc::clone(&counter);
            async move {
                call.read_to_end().await;
                let mut reply = call.begin()?;
                let message = message(1);
                for _ in 0..4_000 {
                    reply.message(&message).await?;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                reply.end(&[("grpc-status", "0")])
            }
        })
        .await;
        let stable = Echo::start("old").await;
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await;
        let app = App::connect(harness.listen).await;
        let mut streamed = app.server_stream(of_user("u", b"x")).await.unwrap().into_inner();
        streamed.message().await.unwrap().unwrap();
        // Nothing is read. The provider stops when all windows are full.
        let mut before = usize::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // 250 MiB would be all of it: 2 MiB of the provider's window, and less on the client's side.
        assert!(before < 200, "{before} messages of 64 KiB were taken from a provider whose client does not read");
        let mut rest = 1;
        while let Some(message) = streamed.message().await.unwrap() {
            assert_eq!(message.len(), 64 * 1024);
            rest += 1;
        }
        assert_eq!(rest, 4_000);
        let mut harness = harness;
        beside(move || assert!(harness.resident() < 200 * 1024, "{} KiB", harness.resident())).await;
    });
}

#[test]
fn a_head_that_comes_early_reaches_a_client_that_waits_for_it() {
    block_on(async {
        let canary = CallProvider::start(|mut call| async move {
            let mut reply = call.begin_with(&[("x-ready", "yes")])?;
            while let Some(message) = call.message().await {
                reply.message(&message).await?;
            }
            reply.end(&[("grpc-status", "0")])
        })
        .await;
        let stable = Echo::start("old").await;
        let flags = flags(&stable.base_url(), &canary.base_url(), "percent: 100%, hold: 30s");
        let harness = sidecar(flags).await;
        let app = App::connect(harness.listen).await;
        let (sender, messages) = dictated();
        // Not a message is sent before the head has come.
        let answer = tokio::time::timeout(Duration::from_secs(5), app.bidi(Request::new(messages))).await;
        let answer = answer.expect("the head was held from a client that waits for it").unwrap();
        assert_eq!(header(&answer, "x-ready"), "yes");
        let mut both = answer.into_inner();
        sender.send("hi").unwrap();
        assert_eq!(both.message().await.unwrap().unwrap(), "hi");
        drop(sender);
        assert!(both.message().await.unwrap().is_none());
        beside(move || harness.expect_attempts("chat", &[("newcorp", "ok", 1)])).await.unwrap();
    });
}

#[test]
fn a_rollback_leaves_a_stream_on_the_canary_and_a_hard_one_ends_it() {
    block_on(async {
        let (stable, canary) = (Echo::start("old").await, Echo::start("new").await);
        let harness = Arc::new(sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 100%")).await);
        let app = App::connect(harness.listen).await;
        let (sender, messages) = dictated();
        let mut both = app.bidi(Request::new(messages)).await.unwrap().into_inner();
        sender.send("one").unwrap();
        assert_eq!(both.message().await.unwrap().unwrap(), "new:one");
        let told = Arc::clone(&harness);
        beside(move || assert!(told.workspace().run(&["rollback", "chat"]).status.success())).await;
        sender.send("two").unwrap();
        assert_eq!(both.message().await.unwrap().unwrap(), "new:two", "it stays where it is");
        assert_eq!(app.ask("hi").await.unwrap().into_inner(), "old:hi", "and new calls do not");
        let told = Arc::clone(&harness);
        let output = beside(move || told.workspace().run(&["rollback", "chat", "--hard"])).await;
        assert!(spoken(&output).contains("1 request was under way"), "{}", spoken(&output));
        let error = both.message().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains("rolled back"), "{}", error.message());
        assert_eq!(error.metadata().get("x-serin-error").unwrap(), "rolled_back");
        let told = Arc::clone(&harness);
        beside(move || {
            eventually("nothing is on the canary", SOON, || {
                (told.chat()["in_flight"]["canary"]["requests"] == 0).then_some(())
            });
        })
        .await;
    });
}

#[test]
fn many_calls_share_a_connection_beyond_what_it_allows_at_a_time() {
    block_on(async {
        let (stable, canary) = (Echo::start("old").await, Echo::start("new").await);
        let harness = sidecar(flags(&stable.base_url(), &canary.base_url(), "percent: 50%")).await;
        let app = App::connect(harness.listen).await;
        let calls: Vec<_> = (0..600)
            .map(|at| {
                let app = app.clone();
                spawned(async move {
                    let answer = app.unary(of_user(&format!("user-{at}"), b"hi")).await.unwrap();
                    answer.into_inner().ends_with(b":hi")
                })
            })
            .collect();
        let all = futures_util::future::join_all(calls).await;
        assert!(all.into_iter().all(Result::unwrap));
        drop(harness);
    });
}

#[test]
fn a_client_stream_that_pauses_is_waited_for() {
    block_on(async {
        let (stable, canary) = (Echo::start("old").await, Echo::start("new").await);
        let impatient = "http2: prior_knowledge, timeouts: { headers: 500ms, first_output: 500ms, idle: 500ms }";
        let flags = crate::support::grpc::app::with_providers(
            (&stable.base_url(), impatient),
            (&canary.base_url(), impatient),
            "percent: 100%",
        );
        let harness = sidecar(flags).await;
        let app = App::connect(harness.listen).await;
        let (sender, messages) = dictated();
        let mut both = app.bidi(Request::new(messages)).await.unwrap().into_inner();
        for message in ["one", "two"] {
            // Longer than any limit of the provider, which cannot answer what was not said.
            tokio::time::sleep(Duration::from_millis(1200)).await;
            sender.send(message).unwrap();
            assert_eq!(both.message().await.unwrap().unwrap(), Bytes::from(format!("new:{message}")));
        }
        drop(sender);
        assert!(both.next().await.is_none());
        // Nor is one cut that nothing splits.
        let mut grpc = app.grpc.clone();
        grpc.ready().await.unwrap();
        let (sender, messages) = dictated();
        let path = "/pkg.Other/Bidi".parse().unwrap();
        sender.send("one").unwrap();
        let both = grpc.streaming(Request::new(messages), path, crate::support::grpc::codec::Raw).await.unwrap();
        let mut both: tonic::Streaming<Bytes> = both.into_inner();
        assert_eq!(both.message().await.unwrap().unwrap(), "old:one");
        tokio::time::sleep(Duration::from_millis(1200)).await;
        sender.send("two").unwrap();
        assert_eq!(both.message().await.unwrap().unwrap(), "old:two");
        beside(move || harness.expect_attempts("chat", &[("newcorp", "ok", 1)])).await.unwrap();
    });
}

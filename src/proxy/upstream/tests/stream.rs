//! The provider's clocks, and cancellation in every phase.

use super::*;
use crate::decide::outcome::{BodyEnd, Ending};

/// The length of a clock under test, and a time that is longer.
const SHORT: Millis = Millis(80);
const LONGER: Duration = Duration::from_millis(200);

#[test]
fn a_head_that_does_not_come_is_a_timeout_and_closes_the_connection() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.timeouts.headers = SHORT).await;
        let provider_side = async {
            let mut peer = pair.asked().await;
            peer.closed().await;
        };
        let ((), response) = tokio::join!(provider_side, pair.send(post(whole("x"))));
        let failed = failure(response);
        assert_eq!(failed.ending, Ending::HeadTimeout);
        assert_eq!(failed.fault.to_string(), "no response within 80ms");
    });
}

#[test]
fn the_head_clock_stands_still_while_the_client_uploads_and_runs_afterwards() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.timeouts.headers = SHORT).await;
        let (incoming, mut client) = streaming().await;
        let provider_side = async {
            let mut peer = pair.peer().await;
            peer.head().await;
            tokio::time::sleep(LONGER).await;
            client.write_all(b"4\r\nping\r\n").await.unwrap();
            tokio::time::sleep(LONGER).await;
            client.write_all(b"0\r\n\r\n").await.unwrap();
            let mut body = [0; 14];
            peer.0.read_exact(&mut body).await.unwrap();
            // The request is whole: from here on the provider is the one who is waited for.
            peer.closed().await;
        };
        let request = post(RequestBody::streaming(incoming));
        let ((), response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(failure(response).ending, Ending::HeadTimeout);
    });
}

#[test]
fn the_head_clock_starts_anew_while_the_provider_still_takes_the_request() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.timeouts.headers = Millis(1500)).await;
        let size = 16 * 1024 * 1024;
        let request = post(RequestBody::Whole(Bytes::from(vec![b'x'; size])));
        let provider_side = async {
            let mut peer = pair.peer().await;
            peer.head().await;
            let mut piece = vec![0; size / 4];
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                peer.0.read_exact(&mut piece).await.unwrap();
            }
            peer.answer("taken").await;
            peer
        };
        let (_peer, response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(text(response.unwrap()).await, "taken");
    });
}

/// An answer that says this after its head, and then nothing more.
async fn silent_after(said: &'static str, edit: impl FnOnce(&mut Provider)) -> BodyEnd {
    let pair = Pair::with(edit).await;
    let provider_side = async {
        let mut peer = pair.asked().await;
        peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        peer.say(said).await;
        peer.closed().await;
    };
    let client_side = async {
        let response = pair.send(post(whole("x"))).await.unwrap();
        response.into_body().collect().await.unwrap_err().end()
    };
    tokio::join!(provider_side, client_side).1
}

#[test]
fn silence_before_and_after_the_first_byte_are_distinguished() {
    on_a_core(async {
        assert_eq!(silent_after("", |p| p.timeouts.first_output = SHORT).await, BodyEnd::NoOutput);
        assert_eq!(silent_after("2\r\nok\r\n", |p| p.timeouts.idle = SHORT).await, BodyEnd::Silent);
    });
}

#[test]
fn no_time_limit_runs_while_the_body_is_not_polled() {
    on_a_core(async {
        let pair = Pair::with(|provider| {
            provider.timeouts.first_output = Millis(300);
            provider.timeouts.idle = Millis(300);
        })
        .await;
        let (mut peer, response) = pair.said("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        let mut body = response.unwrap().into_body();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
        tokio::time::sleep(Duration::from_millis(700)).await;
        peer.say("0\r\n\r\n").await;
        assert!(body.frame().await.is_none());
        assert_eq!(pair.upstreams.idle_count(), 1);
    });
}

#[test]
fn a_lively_stream_outlives_its_idle_limit_many_times() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.timeouts.idle = Millis(400)).await;
        let provider_side = async {
            let mut peer = pair.asked().await;
            peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for _ in 0..12 {
                tokio::time::sleep(Duration::from_millis(60)).await;
                peer.say("2\r\nok\r\n").await;
            }
            peer.say("0\r\n\r\n").await;
            peer
        };
        let client_side = async {
            let response = pair.send(post(whole("x"))).await.unwrap();
            text(response).await
        };
        let (_peer, body) = tokio::join!(provider_side, client_side);
        assert_eq!(body, "ok".repeat(12));
    });
}

#[test]
fn a_request_given_up_before_its_answer_closes_the_connection() {
    on_a_core(async {
        let pair = Pair::new().await;
        let mut peer = tokio::select! {
            _ = pair.send(post(whole("x"))) => panic!("answered"),
            peer = pair.asked() => peer,
        };
        peer.closed().await;
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
}

#[test]
fn an_answer_dropped_in_the_middle_closes_the_connection() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (mut peer, response) = pair.said("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        let mut body = response.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
        assert!(is_waiting(&mut body.frame()).await);
        drop(body);
        peer.closed().await;
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
}

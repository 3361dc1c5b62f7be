//! Clients that speak HTTP/2 from the first byte.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Http2;
use crate::decide::units::{Arm, Millis, Percent};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn connect(address: std::net::SocketAddr) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a client of a test, not the data plane")]
    let connection = tokio::spawn(connection);
    (sender, connection)
}

fn request(user: &str) -> Request<Full<Bytes>> {
    Request::post("http://sidecar/v1/chat/completions")
        .header("content-type", "application/json")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-user-id", user)
        .body(Full::from("{}"))
        .unwrap()
}

#[test]
fn requests_of_one_connection_are_served_side_by_side() {
    let (old, seen) = Scripted::answering(OK);
    let slow = Scripted::new(|mut client| {
        client.message();
        client.read_to_end();
    });
    let sidecar = Sidecar::start(policy(old.address, slow.address), Percent::from_hundredths(1).unwrap());
    block_on(async {
        let (mut sender, connection) = connect(sidecar.running.local_addr()).await;
        let held = sender.send_request(request("canary-user"));
        let answer = sender.send_request(request("stable-user")).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        assert_eq!(answer.headers()["x-serin-arm"], "stable");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body_of(OK));
        drop((held, sender));
        connection.abort();
    });
    let arrived = got(&seen);
    assert_eq!(arrived.first_line(), "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(arrived.header("host"), Some(old.address.to_string()));
    assert_eq!(arrived.header("cookie").as_deref(), Some("a=1; b=2"));
    sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
    sidecar.until_ended(Arm::Canary, Outcome::ClientGone, 1);
}

#[test]
fn a_client_that_closes_its_side_is_counted_since_it_cannot_be_asked() {
    let (given_up, receiver) = std::sync::mpsc::channel::<()>();
    let old = Scripted::new(move |mut client| {
        client.message();
        let _ = given_up.send(());
        client.read_to_end();
        let _ = given_up.send(());
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    block_on(async {
        let stream = tokio::net::TcpStream::connect(sidecar.running.local_addr()).await.unwrap().into_std().unwrap();
        let also = stream.try_clone().unwrap();
        let io = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a client of a test, not the data plane")]
        let connection = tokio::spawn(connection);
        let waits = [sender.send_request(request("one")), sender.send_request(request("two"))];
        let closed = tokio::task::spawn_blocking(move || {
            got(&receiver);
            got(&receiver);
            also.shutdown(std::net::Shutdown::Write).unwrap();
            got(&receiver);
            got(&receiver);
        });
        closed.await.unwrap();
        drop(waits);
        connection.abort();
    });
    sidecar.settle();
    let counts = sidecar.shared.ambiguous_closes.counts();
    assert_eq!(counts, [0, 0, 0, 1], "once for the connection, whatever it carries");
}

#[test]
fn an_answer_that_breaks_off_resets_the_stream() {
    let old = Scripted::new(|mut client| {
        client.message();
        client.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    block_on(async {
        let (mut sender, _connection) = connect(sidecar.running.local_addr()).await;
        let answer = sender.send_request(request("u")).await.unwrap();
        assert!(answer.into_body().collect().await.is_err());
    });
    sidecar.until_ended(Arm::Stable, Outcome::Truncated, 1);
}

#[test]
fn a_request_without_an_answer_at_the_end_gets_an_error() {
    let old = Scripted::new(|mut client| {
        client.message();
        client.read_to_end();
    });
    let Sidecar { running, shared, .. } = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    block_on(async {
        let (mut sender, _connection) = connect(running.local_addr()).await;
        let asked: Vec<_> = (0..20).map(|_| sender.send_request(request("u"))).collect();
        let drained = async {
            while shared.load().rollouts[0].series.own(Arm::Stable).in_flight() < 20 {
                tokio::task::yield_now().await;
            }
            running.drain(Millis(30)).await
        };
        let (cut, answers) = tokio::join!(drained, async {
            let mut answers = Vec::new();
            for asked in asked {
                answers.push(asked.await.unwrap());
            }
            answers
        });
        assert_eq!(cut, 20);
        for answer in answers {
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-serin-error"]),
                (503, &"stopping".parse().unwrap())
            );
        }
    });
}

#[test]
fn an_error_of_serin_for_grpc_is_a_status() {
    let mut policy = policy(refusing_address(), refusing_address());
    with_provider(&mut policy, 0, |provider| provider.http2 = Http2::PriorKnowledge);
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    block_on(async {
        let (mut sender, _connection) = connect(sidecar.running.local_addr()).await;
        let mut request = request("u");
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
    });
}

#[test]
fn an_idle_connection_is_kept_for_heads_and_gets_a_goaway_by_a_drain() {
    let (old, _seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.limits.header_time = Millis(40);
    let Sidecar { running, shared: _shared, .. } = Sidecar::start(policy, Percent::ZERO);
    let address = running.local_addr();
    block_on(async {
        let (mut sender, connection) = connect(address).await;
        assert_eq!(sender.send_request(request("u")).await.unwrap().status(), 200);
        tokio::task::spawn_blocking(move || {
            for _ in 0..3 {
                assert!(Client::connect(address).read_to_end().is_empty());
            }
        })
        .await
        .unwrap();
        assert_eq!(sender.send_request(request("u")).await.unwrap().status(), 200);
        let drain = running.drain(Millis(5000));
        let reported = async {
            connection.await.unwrap().unwrap();
            // A connection that comes now is served once more.
            let (mut sender, connection) = connect(address).await;
            assert_eq!(sender.send_request(request("u")).await.unwrap().status(), 200);
            connection.await.unwrap().unwrap();
        };
        assert_eq!(tokio::join!(drain, reported).0, 0, "nothing was cut");
    });
}

#[test]
fn streams_that_wait_for_a_canary_that_is_found_down_are_answered_by_stable() {
    let (old, _seen) = Scripted::in_turn([completion("rescued"), completion("rescued")]);
    let (arrived, seen_new) = std::sync::mpsc::channel();
    let new = Scripted::new(move |mut client| {
        let _ = arrived.send(client.message());
        client.read_to_end();
    });
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let evidence = std::sync::Arc::clone(&sidecar.shared.load().rollouts[0].evidence);
    block_on(async {
        let (mut sender, connection) = connect(sidecar.running.local_addr()).await;
        let held = [sender.send_request(request("one")), sender.send_request(request("other"))];
        for _ in 0..2 {
            while seen_new.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        sidecar.withdraw(&evidence);
        for answer in held {
            let answer = answer.await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-serin-provider"]),
                (200, &"old".parse().unwrap())
            );
            assert!(answer.into_body().collect().await.unwrap().to_bytes().ends_with(b"}"));
        }
        drop(sender);
        connection.abort();
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, crate::decide::units::ProviderId(1)), [(Outcome::Timeout, 2)]);
}

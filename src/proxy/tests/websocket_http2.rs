//! WebSocket over HTTP/2 (RFC 8441): the client asks by an extended CONNECT, and the provider by HTTP/1.1.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::recovery::{NEW, OLD};
use super::support::*;
use super::websocket::{block_on, provider};
use super::websocket_fallback::realtime;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Policy;
use crate::decide::units::{Arm, Millis, Percent};
use crate::wire::websocket::{close, masked_close};

type Sender = h2::client::SendRequest<Bytes>;

/// A connection on which the extended CONNECT may be used, as its settings say.
async fn connection(sidecar: &Sidecar) -> Sender {
    over(tokio::net::TcpStream::connect(sidecar.running.local_addr()).await.unwrap()).await
}

async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a client of a test, not the data plane")]
    let _running = tokio::spawn(connection);
    let sender = sender.ready().await.unwrap();
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    sender
}

async fn ask(sender: &mut Sender, protocol: Option<&'static str>) -> (Response<RecvStream>, SendStream<Bytes>) {
    let mut request = Request::builder()
        .method("CONNECT")
        .uri("http://sidecar/v1/realtime?model=m")
        .header("x-user-id", "u")
        .header("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-of-stable")
        .header("sec-websocket-extensions", "permessage-deflate");
    match protocol {
        Some(protocol) => request = request.extension(Protocol::from_static(protocol)),
        None => request = request.uri("sidecar:443"),
    }
    let (answer, body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    (answer.await.unwrap(), body)
}

/// A client's text frame.
fn text(words: &str) -> Bytes {
    let mut frame = BytesMut::from(&[0x81, 0x80 | u8::try_from(words.len()).unwrap(), 0, 0, 0, 0][..]);
    frame.extend_from_slice(words.as_bytes());
    frame.freeze()
}

/// All that comes, to the end of the stream.
async fn rest(body: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        all.extend_from_slice(&piece);
    }
    all
}

/// As many bytes as that.
async fn take(body: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let piece = body.data().await.unwrap().unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all
}

fn echo() -> std::net::SocketAddr {
    provider(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    })
}

#[test]
fn a_session_is_carried_to_a_provider_of_http1_and_both_ends_close_it() {
    let sidecar = Sidecar::start(realtime(refusing_address(), echo()), Percent::ALL);
    block_on(async {
        let mut sender = connection(&sidecar).await;
        let (answer, mut up) = ask(&mut sender, Some("websocket")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-serin-arm"], "canary");
        for gone in ["upgrade", "connection", "sec-websocket-accept", "content-length"] {
            assert_eq!(answer.headers().get(gone), None, "{gone}");
        }
        let mut down = answer.into_body();
        up.send_data(text("hello"), false).unwrap();
        assert_eq!(take(&mut down, 7).await, b"\x81\x05hello");
        // A second session on the same connection, and an ordinary request beside them.
        let (other, mut other_up) = ask(&mut sender, Some("websocket")).await;
        let mut other_down = other.into_body();
        other_up.send_data(text("two"), false).unwrap();
        assert_eq!(take(&mut other_down, 5).await, b"\x81\x03two");
        other_up.send_data(masked_close(1000, "", [1, 2, 3, 4]).into(), true).unwrap();
        assert_eq!(rest(&mut other_down).await, close(1000, ""));
        let large: Vec<u8> = vec![b'x'; 200_000];
        let mut frame = vec![0x82, 0xff];
        frame.extend((large.len() as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(&large);
        up.reserve_capacity(frame.len());
        let mut left = Bytes::from(frame);
        while !left.is_empty() {
            let room = poll_fn(|context| up.poll_capacity(context)).await.unwrap().unwrap();
            up.send_data(left.split_to(room.min(left.len())), false).unwrap();
        }
        assert_eq!(take(&mut down, 10 + large.len()).await[10..], large);
        up.send_data(masked_close(1001, "", [1, 2, 3, 4]).into(), true).unwrap();
        assert_eq!(rest(&mut down).await, close(1001, ""));
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 2)]);
}

#[test]
fn a_session_is_carried_over_tls() {
    let tls = listen_tls();
    let config = trusting(shown(&tls), &["h2"]);
    let policy = Policy { listen_tls: Some(tls), ..realtime(echo(), refusing_address()) };
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    block_on(async {
        let stream = tokio::net::TcpStream::connect(sidecar.tls.unwrap()).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let mut sender = over(tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap()).await;
        let (answer, mut up) = ask(&mut sender, Some("websocket")).await;
        assert_eq!(answer.status(), 200);
        let mut down = answer.into_body();
        up.send_data(text("hello"), false).unwrap();
        assert_eq!(take(&mut down, 7).await, b"\x81\x05hello");
        up.send_data(masked_close(1000, "", [1, 2, 3, 4]).into(), true).unwrap();
        assert_eq!(rest(&mut down).await, close(1000, ""));
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1)]);
}

#[test]
fn the_provider_is_asked_as_over_http1_and_sees_no_key_that_was_not_meant_for_it() {
    let (new, seen) = Scripted::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let sidecar = Sidecar::start(realtime(refusing_address(), new.address), Percent::ALL);
    block_on(async {
        let mut sender = connection(&sidecar).await;
        let (answer, _up) = ask(&mut sender, Some("websocket")).await;
        assert_eq!(answer.status(), 403);
    });
    let asked = got(&seen);
    assert_eq!(asked.first_line(), "GET /v1/realtime?model=m HTTP/1.1");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "realtime"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ] {
        assert_eq!(asked.header(name).as_deref(), Some(value));
    }
    assert_eq!(asked.header("sec-websocket-key").unwrap().len(), 24);
    assert_eq!(asked.header("host"), Some(new.address.to_string()));
}

#[test]
fn a_canary_that_refuses_is_no_hindrance() {
    let sidecar = Sidecar::start(realtime(echo(), refusing_address()), Percent::ALL);
    block_on(async {
        let mut sender = connection(&sidecar).await;
        let (answer, mut up) = ask(&mut sender, Some("websocket")).await;
        assert_eq!(answer.status(), 200);
        let mut down = answer.into_body();
        up.send_data(text("hello"), false).unwrap();
        assert_eq!(take(&mut down, 7).await, b"\x81\x05hello");
        up.send_data(masked_close(1000, "", [0; 4]).into(), true).unwrap();
        rest(&mut down).await;
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, OLD), [(Outcome::Ok, 1)]);
}

#[test]
fn a_success_that_begins_no_session_never_looks_like_one_that_does() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: hello\n\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let (provider, _seen) = Scripted::answering(answer);
        for policy in [
            // Nobody else can be asked.
            policy(provider.address, refusing_address()),
            realtime(refusing_address(), provider.address),
            realtime(provider.address, refusing_address()),
        ] {
            let sidecar = Sidecar::start(policy, Percent::ALL);
            block_on(async {
                let mut sender = connection(&sidecar).await;
                let (refused, _up) = ask(&mut sender, Some("websocket")).await;
                assert_eq!(refused.status(), 502, "{answer}");
                let text = String::from_utf8(rest(&mut refused.into_body()).await).unwrap();
                assert!(text.contains("\"error\"") && !text.contains("hello"), "{text}");
            });
        }
    }
}

#[test]
fn any_other_connect_is_refused() {
    let sidecar = Sidecar::start(realtime(echo(), refusing_address()), Percent::ZERO);
    block_on(async {
        let mut sender = connection(&sidecar).await;
        for protocol in [None, Some("connect-udp"), Some("WebTransport")] {
            let (answer, _up) = ask(&mut sender, protocol).await;
            assert_eq!(answer.status(), 405, "{protocol:?}");
        }
    });
}

#[test]
fn a_hard_rollback_and_the_end_of_the_process_close_it_with_their_codes() {
    for (hard, code, reason) in
        [(true, 1012, "rolled back, connect again (from Serin)"), (false, 1001, "stopping, connect again (from Serin)")]
    {
        let new = provider(|mut socket| async move {
            socket.send(Message::text("hi")).await.unwrap();
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        });
        let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
        block_on(async {
            let mut sender = connection(&sidecar).await;
            let (answer, mut up) = ask(&mut sender, Some("websocket")).await;
            let mut down = answer.into_body();
            assert_eq!(take(&mut down, 4).await, b"\x81\x02hi");
            let shared = std::sync::Arc::clone(&sidecar.shared);
            let ends = async {
                if hard {
                    shared.load().rollouts[0].evidence.withdrawal.cut();
                    sidecar.set_percent(Percent::ZERO);
                } else {
                    sidecar.running.drain(Millis(30)).await;
                }
            };
            let closed = async {
                assert_eq!(rest(&mut down).await, close(code, reason));
                up.send_data(masked_close(code, "", [0; 4]).into(), true).unwrap();
            };
            tokio::join!(ends, closed);
        });
    }
}

//! WebSocket through Serin, with a real library at both ends.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::Percent;

pub(super) type Client = WebSocketStream<TcpStream>;

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// A provider that serves each socket with this.
pub(super) fn provider<F, S>(serve: S) -> SocketAddr
where
    F: Future<Output = ()> + 'static,
    S: Fn(WebSocketStream<TcpStream>) -> F + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(serve(tokio_tungstenite::accept_async(stream).await.unwrap()));
            }
        });
    });
    address
}

fn sidecar(old: SocketAddr) -> Sidecar {
    Sidecar::start(policy(old, refusing_address()), Percent::ZERO)
}

pub(super) async fn try_to_connect(sidecar: &Sidecar) -> Result<Client, Error> {
    let address = sidecar.running.local_addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://{address}/v1/realtime?model=m").into_client_request().unwrap();
    request.headers_mut().insert("x-user-id", "u".parse().unwrap());
    tokio_tungstenite::client_async(request, stream).await.map(|(client, _)| client)
}

pub(super) async fn connect(sidecar: &Sidecar) -> Client {
    try_to_connect(sidecar).await.unwrap()
}

pub(super) fn close(code: CloseCode, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[test]
fn messages_of_every_kind_and_size_pass_both_ways() {
    let old = provider(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                // The library answers pings by itself; the message shows that it got one.
                Message::Ping(data) => socket.send(Message::text(format!("pinged {}", data.len()))).await.unwrap(),
                Message::Text(_) | Message::Binary(_) => socket.send(message).await.unwrap(),
                _ => {}
            }
        }
    });
    let sidecar = sidecar(old);
    block_on(async {
        let mut client = connect(&sidecar).await;
        for size in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
            let message = Message::binary(vec![7_u8; size]);
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message, "{size}");
        }
        client.send(Message::text("grüße")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("grüße"));
        client.send(Message::Ping(Bytes::from_static(b"anybody?"))).await.unwrap();
        let answers = [client.next().await.unwrap().unwrap(), client.next().await.unwrap().unwrap()];
        assert!(answers.contains(&Message::Pong(Bytes::from_static(b"anybody?"))), "{answers:?}");
        assert!(answers.contains(&Message::text("pinged 8")), "{answers:?}");
    });
}

#[test]
fn close_codes_pass_both_ways() {
    let (sender, received): (Sender<Message>, Receiver<Message>) = channel();
    let old = provider(move |mut socket| {
        let sender = sender.clone();
        async move {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap()
                && text == "you close"
            {
                socket.send(close(CloseCode::Again, "busy")).await.unwrap();
            }
            while let Some(Ok(message)) = socket.next().await {
                sender.send(message).unwrap();
            }
        }
    });
    let sidecar = sidecar(old);
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.send(Message::text("you close")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), close(CloseCode::Again, "busy"));
        assert!(client.next().await.is_none());
        let mut client = connect(&sidecar).await;
        client.send(Message::text("I close")).await.unwrap();
        client.send(close(CloseCode::Library(4001), "done here")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), close(CloseCode::Library(4001), "done here"));
        assert!(client.next().await.is_none());
    });
    assert_eq!(got(&received), close(CloseCode::Again, "busy"), "the client's echo");
    assert_eq!(got(&received), close(CloseCode::Library(4001), "done here"));
    until("its client closed one", || sidecar.unsplit_ended(Outcome::Ok) == 1);
    until("the provider had no room for the other", || sidecar.unsplit_ended(Outcome::Throttled) == 1);
    until("nothing is open", || sidecar.running.connections() == 0);
}

#[test]
fn a_provider_that_dies_is_no_clean_end() {
    let old = provider(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
        let stream = socket.into_inner();
        // An end without a word, by a reset.
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    });
    let sidecar = sidecar(old);
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.send(Message::text("hello")).await.unwrap();
        assert!(client.next().await.unwrap().is_err());
    });
    until("it is the provider's failure", || sidecar.unsplit_ended(Outcome::Truncated) == 1);
    until("nothing is open", || sidecar.running.connections() == 0);
}

#[test]
fn a_refusal_reaches_the_client_with_its_body() {
    let (old, _seen) = Scripted::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nnot you");
    let sidecar = sidecar(old.address);
    block_on(async {
        match try_to_connect(&sidecar).await {
            Err(Error::Http(answer)) => {
                assert_eq!((answer.status().as_u16(), answer.body().as_deref()), (403, Some(&b"not you"[..])));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn who_does_not_read_holds_up_the_other_side_and_nothing_piles_up_between() {
    // Far more than all buffers on the way together.
    const MESSAGES: usize = 600;
    const SIZE: usize = 100_000;
    let (sender, sent): (Sender<usize>, Receiver<usize>) = channel();
    let old = provider(move |mut socket| {
        let sender = sender.clone();
        async move {
            for number in 0..MESSAGES {
                socket.send(Message::binary(vec![1_u8; SIZE])).await.unwrap();
                sender.send(number).unwrap();
            }
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        }
    });
    let sidecar = sidecar(old);
    block_on(async {
        let mut client = connect(&sidecar).await;
        // The provider comes to a halt long before its end, since its client does not read.
        let mut last = 0;
        while let Ok(number) = sent.recv_timeout(std::time::Duration::from_millis(500)) {
            last = number;
        }
        assert!(last < MESSAGES / 2, "{last} of {MESSAGES} messages lie somewhere");
        for _ in 0..MESSAGES {
            assert_eq!(client.next().await.unwrap().unwrap().len(), SIZE);
        }
        client.close(None).await.unwrap();
        while client.next().await.is_some() {}
    });
    until("it is accounted for", || sidecar.unsplit_ended(Outcome::Ok) == 1);

    // The other way round: a provider that does not read holds up the client.
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let (counter, counted): (Sender<usize>, Receiver<usize>) = channel();
    let old = provider(move |mut socket| {
        let (held, counter) = (std::sync::Arc::clone(&held), counter.clone());
        async move {
            tokio::task::spawn_blocking(move || held.lock().unwrap().recv().unwrap()).await.unwrap();
            let mut messages = 0;
            while let Some(Ok(message)) = socket.next().await {
                messages += usize::from(message.is_binary());
            }
            counter.send(messages).unwrap();
        }
    });
    let sidecar = self::sidecar(old);
    block_on(async {
        let mut client = connect(&sidecar).await;
        let mut gone = 0;
        let pause = std::time::Duration::from_millis(500);
        while gone < MESSAGES {
            match tokio::time::timeout(pause, client.send(Message::binary(vec![1_u8; SIZE]))).await {
                Ok(sent) => sent.unwrap(),
                Err(_) => break,
            }
            gone += 1;
        }
        assert!(gone < MESSAGES / 2, "{gone} of {MESSAGES} messages lie somewhere");
        release.send(()).unwrap();
        client.close(None).await.unwrap();
        while client.next().await.is_some() {}
    });
    assert!(got(&counted) > 0);
}

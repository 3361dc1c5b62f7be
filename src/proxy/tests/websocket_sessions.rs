//! What a WebSocket session comes to, and what Serin itself writes into one.

use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::recovery::NEW;
use super::support::*;
use super::websocket::{block_on, close, connect, provider};
use super::websocket_fallback::realtime;
use crate::clock;
use crate::decide::cause::Cause;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Secret;
use crate::decide::units::{Arm, Millis, Percent};
use crate::decide::websocket::{CODES, CloseCode as Counted, ClosedBy};
use crate::state::counters::Series;
use std::sync::Arc;

/// Why attempts at the canary failed.
pub(super) fn causes(sidecar: &Sidecar) -> Vec<Cause> {
    let snapshot = sidecar.shared.load();
    let counts = snapshot.rollouts[0].evidence.causes.of(Arm::Canary, clock::now(), clock::unix());
    counts.into_iter().map(|count| count.cause).collect()
}

pub(super) fn series(sidecar: &Sidecar) -> Arc<Series> {
    Arc::clone(sidecar.shared.load().rollouts[0].series(Arm::Canary, NEW))
}

/// Sessions of the canary that this side closed so.
pub(super) fn closed(sidecar: &Sidecar, by: ClosedBy, code: Counted) -> u64 {
    series(sidecar).websockets().closed(by)[code.cell()]
}

/// The canary closes with this code as soon as it hears anything.
fn closes_with(code: u16, reason: &'static str) -> Sidecar {
    let new = provider(move |mut socket| async move {
        socket.next().await.unwrap().unwrap();
        socket.send(close(CloseCode::from(code), reason)).await.unwrap();
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    });
    Sidecar::start(realtime(refusing_address(), new), Percent::ALL)
}

#[test]
fn what_the_provider_closes_with_is_relayed_and_judged() {
    for (code, reason, outcome) in [
        (1000, "bye", Outcome::Ok),
        (1001, "", Outcome::Ok),
        (1002, "protocol", Outcome::ClientError),
        (1008, "policy", Outcome::ClientError),
        (1011, "boom", Outcome::StreamError),
        (1012, "", Outcome::StreamError),
        (1013, "busy", Outcome::Throttled),
        (4000, "session over", Outcome::Ok),
        (4429, "slow down", Outcome::Throttled),
        (4503, "", Outcome::StreamError),
        (3000, "invalid_request_error.invalid_api_key", Outcome::Auth),
    ] {
        let sidecar = closes_with(code, reason);
        block_on(async {
            let mut client = connect(&sidecar).await;
            client.send(Message::text("?")).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), close(CloseCode::from(code), reason));
            assert!(client.next().await.is_none());
        });
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)], "{code}");
        assert_eq!(closed(&sidecar, ClosedBy::Provider, Counted::Frame(Some(code))), 1, "{code}");
        let failed = !matches!(outcome, Outcome::Ok | Outcome::ClientError);
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        let cause = failed.then_some(Cause::Closed { code: Some(code), reason });
        assert_eq!(causes(&sidecar), Vec::from_iter(cause), "{code}");
    }
}

#[test]
#[expect(clippy::result_large_err, reason = "the library's callback returns it")]
fn a_key_that_a_close_refuses_opens_no_further_session() {
    use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
    for (code, again) in [(4401, false), (4402, false), (4429, false), (1013, true), (4403, true)] {
        let (says, seen) = channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shown = |request: &Request, answer: Response| {
                    says.send(request.headers()["authorization"].to_str().unwrap().to_owned()).unwrap();
                    Ok(answer)
                };
                let Ok(mut socket) = tokio_tungstenite::tungstenite::accept_hdr(stream.unwrap(), shown) else {
                    continue;
                };
                socket.send(close(CloseCode::from(code), "")).unwrap();
                while socket.read().is_ok() {}
            }
        });
        let mut policy = realtime(refusing_address(), address);
        with_provider(&mut policy, 1, |provider| {
            provider.api_keys = ["a", "b"].map(|key| Secret::new(key.to_owned())).into();
        });
        let sidecar = Sidecar::start(policy, Percent::ALL);
        for _ in 0..2 {
            block_on(async {
                let mut client = connect(&sidecar).await;
                while client.next().await.is_some_and(|message| message.is_ok()) {}
            });
            sidecar.settle();
        }
        assert_eq!([got(&seen), got(&seen)], ["Bearer a", if again { "Bearer a" } else { "Bearer b" }], "{code}");
    }
}

#[test]
fn whoever_closes_first_is_whose_end_it_is() {
    // The provider answers a client's close with a failure of its own.
    let new = provider(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
        let _ = socket.get_mut().write_all(&[0x88, 2, 0x03, 0xf3]).await;
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.send(close(CloseCode::Library(4001), "")).await.unwrap();
        while client.next().await.is_some_and(|message| message.is_ok()) {}
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)]);
    assert_eq!(closed(&sidecar, ClosedBy::Client, Counted::Frame(Some(4001))), 1);
}

#[test]
fn a_client_that_vanishes_is_no_failure_and_a_provider_that_does_is_one() {
    let (says, heard) = channel();
    let new = provider(move |mut socket| {
        let says: Sender<()> = says.clone();
        async move {
            let goes = socket.next().await.unwrap().unwrap() == Message::text("go");
            if !goes {
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
            }
            says.send(()).unwrap();
        }
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.send(Message::text("stay")).await.unwrap();
        drop(client);
    });
    got(&heard);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientGone, 1)]);
    assert_eq!(closed(&sidecar, ClosedBy::Client, Counted::Cut), 1);
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.send(Message::text("go")).await.unwrap();
        while client.next().await.is_some_and(|message| message.is_ok()) {}
    });
    got(&heard);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1), (Outcome::ClientGone, 1)]);
    assert_eq!(causes(&sidecar), [Cause::NotClosed]);
    assert_eq!(closed(&sidecar, ClosedBy::Provider, Counted::Cut), 1);
}

#[test]
fn open_sessions_are_counted_with_the_oldest() {
    let new = provider(|mut socket| async move { while socket.next().await.is_some_and(|message| message.is_ok()) {} });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    let series = series(&sidecar);
    let before = clock::now();
    block_on(async {
        let mut client = connect(&sidecar).await;
        until("it is open", || series.websockets().open().0 == 1);
        let (_, oldest) = series.websockets().open();
        assert!(oldest.is_some_and(|oldest| oldest >= before && oldest <= clock::now()));
        client.close(None).await.unwrap();
        while client.next().await.is_some() {}
    });
    until("none is open", || series.websockets().open() == (0, None));
}

/// A canary that is pinged after this silence, and its sessions.
fn pinged<F, S>(every: Millis, serve: S) -> Sidecar
where
    F: Future<Output = ()> + 'static,
    S: Fn(super::websocket::Client) -> F + Send + 'static,
{
    let mut policy = realtime(refusing_address(), provider(serve));
    with_provider(&mut policy, 1, |provider| provider.ping_every = Some(every));
    Sidecar::start(policy, Percent::ALL)
}

/// As often as a file may say. When a ping is due, and when not, is tested without a clock.
const EVERY: Millis = Millis(1000);

#[test]
fn a_silent_provider_is_pinged_and_its_pong_reaches_nobody() {
    let (says, pings): (Sender<Message>, Receiver<Message>) = channel();
    let sidecar = pinged(EVERY, move |mut socket| {
        let says = says.clone();
        async move {
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Text(_) => socket.send(message).await.unwrap(),
                    Message::Ping(_) => says.send(message).unwrap(),
                    _ => {}
                }
            }
        }
    });
    block_on(async {
        let mut client = connect(&sidecar).await;
        let first = got(&pings);
        // Longer than a provider may be silent.
        for _ in 0..2 {
            assert_eq!(got(&pings), first, "it is known by what it carries");
        }
        // The client's own pings are answered, and nothing else comes.
        client.send(Message::Ping("mine".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("mine".into()));
        client.send(Message::text("hello")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
        client.send(close(CloseCode::Normal, "")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), close(CloseCode::Normal, ""));
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)]);
}

#[test]
fn a_provider_that_answers_no_ping_has_stalled() {
    // It reads nothing, so that no library answers for it.
    let sidecar = pinged(EVERY, |socket| async move {
        let _held = socket;
        std::future::pending::<()>().await;
    });
    block_on(async {
        let mut client = connect(&sidecar).await;
        match client.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => {
                assert_eq!(frame.code, CloseCode::Error);
                assert_eq!(frame.reason, "the provider is silent, connect again (from Serin)");
            }
            other => panic!("{other:?}"),
        }
        assert!(client.next().await.is_none());
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Stalled, 1)]);
    assert_eq!(causes(&sidecar), [Cause::Silent { limit: Some(Millis(2000)) }]);
    assert_eq!(closed(&sidecar, ClosedBy::Serin, Counted::Frame(Some(1011))), 1);
}

#[test]
fn a_client_that_leaves_a_frame_half_way_through_is_not_waited_for_for_ever() {
    let (says, heard) = channel();
    let sidecar = pinged(EVERY, move |mut socket| {
        let says: Sender<Vec<u8>> = says.clone();
        async move {
            let mut all = Vec::new();
            let _ = socket.get_mut().read_to_end(&mut all).await;
            says.send(all).unwrap();
        }
    });
    block_on(async {
        let mut client = connect(&sidecar).await;
        client.get_mut().write_all(&[0x81, 0x84, 0, 0, 0, 0, b'a', b'b']).await.unwrap();
        assert!(client.next().await.unwrap().is_err());
    });
    assert_eq!(got(&heard).len(), 8, "no ping comes within a frame");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientGone, 1)]);
    assert_eq!(closed(&sidecar, ClosedBy::Client, Counted::Cut), 1);
}

#[test]
fn the_end_of_the_process_closes_sessions_as_one_that_goes_away() {
    let (says, heard) = channel();
    let new = provider(move |mut socket| {
        let says: Sender<Option<CloseCode>> = says.clone();
        async move {
            socket.send(Message::text("hi")).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    let _ = says.send(frame.map(|frame| frame.code));
                }
            }
        }
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    let series = series(&sidecar);
    block_on(async {
        let mut client = connect(&sidecar).await;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hi"));
        let closed = async {
            let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("no close frame") };
            assert_eq!((frame.code, &*frame.reason), (CloseCode::Away, "stopping, connect again (from Serin)"));
            assert!(client.next().await.is_none());
        };
        let (cut, ()) = tokio::join!(sidecar.running.drain(Millis(30)), closed);
        assert_eq!(cut, 1);
    });
    assert_eq!(got(&heard), Some(CloseCode::Away), "the provider is told as well");
    assert_eq!(series.websockets().open(), (0, None));
    let away = Counted::Frame(Some(1001)).cell();
    assert_eq!((CODES[away], series.websockets().closed(ClosedBy::Serin)[away]), ("1001", 1));
}

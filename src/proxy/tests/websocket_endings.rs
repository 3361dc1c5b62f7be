//! What still reaches either side of a WebSocket when the other breaks, or when Serin ends it within a frame.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::recovery::NEW;
use super::support::*;
use super::websocket::{block_on, close, connect, provider};
use super::websocket_fallback::realtime;
use super::websocket_sessions::{causes, closed, series};
use crate::decide::cause::Cause;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Millis, Percent};
use crate::decide::websocket::{CloseCode as Counted, ClosedBy};
use crate::wire::websocket::{Frames, close as close_frame};

#[test]
fn what_a_provider_sent_before_it_broke_reaches_a_slow_client_with_the_close_code() {
    const SIZE: usize = 10_000;
    const MESSAGES: usize = 100;
    let (says, heard) = channel();
    let new = provider(move |mut socket| {
        let says: Sender<()> = says.clone();
        async move {
            for _ in 0..MESSAGES {
                socket.send(Message::binary(vec![7; SIZE])).await.unwrap();
            }
            socket.get_mut().write_all(&close_frame(1011, "boom")).await.unwrap();
            // Every message that comes says that Serin goes on reading, until nothing of this lies here any more.
            for _ in 0..200 {
                socket.get_mut().read_exact(&mut [0; 7]).await.unwrap();
                says.send(()).unwrap();
            }
            socket2::SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
            drop(socket);
            says.send(()).unwrap();
        }
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    block_on(async {
        let mut client = connect(&sidecar).await;
        for _ in 0..200 {
            client.get_mut().write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
            got(&heard);
        }
        got(&heard);
        // It goes on sending to who is gone, far more than lies in buffers.
        let more = [&[0x82, 0xfe, 0x27, 0x10, 0, 0, 0, 0], &[7; SIZE][..]].concat();
        for number in 0..2 * MESSAGES {
            client.get_mut().write_all(&more).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        }
        for number in 0..MESSAGES {
            let message = client.next().await.unwrap().unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!(message.len(), SIZE);
        }
        assert_eq!(client.next().await.unwrap().unwrap(), close(CloseCode::Error, "boom"));
        while client.next().await.is_some_and(|message| message.is_ok()) {}
    });
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::StreamError, 1)]);
    assert_eq!(closed(&sidecar, ClosedBy::Provider, Counted::Frame(Some(1011))), 1);
    until("nothing is open", || sidecar.running.connections() == 0);
}

#[test]
fn what_a_client_said_before_it_broke_reaches_its_provider() {
    let (says, heard) = channel();
    let new = provider(move |mut socket| {
        let says: Sender<usize> = says.clone();
        async move {
            let mut length = 0;
            // It goes on sending to who is gone.
            while socket.get_mut().write_all(b"\x81\x01x").await.is_ok() {
                let mut bytes = vec![0; 1000];
                match socket.get_mut().read(&mut bytes).await {
                    Ok(read @ 1..) => length += read,
                    _ => break,
                }
            }
            says.send(length).unwrap();
        }
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    let sent = block_on(async {
        let mut client = connect(&sidecar).await;
        let mut sent = 0;
        // No more than lies at Serin at once.
        for _ in 0..2 {
            let frame = [&[0x82, 0xfe, 0x27, 0x10, 0, 0, 0, 0], &[7; 10_000][..]].concat();
            client.get_mut().write_all(&frame).await.unwrap();
            sent += frame.len();
        }
        let frame = crate::wire::websocket::masked_close(1000, "", [0; 4]);
        client.get_mut().write_all(&frame).await.unwrap();
        // It has read little of what came, so that this is a reset.
        sent + frame.len()
    });
    assert_eq!(got(&heard), sent);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)]);
    assert_eq!(causes(&sidecar), [] as [Cause; 0]);
}

/// Has the sidecar end its sessions: by a hard rollback, after which it is still there, or as the process stops.
async fn end(sidecar: Sidecar, hard: bool) -> Option<Sidecar> {
    if hard {
        sidecar.shared.load().rollouts[0].evidence.withdrawal.cut();
        sidecar.set_percent(Percent::ZERO);
        return Some(sidecar);
    }
    sidecar.running.drain(Millis(30)).await;
    None
}

/// A provider that is half-way through a frame, and ends it once it is told that the session ends, or never.
fn half_way(ends: bool, says: Sender<Option<u16>>) -> std::net::SocketAddr {
    provider(move |mut socket| {
        let says = says.clone();
        async move {
            socket.get_mut().write_all(b"\x81\x02hi\x82\x04ab").await.unwrap();
            let (mut frames, mut bytes) = (Frames::default(), [0; 100]);
            let code = loop {
                match socket.get_mut().read(&mut bytes).await {
                    Ok(read @ 1..) => {
                        if let Some(close) = frames.read(&bytes[..read]) {
                            break close.code;
                        }
                    }
                    _ => break None,
                }
            };
            if ends {
                // What follows the frame is carried no more.
                socket.get_mut().write_all(b"cd\x81\x02no").await.unwrap();
            }
            says.send(code).unwrap();
            while socket.get_mut().read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        }
    })
}

#[test]
fn a_frame_that_is_half_way_through_is_carried_to_its_end() {
    for (hard, code) in [(true, CloseCode::Restart), (false, CloseCode::Away)] {
        let (says, heard) = channel();
        let sidecar = Sidecar::start(realtime(refusing_address(), half_way(true, says)), Percent::ALL);
        let series = series(&sidecar);
        let _alive = block_on(async {
            let mut client = connect(&sidecar).await;
            assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hi"));
            let closed = async {
                assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(&b"abcd"[..]));
                let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("{code}") };
                assert_eq!(frame.code, code);
                assert!(client.next().await.is_none());
            };
            tokio::join!(end(sidecar, hard), closed).0
        });
        assert_eq!(got(&heard), Some(code.into()), "the provider is told");
        until("it is closed", || series.websockets().open().0 == 0);
        let cell = Counted::Frame(Some(code.into())).cell();
        assert_eq!(series.websockets().closed(ClosedBy::Serin)[cell], 1);
    }
}

#[test]
fn a_frame_that_does_not_end_is_broken_off_and_counted_as_that() {
    let (says, heard) = channel();
    let sidecar = Sidecar::start(realtime(refusing_address(), half_way(false, says)), Percent::ALL);
    let series = series(&sidecar);
    let _alive = block_on(async {
        let mut client = connect(&sidecar).await;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hi"));
        let closed = async { assert!(client.next().await.unwrap().is_err()) };
        tokio::join!(end(sidecar, true), closed).0
    });
    assert_eq!(got(&heard), Some(1012), "the provider is told");
    until("it is closed", || series.websockets().open().0 == 0);
    let counts = series.websockets().closed(ClosedBy::Serin);
    assert_eq!((counts[Counted::Cut.cell()], counts.iter().sum::<u64>()), (1, 1));
}

#[test]
fn a_client_s_frame_is_carried_to_its_end_as_well() {
    let (says, heard) = channel();
    let new = provider(move |mut socket| {
        let says: Sender<Vec<u8>> = says.clone();
        async move {
            socket.send(Message::text("hi")).await.unwrap();
            let mut all = vec![0; 8];
            socket.get_mut().read_exact(&mut all).await.unwrap();
            says.send(all.clone()).unwrap();
            let _ = socket.get_mut().read_to_end(&mut all).await;
            says.send(all).unwrap();
        }
    });
    let sidecar = Sidecar::start(realtime(refusing_address(), new), Percent::ALL);
    let _alive = block_on(async {
        let mut client = connect(&sidecar).await;
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hi"));
        client.get_mut().write_all(&[0x82, 0x84, 0, 0, 0, 0, b'a', b'b']).await.unwrap();
        got(&heard);
        let ends = async {
            let mut head = [0; 2];
            client.get_mut().read_exact(&mut head).await.unwrap();
            assert_eq!(head[0], 0x88, "it is told first");
            client.get_mut().write_all(b"cd\x81\x80\0\0\0\0\x88\x80\0\0\0\0").await.unwrap();
            let mut rest = Vec::new();
            client.get_mut().read_to_end(&mut rest).await.unwrap();
        };
        tokio::join!(end(sidecar, true), ends).0
    });
    let all = got(&heard);
    assert_eq!(all[6..10], *b"abcd");
    assert_eq!(Frames::default().read(&all).unwrap().code, Some(1012));
}

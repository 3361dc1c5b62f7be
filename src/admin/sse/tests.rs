//! Frames, back-pressure, heartbeats and the limit of streams, in virtual time.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use super::*;

fn opened<F: Future<Output = ()> + 'static>(source: impl FnOnce(EventSender) -> F) -> EventStream {
    EventStream::new(StreamLimit::default().open().unwrap(), source)
}

async fn next(stream: &mut EventStream) -> Option<String> {
    let bytes = poll_fn(|cx| stream.poll_next(cx)).await?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The runtime's paused clock: a sleep of no length is over now.
fn virtual_now() -> tokio::time::Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

#[test]
fn a_frame_carries_every_line() {
    assert_eq!(&frame("status", "{}")[..], b"event: status\ndata: {}\n\n");
    assert_eq!(&frame("a", "1\r\n2\n")[..], b"event: a\ndata: 1\ndata: 2\ndata: \n\n");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_last_still_arrives_and_then_the_stream_ends() {
    let mut stream = opened(|sender| async move {
        for data in ["1", "2"] {
            sender.send(frame("n", data)).await.unwrap();
        }
    });
    assert_eq!(next(&mut stream).await.as_deref(), Some("event: n\ndata: 1\n\n"));
    assert_eq!(next(&mut stream).await.as_deref(), Some("event: n\ndata: 2\n\n"));
    assert_eq!(next(&mut stream).await, None);
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_source_goes_on_only_as_its_listener_takes_frames() {
    let made = Rc::new(Cell::new(0));
    let counts = Rc::clone(&made);
    let mut stream = opened(|sender| async move {
        loop {
            let Ok(room) = sender.room().await else { return };
            counts.set(counts.get() + 1);
            room.send(frame("n", &counts.get().to_string()));
        }
    });
    for number in 1..=50 {
        assert_eq!(next(&mut stream).await.unwrap(), format!("event: n\ndata: {number}\n\n"));
        assert_eq!(made.get(), number, "nothing is made before there is room");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments() {
    let mut stream = opened(|sender| async move {
        tokio::time::sleep(HEARTBEAT * 2 + HEARTBEAT / 2).await;
        sender.send(frame("n", "1")).await.unwrap();
        std::future::pending().await
    });
    let began = virtual_now();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push((next(&mut stream).await.unwrap(), (virtual_now() - began).as_millis()));
    }
    let comment = |at| (": \n\n".to_owned(), at);
    assert_eq!(seen[..2], [comment(15_000), comment(30_000)]);
    assert_eq!(seen[2..], [("event: n\ndata: 1\n\n".to_owned(), 37_500), comment(52_500)], "from the last frame on");
}

#[tokio::test(start_paused = true)]
async fn as_many_streams_as_there_may_be_and_no_more() {
    let limit = StreamLimit::default();
    let mut slots: Vec<StreamSlot> = (0..STREAMS).map(|_| limit.open().unwrap()).collect();
    let refused = limit.open().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "256 event streams are open, the most that one process serves: close some, or try again later"
    );
    drop(EventStream::new(slots.pop().unwrap(), |_| std::future::pending()));
    assert!(limit.open().is_ok(), "free again once a stream was dropped");
}

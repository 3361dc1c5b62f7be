//! Server-sent events: their frames, the stream that carries them, and how many streams may be open.
//!
//! A stream is fed by a future that is given an [`EventSender`]; it runs only while its listener takes what it sends, so
//! that a slow one makes nothing grow: a source reads what is newest when there is room, not before. A comment goes out
//! where nothing else did for a while, so that both ends notice a peer that is gone. Knows nothing of what is sent.
//! Invariant: a stream ends with its source, and its place among the streams is free again once it is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Open streams of the whole process.
pub(super) const STREAMS: usize = 256;
/// After so much silence a comment is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Frames that wait for the listener.
const WAITING: usize = 1;

/// How many streams may still be opened.
#[derive(Clone, Debug)]
pub struct StreamLimit(Arc<Semaphore>);

impl Default for StreamLimit {
    fn default() -> StreamLimit {
        StreamLimit(Arc::new(Semaphore::new(STREAMS)))
    }
}

impl StreamLimit {
    /// The place of one more stream.
    pub(super) fn open(&self) -> Result<StreamSlot, TooManyStreams> {
        Arc::clone(&self.0).try_acquire_owned().map(StreamSlot).map_err(|_| TooManyStreams)
    }
}

/// As many are open as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{STREAMS} event streams are open, the most that one process serves: close some, or try again later")]
pub struct TooManyStreams;

/// The place of one stream, free again when this is dropped.
#[derive(Debug)]
pub(super) struct StreamSlot(#[expect(dead_code, reason = "held for its end")] OwnedSemaphorePermit);

/// One event as it goes over the wire.
pub(super) fn frame(event: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(event.len() + data.len() + 32);
    text.push_str("event: ");
    text.push_str(event);
    // Every line of the data has the field's name; the parser at the other end joins them again.
    for line in data.split('\n') {
        text.push_str("\ndata: ");
        text.push_str(line.trim_end_matches('\r'));
    }
    text.push_str("\n\n");
    Bytes::from(text)
}

/// Where a source puts its frames.
#[derive(Clone, Debug)]
pub(super) struct EventSender(mpsc::Sender<Bytes>);

/// The listener is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListenerGone;

impl EventSender {
    /// Waits until there is room for one frame; what is sent can be chosen then.
    pub(super) async fn room(&self) -> Result<mpsc::Permit<'_, Bytes>, ListenerGone> {
        self.0.reserve().await.map_err(|_| ListenerGone)
    }

    /// Sends a frame once there is room.
    pub(super) async fn send(&self, frame: Bytes) -> Result<(), ListenerGone> {
        self.room().await.map(|room| room.send(frame))
    }
}

/// The frames of one listener.
pub(super) struct EventStream {
    source: Option<Pin<Box<dyn Future<Output = ()>>>>,
    frames: mpsc::Receiver<Bytes>,
    heartbeat: Interval,
    _slot: StreamSlot,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.source.is_none()).finish_non_exhaustive()
    }
}

impl EventStream {
    /// Carries what `source` sends, until that ends or the listener leaves.
    pub(super) fn new<F: Future<Output = ()> + 'static>(
        slot: StreamSlot,
        source: impl FnOnce(EventSender) -> F,
    ) -> EventStream {
        let (sender, frames) = mpsc::channel(WAITING);
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        EventStream { source: Some(Box::pin(source(EventSender(sender)))), frames, heartbeat, _slot: slot }
    }

    /// The next bytes; `None`: the source has ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.source.as_mut().is_some_and(|source| source.as_mut().poll(cx).is_ready()) {
            // The sender ends with it; what it sent last is still received.
            self.source = None;
        }
        if let Poll::Ready(frame) = self.frames.poll_recv(cx) {
            self.heartbeat.reset();
            return Poll::Ready(frame);
        }
        self.heartbeat.poll_tick(cx).map(|_| Some(Bytes::from_static(b": \n\n")))
    }
}

#[cfg(test)]
mod tests;

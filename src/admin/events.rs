//! `GET /api/v1/events`: the status and the history, pushed to whoever listens.
//!
//! The status is looked at once a second while anybody listens, made into bytes once for all, and sent where it differs
//! from the last. An entry of the history is sent when it happens. A listener that is slow gets the newest status when it
//! has room again, and is told how many entries it missed. Invariant: what waits for a listener is bounded, and every
//! stream ends when the process begins to stop.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::dto::{HistoryEntry, StatusReply};
use super::reply::{ApiError, Reply, stream};
use super::sse::{EventSender, ListenerGone, StreamLimit, frame};
use crate::clock;
use crate::decide::event::Event;
use crate::decide::units::Millis;

/// Between two looks at the status.
const INTERVAL: Millis = Millis(1000);
/// Entries of the history that may wait for a listener.
const WAITING: usize = 64;

/// What all listeners share.
#[derive(Debug)]
pub struct LiveEvents {
    status: watch::Sender<StatusFrame>,
    history: broadcast::Sender<Bytes>,
    looked: Cell<Option<Millis>>,
}

/// The newest status, ready to be sent.
#[derive(Clone, Debug, Default)]
struct StatusFrame {
    bytes: Bytes,
    // The process is stopping: nothing comes after it.
    last: bool,
}

impl Default for LiveEvents {
    fn default() -> LiveEvents {
        let (status, history) = (watch::Sender::default(), broadcast::Sender::new(WAITING));
        LiveEvents { status, history, looked: Cell::new(None) }
    }
}

impl LiveEvents {
    /// Feeds all listeners for as long as it is polled.
    pub(super) async fn run(&self, mut feed: broadcast::Receiver<Arc<Event>>, status: impl Fn() -> StatusReply) {
        let mut tick = interval(INTERVAL.duration());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = feed.recv() => match event {
                    Ok(event) => self.happened(&event),
                    // Without a listener it concerns nobody.
                    Err(RecvError::Lagged(missed)) => drop(self.history.send(missed_frame(missed))),
                    Err(RecvError::Closed) => return,
                },
                _ = tick.tick() => if self.status.receiver_count() > 0 {
                    self.look(status());
                },
            }
        }
    }

    fn happened(&self, event: &Event) {
        if self.history.receiver_count() > 0 {
            let frame = json_frame("history", &HistoryEntry::from(event.clone()));
            // The last listener may have left meanwhile.
            let _ = self.history.send(frame);
        }
    }

    fn look(&self, now: StatusReply) {
        self.looked.set(Some(clock::now()));
        let frame = StatusFrame { bytes: json_frame("status", &now), last: now.process.draining };
        self.status.send_if_modified(|known| {
            let differs = known.bytes != frame.bytes;
            if differs {
                *known = frame;
            }
            differs
        });
    }

    /// A new listener's answer: the status now, and whatever follows for as long as it `may` listen.
    pub(super) fn listen(
        &self,
        streams: &StreamLimit,
        status: impl FnOnce() -> StatusReply,
        may: impl Fn() -> bool + 'static,
    ) -> Result<Reply, ApiError> {
        let slot = streams.open()?;
        if self.looked.get().is_none_or(|at| clock::now().since(at) >= INTERVAL) {
            self.look(status());
        }
        if self.status.borrow().last {
            return Err(ApiError::Draining);
        }
        let (mut status, history) = (self.status.subscribe(), self.history.subscribe());
        status.mark_changed();
        Ok(stream(slot, |sender| async move {
            // It has left, and nothing else is to be done.
            let _ = feed(sender, status, history, may).await;
        }))
    }
}

/// Sends what is new until the process stops, the listener leaves, or it may listen no longer.
async fn feed(
    sender: EventSender,
    mut status: watch::Receiver<StatusFrame>,
    mut history: broadcast::Receiver<Bytes>,
    may: impl Fn() -> bool,
) -> Result<(), ListenerGone> {
    loop {
        tokio::select! {
            biased;
            entry = history.recv() => match entry {
                Ok(_) if !may() => return Ok(()),
                Ok(entry) => sender.send(entry).await?,
                Err(RecvError::Lagged(missed)) => sender.send(missed_frame(missed)).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            changed = status.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let room = sender.room().await?;
                if !may() {
                    return Ok(());
                }
                // Not before there is room: it may be another by then.
                let StatusFrame { bytes, last } = status.borrow_and_update().clone();
                room.send(bytes);
                if last {
                    return Ok(());
                }
            },
        }
    }
}

/// So many entries of the history were not sent: they can be asked for.
fn missed_frame(entries: u64) -> Bytes {
    frame("missed", &format!("{{\"history\":{entries}}}"))
}

fn json_frame(event: &str, body: &impl Serialize) -> Bytes {
    // The shapes of `dto` have text keys and no failing parts: serialising them cannot fail.
    frame(event, &serde_json::to_string(body).unwrap_or_default())
}

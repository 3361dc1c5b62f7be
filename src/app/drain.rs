//! The end of a process: who may ask for it, and in which order things stop.
//!
//! First readiness turns and control is told, so that answers ask clients to close; then the data plane finishes what
//! is in flight, still accepting, until it is idle or the file's `drain` has passed. At a socket that was handed over
//! it lets connections wait for the next process instead, for some seconds. A second request ends it at once. The
//! control loop's end is the process' end: without it nobody would take a broken canary back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::decide::units::Millis;
use crate::proxy;
use crate::state::inbox::{Inbox, Input};
use crate::state::snapshot::SnapshotCell;

/// How long the control loop may take for its last write.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What can happen to a running process.
#[derive(Debug)]
pub(super) enum ShutdownEvent {
    Drain,
    Now,
    Drained,
    ControlEnded(String),
}

/// Asks a running sidecar to end. Cheap to clone; asking twice does no harm.
#[derive(Clone, Debug)]
pub struct Stopper(pub(super) Sender<ShutdownEvent>);

impl Stopper {
    /// Ends it once nothing is in flight.
    pub fn request_drain(&self) {
        // Nobody listens any more: it has ended.
        let _ = self.0.send(ShutdownEvent::Drain);
    }

    /// Ends it now; what is in flight breaks off.
    pub fn end_now(&self) {
        let _ = self.0.send(ShutdownEvent::Now);
    }
}

/// A process ended otherwise than asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The control loop is gone.
    #[error("the control loop ended: {0}; serin stops, since the canary would no longer be judged")]
    Control(String),
}

/// Tells when the control loop ends, and why.
pub(super) fn watch_control(thread: JoinHandle<()>, word: Sender<ShutdownEvent>) -> std::io::Result<()> {
    std::thread::Builder::new().name("watch-control".to_owned()).spawn(move || {
        let why = match thread.join() {
            Ok(()) => "it returned".to_owned(),
            Err(panic) => panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "it panicked".to_owned()),
        };
        let _ = word.send(ShutdownEvent::ControlEnded(why));
    })?;
    Ok(())
}

/// What stops, in order.
pub(super) struct RunningParts<'a> {
    pub(super) draining: Arc<AtomicBool>,
    pub(super) inbox: &'a Inbox,
    pub(super) shared: Arc<SnapshotCell>,
    pub(super) plane: proxy::Running,
    /// Whether the proxy's socket outlives this process.
    pub(super) handed_over: bool,
    pub(super) words: &'a Receiver<ShutdownEvent>,
    pub(super) word: Sender<ShutdownEvent>,
}

/// Waits until the process has ended.
pub(super) fn wait(parts: RunningParts<'_>) -> Result<(), Ended> {
    let RunningParts { draining, inbox, shared, plane, handed_over, words, word } = parts;
    let mut plane = Some(plane);
    // Ends when every sender is gone too, which cannot be while `word` lives.
    for heard in words {
        match heard {
            ShutdownEvent::Now | ShutdownEvent::Drained => return Ok(()),
            ShutdownEvent::ControlEnded(why) => return Err(Ended::Control(why)),
            ShutdownEvent::Drain => {
                let Some(plane) = plane.take() else { continue };
                draining.store(true, Ordering::Relaxed);
                if !inbox.put(Input::Drain) {
                    tracing::warn!("the control loop did not receive the drain: its inbox is full");
                }
                let patience = shared.load().policy.drain;
                tracing::info!(open_requests = plane.open_requests(), at_most = %patience, "draining");
                let drained = word.clone();
                let finish = move || {
                    finish(plane, patience, handed_over);
                    let _ = drained.send(ShutdownEvent::Drained);
                };
                if std::thread::Builder::new().name("drain".to_owned()).spawn(finish).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Waits for the control loop, whose inbox is closed by now, to write what it has left; not long, since whatever was
/// acknowledged is on the disk already.
pub(super) fn wait_for_control(words: &Receiver<ShutdownEvent>) {
    while let Ok(word) = words.recv_timeout(LAST_WRITE) {
        if matches!(word, ShutdownEvent::ControlEnded(_)) {
            return;
        }
    }
}

fn finish(plane: proxy::Running, patience: Millis, handed_over: bool) {
    let cut = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) if handed_over => runtime.block_on(plane.hand_over(patience)),
        Ok(runtime) => runtime.block_on(plane.drain(patience)),
        // Without a clock nothing can be waited for; dropping the data plane stops it.
        Err(_) => plane.open_requests(),
    };
    if cut > 0 {
        tracing::warn!(requests = cut, "the drain time is over: open requests were cut");
    }
}

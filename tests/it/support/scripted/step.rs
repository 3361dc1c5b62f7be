//! What a provider does about a request, step by step, and the bytes of which answers are made.
//!
//! A script is a list of steps; where it ends, the connection is kept. Whoever knows more about a request than these
//! steps ([`Fault`](crate::support::faults::fault::Fault)) says them for each request anew: see [`Script`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Barrier, Mutex};

use super::request::Seen;

/// What the provider does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    /// Writes this again and again, with so much time in between.
    Repeat(Vec<u8>, Duration),
    /// Waits until so many requests have come here.
    Meet(Arc<Barrier>),
    /// Writes chunks as the test says them.
    Dictated(StepQueue),
    Forever,
    Reset,
    Close,
}

/// Says what is done about a request.
pub(crate) trait Script {
    /// From the first byte of the answer on; `name` is the provider's.
    fn steps(&self, seen: &Seen, name: &str) -> Vec<Step>;
}

impl Script for Vec<Step> {
    fn steps(&self, _: &Seen, _: &str) -> Vec<Step> {
        self.clone()
    }
}

/// Chunks that a test says one by one.
#[derive(Clone, Debug)]
pub(crate) struct StepQueue(Arc<Mutex<UnboundedReceiver<Option<Vec<u8>>>>>);

impl StepQueue {
    /// The next of them; `None` after the last.
    pub(super) async fn next(&self) -> Option<Vec<u8>> {
        self.0.lock().await.recv().await.flatten()
    }
}

/// The test's end of [`Step::Dictated`].
pub(crate) struct StepSender(UnboundedSender<Option<Vec<u8>>>);

impl StepSender {
    /// One chunk; `None`: there are no more.
    pub(crate) fn say(&self, piece: Option<&[u8]>) {
        self.0.send(piece.map(<[u8]>::to_vec)).unwrap();
    }
}

/// Chunks for one script, and who says them.
pub(crate) fn step_queue() -> (StepSender, Step) {
    let (say, said) = unbounded_channel();
    (StepSender(say), Step::Dictated(StepQueue(Arc::new(Mutex::new(said)))))
}

/// A head but for its framing and its end.
pub(crate) fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Told So\r\n{headers}")
}

/// A whole answer.
pub(crate) fn sized(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A whole answer of JSON.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    sized(&head(status, "content-type: application/json\r\n"), body.as_bytes())
}

pub(crate) const CHUNKED: &str = "transfer-encoding: chunked\r\n";
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk; nothing where there is nothing in it, as that would be the last.
pub(crate) fn chunk(piece: &[u8]) -> Vec<u8> {
    if piece.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

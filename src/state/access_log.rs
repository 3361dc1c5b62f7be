//! The bounded queue between the cores and the writer of the access log.
//!
//! A line is dropped and counted when the queue is full, or when the second already has too many lines. Owns no file
//! and writes nothing: [`telemetry`](crate::telemetry) does. Invariant: offering a line never blocks, whatever the disk
//! does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::decide::cause::Cause;
use crate::decide::outcome::Outcome;
use crate::decide::policy::AccessLogTo;
use crate::decide::timestamp::Timestamp;
use crate::decide::units::Millis;

/// How many lines may wait to be written.
pub const QUEUE: usize = 4096;

/// What the writer is given.
#[derive(Debug)]
pub enum LogMessage {
    /// A line to be written.
    Line(Box<LogLine>),
    /// Something is to be looked at.
    Wake,
    /// Flush: everything before this is written, then the sender is notified.
    Close(SyncSender<()>),
}

/// A request, with where its line goes.
#[derive(Debug)]
pub struct LogLine {
    /// Where to.
    pub to: AccessLogTo,
    /// At how many bytes a file is put aside.
    pub max_bytes: u64,
    /// Its content.
    pub request: RequestLine,
}

/// One request, as it is written. Times are milliseconds since its arrival.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestLine {
    /// When it ended.
    pub time: Timestamp,
    /// The `x-serin-request-id` of its answer.
    pub request_id: String,
    /// The rollout that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The arm that the split chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The user's bucket, 0 to 9999.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u16>,
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The model, as the application wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether a streamed answer was asked for.
    pub stream: bool,
    /// The status that the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `grpc-status` that the client of a call got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u16>,
    /// The `x-serin-error` of an answer of Serin's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whose answer the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// From its arrival to the end of its answer.
    pub duration_ms: f64,
    /// To the first part of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_output_ms: Option<f64>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// What the answer took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Limits that had no room for it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<LimitLine>,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptLine>,
}

/// A limit that had no room, and what became of the request.
#[derive(Clone, Debug, Serialize)]
pub struct LimitLine {
    pub provider: String,
    /// `requests`, `tokens` or `in_flight`.
    pub limit: &'static str,
    /// `other`, `waited`, `sent_anyway`, `refused` or `observed`.
    pub then: &'static str,
    /// How long it waited.
    pub waited_ms: u64,
}

/// Tokens, as far as the answer reported them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tokens {
    /// Read, whether from a cache or not.
    pub input: u64,
    /// The part of them that came from the provider's cache.
    pub cached: u64,
    /// Written, reasoning included.
    pub output: u64,
    /// The part of them that was reasoning.
    pub reasoning: u64,
}

/// One attempt, as it is written.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptLine {
    /// Who was asked.
    pub provider: String,
    /// The position of the key, from 1 on; 0: none of Serin's.
    pub key: usize,
    /// The status of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `grpc-status` that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u16>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The same as a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When there was a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_ms: Option<f64>,
    /// When the head of the answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<f64>,
    /// When the first part of its body went to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_output_ms: Option<f64>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<f64>,
}

/// The queue, and what became of the lines.
#[derive(Debug)]
pub struct AccessLogQueue {
    sender: SyncSender<LogMessage>,
    receiver: Mutex<Option<Receiver<LogMessage>>>,
    reopen: AtomicBool,
    // The second since the start, and how many lines it has had.
    second: AtomicU64,
    written: AtomicU64,
    dropped: [AtomicU64; 3],
}

/// Why a line was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// There were more than `max_per_second`.
    Rate,
    /// The writer is behind.
    Queue,
    /// The file cannot be written.
    Write,
}

impl Dropped {
    /// All of them, in the order of their cells.
    pub const ALL: [Dropped; 3] = [Dropped::Rate, Dropped::Queue, Dropped::Write];

    /// The label `reason` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Dropped::Rate => "rate",
            Dropped::Queue => "queue",
            Dropped::Write => "write",
        }
    }
}

impl Default for AccessLogQueue {
    fn default() -> AccessLogQueue {
        let (sender, receiver) = sync_channel(QUEUE);
        AccessLogQueue {
            sender,
            receiver: Mutex::new(Some(receiver)),
            reopen: AtomicBool::new(false),
            second: AtomicU64::new(0),
            written: AtomicU64::new(0),
            dropped: Default::default(),
        }
    }
}

impl AccessLogQueue {
    /// For the writer, once.
    pub fn receiver(&self) -> Option<Receiver<LogMessage>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether one more line may be made in this second. Cores that ask at the same moment may get a few more.
    #[must_use]
    pub fn admits(&self, max_per_second: u32, now: Millis) -> bool {
        let second = now.0 / 1000;
        let before = self.second.load(Relaxed);
        let count = if before >> 32 == second & u64::from(u32::MAX) { before & u64::from(u32::MAX) } else { 0 };
        if count >= u64::from(max_per_second) {
            self.count_dropped(Dropped::Rate, 1);
            return false;
        }
        self.second.store((second << 32) | (count + 1), Relaxed);
        true
    }

    /// Gives a line to the writer, or drops it.
    pub fn offer(&self, line: Box<LogLine>) {
        if self.sender.try_send(LogMessage::Line(line)).is_err() {
            self.count_dropped(Dropped::Queue, 1);
        }
    }

    /// Has the writer open its file anew before its next line: it may have been moved.
    pub fn reopen(&self) {
        self.reopen.store(true, Relaxed);
        // Where the queue is full, the writer is awake.
        let _ = self.sender.try_send(LogMessage::Wake);
    }

    /// The writer only: whether the file is to be opened anew.
    #[must_use]
    pub fn takes_reopen(&self) -> bool {
        self.reopen.swap(false, Relaxed)
    }

    /// Flushes the queue; the receiver is notified when all of it is written. `None`: the queue is full.
    #[must_use]
    pub fn close(&self) -> Option<Receiver<()>> {
        let (done, dropped) = sync_channel(1);
        self.sender.try_send(LogMessage::Close(done)).ok().map(|()| dropped)
    }

    /// The writer only: this many lines were written.
    pub fn count_written(&self, lines: u64) {
        self.written.fetch_add(lines, Relaxed);
    }

    /// This many lines were dropped.
    pub fn count_dropped(&self, reason: Dropped, lines: u64) {
        self.dropped[reason as usize].fetch_add(lines, Relaxed);
    }

    /// Lines written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines dropped so far.
    #[must_use]
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Box<LogLine> {
        Box::new(LogLine { to: AccessLogTo::Stdout, max_bytes: 1, request: RequestLine::default() })
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_counts_it() {
        let log = AccessLogQueue::default();
        (0..QUEUE + 3).for_each(|_| log.offer(line()));
        assert_eq!(log.dropped(Dropped::Queue), 3);
        log.reopen();
        assert!(log.takes_reopen() && !log.takes_reopen() && log.close().is_none());
        let receiver = log.receiver().unwrap();
        assert!(log.receiver().is_none(), "there is one writer");
        assert_eq!(receiver.try_iter().count(), QUEUE);
        log.offer(line());
        assert!(matches!(receiver.try_recv(), Ok(LogMessage::Line(_))));
    }

    #[test]
    fn so_many_lines_a_second_are_made() {
        let log = AccessLogQueue::default();
        let made = |at: u64| (0..10).filter(|_| log.admits(4, Millis(at))).count();
        assert_eq!([made(0), made(999), made(1000), made(7500)], [4, 0, 4, 4]);
        assert_eq!(log.dropped(Dropped::Rate), 6 + 10 + 6 + 6);
        assert!(!log.admits(0, Millis(9000)), "none is none");
    }
}

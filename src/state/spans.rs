//! The bounded queues between the cores and whoever exports spans: one for each core.
//!
//! A request's spans are one entry. It is dropped and counted when its core's queue is full. Nobody is woken for it:
//! the exporter looks at the queues by the clock. Owns no connection and sends nothing: [`telemetry`](crate::telemetry)
//! does. Invariant: offering an entry never blocks, whatever the collector does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::access_log::{AttemptLine, RequestLine, Tokens};
use super::counters::Core;
use crate::decide::trace::{SpanId, TraceContext};

/// How many requests of a core may wait to be exported.
pub const QUEUE: usize = 2048;

/// The spans of one request: its own, and one for each attempt.
#[derive(Clone, Debug)]
pub struct RequestSpans {
    /// Its place in its trace.
    pub context: TraceContext,
    /// The `tracestate` that came with it.
    pub state: Option<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// When it arrived, since the Unix epoch.
    pub arrived: Duration,
    /// What is asked of a model, in OpenTelemetry's words; `None`: nothing that has a name there.
    pub operation: Option<&'static str>,
    /// The same as in the access log, without its attempts. Times are milliseconds since its arrival.
    pub line: RequestLine,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptSpan>,
}

impl RequestSpans {
    /// How many spans it comes to.
    #[must_use]
    pub fn count(&self) -> u64 {
        1 + self.attempts.len() as u64
    }
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct AttemptSpan {
    pub span: SpanId,
    /// When it began, after the request's arrival.
    pub began: Duration,
    /// The same as in the access log.
    pub line: AttemptLine,
    /// The host of the provider.
    pub host: String,
    pub port: u16,
    /// The model, as the provider knows it.
    pub model: Option<String>,
    /// How the answer ended.
    pub finish: Option<&'static str>,
    /// What the answer took.
    pub tokens: Option<Tokens>,
}

/// What became of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanFate {
    /// The collector has it.
    Sent,
    /// A queue was full, or traces were switched off.
    Dropped,
    /// The collector does not want it.
    Refused,
    /// No collector took it in time.
    Failed,
}

impl SpanFate {
    /// All of them, in the order of their cells.
    pub const ALL: [SpanFate; 4] = [SpanFate::Sent, SpanFate::Dropped, SpanFate::Refused, SpanFate::Failed];

    /// The label `result` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SpanFate::Sent => "sent",
            SpanFate::Dropped => "dropped",
            SpanFate::Refused => "refused",
            SpanFate::Failed => "failed",
        }
    }
}

/// The queues, and what became of the spans.
#[derive(Debug)]
pub struct SpanQueues {
    senders: Box<[SyncSender<Box<RequestSpans>>]>,
    receivers: Mutex<Option<Vec<Receiver<Box<RequestSpans>>>>>,
    closing: Mutex<Option<SyncSender<()>>>,
    /// Wakes the exporter when it is to end.
    pub closed: Notify,
    fates: [AtomicU64; SpanFate::ALL.len()],
}

impl SpanQueues {
    /// Empty, for so many cores.
    #[must_use]
    pub fn new(cores: usize) -> SpanQueues {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores).map(|_| sync_channel(QUEUE)).unzip();
        SpanQueues {
            senders: senders.into(),
            receivers: Mutex::new(Some(receivers)),
            closing: Mutex::new(None),
            closed: Notify::new(),
            fates: Default::default(),
        }
    }

    /// For the exporter, once.
    pub fn receivers(&self) -> Option<Vec<Receiver<Box<RequestSpans>>>> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives a request's spans to the exporter, or drops them.
    pub fn offer(&self, core: Core, spans: Box<RequestSpans>) {
        let count = spans.count();
        let taken = self.senders.get(usize::from(core.0)).is_some_and(|queue| queue.try_send(spans).is_ok());
        if !taken {
            self.count(SpanFate::Dropped, count);
        }
    }

    /// Has the exporter send what there is and end; the receiver is notified when it has.
    #[must_use]
    pub fn close(&self) -> Receiver<()> {
        let (done, ended) = sync_channel(1);
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        self.closed.notify_one();
        ended
    }

    /// The exporter only: who is to be notified of its end, once it was asked to end.
    pub fn is_closing(&self) -> Option<SyncSender<()>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many spans met this fate.
    pub fn count(&self, fate: SpanFate, spans: u64) {
        self.fates[fate as usize].fetch_add(spans, Relaxed);
    }

    /// Spans so far, by their fate.
    #[must_use]
    pub fn fates(&self) -> [u64; SpanFate::ALL.len()] {
        SpanFate::ALL.map(|fate| self.fates[fate as usize].load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::trace::TraceId;
    use crate::decide::units::Percent;

    fn spans() -> Box<RequestSpans> {
        let context = TraceContext::of(None, (TraceId::new(1), SpanId::new(1)), Percent::ALL, 0);
        let line = RequestLine::default();
        Box::new(RequestSpans {
            context,
            state: None,
            tls: false,
            arrived: Duration::ZERO,
            operation: None,
            line,
            attempts: Vec::new(),
        })
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_touches_no_other() {
        let queues = SpanQueues::new(2);
        (0..QUEUE + 3).for_each(|_| queues.offer(Core(0), spans()));
        queues.offer(Core(1), spans());
        assert_eq!(queues.fates(), [0, 3, 0, 0]);
        let receivers = queues.receivers().unwrap();
        assert!(queues.receivers().is_none(), "there is one exporter");
        assert_eq!(receivers.iter().map(|queue| queue.try_iter().count()).collect::<Vec<_>>(), [QUEUE, 1]);
        queues.offer(Core(0), spans());
        assert_eq!((receivers[0].try_iter().count(), queues.fates()), (1, [0, 3, 0, 0]));
    }

    #[test]
    fn the_end_is_told_once_it_was_asked_for() {
        let queues = SpanQueues::new(1);
        assert!(queues.is_closing().is_none());
        let ended = queues.close();
        queues.is_closing().unwrap().send(()).unwrap();
        assert_eq!(ended.recv(), Ok(()));
    }
}

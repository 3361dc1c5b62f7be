//! The guard's part of one request at the provider that the split chose.
//!
//! Reports that the request was sent, when it is sent; its outcome as soon as that is certain, which is when another
//! candidate is asked and not when a slow recovery has ended; and how long its first output took, or how long its
//! client waited without any. Decides nothing: the [`Account`](super::account::Account) knows what is certain, and
//! begins a report only for requests that count. Output counts from when it was seen, so that an answer that is held is
//! no slower than one that is not. Invariant: each of these is reported at most once, and what another provider does is
//! never reported. No provider is asked again after output of its own was seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::waiting::{ResponseKind, Wait, WaitEnd};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::policy::Counting;
use crate::decide::units::Millis;
use crate::state::counters::Core;
use crate::state::evidence::Evidence;
use crate::state::pause_masks::Attribution;

/// The outcome of an attempt that says nothing about its provider.
pub(super) const NO_VERDICT: Outcome = Outcome::SerinError;
/// The pace of a stream of fewer outputs is not measured.
const LEAST_OUTPUTS: u32 = 10;

/// Where a request is reported, and for whom it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardSink<'a> {
    /// Of the epoch in which the request was first sent.
    pub(crate) evidence: &'a Arc<Evidence>,
    /// The core in whose cells it is counted.
    pub(crate) core: Core,
    /// The arm that the split chose, its source, and its user's slot.
    pub(crate) whose: Attribution,
    /// How it asks for its answer.
    pub(crate) kind: ResponseKind,
}

/// How much of a request was reported.
#[derive(Debug, Default)]
pub(crate) struct GuardReport {
    reported: Reported,
    /// When it was sent, while its first output is awaited.
    sent: Option<Instant>,
    /// When that output came.
    first: Option<Instant>,
    /// The wait for its first output, until its outcome is known.
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reported {
    /// Nothing: the request is not evidence, or not yet.
    #[default]
    Nothing,
    /// That it was sent.
    Exposure,
    /// The same, and an attempt has ended so. The same provider may be asked again.
    Before(Outcome, Option<FinishKind>),
    All,
}

impl GuardReport {
    /// The provider is asked. Asked again, it is the same request.
    pub(crate) fn expose(&mut self, sink: GuardSink<'_>) {
        if self.reported == Reported::Nothing {
            sink.evidence.begin(sink.core, sink.whose);
            self.reported = Reported::Exposure;
        }
    }

    /// The request was sent. Its output is awaited from the first time on, and anew after each pause.
    pub(crate) fn sent(&mut self, sink: GuardSink<'_>, now: Instant) {
        if !matches!(self.reported, Reported::Exposure | Reported::Before(..)) {
            return;
        }
        let again = self.sent.is_some();
        self.sent.get_or_insert(now);
        if self.wait.is_none() {
            let GuardSink { evidence, core, whose, kind } = sink;
            self.wait =
                Some(if again { evidence.sent_again(core, whose, kind) } else { evidence.sent(core, whose, kind) });
        }
    }

    /// The provider failed, and is asked again after a pause, which is no silence of the provider.
    pub(crate) fn pauses(&mut self, sink: GuardSink<'_>) {
        self.end_wait(sink, WaitEnd::Paused);
    }

    /// The provider switched protocols as it was asked to: that is its answer.
    pub(crate) fn upgraded(&mut self, sink: GuardSink<'_>) {
        self.end_wait(sink, WaitEnd::Answered);
    }

    fn end_wait(&mut self, sink: GuardSink<'_>, how: WaitEnd) {
        if let Some(wait) = self.wait.take() {
            sink.evidence.end_wait(sink.core, sink.whose, wait, how);
        }
    }

    /// Whether the request is evidence.
    pub(crate) fn has_begun(&self) -> bool {
        self.reported != Reported::Nothing
    }

    /// An attempt at the provider ended so.
    pub(super) fn attempt_ended(&mut self, outcome: Outcome, finished: Option<FinishKind>) {
        if matches!(self.reported, Reported::Exposure | Reported::Before(..)) {
            self.reported = Reported::Before(outcome, finished);
        }
    }

    /// The outcome of its last attempt depends on another provider's answer.
    pub(crate) fn reopen(&mut self) {
        if let Reported::Before(..) = self.reported {
            self.reported = Reported::Exposure;
        }
    }

    /// Another provider is asked from now on, so that what was seen is final.
    pub(super) fn other_is_asked(&mut self, sink: GuardSink<'_>) {
        (self.sent, self.first) = (None, None);
        if let Reported::Before(outcome, _) = self.reported {
            self.end(sink, outcome);
        }
        // A refusal says nothing about how long an answer takes.
        self.end_wait(sink, WaitEnd::Dropped);
    }

    /// The outcome is final; `otherwise`: where no attempt has ended.
    pub(crate) fn end(&mut self, sink: GuardSink<'_>, otherwise: Outcome) {
        let (outcome, finished) = match self.reported {
            Reported::Nothing | Reported::All => return,
            Reported::Exposure => (otherwise, None),
            Reported::Before(outcome, finished) => (outcome, finished),
        };
        self.reported = Reported::All;
        self.end_wait(sink, over(outcome));
        sink.evidence.end_answer(sink.core, sink.whose, outcome, finished);
    }

    /// Whether its first output is still awaited.
    pub(super) fn awaits_output(&self) -> bool {
        self.sent.is_some()
    }

    /// The first output of the provider's answer came.
    pub(crate) fn output(&mut self, sink: GuardSink<'_>, now: Instant) {
        if let Some(sent) = self.sent.take() {
            let after = millis(now.saturating_duration_since(sent));
            sink.evidence.output(sink.core, sink.whose, self.wait.take(), after);
            self.first = Some(now);
        }
    }

    /// The provider's answer was streamed in so many outputs, and ended now, or the client left it.
    pub(crate) fn paced(&mut self, sink: GuardSink<'_>, outputs: u32, now: Instant) {
        if let Some(first) = self.first.take()
            && outputs >= LEAST_OUTPUTS
        {
            let gap = now.saturating_duration_since(first) / (outputs - 1);
            sink.evidence.paced(sink.core, sink.whose, u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// The client left; if it still waited for output, that is reported.
    pub(super) fn client_left(&mut self, sink: GuardSink<'_>, now: Instant) {
        if let Some(sent) = self.sent.take() {
            let after = millis(now.saturating_duration_since(sent));
            sink.evidence.client_gone(sink.core, sink.whose, self.wait.take(), after);
        }
    }
}

/// How a wait for output ends with this outcome.
fn over(outcome: Outcome) -> WaitEnd {
    match outcome.judged(Counting::default()) {
        _ if outcome == Outcome::Empty => WaitEnd::Answered,
        Judged::Success => WaitEnd::Answered,
        Judged::Failure => WaitEnd::Failed,
        Judged::NotCounted if outcome == Outcome::ClientGone => WaitEnd::ClientGone,
        Judged::NotCounted => WaitEnd::Dropped,
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

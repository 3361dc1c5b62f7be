//! What one request tells the guard of the provider that the split chose.
//!
//! It is told that the request was sent when it is sent; what became of it as soon as that is certain, which is when
//! somebody else is asked and not when a slow rescue has ended; and how long its first output took, or for how long its
//! client waited in vain. Owns the order of these and decides nothing: the [`Account`](super::account::Account) says what
//! is certain, and only begins for requests that count. Output counts from when it was seen and not from when it went
//! out, so that an answer that is held is no slower than one that is not. Invariant: each of them is told once at most,
//! and what another provider does is never told. No provider is asked again after output of its own was seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decide::finished::Finished;
use crate::decide::guard::waiting::{Kind, Over, Wait};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::policy::Counting;
use crate::decide::units::Millis;
use crate::state::counters::Core;
use crate::state::evidence::Evidence;
use crate::state::silence::Whose;

/// Of an attempt that speaks neither for its provider nor against it.
pub(crate) const NOTHING: Outcome = Outcome::SerinError;
/// A stream of fewer outputs has no pace to speak of.
const LEAST_OUTPUTS: u32 = 10;

/// Where it is told, and whose request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardSink<'a> {
    /// Of the epoch in which the request was sent first.
    pub(crate) evidence: &'a Arc<Evidence>,
    /// Whose cells are counted in.
    pub(crate) core: Core,
    /// The arm that the split chose, where it comes from, and its user's place.
    pub(crate) whose: Whose,
    /// How it wants its answer.
    pub(crate) kind: Kind,
}

/// How much of it was told.
#[derive(Debug, Default)]
pub(crate) struct GuardReport {
    told: Reported,
    /// When it was sent, as long as its first output is awaited.
    sent: Option<Instant>,
    /// When that output came.
    first: Option<Instant>,
    /// The same for those who count who waits: until it is known what became of it.
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reported {
    /// Nothing: the request is no evidence, or not yet.
    #[default]
    Nothing,
    /// That it was sent.
    Exposure,
    /// That alone, though an attempt ended so: the same provider may be asked again.
    Before(Outcome, Option<Finished>),
    /// All there is to tell.
    All,
}

impl GuardReport {
    /// The provider is asked; again, it is the same request.
    pub(crate) fn asked(&mut self, sink: GuardSink<'_>) {
        if self.told == Reported::Nothing {
            sink.evidence.begin(sink.core, sink.whose);
            self.told = Reported::Exposure;
        }
    }

    /// The request is on its way to the provider. From the first time on its output is awaited; who waits, waits anew
    /// after each pause.
    pub(crate) fn sent(&mut self, sink: GuardSink<'_>, now: Instant) {
        if !matches!(self.told, Reported::Exposure | Reported::Before(..)) {
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

    /// The provider failed, and is asked again after a pause: it is not silent meanwhile.
    pub(crate) fn pauses(&mut self, sink: GuardSink<'_>) {
        self.waits_no_more(sink, Over::Paused);
    }

    /// The provider left HTTP, as it was asked to: that is its answer.
    pub(crate) fn switched(&mut self, sink: GuardSink<'_>) {
        self.waits_no_more(sink, Over::Answered);
    }

    fn waits_no_more(&mut self, sink: GuardSink<'_>, how: Over) {
        if let Some(wait) = self.wait.take() {
            sink.evidence.over(sink.core, sink.whose, wait, how);
        }
    }

    /// Whether the request is evidence.
    pub(crate) fn is_given(&self) -> bool {
        self.told != Reported::Nothing
    }

    /// The provider's attempt ended so; `finished`: with such an answer.
    pub(crate) fn saw(&mut self, outcome: Outcome, finished: Option<Finished>) {
        if matches!(self.told, Reported::Exposure | Reported::Before(..)) {
            self.told = Reported::Before(outcome, finished);
        }
    }

    /// What its last attempt amounts to, somebody else will say.
    pub(crate) fn is_in_question(&mut self) {
        if let Reported::Before(..) = self.told {
            self.told = Reported::Exposure;
        }
    }

    /// Somebody else is asked from now on, so that what was seen is all that will be.
    pub(crate) fn goes_elsewhere(&mut self, sink: GuardSink<'_>) {
        (self.sent, self.first) = (None, None);
        if let Reported::Before(outcome, _) = self.told {
            self.ends(sink, outcome);
        }
        // A refusal says nothing of how long its answer takes.
        self.waits_no_more(sink, Over::Dropped);
    }

    /// All is certain; `unseen`: what it comes to where no attempt ended.
    pub(crate) fn ends(&mut self, sink: GuardSink<'_>, unseen: Outcome) {
        let (outcome, finished) = match self.told {
            Reported::Nothing | Reported::All => return,
            Reported::Exposure => (unseen, None),
            Reported::Before(outcome, finished) => (outcome, finished),
        };
        self.told = Reported::All;
        self.waits_no_more(sink, over(outcome));
        sink.evidence.end_answer(sink.core, sink.whose, outcome, finished);
    }

    /// Whether its first output is news.
    pub(crate) fn awaits_output(&self) -> bool {
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

    /// The client left; where it still waited for output, that is told.
    pub(crate) fn client_left(&mut self, sink: GuardSink<'_>, now: Instant) {
        if let Some(sent) = self.sent.take() {
            let after = millis(now.saturating_duration_since(sent));
            sink.evidence.left_waiting(sink.core, sink.whose, self.wait.take(), after);
        }
    }
}

/// What an outcome says of a wait for output.
fn over(outcome: Outcome) -> Over {
    match outcome.judged(Counting::default()) {
        _ if outcome == Outcome::Empty => Over::Answered,
        Judged::Success => Over::Answered,
        Judged::Failure => Over::Failed,
        Judged::Not if outcome == Outcome::ClientGone => Over::Left,
        Judged::Not => Over::Dropped,
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

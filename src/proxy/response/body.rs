//! The body of a provider's response, as it comes.
//!
//! Passes frames on untouched. Gives the connection back to its pool at the end and never before. Its time limits count
//! only while it is polled and no frame is there: a slow client does not poll, so it cannot exceed them. Dropped before
//! its end, it closes the HTTP/1.1 connection or resets the HTTP/2 stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::state_tap::StateTap;
use crate::decide::outcome::BodyEnd;
use crate::decide::units::Millis;
use crate::proxy::request::headers;
use crate::proxy::upstream::response_source::ResponseSource;

/// Why a response's body did not end well.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// Before its announced end.
    Early(hyper::Error),
    /// Its first output did not come in time.
    NoOutput(Millis),
    /// No piece came for this long.
    Silent(Millis),
    /// It ended as announced, but its content is incomplete.
    Cut,
}

impl BodyError {
    /// In the vocabulary of outcomes.
    pub(crate) fn end(&self) -> BodyEnd {
        match self {
            BodyError::Early(_) | BodyError::Cut => BodyEnd::Early,
            BodyError::NoOutput(_) => BodyEnd::NoOutput,
            BodyError::Silent(_) => BodyEnd::Silent,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Early(_) => f.write_str("the provider's response ended before its announced end"),
            BodyError::Cut => f.write_str("the provider's response ended in the middle of its content"),
            BodyError::NoOutput(limit) => write!(f, "the provider sent no output within {limit}"),
            BodyError::Silent(limit) => write!(f, "the provider's response stalled for {limit}"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Early(error) => Some(error),
            BodyError::NoOutput(_) | BodyError::Silent(_) | BodyError::Cut => None,
        }
    }
}

/// The time limits of a response's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyClocks {
    pub(crate) first_output: Millis,
    /// Between two pieces.
    pub(crate) idle: Millis,
}

/// A response's body. After a `101` it is empty, and holds the connection's place in the queue until it is dropped.
#[derive(Debug)]
pub(crate) struct ProviderBody {
    incoming: Incoming,
    source: ResponseSource,
    clocks: BodyClocks,
    clock: RunningClock,
    /// Whether no limit holds, since the client has to be heard first.
    stopped: bool,
    moved: Millis,
    upgraded: bool,
    /// What learns from it who keeps what.
    tap: Option<Box<StateTap>>,
}

/// Which time limit holds at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunningClock {
    /// To the first piece.
    First,
    /// To the first output, which is reported by [`ProviderBody::output_seen`].
    Output,
    /// Between two pieces.
    Between,
}

impl ProviderBody {
    /// `source` is what the response came by.
    pub(crate) fn new(incoming: Incoming, source: ResponseSource, clocks: BodyClocks, upgraded: bool) -> ProviderBody {
        let mut body = ProviderBody {
            incoming,
            source,
            clocks,
            clock: RunningClock::First,
            stopped: false,
            moved: Millis(0),
            upgraded,
            tap: None,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// From now on it is read for ids, too.
    pub(crate) fn learn_from(&mut self, tap: Option<Box<StateTap>>) {
        self.tap = tap;
    }

    /// Makes the limit for the first output hold until [`ProviderBody::output_seen`], however many pieces come before.
    pub(super) fn await_output(&mut self) {
        if self.clock == RunningClock::First {
            self.clock = RunningClock::Output;
        }
    }

    /// A piece held output.
    pub(crate) fn output_seen(&mut self) {
        if self.clock == RunningClock::Output {
            self.clock = RunningClock::Between;
            if let Some(timer) = self.source.timer() {
                timer.clear();
            }
        }
    }

    /// Lets the limits hold, or not while it is for the client of a call to send more. `moved`: when the provider last
    /// took a piece of what the client sends, from when they count anew.
    pub(super) fn run_clock(&mut self, runs: bool, moved: Millis) {
        if (moved > self.moved || !runs && !self.stopped)
            && let Some(timer) = self.source.timer()
        {
            timer.clear();
        }
        (self.stopped, self.moved) = (!runs, moved);
    }

    fn finish(&mut self) {
        if !self.upgraded {
            self.source.done();
        }
    }
}

impl Body for ProviderBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        match body.source.take(&mut body.incoming, cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if body.clock == RunningClock::First {
                    body.clock = RunningClock::Between;
                }
                if body.clock == RunningClock::Between
                    && let Some(timer) = body.source.timer()
                {
                    timer.clear();
                }
                if body.incoming.is_end_stream() {
                    body.finish();
                }
                headers::strip_frame(&mut frame, false);
                if let Some(tap) = &mut body.tap
                    && let Some(piece) = frame.data_ref()
                {
                    tap.see(piece);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                body.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                body.source.cut();
                Poll::Ready(Some(Err(BodyError::Early(error))))
            }
            Poll::Pending => {
                let Some(timer) = body.source.timer() else { return Poll::Ready(None) };
                if body.stopped {
                    return Poll::Pending;
                }
                let between = body.clock == RunningClock::Between;
                let limit = if between { body.clocks.idle } else { body.clocks.first_output };
                if !timer.is_set() {
                    timer.set(limit.duration());
                }
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                body.source.cut();
                let error = if between { BodyError::Silent(limit) } else { BodyError::NoOutput(limit) };
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

//! How long an answer is buffered before some of it goes out, or another candidate is asked.
//!
//! What may be waited for changes as the answer comes: its first byte, more than white space and comments, its first
//! output, its end. One timer runs at a time, made when it is first polled, so that an answer that is there costs none.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    FirstByte,
    /// More than white space and comments, or else somebody else is asked.
    Beginning,
    /// The first output, for as long as it may be held.
    Output,
    End,
}

/// What follows when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// What is held goes out.
    Commit,
    /// The answer is given up.
    GiveUp,
}

/// The time limit of what is waited for. Its timer is made when it is first polled.
pub(super) struct Clock {
    hold: Millis,
    deadline: Option<Deadline>,
    timer: Option<(WaitsFor, Pin<Box<Sleep>>)>,
}

impl Clock {
    /// `hold`: how long frames without output are held.
    pub(super) fn new(hold: Millis, deadline: Option<Deadline>) -> Clock {
        Clock { hold, deadline, timer: None }
    }

    /// Ready when the time for this is over.
    pub(super) fn poll(&mut self, waits: WaitsFor, context: &mut Context<'_>) -> Poll<Expired> {
        if self.timer.as_ref().is_none_or(|(set, _)| *set != waits) {
            let at = match waits {
                WaitsFor::FirstByte => self.deadline.and_then(Deadline::at),
                WaitsFor::Beginning => self.deadline.map(|deadline| deadline.begun(clock::instant())),
                WaitsFor::Output => clock::instant().checked_add(self.hold.duration()),
                WaitsFor::End => None,
            };
            self.timer = at.map(|at| (waits, Box::pin(tokio::time::sleep_until(at.into()))));
        }
        let expired = if waits == WaitsFor::Output { Expired::Commit } else { Expired::GiveUp };
        match &mut self.timer {
            Some((_, timer)) => timer.as_mut().poll(context).map(|()| expired),
            None => Poll::Pending,
        }
    }
}

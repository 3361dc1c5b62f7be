//! How long an answer is looked at before some of it goes out, or somebody else is asked.
//!
//! What may be waited for changes as the answer comes: its first byte, more than white space and comments, its first
//! output, its end. One timer runs at a time, made when it is first waited for, so that an answer that is there costs none.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::Scales;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::deadline::Deadline;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// The first byte.
    FirstByte,
    /// More than white space and comments, or else somebody else is asked.
    Beginning,
    /// The first output, for as long as it may be held.
    Output,
    /// The end.
    End,
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// What is held has been held for long enough.
    Commit,
    /// What is waited for does not come.
    GiveUp,
}

/// How long is looked at most. Its timer is made when it is first waited for.
pub(super) struct Clock {
    hold: Millis,
    deadline: Option<Deadline>,
    timer: Option<(Waits, Pin<Box<Sleep>>)>,
}

impl Clock {
    /// By what is waited for in these.
    pub(super) fn new(scales: &Scales) -> Clock {
        let Scales { hold, deadline, .. } = *scales;
        Clock { hold, deadline, timer: None }
    }

    /// Whether the time for this is up.
    pub(super) fn poll(&mut self, waits: Waits, context: &mut Context<'_>) -> Poll<Rings> {
        if self.timer.as_ref().is_none_or(|(set, _)| *set != waits) {
            let at = match waits {
                Waits::FirstByte => self.deadline.and_then(Deadline::at),
                Waits::Beginning => self.deadline.map(|deadline| deadline.begun(clock::instant())),
                Waits::Output => clock::instant().checked_add(self.hold.duration()),
                Waits::End => None,
            };
            self.timer = at.map(|at| (waits, Box::pin(tokio::time::sleep_until(at.into()))));
        }
        let rings = if waits == Waits::Output { Rings::Commit } else { Rings::GiveUp };
        match &mut self.timer {
            Some((_, timer)) => timer.as_mut().poll(context).map(|()| rings),
            None => Poll::Pending,
        }
    }
}

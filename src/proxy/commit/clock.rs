//! How long an answer is looked at before some of it goes out, or somebody else is asked.
//!
//! What may be waited for changes as the answer comes: its first byte, more than white space and comments, its first
//! output, its end. One timer runs at a time, made when it is first waited for, so that an answer that is there costs none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

use super::Scales;
use crate::decide::units::Millis;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// The first byte.
    FirstByte,
    /// More than white space and comments.
    Beginning,
    /// The first output.
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
    give_up_at: Option<Instant>,
    blank_for: Option<Millis>,
    timer: Option<(Waits, Pin<Box<Sleep>>)>,
}

impl Clock {
    /// By what is waited for in these.
    pub(super) fn new(scales: &Scales) -> Clock {
        let Scales { hold, give_up_at, blank_for, .. } = *scales;
        Clock { hold, give_up_at, blank_for, timer: None }
    }

    /// Whether the time for this is up.
    pub(super) fn poll(&mut self, waits: Waits, context: &mut Context<'_>) -> Poll<Rings> {
        if self.timer.as_ref().is_none_or(|(set, _)| *set != waits) {
            let timer = match waits {
                Waits::FirstByte => self.give_up_at.map(|at| tokio::time::sleep_until(at.into())),
                Waits::Beginning => match self.give_up_at {
                    Some(at) => Some(tokio::time::sleep_until(at.into())),
                    None => self.blank_for.map(|patience| tokio::time::sleep(patience.duration())),
                },
                Waits::Output => Some(tokio::time::sleep(self.hold.duration())),
                Waits::End => None,
            };
            self.timer = timer.map(|timer| (waits, Box::pin(timer)));
        }
        let rings = if waits == Waits::Output { Rings::Commit } else { Rings::GiveUp };
        match &mut self.timer {
            Some((_, timer)) => timer.as_mut().poll(context).map(|()| rings),
            None => Poll::Pending,
        }
    }
}

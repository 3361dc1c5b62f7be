//! Until when the chosen provider is waited for while another candidate could answer (`give_up_after`).
//!
//! One moment for all that is waited for in turn: a place in the queue, a connection, the answer's head, its first
//! byte, and more than white space; and one for all attempts at this provider, with whatever key. A whole answer of the
//! canary may take as long as `timeouts` say, so that only white space is limited there: its time begins with it. Owns
//! no timer. Invariant: once it has begun it is never put off, as long as the request's plan stands.

use std::time::{Duration, Instant};

use crate::clock;
use crate::decide::units::Millis;

/// Later than any request waits.
const FAR: Duration = Duration::from_secs(1 << 30);

/// Until when a provider is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    patience: Millis,
    at: Option<Instant>,
}

impl Deadline {
    /// Begins now; `of_white_space`: with the first white space of a response.
    pub(crate) fn new(patience: Millis, of_white_space: bool) -> Deadline {
        Deadline { patience, at: (!of_white_space).then(|| after(clock::instant(), patience)) }
    }

    /// How long is waited.
    pub(crate) const fn patience(self) -> Millis {
        self.patience
    }

    /// When it is over; `None`: it has not begun.
    pub(crate) const fn at(self) -> Option<Instant> {
        self.at
    }

    /// The same, begun now if it had not.
    pub(crate) fn begun(self, now: Instant) -> Instant {
        self.at.unwrap_or_else(|| after(now, self.patience))
    }

    pub(crate) fn is_over(self, now: Instant) -> bool {
        self.at.is_some_and(|at| now >= at)
    }
}

fn after(now: Instant, patience: Millis) -> Instant {
    now.checked_add(patience.duration().min(FAR)).unwrap_or(now)
}

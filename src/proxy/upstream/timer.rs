//! One timer that serves a connection for its whole life.
//!
//! A deadline of minutes is set for every request and almost never expires. So the runtime's timer is made once, stays
//! registered, and is only touched when a new deadline lies before the one it is set for; when it fires for a deadline
//! that was put off since, it is set to the new one. Invariant: it never expires before `due`, and never while no
//! deadline is set.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::clock;

/// A deadline that is cheap to set, put off and clear.
#[derive(Debug, Default)]
pub(crate) struct DeadlineTimer {
    timer: Option<Pin<Box<Sleep>>>,
    due: Option<Instant>,
}

impl DeadlineTimer {
    /// Whether a deadline is set.
    pub(crate) fn is_set(&self) -> bool {
        self.due.is_some()
    }

    /// Sets it to this long from now; a time beyond what the clock can count never comes.
    pub(crate) fn set(&mut self, from_now: Duration) {
        self.due = clock::instant().checked_add(from_now);
    }

    /// Makes it expire at this moment at the latest.
    pub(super) fn no_later(&mut self, at: Option<Instant>) {
        if let (Some(due), Some(at)) = (&mut self.due, at) {
            *due = at.min(*due);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.due = None;
    }

    /// Ready once the deadline has passed. While none is set this stays pending and wakes no task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let due = tokio::time::Instant::from_std(due);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_deadline_put_off_is_kept_and_one_brought_forward_is_met() {
        let mut timer = DeadlineTimer::default();
        let began = clock::instant();
        timer.set(Duration::from_millis(20));
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
        timer.set(Duration::from_millis(120));
        poll_fn(|cx| timer.poll(cx)).await;
        assert!(began.elapsed() >= Duration::from_millis(120), "it expired at the first deadline");
        timer.set(Duration::from_secs(60));
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
        timer.set(Duration::from_millis(20));
        let brought_forward = poll_fn(|cx| timer.poll(cx));
        assert!(tokio::time::timeout(Duration::from_secs(10), brought_forward).await.is_ok());
    }

    #[tokio::test]
    async fn a_deadline_that_was_cleared_never_expires() {
        let mut timer = DeadlineTimer::default();
        timer.set(Duration::ZERO);
        timer.clear();
        assert!(!timer.is_set());
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
    }
}

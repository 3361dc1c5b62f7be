//! An attempt that is given up when the guard finds the canary down: whoever waits there asks somebody else.
//!
//! A core wakes those who wait whenever something new is in force, and each looks whether it is meant. They leave one by
//! one over two seconds, so that stable is not asked for all at once; an answer that comes meanwhile is taken. Only an
//! attempt of which no output was seen is given up, wherever it waits: for its turn, a connection, a head, or the first
//! output behind one. Invariant: what is given up was never in part at the client.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::core::Core;
use crate::state::withdrawal::Withdrawal;

/// An answer that is on its way comes within this time.
const GRACE: Duration = Duration::from_millis(500);
/// Over which time those who wait leave, that included.
const SPREAD: Duration = Duration::from_secs(2);

/// A request that may be withdrawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdrawable<'a> {
    /// Where it is told.
    pub(crate) withdrawal: &'a Withdrawal,
    /// The number of the second in which it began to wait.
    pub(crate) second: u32,
    /// Whether output was seen.
    pub(crate) has_output: &'a Cell<bool>,
}

/// What comes of the attempt; `None`: it is given up.
pub(crate) async fn unless_withdrawn<T>(
    core: &Core,
    request: Withdrawable<'_>,
    attempt: impl Future<Output = T>,
) -> Option<T> {
    let Withdrawable { withdrawal, second, has_output } = request;
    let (mut attempt, mut news) = (pin!(attempt), pin!(core.until_news()));
    let mut leaves = None;
    poll_fn(|context| {
        if let Poll::Ready(done) = attempt.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        while leaves.is_none() {
            if withdrawal.covers(second) && !has_output.get() {
                let after = GRACE + (SPREAD - GRACE).mul_f64(f64::from(core.draw()) / 10_000.0);
                leaves = Some(Box::pin(tokio::time::sleep(after)));
            } else if news.as_mut().poll(context).is_ready() {
                news.set(core.until_news());
            } else {
                return Poll::Pending;
            }
        }
        match &mut leaves {
            Some(leaves) if !has_output.get() => leaves.as_mut().poll(context).map(|()| None),
            _ => Poll::Pending,
        }
    })
    .await
}

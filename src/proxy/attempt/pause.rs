//! The pause before the same provider is asked again, for as long as that still makes sense.
//!
//! It ends at its time, and at once when the plan no longer stands, when the guard has withdrawn requests to the
//! canary, or when Serin ends. A core wakes requests that pause at each publication; until then they cost a timer.
//! Decides nothing about what follows. Invariant: a request that pauses is not being sent and holds no connection.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::account::Account;
use super::withdrawal::Withdrawable;
use crate::decide::units::Millis;
use crate::proxy::core::Core;

/// How a pause ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paused {
    /// At its time.
    Over,
    /// The request is to be planned anew.
    Replan,
    /// The provider is down: another candidate is to be asked, if one is left.
    Withdrawn,
    Cut,
}

/// Waits for this long. `withdrawable`: what says that the provider is not to be waited for.
pub(crate) async fn pause(
    core: &Core,
    account: &Account,
    withdrawable: Option<Withdrawable<'_>>,
    length: Millis,
) -> Paused {
    let mut timer = pin!(tokio::time::sleep(length.duration()));
    let waits = pin!(async {
        loop {
            let mut published = pin!(core.until_published());
            if !account.still_stands() {
                return Paused::Replan;
            }
            if withdrawable.is_some_and(Withdrawable::is_withdrawn) {
                return Paused::Withdrawn;
            }
            let over = poll_fn(|context| match timer.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => published.as_mut().poll(context).map(|()| false),
            });
            if over.await {
                return Paused::Over;
            }
        }
    });
    core.unless_cut(waits).await.unwrap_or(Paused::Cut)
}

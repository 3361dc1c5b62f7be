//! An attempt that is given up when the guard finds the canary down: whoever waits there asks somebody else.
//!
//! A core wakes its connections when control has withdrawn requests, and each request that waits looks whether it is
//! meant; until then it costs nothing. They leave one by one over two seconds, so that stable is not asked for all at once;
//! an answer that comes meanwhile is taken. Only an attempt of which no output was seen is given up, wherever it waits: for
//! its turn, a connection, a head, or the first output behind one. Invariant: what is given up was never in part at the
//! client.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;

use crate::decide::units::{ProviderId, RolloutId};
use crate::proxy::core::{Core, InUse};
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

impl<'a> Withdrawable<'a> {
    /// A request that waits for this provider from now on; `None`: it is not the rollout's canary.
    pub(crate) fn of(
        in_use: &'a InUse,
        rollout: RolloutId,
        provider: ProviderId,
        has_output: &'a Cell<bool>,
    ) -> Option<Withdrawable<'a>> {
        let canary = in_use.snapshot.policy.rollouts[usize::from(rollout.0)].canary.as_ref()?;
        let evidence = &in_use.snapshot.in_force(rollout).evidence;
        let (withdrawal, second) = (&*evidence.withdrawal, evidence.samples.second());
        (canary.provider == provider).then_some(Withdrawable { withdrawal, second, has_output })
    }

    /// Whether it is meant.
    pub(crate) fn is_withdrawn(self) -> bool {
        self.withdrawal.covers(self.second) && !self.has_output.get()
    }
}

/// What comes of the attempt; `None`: it is given up, or the core is cut. `request`: where it may be withdrawn.
pub(crate) async fn unless_withdrawn<T>(
    core: &Core,
    request: Option<Withdrawable<'_>>,
    mut attempt: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut leaves: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if let Poll::Ready(done) = attempt.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        if core.is_cut() {
            return Poll::Ready(None);
        }
        match request {
            Some(request) if request.is_withdrawn() => {
                let leave = || Box::pin(tokio::time::sleep(some_time(core)));
                leaves.get_or_insert_with(leave).as_mut().poll(context).map(|()| None)
            }
            _ => Poll::Pending,
        }
    })
    .await
}

/// When one of those who wait leaves.
fn some_time(core: &Core) -> Duration {
    GRACE + (SPREAD - GRACE).mul_f64(f64::from(core.draw()) / 10_000.0)
}

//! Gives up attempts that wait for a canary which the guard has found down, so that another candidate is asked.
//!
//! A core wakes its connections when control has withdrawn requests, and each request that waits checks whether it is
//! one of them; until then this costs nothing. They leave one by one over two seconds, so that stable is not asked for
//! all at once; an answer that comes meanwhile is used. An attempt is given up only while no output of it was seen,
//! wherever it waits: in the queue, for a connection, for a head, or for its first output. Invariant: no part of an
//! attempt that is given up was sent to the client.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;

use crate::decide::route::Plan;
use crate::decide::units::{ProviderId, RolloutId};
use crate::proxy::core::{Core, InUse};
use crate::proxy::request::call::Expiry;
use crate::state::withdrawal::Withdrawal;

/// An answer that is on its way comes within this time.
const GRACE: Duration = Duration::from_millis(500);
/// Over which time requests leave, the grace included.
const SPREAD: Duration = Duration::from_secs(2);

/// A request that may be withdrawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdrawable<'a> {
    /// Which requests are withdrawn.
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

    pub(super) fn is_withdrawn(self) -> bool {
        self.withdrawal.covers(self.second) && !self.has_output.get()
    }
}

/// What ends a request on a canary at once: an operator's hard rollback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanaryCut<'a> {
    in_use: &'a InUse,
    matched: Option<RolloutId>,
    provider: ProviderId,
}

impl<'a> CanaryCut<'a> {
    /// Of a request that was planned by this and is at this provider; `None`: it is nobody's canary.
    pub(crate) fn of(in_use: &'a InUse, plan: &Plan, provider: ProviderId) -> Option<CanaryCut<'a>> {
        // What is there for the state that it names need not be of the rollout's own canary.
        let matched = if plan.bound.is_bound() { plan.matched } else { Some(plan.rollout?) };
        let is_own = |rollout: RolloutId| in_use.snapshot.policy.rollouts[usize::from(rollout.0)].moves_to(provider);
        let is_canary = match matched {
            Some(rollout) if !plan.bound.is_bound() => is_own(rollout),
            _ => in_use.snapshot.rollouts_to(matched, provider).next().is_some(),
        };
        is_canary.then_some(CanaryCut { in_use, matched, provider })
    }

    /// Whether it ends now: every rollout that sends there has ended what is there since the request was planned.
    pub(crate) fn is_cut(self) -> bool {
        let mut rollouts = self.in_use.snapshot.rollouts_to(self.matched, self.provider);
        rollouts.all(|in_force| in_force.evidence.withdrawal.cuts() > in_force.cuts)
    }
}

/// The attempt's result; `None`: it is given up, or the core is cut. `request`: if it may be withdrawn. `cut`: what
/// ends it at once. `expiry`: when the client stops waiting.
pub(crate) async fn unless_withdrawn<T>(
    core: &Core,
    request: Option<Withdrawable<'_>>,
    cut: Option<CanaryCut<'_>>,
    expiry: Option<Expiry>,
    mut attempt: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut leaves: Option<Pin<Box<Sleep>>> = None;
    let mut expires: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if let Poll::Ready(done) = attempt.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        if core.ends_requests() && (core.is_cut() || cut.is_some_and(CanaryCut::is_cut)) {
            return Poll::Ready(None);
        }
        if let Some(at) = expiry.and_then(Expiry::at) {
            let timer = expires.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
            if timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
        }
        match request {
            Some(request) if request.is_withdrawn() => {
                let leave = || Box::pin(tokio::time::sleep(leave_after(core)));
                leaves.get_or_insert_with(leave).as_mut().poll(context).map(|()| None)
            }
            _ => Poll::Pending,
        }
    })
    .await
}

/// After which time a request leaves.
fn leave_after(core: &Core) -> Duration {
    GRACE + (SPREAD - GRACE).mul_f64(f64::from(core.draw()) / 10_000.0)
}

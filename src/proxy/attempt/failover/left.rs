//! What can still be tried for a request, and how soon.
//!
//! Reads what is left: keys, other candidates, retries of the same provider, and the retry budget that all requests of
//! a rollout share. Decides nothing: [`retry`](crate::decide::retry) does. Invariant: each retry of the same provider
//! is paid for from the budget.

use std::time::Duration;

use super::Failover;
use crate::clock;
use crate::decide::policy::{Fallback, Retry};
use crate::decide::retry::{RetryOptions, RetryPacing};
use crate::decide::units::{Millis, Percent};
use crate::proxy::attempt::candidates::Candidate;
use crate::proxy::attempt::deadline::Deadline;
use crate::state::retry_budget::RetryBudget;
use crate::wire::dialect::Dialect;

impl Failover<'_> {
    /// What can still be tried.
    pub(super) fn left(&self, candidate: Candidate) -> RetryOptions {
        let sendable = self.client_request.can_be_sent() && !self.is_expired();
        let scope = self.account.scope();
        let stable = self.rollout.filter(|rollout| {
            let asks = rollout.fallback_4xx
                && !scope.plan.bound.is_bound()
                && scope.is_chosen_canary(candidate.id)
                && self.client_request.request.dialect != Dialect::Embeddings;
            let untried = match &rollout.fallback {
                Fallback::Nobody => false,
                Fallback::List(list) if !list.contains(&rollout.stable) => true,
                Fallback::OtherArm | Fallback::List(_) => self.candidates.has(rollout.stable),
            };
            asks && untried
        });
        // A provider whose deadline is over is not asked again.
        let is_over = self.deadline_of(candidate).is_some_and(|deadline| deadline.is_over(clock::instant()));
        let again = sendable && !is_over;
        RetryOptions {
            keys: again && self.has_next_key(candidate),
            others: sendable && self.candidates.has_others(),
            stable: sendable && stable.is_some(),
            repeat: again && self.may_retry(),
            // A request that no rollout takes is sent once, as it came.
            resend: self.rollout.is_some()
                && !self.client_request.request.upgrade
                && self.client_request.can_be_sent_again()
                && sendable,
        }
    }

    /// How long is waited before the same provider is asked again.
    pub(super) fn pace(&self, candidate: Candidate) -> RetryPacing {
        let Retry { backoff, first, .. } = self.retry();
        let until = self.deadline_of(candidate).and_then(Deadline::at);
        let most = until.map_or(Duration::MAX, |at| at.saturating_duration_since(clock::instant()));
        let expiry = self.client_request.request.grpc.and_then(|call| call.expiry);
        let most = expiry.map_or(most, |expiry| most.min(expiry.left(clock::instant())));
        let most = Millis(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        RetryPacing { first, backoff, repeats: self.candidates.retries(), draw: self.core.draw(), most }
    }

    /// Until when this provider is waited for, as far as that has begun.
    fn deadline_of(&self, candidate: Candidate) -> Option<Deadline> {
        if self.is_lookup(candidate) {
            return self.lookup.deadline;
        }
        self.deadline.filter(|_| self.account.scope().is_chosen(candidate.id))
    }

    fn retry(&self) -> Retry {
        self.rollout.map_or_else(Retry::default, |rollout| rollout.retry)
    }

    fn budget(&self) -> Option<&RetryBudget> {
        self.account.scope().in_force().map(|in_force| &*in_force.retry)
    }

    pub(super) fn earn_retries(&self) {
        if let (Some(budget), Some(rollout)) = (self.budget(), self.rollout) {
            budget.earn(self.core.id, rollout.retry.budget);
        }
    }

    fn may_retry(&self) -> bool {
        let affordable = self.budget().is_none_or(|budget| budget.affords());
        affordable && self.candidates.may_retry(self.retry())
    }

    /// Whether the client is told not to retry either: it would, and what may be retried is spent.
    pub(super) fn discourages_retries(&self) -> bool {
        let Retry { attempts, budget: share, .. } = self.retry();
        attempts > 1 && share > Percent::ZERO && self.budget().is_some_and(|budget| !budget.affords())
    }

    pub(super) fn spend_retry(&mut self) {
        self.candidates.count_retry();
        if let Some(budget) = self.budget() {
            budget.spend();
        }
    }
}

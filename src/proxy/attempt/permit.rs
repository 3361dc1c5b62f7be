//! What an attempt holds of its provider's limit, from before it is sent until it is over.
//!
//! Taken by the [`failover`](super::failover), kept with the attempt, and given back by its drop, whatever ends it: an
//! answer, a client that left, a panic, or a plan that no longer stands. Decides nothing. Invariants: an attempt that
//! was not sent took nothing; one that was sent took the tokens that its answer tells of, those that it reserved where
//! the answer tells of none, and none where the provider refused it.

use std::rc::Rc;

use crate::decide::outcome::Outcome;
use crate::decide::policy::RateLimit;
use crate::decide::units::ProviderId;
use crate::proxy::core::InUse;
use crate::state::limit::LimitState;
use crate::wire::usage::Usage;

/// What a request is expected to take of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) tokens: u64,
    /// Under which the mean output of its arm and model is kept.
    pub(crate) key: u32,
    /// Whether what comes from the provider's cache does not count.
    pub(crate) without_cached: bool,
}

/// A place within a limit.
#[derive(Debug)]
pub(crate) struct Permit {
    in_use: Rc<InUse>,
    id: ProviderId,
    reserved: Reserved,
    sent: bool,
    /// The tokens that it took, once they are known.
    took: Option<u64>,
}

impl Permit {
    /// For what was taken just now.
    pub(crate) fn new(in_use: &Rc<InUse>, id: ProviderId, reserved: Reserved) -> Permit {
        Permit { in_use: Rc::clone(in_use), id, reserved, sent: false, took: None }
    }

    /// The request goes out.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    /// The attempt is over.
    pub(crate) fn over(mut self, outcome: Outcome, usage: Option<Usage>) {
        self.took = match usage {
            Some(usage) => {
                self.state().learn_output(self.reserved.key, usage.output);
                let input =
                    if self.reserved.without_cached { usage.input.saturating_sub(usage.cached) } else { usage.input };
                Some(input.saturating_add(usage.output))
            }
            None if is_refusal(outcome) => Some(0),
            None => None,
        };
    }

    fn state(&self) -> &LimitState {
        self.in_use.snapshot.provider(self.id).limit()
    }

    fn limit(&self) -> Option<&RateLimit> {
        self.in_use.snapshot.policy.provider(self.id).rate_limit.as_ref()
    }
}

/// Whether the provider did nothing for it.
const fn is_refusal(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Connect
            | Outcome::Throttled
            | Outcome::Quota
            | Outcome::Auth
            | Outcome::Unsupported
            | Outcome::ClientError
            | Outcome::ServerError
    )
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(limit) = self.limit() else { return };
        if self.sent {
            self.state().settle(limit, self.reserved.tokens, self.took.unwrap_or(self.reserved.tokens));
        } else {
            self.state().give_back(limit, self.reserved.tokens);
        }
    }
}

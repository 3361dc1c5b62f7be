//! What part of the present traffic the limits of each canary let pass.
//!
//! A canary may have several rollouts, and may be the stable of others: all that they send counts, whichever arm it is
//! sent to now, since all of it goes there in the end. Limits are those of the file, and those that the provider's
//! headers tell of. Says nothing of a canary without a limit, or where it is not known what is sent. Invariant: of
//! several limits the one that is reached first is told.

use serde::{Deserialize, Serialize};

use crate::decide::policy::{Policy, Provider};
use crate::decide::rollback_ready::{Allowed, Demand, Limit};
use crate::decide::units::ProviderId;

/// What fits into the limits of one canary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub canary: String,
    /// Whose traffic it is.
    pub rollouts: Vec<String>,
    /// The limit that is reached first.
    pub limit: (FitUnit, Limit),
    /// What they send in a minute, in the limit's unit.
    pub sent: u64,
    /// The part of it that fits, in 0..=1.
    pub part: f64,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitUnit {
    Requests,
    Tokens,
}

impl FitUnit {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FitUnit::Requests => "requests",
            FitUnit::Tokens => "tokens",
        }
    }
}

/// Of every canary with a limit, in the order of the rollouts. `demand`: what a rollout sends, by its name; `told`: what
/// a provider's headers tell of, for all of its accounts: requests and tokens a minute.
#[must_use]
pub fn fits(
    policy: &Policy,
    demand: impl Fn(&str) -> Demand,
    told: impl Fn(&Provider) -> [Option<u64>; 2],
) -> Vec<Fit> {
    let mut seen: Vec<ProviderId> = Vec::new();
    let mut found = Vec::new();
    for id in policy.rollouts.iter().filter_map(|rollout| Some(rollout.canary.as_ref()?.provider)) {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let provider = policy.provider(id);
        let allowed = Allowed::of(provider.rate_limit.as_ref(), told(provider), 1);
        let of_it = policy.rollouts.iter().filter(|rollout| {
            rollout.stable == id || rollout.canary.as_ref().is_some_and(|canary| canary.provider == id)
        });
        let (mut rollouts, mut sum) = (Vec::new(), Demand::default());
        for rollout in of_it {
            let sent = demand(&rollout.name);
            sum = sum.plus(sent);
            if sent.requests.is_some_and(|requests| requests > 0) {
                rollouts.push(rollout.name.clone());
            }
        }
        let limits =
            [(FitUnit::Requests, allowed.requests, sum.requests), (FitUnit::Tokens, allowed.tokens, sum.tokens)];
        let parts = limits.into_iter().filter_map(|(unit, limit, sent)| {
            let (limit, sent) = (limit?, sent.filter(|sent| *sent > 0)?);
            Some((unit, limit, sent, (real(limit.most) / real(sent)).min(1.0)))
        });
        if let Some((unit, limit, sent, part)) = parts.min_by(|one, other| one.3.total_cmp(&other.3)) {
            found.push(Fit { canary: provider.name.clone(), rollouts, limit: (unit, limit), sent, part });
        }
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
const fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::limit::Rate;
    use crate::decide::policy::plain::{canary, policy, provider, rollout};
    use crate::decide::policy::{RateLimit, Rollout, WhenFull};
    use crate::decide::rollback_ready::LimitSource;
    use crate::decide::units::Millis;

    /// chat and search with the same canary, which has a limit, and a plain route.
    fn two_rollouts() -> Policy {
        let requests = Some(Rate::new(600, 100));
        let limit = RateLimit {
            requests,
            tokens: None,
            in_flight: None,
            when_full: WhenFull::Fallback,
            wait: Millis(0),
            follow_headers: true,
        };
        let with_canary = |name| Rollout { canary: Some(canary()), ..rollout(name) };
        let limited = Provider { rate_limit: Some(limit), ..provider("b") };
        policy(vec![provider("a"), limited], vec![with_canary("chat"), with_canary("search"), rollout("other")])
    }

    fn sends(requests: u64) -> Demand {
        Demand { requests: Some(requests), ..Demand::default() }
    }

    #[test]
    fn all_rollouts_of_a_canary_share_its_limit() {
        let policy = two_rollouts();
        let found = fits(&policy, |name| sends(if name == "chat" { 2000 } else { 400 }), |_| [None; 2]);
        let [fit] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(fit.rollouts, ["chat", "search"]);
        assert_eq!((fit.sent, fit.part), (2400, 0.25));
    }

    #[test]
    fn the_limit_that_is_reached_first_is_told_and_nothing_where_nothing_is_known() {
        let policy = two_rollouts();
        let demand = |_: &str| Demand { tokens: Some(10_000), ..sends(100) };
        let found = fits(&policy, demand, |_| [None, Some(5000)]);
        let headers = Limit { most: 5000, source: LimitSource::Headers };
        // 20,000 tokens are sent by the two of them.
        assert_eq!((found[0].limit, found[0].part), ((FitUnit::Tokens, headers), 0.25));
        let all = fits(&policy, demand, |_| [None; 2]);
        assert_eq!((all[0].limit.0, all[0].part), (FitUnit::Requests, 1.0));
        assert_eq!(fits(&policy, |_| Demand::default(), |_| [None; 2]), []);
        assert_eq!(fits(&policy, |_| sends(0), |_| [None; 2]), []);
    }
}

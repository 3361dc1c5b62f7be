//! Copies of stable's requests: how many, how fast, and for how much money.
//!
//! Reads `rehearse` and `compare` of a rollout. What they are for is decided elsewhere. A limit that cannot be held is a
//! warning at its place: without a price nobody knows what a copy costs.

use super::super::place::At;
use super::super::scalar::{Wrong, micro_usd, rate, wrong};
use super::findings::{Findings, whole_at};
use crate::decide::policy::{Compare, CopyLimits, Policy, Rehearse};
use crate::decide::units::Percent;
use crate::decide::units::PicoUsd;

/// What is copied before the first user; `None`: nothing.
pub(super) fn rehearse(at: &At, findings: &mut Findings<'_>) -> Option<Rehearse> {
    if !at.fits() {
        return None;
    }
    let (requests_at, limits) = (at.key("requests"), limits(at, findings));
    let requests = findings.given(&requests_at, |text| whole_at(&requests_at, text))?;
    Some(Rehearse { requests, limits })
}

/// What is copied after that; `None`: nothing.
pub(super) fn compare(at: &At, findings: &mut Findings<'_>) -> Option<Compare> {
    if !at.fits() {
        return None;
    }
    let limits = limits(at, findings);
    Some(Compare { share: findings.given(&at.key("share"), some_share)?, limits })
}

fn limits(at: &At, findings: &mut Findings<'_>) -> CopyLimits {
    CopyLimits {
        per_minute: findings.whole(&at.key("per_minute")),
        max_cost: findings.value(&at.key("max_cost"), some_usd),
    }
}

fn some_share(text: &str) -> Result<Percent, Wrong> {
    match rate(text)? {
        Percent::ZERO => wrong("copies nothing", "write a share above 0%, or remove `compare`"),
        share => Ok(share),
    }
}

fn some_usd(text: &str) -> Result<PicoUsd, Wrong> {
    match micro_usd(text)? {
        0 => wrong("pays for no copy", "write an amount above zero, such as `$5`, or remove what copies"),
        micro => Ok(PicoUsd(micro.saturating_mul(1_000_000))),
    }
}

/// Says where `max_cost` cannot be held, since the canary has no price.
pub(super) fn unpriced(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (index, rollout) in policy.rollouts.iter().enumerate() {
        let Some(canary) = &rollout.canary else { continue };
        // A file with errors may have no provider at all.
        let provider = policy.providers.get(usize::from(canary.provider.0));
        let Some(provider) = provider.filter(|provider| provider.prices.is_empty()) else { continue };
        let at = root.key("rollouts").item(index);
        for (key, limits) in [
            ("rehearse", canary.rehearse.map(|rehearse| rehearse.limits)),
            ("compare", canary.compare.map(|compare| compare.limits)),
        ] {
            let Some(limits) = limits else { continue };
            let problem = format!(
                "`max_cost` cannot be held, since `{}` has no `prices`: what copies cost is unknown, and only \
                 `per_minute: {}` bounds it",
                provider.name, limits.per_minute
            );
            findings.warn(&at.key(key), problem);
        }
    }
}

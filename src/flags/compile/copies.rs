//! Copies of stable's requests: how many, how fast, and for how much money.
//!
//! Reads `rehearse` and `compare` of a rollout. What they are for is decided elsewhere. What cannot be
//! held, or copies nothing, is a warning at its place: without a price nobody knows what a copy costs.

use super::super::place::At;
use super::super::scalar::{Wrong, micro_usd, rate, wrong};
use super::findings::{Findings, whole_at};
use crate::decide::comparison::eligible::may_match_copied;
use crate::decide::policy::{Compare, CopyLimits, Match, Policy, Provider, Rehearse};
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

/// Says what copies of a rollout cannot do: hold `max_cost`, or be sent at all.
pub(super) fn without_effect(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (index, rollout) in policy.rollouts.iter().enumerate() {
        let Some(canary) = &rollout.canary else { continue };
        // A file with errors may have no provider at all.
        let Some(provider) = policy.providers.get(usize::from(canary.provider.0)) else { continue };
        let at = root.key("rollouts").item(index);
        for (key, limits) in [
            ("rehearse", canary.rehearse.map(|rehearse| rehearse.limits)),
            ("compare", canary.compare.map(|compare| compare.limits)),
        ] {
            let Some(limits) = limits else { continue };
            let outcome = if key == "rehearse" { "the ramp never begins" } else { "nothing is compared" };
            if !may_match_copied(&rollout.matches) {
                let problem = format!(
                    "requests of `match` generate nothing, so none is copied and {outcome}: remove `{key}`, or match \
                     chat completions, completions, responses or messages"
                );
                findings.warn(&at.key(key), problem);
            }
            if provider.api_keys.is_empty() && !provider.forward_headers.is_empty() {
                let problem = format!(
                    "`{}` is asked with its clients' credentials (`forward_headers`), which no copy carries, so {outcome}: \
                     write `api_keys` for it, or remove `{key}`",
                    provider.name
                );
                findings.warn(&at.key(key), problem);
            }
            if let Some(unpriced) = unpriced(provider, &rollout.matches) {
                let problem = format!(
                    "`max_cost` cannot be held, since {unpriced}: what copies cost is unknown, and only `per_minute: {}` \
                     bounds it",
                    limits.per_minute
                );
                findings.warn(&at.key(key), problem);
            }
        }
    }
}

/// What has no price; `None`: every model that the file names has one.
fn unpriced(provider: &Provider, matches: &Match) -> Option<String> {
    let name = &provider.name;
    if provider.prices.is_empty() {
        return Some(format!("`{name}` has no `prices`"));
    }
    let matched = matches.model.iter().map(|model| &model.0).filter(|model| !model.contains('*'));
    let asked = matched.map(|model| provider.models.get(model).unwrap_or(model)).chain(provider.models.values());
    let mut without = asked.filter(|model| provider.prices.of(model).is_none());
    without.next().map(|model| format!("no entry of `{name}`'s `prices` fits `{model}`"))
}

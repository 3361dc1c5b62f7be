//! Models that a provider is going to take away, or has taken away: whom that concerns, and how near it is.
//!
//! Owns the days at which it is told, once each: 90, 30 and 7 days before, and when it has come. Only models count
//! that the file maps to or matches by name, or that were seen in requests. A date begins at midnight in UTC.
//! Invariant: what is told of a model is nearer than all that was told of it before.

use serde::{Deserialize, Serialize};

use super::policy::{Fallback, Policy, Rollout};
use super::units::{ProviderId, UnixMillis};

const DAY: u64 = 86_400_000;
/// At so many days before it is told.
const NOTICES: [u16; 3] = [7, 30, 90];

/// A model that a provider takes away soon, or does not have any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    pub provider: String,
    /// As the provider names it.
    pub model: String,
    /// The first moment without it.
    pub at: UnixMillis,
    /// Which notice this is: so many days before; 0: it has come.
    pub notice: u16,
    /// How many days are left; since it has come, how many have passed.
    pub days: u64,
}

impl Retirement {
    /// Whether this, or something nearer, was told of the same model and date.
    #[must_use]
    pub fn is_among(&self, told: &[Retirement]) -> bool {
        let same =
            |other: &&Retirement| other.provider == self.provider && other.model == self.model && other.at == self.at;
        told.iter().filter(same).any(|other| other.notice <= self.notice)
    }
}

/// What is near of this file. `seen`: whether a request for this model was sent to this provider.
#[must_use]
pub fn near(policy: &Policy, seen: impl Fn(ProviderId, &str) -> bool, now: UnixMillis) -> Vec<Retirement> {
    let mut near = Vec::new();
    for (id, provider) in (0..).map(ProviderId).zip(&policy.providers) {
        for (model, at) in &provider.retires {
            let Some((notice, days)) = notice(*at, now) else { continue };
            if is_named(policy, id, model) || seen(id, model) {
                near.push(Retirement { provider: provider.name.clone(), model: model.clone(), at: *at, notice, days });
            }
        }
    }
    near
}

fn notice(at: UnixMillis, now: UnixMillis) -> Option<(u16, u64)> {
    if at <= now {
        return Some((0, (now.0 - at.0) / DAY));
    }
    let days = (at.0 - now.0).div_ceil(DAY);
    let notice = NOTICES.into_iter().find(|notice| days <= u64::from(*notice))?;
    Some((notice, days))
}

/// Whether the file itself sends requests for this model to this provider: by a mapping, or by a match that names it
/// whole where the provider does not rename it.
fn is_named(policy: &Policy, id: ProviderId, model: &str) -> bool {
    let provider = policy.provider(id);
    let matched = |rollout: &Rollout| {
        let named = rollout.matches.model.as_ref().is_some_and(|pattern| pattern.0 == model);
        let listed = matches!(&rollout.fallback, Fallback::List(list) if list.contains(&id));
        named && (rollout.stable == id || rollout.moves_to(id) || listed)
    };
    let renamed = provider.models.contains_key(model);
    provider.models.values().any(|known_as| known_as == model)
        || (!renamed && policy.rollouts.iter().any(|rollout| matched(rollout)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decide::policy::{Match, Pattern, plain};

    fn policy(retires: &[(&str, u64)]) -> Policy {
        let mut provider = plain::provider("old");
        provider.retires = retires.iter().map(|(model, at)| ((*model).to_owned(), UnixMillis(*at))).collect();
        provider.models = [("gpt-4".to_owned(), "mapped".to_owned())].into();
        let matches = Match { model: Some(Pattern("matched".to_owned())), ..plain::rollout("chat").matches };
        plain::policy(vec![provider], vec![Rollout { matches, ..plain::rollout("chat") }])
    }

    fn models(near: &[Retirement]) -> Vec<&str> {
        near.iter().map(|retirement| retirement.model.as_str()).collect()
    }

    #[test]
    fn models_that_nobody_uses_are_not_told() {
        let policy = policy(&[("mapped", 0), ("matched", 0), ("seen", 0), ("gpt-4", 0), ("unused", 0)]);
        let seen = |id, model: &str| id == ProviderId(0) && model == "seen";
        assert_eq!(models(&near(&policy, seen, UnixMillis(1))), ["mapped", "matched", "seen"]);
        assert_eq!(models(&near(&policy, |_, _| false, UnixMillis(1))), ["mapped", "matched"]);
        // A name that the provider never gets, since it is renamed on the way.
        let mut renamed = Arc::unwrap_or_clone(Arc::clone(&policy.providers[0]));
        renamed.models.insert("matched".to_owned(), "other".to_owned());
        let renamed = Policy { providers: vec![Arc::new(renamed)], ..policy };
        assert_eq!(models(&near(&renamed, |_, _| false, UnixMillis(1))), ["mapped"]);
    }

    #[test]
    fn it_is_told_at_90_30_and_7_days_and_when_it_has_come() {
        let at = 1000 * DAY;
        let policy = policy(&[("mapped", at)]);
        let told = |now: u64| near(&policy, |_, _| false, UnixMillis(now)).pop().map(|near| (near.notice, near.days));
        for (days_before, expected) in [
            (91, None),
            (90, Some((90, 90))),
            (31, Some((90, 31))),
            (30, Some((30, 30))),
            (8, Some((30, 8))),
            (7, Some((7, 7))),
            (1, Some((7, 1))),
            (0, Some((0, 0))),
        ] {
            assert_eq!(told(at - days_before * DAY), expected, "{days_before} days before");
        }
        assert_eq!(told(at - 1), Some((7, 1)), "the last day has not passed");
        assert_eq!(told(at + 3 * DAY + 1), Some((0, 3)));
    }

    #[test]
    fn each_notice_is_told_once_and_none_that_is_farther() {
        let all = |notice| Retirement {
            provider: "old".to_owned(),
            model: "m".to_owned(),
            at: UnixMillis(DAY),
            notice,
            days: 0,
        };
        assert!(!all(30).is_among(&[all(90)]) && all(30).is_among(&[all(30)]) && all(90).is_among(&[all(30)]));
        assert!(!all(0).is_among(&[all(7), all(30), all(90)]));
        let edited = Retirement { at: UnixMillis(2 * DAY), ..all(30) };
        assert!(!edited.is_among(&[all(30), all(7)]), "another date is news");
        let elsewhere = Retirement { provider: "new".to_owned(), ..all(30) };
        assert!(!elsewhere.is_among(&[all(30)]));
    }
}

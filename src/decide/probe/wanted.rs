//! Which models a provider would be asked for, as far as the file tells.
//!
//! The names that its `models` map to, the models that rollouts match by name, and at a stable those that its canary
//! maps, each as this provider is asked for it. A pattern names no model. Refuses to guess what applications send
//! besides. Invariant: a name stands once in the list of a provider.

use serde::Serialize;

use crate::decide::policy::{Fallback, Policy, Rollout, Unmapped};
use crate::decide::units::ProviderId;

/// Models of one provider that are asked for, at most.
pub const MOST: usize = 64;

/// A model that a provider would be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedModel {
    /// As the provider is asked for it.
    pub model: String,
    /// As the application writes it.
    pub written: String,
    /// Whether the file says so of this provider, and not only of the other arm.
    pub certain: bool,
}

/// The models that this provider would be asked for.
#[must_use]
pub fn wanted(policy: &Policy, id: ProviderId) -> Vec<WantedModel> {
    let provider = policy.provider(id);
    let mut all: Vec<WantedModel> = Vec::new();
    let mut add = |written: &str, certain: bool| {
        let model = provider.models.get(written).map_or(written, String::as_str);
        if let Some(known) = all.iter_mut().find(|known| known.model == model) {
            known.certain |= certain;
        } else if all.len() < MOST {
            all.push(WantedModel { model: model.to_owned(), written: written.to_owned(), certain });
        }
    };
    provider.models.keys().for_each(|written| add(written, true));
    for rollout in &policy.rollouts {
        if let Some(model) = whole_name(rollout)
            && is_asked(policy, rollout, id, model)
        {
            add(model, true);
        }
        if rollout.stable != id {
            continue;
        }
        let Some(canary) = &rollout.canary else { continue };
        for written in policy.provider(canary.provider).models.keys() {
            if rollout.matches.model.as_ref().is_none_or(|pattern| pattern.fits(written.as_bytes())) {
                add(written, false);
            }
        }
    }
    all
}

/// The model that a rollout matches, where it matches a single one.
#[must_use]
pub fn whole_name(rollout: &Rollout) -> Option<&str> {
    rollout.matches.model.as_ref().map(|pattern| pattern.0.as_str()).filter(|name| !name.contains('*'))
}

/// Whether a rollout's requests for this model may come to this provider.
fn is_asked(policy: &Policy, rollout: &Rollout, id: ProviderId, model: &str) -> bool {
    let provider = policy.provider(id);
    let is_sent =
        provider.unmapped == Unmapped::Pass || provider.models.is_empty() || provider.models.contains_key(model);
    let listed = matches!(&rollout.fallback, Fallback::List(list) if list.contains(&id));
    rollout.stable == id || (is_sent && (rollout.moves_to(id) || listed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::{Match, Pattern, Provider, plain};

    fn provider(name: &str, models: &[(&str, &str)], unmapped: Unmapped) -> Provider {
        let models = models.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Provider { models, unmapped, ..plain::provider(name) }
    }

    fn asked(providers: Vec<Provider>, model: Option<&str>, id: u16) -> Vec<(String, bool)> {
        let rollout = Rollout { canary: Some(plain::canary()), ..plain::rollout("chat") };
        let model = model.map(|model| Pattern(model.to_owned()));
        let matches = Match { model, ..rollout.matches.clone() };
        let policy = plain::policy(providers, vec![Rollout { matches, ..rollout }]);
        wanted(&policy, ProviderId(id)).into_iter().map(|wanted| (wanted.model, wanted.certain)).collect()
    }

    #[test]
    fn each_provider_is_asked_by_its_own_names() {
        let both = |unmapped| {
            vec![
                provider("old", &[("gpt", "gpt-4o")], Unmapped::Pass),
                provider("new", &[("gpt", "big"), ("mini", "small")], unmapped),
            ]
        };
        let names =
            |list: &[(&str, bool)]| list.iter().map(|(name, sure)| ((*name).to_owned(), *sure)).collect::<Vec<_>>();
        assert_eq!(asked(both(Unmapped::Pass), None, 0), names(&[("gpt-4o", true), ("mini", false)]));
        assert_eq!(asked(both(Unmapped::Pass), None, 1), names(&[("big", true), ("small", true)]));
        // A rollout for one model says so of both.
        assert_eq!(asked(both(Unmapped::Pass), Some("mini"), 0), names(&[("gpt-4o", true), ("mini", true)]));
        assert_eq!(asked(both(Unmapped::Pass), Some("o3"), 1), names(&[("big", true), ("small", true), ("o3", true)]));
        assert_eq!(asked(both(Unmapped::Stable), Some("o3"), 1), names(&[("big", true), ("small", true)]));
        assert_eq!(asked(both(Unmapped::Pass), Some("m*"), 0), names(&[("gpt-4o", true), ("mini", false)]));
    }

    #[test]
    fn nobody_is_asked_for_more_than_so_many() {
        let names: Vec<(String, String)> = (0..500).map(|n| (format!("m{n}"), format!("n{n}"))).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        let policy = plain::policy(
            vec![provider("old", &pairs, Unmapped::Pass), plain::provider("new")],
            vec![plain::rollout("chat")],
        );
        assert_eq!(wanted(&policy, ProviderId(0)).len(), MOST);
    }
}

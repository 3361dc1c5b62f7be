//! What the models of both arms take and can do, by a price list, and where the canary's is less.
//!
//! Pairs each model that a rollout moves with what both providers call it, and compares what the list says of the two.
//! Only what the list says of stable can be missed on the canary. Nothing of it is measured, so that all of it is worth
//! a warning and never a failure. Invariant: a pair of which one side is not listed has no concern.

use serde::Serialize;

use super::wanted::{MOST, whole_name};
use crate::decide::policy::{Canary, Policy, Provider, Rollout, Unmapped};
use crate::wire::price_list::{ABILITIES, ListedModel, Lookup, PriceList};

/// A model of a rollout on both arms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelPair {
    pub rollout: String,
    /// As the application writes it.
    pub written: String,
    pub stable: PairedModel,
    pub canary: PairedModel,
    pub concerns: Vec<Concern>,
}

/// A model at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairedModel {
    pub provider: String,
    pub model: String,
    pub listed: Listing,
}

/// What the list says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "listing", rename_all = "snake_case")]
pub enum Listing {
    Listed {
        max_input_tokens: Option<u64>,
        max_output_tokens: Option<u64>,
        mode: Option<String>,
        abilities: Vec<&'static str>,
    },
    Unknown,
    /// Several providers have a model of this name, and the list says different things of them.
    Ambiguous,
}

/// Where the canary's model is less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "concern", rename_all = "snake_case")]
pub enum Concern {
    ShorterInput { stable: u64, canary: u64 },
    ShorterOutput { stable: u64, canary: u64 },
    Lacks { ability: &'static str },
    OtherMode { stable: String, canary: String },
}

/// Every pair of the rollouts with a canary.
#[must_use]
pub fn pairs(policy: &Policy, prices: &PriceList) -> Vec<ModelPair> {
    let moving = policy.rollouts.iter().filter_map(|rollout| Some((rollout, rollout.canary.as_ref()?)));
    moving
        .flat_map(|(rollout, canary)| {
            let (stable, canary_provider) = (policy.provider(rollout.stable), policy.provider(canary.provider));
            written(policy, rollout, canary).into_iter().map(move |written| {
                let (stable, of_stable) = paired(stable, written, prices);
                let (canary, of_canary) = paired(canary_provider, written, prices);
                let concerns = match (of_stable, of_canary) {
                    (Some(stable), Some(canary)) => concerns(stable, canary),
                    _ => Vec::new(),
                };
                ModelPair { rollout: rollout.name.clone(), written: written.to_owned(), stable, canary, concerns }
            })
        })
        .collect()
}

/// The models of a rollout's requests that may come to its canary, as the application writes them.
fn written<'p>(policy: &'p Policy, rollout: &'p Rollout, canary: &Canary) -> Vec<&'p str> {
    let (stable, canary) = (policy.provider(rollout.stable), policy.provider(canary.provider));
    let is_sent = |name: &&str| {
        canary.unmapped == Unmapped::Pass || canary.models.is_empty() || canary.models.contains_key(*name)
    };
    let fits = |name: &&str| rollout.matches.model.as_ref().is_none_or(|pattern| pattern.fits(name.as_bytes()));
    let mapped = canary.models.keys().chain(stable.models.keys()).map(String::as_str);
    let mut all: Vec<&str> = whole_name(rollout).into_iter().chain(mapped).filter(fits).filter(is_sent).collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(MOST);
    all
}

fn paired<'l>(provider: &Provider, written: &str, prices: &'l PriceList) -> (PairedModel, Option<&'l ListedModel>) {
    let model = provider.models.get(written).map_or(written, String::as_str);
    let (listed, found) = match prices.find(model, [&provider.name, &provider.base_url.host]) {
        Lookup::Found(listed) => (listing(listed), Some(listed)),
        Lookup::Unknown => (Listing::Unknown, None),
        Lookup::Ambiguous => (Listing::Ambiguous, None),
    };
    (PairedModel { provider: provider.name.clone(), model: model.to_owned(), listed }, found)
}

fn listing(listed: &ListedModel) -> Listing {
    let able = ABILITIES.iter().zip(listed.abilities).filter(|(_, able)| *able == Some(true));
    Listing::Listed {
        max_input_tokens: listed.max_input,
        max_output_tokens: listed.max_output,
        mode: listed.mode.clone(),
        abilities: able.map(|((_, words), _)| *words).collect(),
    }
}

fn concerns(stable: &ListedModel, canary: &ListedModel) -> Vec<Concern> {
    let shorter =
        |stable: Option<u64>, canary: Option<u64>| stable.zip(canary).filter(|(stable, canary)| canary < stable);
    let input = shorter(stable.max_input, canary.max_input);
    let output = shorter(stable.max_output, canary.max_output);
    let other = stable.mode.as_ref().zip(canary.mode.as_ref()).filter(|(stable, canary)| stable != canary);
    let lacks = |at: &usize| stable.abilities[*at] == Some(true) && canary.abilities[*at] != Some(true);
    let mut all: Vec<Concern> = Vec::new();
    all.extend(other.map(|(stable, canary)| Concern::OtherMode { stable: stable.clone(), canary: canary.clone() }));
    all.extend(input.map(|(stable, canary)| Concern::ShorterInput { stable, canary }));
    all.extend(output.map(|(stable, canary)| Concern::ShorterOutput { stable, canary }));
    all.extend((0..ABILITIES.len()).filter(lacks).map(|at| Concern::Lacks { ability: ABILITIES[at].1 }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::{Match, Pattern, plain};
    use crate::decide::units::ProviderId;

    const LIST: &str = r#"{
        "gpt-4o": {"max_input_tokens": 128000, "max_output_tokens": 16384, "mode": "chat", "supports_vision": true,
                   "supports_function_calling": true},
        "deepseek/deepseek-chat": {"max_input_tokens": 64000, "max_output_tokens": 16384, "mode": "chat",
                                   "supports_function_calling": true},
        "a/twin": {"max_input_tokens": 1}, "b/twin": {"max_input_tokens": 2},
        "vectors": {"mode": "embedding"}
    }"#;

    fn of(models: &[(&str, &str)], pattern: Option<&str>, unmapped: Unmapped) -> Vec<ModelPair> {
        let mut new = plain::provider("new");
        new.base_url.host = "api.deepseek.com".to_owned();
        new.models = models.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        new.unmapped = unmapped;
        let moving = Rollout { canary: Some(plain::canary()), ..plain::rollout("chat") };
        let model = pattern.map(|pattern| Pattern(pattern.to_owned()));
        let matches = Match { model, ..moving.matches.clone() };
        let policy = plain::policy(vec![plain::provider("old"), new], vec![Rollout { matches, ..moving }]);
        assert!(policy.rollouts[0].moves_to(ProviderId(1)));
        pairs(&policy, &PriceList::read(LIST.as_bytes()).unwrap())
    }

    #[test]
    fn a_shorter_context_and_a_missing_ability_are_concerns() {
        let pairs = of(&[("gpt-4o", "deepseek-chat")], None, Unmapped::Pass);
        let [pair] = pairs.as_slice() else { unreachable!("{pairs:?}") };
        assert_eq!((pair.stable.model.as_str(), pair.canary.model.as_str()), ("gpt-4o", "deepseek-chat"));
        assert_eq!(
            pair.concerns,
            [Concern::ShorterInput { stable: 128_000, canary: 64_000 }, Concern::Lacks { ability: "vision" }]
        );
        let Listing::Listed { abilities, .. } = &pair.stable.listed else { unreachable!() };
        assert_eq!(abilities, &["function calling", "vision"]);
        let pairs = of(&[("gpt-4o", "vectors")], None, Unmapped::Pass);
        assert!(
            matches!(&pairs[0].concerns[0], Concern::OtherMode { stable, canary } if stable == "chat" && canary == "embedding")
        );
    }

    #[test]
    fn of_what_is_not_listed_nothing_is_said() {
        let pairs = of(&[("gpt-4o", "unheard-of"), ("x", "twin")], None, Unmapped::Pass);
        assert_eq!(
            pairs.iter().map(|pair| &pair.canary.listed).collect::<Vec<_>>(),
            [&Listing::Unknown, &Listing::Ambiguous]
        );
        assert!(pairs.iter().all(|pair| pair.concerns.is_empty()));
    }

    #[test]
    fn only_models_that_come_to_the_canary_are_paired() {
        let written = |pattern, unmapped| {
            let pairs = of(&[("gpt-4o", "deepseek-chat"), ("o3", "big")], pattern, unmapped);
            pairs.into_iter().map(|pair| pair.written).collect::<Vec<_>>()
        };
        assert_eq!(written(None, Unmapped::Pass), ["gpt-4o", "o3"]);
        assert_eq!(written(Some("gpt-*"), Unmapped::Pass), ["gpt-4o"]);
        assert_eq!(written(Some("other"), Unmapped::Pass), ["other"]);
        assert!(written(Some("other"), Unmapped::Stable).is_empty());
    }
}

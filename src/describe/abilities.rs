//! Sentences for a model of both arms, by a price list: what each takes and can do, and where the canary's is less.
//!
//! What to do is said with keys of flags.yaml only: another model of the canary, or requests that stay on stable. What
//! the list does not say is called so, and not taken for nought.

use super::format::grouped;
use crate::decide::probe::abilities::{Concern, Listing, ModelPair, PairedModel};

/// Both models in a line: `gpt-4o (128,000 tokens in, 16,384 out; vision) -> deepseek-chat (...)`.
#[must_use]
pub fn sentence(pair: &ModelPair) -> String {
    format!("{} -> {}", side(&pair.stable), side(&pair.canary))
}

fn side(PairedModel { provider, model, listed }: &PairedModel) -> String {
    format!("{provider} `{model}` ({})", listing(listed))
}

fn listing(listed: &Listing) -> String {
    match listed {
        Listing::Unknown => "not in the price list".to_owned(),
        Listing::Ambiguous => "several entries in the price list".to_owned(),
        Listing::Listed { max_input_tokens, max_output_tokens, mode, abilities } => {
            let tokens = |count: &Option<u64>, way| count.map(|count| format!("{} tokens {way}", grouped(count)));
            let sizes = [tokens(max_input_tokens, "in"), tokens(max_output_tokens, "out")].into_iter().flatten();
            let abilities = (!abilities.is_empty()).then(|| abilities.join(", "));
            let parts: Vec<String> = mode.clone().into_iter().chain(sizes).chain(abilities).collect();
            if parts.is_empty() { "nothing told".to_owned() } else { parts.join("; ") }
        }
    }
}

/// All concerns of a pair, and what to do; `None`: there are none.
#[must_use]
pub fn warning(pair: &ModelPair) -> Option<String> {
    if pair.concerns.is_empty() {
        return None;
    }
    let ModelPair { rollout, written, stable, canary, .. } = pair;
    let (from, to) = (stable.model.as_str(), canary.model.as_str());
    let concerns: Vec<String> = pair.concerns.iter().map(|concern| worded(concern, from, to)).collect();
    let provider = &canary.provider;
    let output = pair.concerns.iter().find_map(|concern| match concern {
        Concern::ShorterOutput { canary, .. } => {
            Some(format!(", or write `providers.{provider}.max_fields: {{ max_tokens: {canary} }}`"))
        }
        _ => None,
    });
    Some(format!(
        "{}; map `{written}` to another model in `providers.{provider}.models`, or keep it on {} with \
         `rollouts[{rollout}].match.model`{}",
        concerns.join("; "),
        stable.provider,
        output.unwrap_or_default()
    ))
}

fn worded(concern: &Concern, from: &str, to: &str) -> String {
    match concern {
        Concern::ShorterInput { stable, canary } => {
            format!("`{from}` takes {} tokens, `{to}` {}", grouped(stable), grouped(canary))
        }
        Concern::ShorterOutput { stable, canary } => {
            format!("`{from}` writes {} tokens, `{to}` {}", grouped(stable), grouped(canary))
        }
        Concern::Lacks { ability } => format!("`{to}` is not listed with {ability}, and `{from}` is"),
        Concern::OtherMode { stable, canary } => format!("`{from}` is a model for {stable}, `{to}` for {canary}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_canary_has_less_of_is_told_with_what_to_write() {
        let model = |provider: &str, model: &str, listed| PairedModel {
            provider: provider.to_owned(),
            model: model.to_owned(),
            listed,
        };
        let listed = Listing::Listed {
            max_input_tokens: Some(128_000),
            max_output_tokens: None,
            mode: Some("chat".to_owned()),
            abilities: vec!["vision"],
        };
        let mut pair = ModelPair {
            rollout: "chat".to_owned(),
            written: "gpt-4o".to_owned(),
            stable: model("old", "gpt-4o", listed),
            canary: model("new", "deepseek-chat", Listing::Unknown),
            concerns: Vec::new(),
        };
        assert_eq!(
            sentence(&pair),
            "old `gpt-4o` (chat; 128,000 tokens in; vision) -> new `deepseek-chat` (not in the price list)"
        );
        assert_eq!(warning(&pair), None);
        pair.concerns =
            vec![Concern::ShorterInput { stable: 128_000, canary: 64_000 }, Concern::Lacks { ability: "vision" }];
        assert_eq!(
            warning(&pair).unwrap(),
            "`gpt-4o` takes 128,000 tokens, `deepseek-chat` 64,000; `deepseek-chat` is not listed with vision, and \
             `gpt-4o` is; map `gpt-4o` to another model in `providers.new.models`, or keep it on old with \
             `rollouts[chat].match.model`"
        );
        pair.concerns = vec![Concern::ShorterOutput { stable: 16_384, canary: 8_192 }];
        assert!(warning(&pair).unwrap().ends_with(", or write `providers.new.max_fields: { max_tokens: 8192 }`"));
    }
}

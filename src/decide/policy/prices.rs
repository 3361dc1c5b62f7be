//! What a provider takes for a token, by model.
//!
//! Prices are whole pico-USD a token: a price in USD for a million tokens with at most six decimals is held exactly,
//! and nothing is ever rounded behind it. Invariant: a model that no entry fits has no price, which is not a price of
//! zero.

use super::rollout::Pattern;
use crate::decide::units::PicoUsd;
use crate::wire::usage::Usage;

/// What a token of one model costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A token that is read.
    pub input: PicoUsd,
    /// A token that is read from the provider's cache; `None`: as any that is read.
    pub cached_input: Option<PicoUsd>,
    /// A token that is written, reasoning included.
    pub output: PicoUsd,
}

impl Price {
    /// What an answer of this usage costs.
    #[must_use]
    pub fn of(&self, usage: Usage) -> PicoUsd {
        let cached = usage.cached.min(usage.input);
        let parts = [
            (usage.input - cached, self.input),
            (cached, self.cached_input.unwrap_or(self.input)),
            (usage.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(price.0)).sum();
        PicoUsd(u64::try_from(sum).unwrap_or(u64::MAX))
    }
}

/// The prices of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<(Pattern, Price)>);

impl Prices {
    /// Of patterns of this provider's own names for models.
    #[must_use]
    pub fn new(mut entries: Vec<(Pattern, Price)>) -> Prices {
        // What says more stands first: a name without a star, then the longer pattern.
        entries.sort_by(|(one, _), (other, _)| {
            let rank = |pattern: &Pattern| (pattern.0.contains('*'), std::cmp::Reverse(pattern.0.len()));
            rank(one).cmp(&rank(other)).then_with(|| one.0.cmp(&other.0))
        });
        Prices(entries)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The price of a model, by this provider's own name for it: of the longest pattern that fits.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.0.iter().find(|(pattern, _)| pattern.fits(model.as_bytes())).map(|(_, price)| price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: u64) -> Price {
        Price { input: PicoUsd(input), cached_input: None, output: PicoUsd(10 * input) }
    }

    #[test]
    fn the_entry_that_says_most_of_a_model_is_its_price() {
        let named = |pattern: &str, input| (Pattern(pattern.to_owned()), price(input));
        let prices = Prices::new(vec![named("*", 1), named("deepseek-*", 2), named("deepseek-chat", 3)]);
        let of = |model: &str| prices.of(model).map(|price| price.input.0);
        assert_eq!([of("gpt-4"), of("deepseek-r1"), of("deepseek-chat")], [Some(1), Some(2), Some(3)]);
        assert_eq!(Prices::new(vec![named("gpt-*", 1)]).of("claude"), None);
    }

    #[test]
    fn cached_tokens_have_their_own_price_and_the_rest_the_usual_one() {
        let price = Price { input: PicoUsd(280_000), cached_input: Some(PicoUsd(28_000)), output: PicoUsd(420_000) };
        let usage = Usage { input: 1000, output: 100, cached: 400, reasoning: 50 };
        assert_eq!(price.of(usage), PicoUsd(600 * 280_000 + 400 * 28_000 + 100 * 420_000));
        // A provider that counts more from its cache than it read has read at least that much.
        assert_eq!(price.of(Usage { input: 10, cached: 20, ..Usage::default() }), PicoUsd(10 * 28_000));
        assert_eq!(price.of(Usage { input: u64::MAX, output: u64::MAX, ..usage }), PicoUsd(u64::MAX));
    }
}

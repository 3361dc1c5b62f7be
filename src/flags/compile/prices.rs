//! What the tokens of a provider cost.
//!
//! Read as decimals, digit by digit, and held exactly. A pattern that can never count is a warning. Invariant: no price
//! is a default: what the file does not price has no price.

use super::super::place::At;
use super::super::scalar::{Wrong, micro_usd};
use super::findings::Findings;
use crate::decide::policy::{Pattern, Price, Prices};
use crate::decide::units::PicoUsd;

/// The prices that stand at a place.
pub(super) fn prices(at: &At, findings: &mut Findings<'_>) -> Prices {
    if at.fits() && at.entries().is_empty() {
        findings.error(at, "there is no price", "name a model, such as `\"*\": { input: 1, output: 4 }`, or remove it");
    }
    let mut entries = Vec::new();
    for (model, at) in at.named() {
        if model.trim().is_empty() {
            findings.error(&at.name(), "a blank name of a model", "write a name, or `*` for all models");
            continue;
        }
        let mut amount = |key: &str| findings.given(&at.key(key), per_token);
        let (input, cached_input, output) = (amount("input"), amount("cached_input"), amount("output"));
        if let (Some(input), Some(output)) = (input, output) {
            if cached_input.is_some_and(|cached| cached > input) {
                let problem = "a token from the cache costs more than any other: is it the right way round?";
                findings.warn(&at.key("cached_input"), problem);
            }
            entries.push((Pattern(model.to_owned()), Price { input, cached_input, output }));
        }
    }
    Prices::new(entries)
}

/// USD for a million tokens are as many pico-USD a token as they are micro-USD.
fn per_token(text: &str) -> Result<PicoUsd, Wrong> {
    micro_usd(text).map(PicoUsd)
}

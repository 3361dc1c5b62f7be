//! Whether the canary is worse than stable, by the arm that each event happened on.
//!
//! Given that an event happened, it happened on the canary with a probability of at most `theta = rho * pi / (1 - pi +
//! rho * pi)`, if the canary's rate is at most `rho` times stable's; `pi` is the canary's share of the requests. That
//! holds whatever the two rates are and however they move together, so an outage of both cancels out (the conditioning
//! of Lindon and Malek, "Anytime-valid inference for multinomial count data", 2022). Each alternative (a multiple `a`
//! of `rho`) sums the likelihood ratios over every moment at which the change may have come, `R <- (R + mass) * L`: a
//! Shiryaev-Roberts e-detector with weights (Shin, Ramdas and Rinaldo, "E-detectors", 2023). As the masses sum to at
//! most 1, the probability that the mean of the `R` ever reaches `1 / alpha` by chance is at most `alpha` (Ville),
//! however often it is evaluated. Gains are limited by a token bucket each: a short burst of any size does not decide
//! alone. Limiting gains keeps the bound.

use serde::{Deserialize, Serialize};

use super::constants::{ALTERNATIVES, Constants};
use super::numbers::fading;

/// What is compared, and by how much it may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Up to this multiple of stable's rate the canary is not worse.
    pub tolerated_ratio: f64,
    /// By how much slower evidence gathers.
    pub patience: f64,
    /// Over which time the background mass is spread, in seconds.
    pub horizon: f64,
}

/// How long a tick was, and what is left of the share that was measured before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elapsed {
    seconds: f64,
    fade: f64,
}

impl Elapsed {
    /// This many seconds. The same for all aspects, since computing a power costs as much as the rest of a quiet tick.
    #[must_use]
    pub fn new(constants: &Constants, seconds: f64) -> Elapsed {
        Elapsed { seconds, fade: fading(seconds, constants.share_half_life) }
    }
}

/// The requests and the events of both arms in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventCounts {
    /// Requests of stable.
    pub stable: f64,
    /// Events among them.
    pub stable_events: f64,
    /// Requests of the canary.
    pub canary: f64,
    /// Events among them.
    pub canary_events: f64,
}

/// What was gathered so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelativeDetector {
    evidence: [f64; ALTERNATIVES],
    tokens: [f64; ALTERNATIVES],
    // Requests of both arms, fading: what the share is measured by.
    stable: f64,
    canary: f64,
    seconds: f64,
    mass: f64,
}

impl RelativeDetector {
    /// Nothing yet.
    #[must_use]
    pub const fn new(constants: &Constants) -> RelativeDetector {
        RelativeDetector {
            evidence: [0.0; ALTERNATIVES],
            tokens: [constants.burst; ALTERNATIVES],
            stable: 0.0,
            canary: 0.0,
            seconds: 0.0,
            mass: constants.mass_start,
        }
    }

    /// It is more likely that the change comes with the next tick than it was.
    pub fn add_mass(&mut self, mass: f64) {
        self.mass += mass;
    }

    /// Another share is in force: measurements of the old one do not apply to it.
    pub fn forget_share(&mut self) {
        (self.stable, self.canary) = (0.0, 0.0);
    }

    /// The canary's share of the requests: as measured, drawn towards the nominal one while few were seen.
    #[must_use]
    pub fn share(&self, constants: &Constants, nominal: f64) -> f64 {
        (constants.share_prior * nominal + self.canary) / (constants.share_prior + self.stable + self.canary)
    }

    /// One tick; returns the evidence, as a multiple of what chance alone would bring.
    pub fn update(
        &mut self,
        constants: &Constants,
        comparison: &Comparison,
        passed: &Elapsed,
        nominal: f64,
        seen: &EventCounts,
    ) -> f64 {
        let Elapsed { seconds, fade } = *passed;
        self.stable = self.stable * fade + seen.stable;
        self.canary = self.canary * fade + seen.canary;

        let (began, ended) = (self.seconds, self.seconds + seconds);
        let spent = |at: f64| at / (comparison.horizon + at);
        let mass = self.mass + constants.mass_background * (spent(ended) - spent(began));
        (self.mass, self.seconds) = (0.0, ended);

        let patient = seconds / comparison.patience;
        for (tokens, refill) in self.tokens.iter_mut().zip(constants.refill) {
            *tokens = (*tokens + refill * patient).min(constants.burst);
        }
        for evidence in &mut self.evidence {
            *evidence += mass;
        }
        // What is usual needs no logarithm.
        if seen.stable_events + seen.canary_events > 0.0 {
            self.weigh(constants, comparison.tolerated_ratio, nominal, seen);
        }
        for evidence in &mut self.evidence {
            *evidence = evidence.min(constants.evidence_cap);
        }
        self.evidence()
    }

    fn weigh(&mut self, constants: &Constants, ratio: f64, nominal: f64, seen: &EventCounts) {
        let share = self.share(constants, nominal);
        let theta = ratio * share / (1.0 - share + ratio * share);
        let events = seen.stable_events + seen.canary_events;
        for (k, alternative) in constants.alternatives.iter().enumerate() {
            let bad = if seen.canary_events == 0.0 { 0.0 } else { seen.canary_events * alternative.ln() };
            let gain = (bad - events * (theta * (alternative - 1.0)).ln_1p()).min(self.tokens[k]);
            // A loss gives tokens back, so that only the net gain is limited.
            self.tokens[k] = (self.tokens[k] - gain).min(constants.burst);
            self.evidence[k] *= gain.exp();
        }
    }

    /// The evidence now.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "five")]
    pub fn evidence(&self) -> f64 {
        self.evidence.iter().sum::<f64>() / ALTERNATIVES as f64
    }

    /// The alternative with the most evidence, as a multiple of what is tolerated.
    #[must_use]
    pub fn likeliest(&self, constants: &Constants) -> f64 {
        let mut likeliest = (0.0, 1.0);
        for (evidence, alternative) in self.evidence.iter().zip(constants.alternatives) {
            if *evidence > likeliest.0 {
                likeliest = (*evidence, alternative);
            }
        }
        likeliest.1
    }

    #[cfg(test)]
    pub(super) fn numbers(&self) -> ([f64; ALTERNATIVES], [f64; ALTERNATIVES]) {
        (self.evidence, self.tokens)
    }
}

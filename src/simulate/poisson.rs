//! How many requests come in a while: exact draws from a Poisson distribution.
//!
//! A table for one mean, built once and drawn from a million times, since the rates of a simulated rollout change
//! rarely and its seconds are many. The weights are built outwards from the likeliest count by the ratios of
//! neighbours, so no factorial or logarithm of one is needed; what has less than 1e-20 of the largest weight is left
//! out, which no random number of 53 bits could tell. Invariant: one random number a draw, whatever the mean is (see
//! [`Inversion`]).

use super::inversion::Inversion;

/// A mean above this is taken for this: its table would be too large to be of use.
const LARGEST: f64 = 1e8;
/// Weights below this part of the largest are left out.
const LEAST: f64 = 1e-20;

/// The counts around one mean.
#[derive(Clone, Debug)]
pub struct Poisson {
    first: u32,
    counts: Inversion,
}

impl Poisson {
    /// Draws with this mean; below zero, or no number, is zero.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1e8")]
    pub fn new(mean: f64) -> Poisson {
        let mean = if mean > 0.0 { mean.min(LARGEST) } else { 0.0 };
        let likeliest = mean.floor();
        let mut weights = Vec::new();
        let (mut count, mut weight) = (likeliest, 1.0);
        while weight >= LEAST {
            weights.push(weight);
            weight *= count / mean;
            count -= 1.0;
        }
        // Below zero the weight was zero, unless the mean itself was.
        weights.truncate(likeliest as usize + 1);
        let first = likeliest as u32 + 1 - weights.len() as u32;
        weights.reverse();
        (count, weight) = (likeliest + 1.0, mean / (likeliest + 1.0));
        while weight >= LEAST {
            weights.push(weight);
            count += 1.0;
            weight *= mean / count;
        }
        Poisson { first, counts: Inversion::new(&weights) }
    }

    /// A count at random.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> u32 {
        self.first + self.counts.draw(rng)
    }

    /// The count below which this part of all draws lies.
    #[must_use]
    pub fn quantile(&self, chance: f64) -> u32 {
        self.first + self.counts.place(chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    fn draws(mean: f64) -> Vec<u32> {
        let (poisson, mut rng) = (Poisson::new(mean), fastrand::Rng::with_seed(1));
        (0..DRAWS).map(|_| poisson.draw(&mut rng)).collect()
    }

    #[test]
    fn mean_and_variance_are_the_mean() {
        for mean in [0.001, 0.02, 0.5, 1.0, 4.98, 44.8, 300.5, 2000.0, 1_200_000.0] {
            let draws = draws(mean);
            let n = f64::from(DRAWS);
            let average = draws.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = draws.iter().map(|&x| (f64::from(x) - average).powi(2)).sum::<f64>() / n;
            assert!((average - mean).abs() < 4.5 * (mean / n).sqrt(), "{mean}: {average}");
            // The variance of the sample's variance is (mean + 2 mean^2) / n.
            let spread = ((mean + 2.0 * mean * mean) / n).sqrt();
            assert!((variance - mean).abs() < 4.5 * spread, "{mean}: {variance}");
        }
    }

    #[test]
    fn each_count_comes_as_often_as_it_should() {
        for mean in [0.7, 6.5, 80.0, 1234.5] {
            let mut seen = std::collections::BTreeMap::<u32, f64>::new();
            for count in draws(mean) {
                *seen.entry(count).or_default() += 1.0;
            }
            // The chance of a count by its logarithm, a way of its own.
            let mut log = -mean;
            let (mut chi, mut cells, mut rest_seen, mut rest) = (0.0, 0.0, f64::from(DRAWS), f64::from(DRAWS));
            for count in 0..4000_u32 {
                if count > 0 {
                    log += (mean / f64::from(count)).ln();
                }
                let expected = log.exp() * f64::from(DRAWS);
                if expected >= 10.0 {
                    let seen = seen.get(&count).copied().unwrap_or(0.0);
                    chi += (seen - expected).powi(2) / expected;
                    (cells, rest_seen, rest) = (cells + 1.0, rest_seen - seen, rest - expected);
                }
            }
            chi += (rest_seen - rest).powi(2) / rest;
            assert!((chi - cells).abs() < 4.5 * (2.0_f64 * cells).sqrt(), "{mean}: {chi} over {cells} cells");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_distribution() {
        let poisson = Poisson::new(1.0);
        let e = (-1.0_f64).exp();
        assert_eq!([0.0, e - 1e-12, e + 1e-12, 2.0 * e + 1e-12].map(|chance| poisson.quantile(chance)), [0, 0, 1, 2]);
        assert_eq!(Poisson::new(1e4).quantile(0.5), 10_000);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for mean in [0.0, -1.0, f64::NAN, 1e-30] {
            assert_eq!(Poisson::new(mean).quantile(1.0 - f64::EPSILON / 2.0), 0, "{mean}");
        }
    }
}

//! Draws from the normal distribution, for what is spread around something.
//!
//! By a radius and an angle (G. E. P. Box and M. E. Muller, 1958), of which one of the two results is used: two random
//! numbers and a logarithm a draw, which is dear beside a table and cheap beside a request. Always a number: the
//! radius is taken from (0, 1], never from zero.

/// A draw with mean 0 and deviation 1.
pub fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_deviation_and_tails_are_as_they_should_be() {
        let mut rng = fastrand::Rng::with_seed(2);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / 1e5;
        let beyond = draws.iter().filter(|draw| **draw > 1.645).count();
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean}, {variance}");
        assert!((4700..5300).contains(&beyond), "{beyond}");
    }
}

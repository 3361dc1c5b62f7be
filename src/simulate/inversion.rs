//! Drawing from a table of chances by inverting their sums.
//!
//! Owns the sums and a guide into them, which says for each even part of [0, 1) where the search begins; it ends after
//! two steps on average, however long the table is. Each draw takes exactly one random number, so that generators
//! which draw from different tables stay in step: the same luck meets different odds. Refuses nothing: weights that are
//! no numbers or below zero weigh nothing, and a table without any weight always gives its first place.

/// A table of chances.
#[derive(Clone, Debug)]
pub struct Inversion {
    sums: Box<[f64]>,
    guide: Box<[u32]>,
}

impl Inversion {
    /// Place `i` is drawn with a chance in proportion to weight `i`.
    #[must_use]
    pub fn new(weights: &[f64]) -> Inversion {
        let weight = |weight: &f64| weight.max(0.0);
        let total: f64 = weights.iter().map(weight).sum();
        let mut sum = 0.0;
        let mut sums: Vec<f64> = Vec::with_capacity(weights.len().max(1));
        for each in weights {
            sum += weight(each);
            sums.push(if total > 0.0 { sum / total } else { 1.0 });
        }
        // Above every random number, whatever the rounding was: the search always ends, where something weighs.
        match weights.iter().rposition(|weight| *weight > 0.0) {
            Some(last) => sums[last..].fill(f64::INFINITY),
            None if sums.is_empty() => sums.push(f64::INFINITY),
            None => {}
        }
        let parts = sums.len();
        let mut guide = Vec::with_capacity(parts);
        let mut place = 0_u32;
        for part in 0..parts {
            let from = part as f64 / parts as f64;
            while sums[place as usize] <= from {
                place += 1;
            }
            guide.push(place);
        }
        Inversion { sums: sums.into(), guide: guide.into() }
    }

    /// The place that this number, at least 0 and below 1, falls into.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is then held inside")]
    pub fn place(&self, chance: f64) -> u32 {
        let part = (chance * self.guide.len() as f64) as usize;
        let mut place = self.guide[part.min(self.guide.len() - 1)];
        while self.sums[place as usize] <= chance {
            place += 1;
        }
        place
    }

    /// A place at random.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> u32 {
        self.place(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_falls_into_the_place_that_its_sum_says() {
        let table = Inversion::new(&[1.0, 0.0, 2.0, 1.0]);
        let places = [0.0, 0.249, 0.25, 0.5, 0.749, 0.75, 1.0 - f64::EPSILON / 2.0].map(|chance| table.place(chance));
        assert_eq!(places, [0, 0, 2, 2, 2, 3, 3]);
    }

    #[test]
    fn odd_tables_give_a_place_all_the_same() {
        for weights in [&[][..], &[0.0], &[f64::NAN, -1.0], &[3.0]] {
            assert_eq!(Inversion::new(weights).place(0.999_999), 0, "{weights:?}");
        }
    }

    #[test]
    fn every_place_comes_as_often_as_it_weighs() {
        let weights: Vec<f64> = (1..=200).map(|rank| 1.0 / f64::from(rank)).collect();
        let total: f64 = weights.iter().sum();
        let table = Inversion::new(&weights);
        let mut rng = fastrand::Rng::with_seed(4);
        let mut seen = vec![0.0; weights.len()];
        let draws = 400_000.0;
        for _ in 0..400_000 {
            seen[table.draw(&mut rng) as usize] += 1.0;
        }
        let chi: f64 = weights
            .iter()
            .zip(&seen)
            .map(|(weight, seen)| {
                let expected = draws * weight / total;
                (seen - expected) * (seen - expected) / expected
            })
            .sum();
        // 199 degrees of freedom: mean 199, standard deviation 20.
        assert!((120.0..280.0).contains(&chi), "{chi}");
    }
}

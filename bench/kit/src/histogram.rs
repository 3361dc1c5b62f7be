//! Durations in buckets that are at most 1/32 wide, from 32 ns on.

const PER_OCTAVE: u64 = 32;

/// Counts of durations in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; 64 * PER_OCTAVE as usize], total: 0 }
    }

    pub fn add(&mut self, nanoseconds: u64) {
        let value = nanoseconds.max(PER_OCTAVE);
        let octave = u64::from(value.ilog2());
        let within = (value >> (octave - 5)) & (PER_OCTAVE - 1);
        self.counts[(octave * PER_OCTAVE + within) as usize] += 1;
        self.total += 1;
    }

    /// In microseconds; `None`: nothing was measured.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut so_far = 0;
        let bucket = self.counts.iter().position(|count| {
            so_far += count;
            so_far >= wanted
        })? as u64;
        let (octave, within) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
        let middle = (PER_OCTAVE + within) as f64 + 0.5;
        Some(middle * 2_f64.powi(octave as i32 - 5) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_bucket_of_the_value() {
        let mut histogram = Histogram::new();
        (1..=1000_u64).for_each(|value| histogram.add(value * 1000));
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let (found, exact) = (histogram.quantile(share).unwrap(), 1000.0 * share);
            assert!((found - exact).abs() <= exact / 32.0 + 0.02, "{share}: {found}");
        }
        assert_eq!(Histogram::new().quantile(0.5), None);
    }
}

//! Rules from the literature, to compare with: not part of Serin, so they live here and not in its binary.

pub(crate) mod cusum;
pub(crate) mod labels;
pub(crate) mod msprt;
pub(crate) mod safe_test;
mod share;
pub(crate) mod wilson;

#[cfg(test)]
mod tests {
    use serin::simulate::rule::{Detector, SimulatedArm, TickCounts};

    use super::labels::Labels;
    use super::msprt::Msprt;
    use super::safe_test::SafeTest;

    fn tells_worse_from_equal<J: Detector + Default>() {
        let seen = |errors| TickCounts {
            seconds: 1.0,
            share: 0.1,
            stable: SimulatedArm::counted(897, 3),
            canary: SimulatedArm::counted(100 - errors, errors),
            ..TickCounts::default()
        };
        let mut rule = J::default();
        // A third of a failure in a hundred requests, as stable has.
        assert!((0..3000).all(|tick| !rule.is_bad(&seen(u32::from(tick % 3 == 0)))));
        assert!((0..100).any(|_| rule.is_bad(&seen(30))));
        assert!((0..100).all(|_| !J::default().is_bad(&seen(0))));
    }

    #[test]
    fn equal_rates_go_on_and_a_worse_canary_goes_back() {
        tells_worse_from_equal::<Labels>();
        tells_worse_from_equal::<Msprt>();
        tells_worse_from_equal::<SafeTest>();
    }
}

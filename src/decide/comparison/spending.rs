//! What copies cost on a day, and whether another one fits in.
//!
//! Each copy reserves what it may cost before it is sent, and is settled by what it took. A day is one of UTC.
//! Invariant: what was spent and what is reserved never exceed the limit together, unless an answer takes more than it
//! was reserved for; then nothing is sent until the day is over.

use serde::{Deserialize, Serialize};

use crate::decide::units::PicoUsd;
use crate::decide::units::UnixMillis;

const DAY: u64 = 86_400_000;

/// The money of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spending {
    /// Days since 1970.
    day: u64,
    /// In pico-USD.
    spent: u64,
    /// For copies that are under way: gone with the process.
    #[serde(skip)]
    reserved: u64,
}

impl Spending {
    /// Takes what a copy may cost; false: it does not fit.
    pub fn reserve(&mut self, estimate: PicoUsd, most: PicoUsd, now: UnixMillis) -> bool {
        self.begin_day(now);
        let sum = self.spent.saturating_add(self.reserved).saturating_add(estimate.0);
        let fits = sum <= most.0;
        self.reserved += if fits { estimate.0 } else { 0 };
        fits
    }

    /// The copy that reserved this has ended, and cost that.
    pub fn settle(&mut self, reserved: PicoUsd, cost: PicoUsd, now: UnixMillis) {
        self.begin_day(now);
        self.reserved = self.reserved.saturating_sub(reserved.0);
        self.spent = self.spent.saturating_add(cost.0);
    }

    /// What was spent today.
    #[must_use]
    pub const fn today(&self, now: UnixMillis) -> PicoUsd {
        PicoUsd(if self.day == now.0 / DAY { self.spent } else { 0 })
    }

    fn begin_day(&mut self, now: UnixMillis) {
        let day = now.0 / DAY;
        // A clock that was set back begins no second day of the same date; one that was far ahead ends no spending.
        if day > self.day || day + 1 < self.day {
            (self.day, self.spent) = (day, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_ends_and_a_clock_that_is_set_back_pays_twice_for_nothing() {
        let (mut spending, now) = (Spending::default(), UnixMillis(10 * DAY));
        assert!(spending.reserve(PicoUsd(60), PicoUsd(100), now));
        assert!(!spending.reserve(PicoUsd(60), PicoUsd(100), now));
        spending.settle(PicoUsd(60), PicoUsd(50), now);
        assert!(spending.reserve(PicoUsd(50), PicoUsd(100), now));
        assert_eq!(spending.today(now), PicoUsd(50));
        assert!(!spending.reserve(PicoUsd(1), PicoUsd(100), UnixMillis(9 * DAY)));
        assert!(spending.reserve(PicoUsd(50), PicoUsd(100), UnixMillis(11 * DAY)), "another day");
        spending.settle(PicoUsd(100), PicoUsd(100), UnixMillis(9000 * DAY));
        assert!(!spending.reserve(PicoUsd(1), PicoUsd(100), UnixMillis(9000 * DAY)));
        assert!(spending.reserve(PicoUsd(50), PicoUsd(100), UnixMillis(11 * DAY)), "the clock was far ahead");
    }

    proptest! {
        #[test]
        fn the_limit_is_held_while_answers_take_what_was_reserved(
            copies in proptest::collection::vec((1_u64..50, 0_u64..=100, 0_usize..4), 1..200),
            most in 1_u64..500,
        ) {
            let (mut spending, now, mut open, mut spent) = (Spending::default(), UnixMillis(DAY), Vec::new(), 0);
            for (estimate, taken, ended) in copies {
                if spending.reserve(PicoUsd(estimate), PicoUsd(most), now) {
                    open.push((estimate, estimate * taken / 100));
                }
                if ended < open.len() {
                    let (reserved, cost) = open.remove(ended);
                    spending.settle(PicoUsd(reserved), PicoUsd(cost), now);
                    spent += cost;
                }
                prop_assert_eq!(spending.today(now), PicoUsd(spent));
                prop_assert!(spent + open.iter().map(|(reserved, _)| reserved).sum::<u64>() <= most);
            }
        }
    }
}

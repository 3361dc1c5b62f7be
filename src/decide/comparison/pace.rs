//! How many copies may be sent in a minute.
//!
//! A window that slides: each copy that was sent in the last minute is known by its time, so that no minute whatever
//! has more than allowed. Bounded by the number itself. Time is a parameter.

use std::collections::VecDeque;

use crate::decide::units::Millis;

const MINUTE: Millis = Millis(60_000);

/// The copies of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    sent: VecDeque<Millis>,
}

impl Pace {
    /// Whether another may be sent now; it then counts as sent.
    pub fn admit(&mut self, per_minute: u32, now: Millis) -> bool {
        while self.sent.front().is_some_and(|sent| now.since(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        let fits = self.sent.len() < usize::try_from(per_minute).unwrap_or(usize::MAX);
        if fits {
            self.sent.push_back(now);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_has_more_than_allowed(
            steps in proptest::collection::vec(0_u64..20_000, 1..400),
            per_minute in 1_u32..40,
        ) {
            let (mut pace, mut now, mut sent) = (Pace::default(), 0, Vec::new());
            for step in steps {
                now += step;
                if pace.admit(per_minute, Millis(now)) {
                    sent.push(now);
                }
            }
            for (index, from) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|at| **at < from + MINUTE.0).count();
                prop_assert!(within <= per_minute as usize);
            }
            prop_assert!(pace.sent.len() <= per_minute as usize);
        }

        #[test]
        fn what_is_asked_slowly_enough_is_always_admitted(per_minute in 1_u32..40, times in 1_u64..200) {
            let mut pace = Pace::default();
            let interval = MINUTE.0.div_ceil(u64::from(per_minute));
            prop_assert!((0..times).all(|turn| pace.admit(per_minute, Millis(turn * interval))));
        }
    }
}

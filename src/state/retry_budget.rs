//! The retry budget of one rollout, shared by all cores and kept over reloads.
//!
//! A core adds up what its own requests earn, with plain relaxed loads and stores in a cache line of its own. Only a
//! repeat, which is rare, reads what all have earned and changes what they share. Knows no policy and no price:
//! [`decide::retry_tokens`](crate::decide::retry_tokens) defines them. Invariants: no core waits for another, only
//! requests fill a budget, and a repeat that two cores afford at once is owed by both.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::counters::Core;
use crate::decide::retry_tokens::{AT_THE_START, affords, after_repeat, earned_by_request};
use crate::decide::units::Percent;

/// What all cores may still spend.
#[derive(Debug)]
pub struct RetryBudget {
    earned: Box<[Earned]>,
    spent: AtomicU64,
}

/// What the requests of one core have earned.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Earned(AtomicU64);

impl RetryBudget {
    /// Of a new rollout, for this many cores.
    #[must_use]
    pub fn full(cores: usize) -> RetryBudget {
        let earned: Box<[Earned]> = (0..cores).map(|_| Earned::default()).collect();
        if let Some(first) = earned.first() {
            first.0.store(AT_THE_START, Relaxed);
        }
        RetryBudget { earned, spent: AtomicU64::new(0) }
    }

    fn earned(&self) -> u64 {
        self.earned.iter().map(|core| core.0.load(Relaxed)).sum()
    }

    /// A request came to this core. Only the owning core may call this.
    pub fn earn(&self, core: Core, share: Percent) {
        let mine = &self.earned[usize::from(core.0)].0;
        mine.store(mine.load(Relaxed) + earned_by_request(share), Relaxed);
    }

    /// Whether a repeat can be afforded.
    #[must_use]
    pub fn affords(&self) -> bool {
        affords(self.earned(), self.spent.load(Relaxed))
    }

    /// A request is repeated.
    pub fn spend(&self) {
        let earned = self.earned();
        let mut spent = self.spent.load(Relaxed);
        while let Err(now) = self.spent.compare_exchange_weak(spent, after_repeat(earned, spent), Relaxed, Relaxed) {
            spent = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    fn percent(whole: u16) -> Percent {
        Percent::from_hundredths(whole * 100).unwrap()
    }

    /// How many repeats are left; they are spent.
    fn left(budget: &RetryBudget) -> usize {
        std::iter::repeat_with(|| (budget.affords(), budget.spend()))
            .take(100)
            .take_while(|(affords, ())| *affords)
            .count()
    }

    fn spend_all(budget: &RetryBudget) -> usize {
        let mut spent = 0;
        while budget.affords() && spent < 1000 {
            budget.spend();
            spent += 1;
        }
        spent
    }

    #[test]
    fn a_new_one_is_full_and_what_is_spent_comes_back_with_requests_only() {
        let budget = RetryBudget::full(1);
        assert_eq!((spend_all(&budget), spend_all(&budget)), (10, 0));
        (0..100).for_each(|_| budget.earn(Core(0), Percent::ZERO));
        assert_eq!(spend_all(&budget), 0);
        (0..31).for_each(|_| budget.earn(Core(0), percent(10)));
        assert_eq!(spend_all(&budget), 3, "a tenth of 31 requests");
    }

    #[test]
    fn what_one_core_earns_another_may_spend_and_no_more_than_ten_are_saved() {
        let budget = RetryBudget::full(2);
        assert_eq!(spend_all(&budget), 10);
        (0..11).for_each(|_| budget.earn(Core(0), percent(10)));
        (0..11).for_each(|_| budget.earn(Core(1), percent(10)));
        assert_eq!(spend_all(&budget), 2);
        (0..10_000).for_each(|_| budget.earn(Core(1), percent(100)));
        assert_eq!(spend_all(&budget), 10);
    }

    #[test]
    fn a_repeat_beyond_the_budget_is_owed() {
        let budget = RetryBudget::full(1);
        assert_eq!(left(&budget), 10, "and one more was taken");
        (0..11).for_each(|_| budget.earn(Core(0), percent(10)));
        assert_eq!(spend_all(&budget), 0);
        (0..11).for_each(|_| budget.earn(Core(0), percent(10)));
        assert_eq!(spend_all(&budget), 1);
    }

    /// Cores earn and spend at once: over all of it, repeats stay within the share and what was saved.
    #[test]
    fn cores_share_it() {
        const CORES: u16 = 8;
        let (budget, repeats) = (RetryBudget::full(usize::from(CORES)), AtomicUsize::new(0));
        thread::scope(|scope| {
            for core in (0..CORES).map(Core) {
                let (budget, repeats) = (&budget, &repeats);
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        budget.earn(core, percent(10));
                        if budget.affords() {
                            budget.spend();
                            repeats.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        let repeats = repeats.into_inner();
        // Each core may have taken one on credit at the very end.
        assert!(repeats <= 80_000 / 10 + 10 + usize::from(CORES), "{repeats}");
        assert!(repeats >= 7900, "{repeats}");
    }
}

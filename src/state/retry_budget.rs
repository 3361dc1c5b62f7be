//! The retry budget of one rollout, kept over reloads.
//!
//! A core earns and spends its own share only, hence plain relaxed loads and stores, and one cell per cache line. Knows
//! no policy and no price: [`decide::retry`](crate::decide::retry) defines what a request earns and what a retry costs.
//! Invariants: no core spends what another has saved, and only requests fill a budget.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::counters::Core;
use crate::decide::retry::RetryTokens;
use crate::decide::units::Percent;

/// The shares of all cores.
#[derive(Debug)]
pub struct RetryBudget(Box<[CoreBudget]>);

// A packed `RetryTokens`.
#[derive(Debug)]
#[repr(align(128))]
struct CoreBudget(AtomicU32);

impl CoreBudget {
    fn get(&self) -> RetryTokens {
        RetryTokens::unpack(self.0.load(Relaxed))
    }

    fn set(&self, budget: RetryTokens) {
        self.0.store(budget.pack(), Relaxed);
    }
}

impl RetryBudget {
    /// Of a new rollout, for this many cores.
    #[must_use]
    pub fn full(cores: usize) -> RetryBudget {
        RetryBudget((0..cores).map(|_| CoreBudget(AtomicU32::new(RetryTokens::full().pack()))).collect())
    }

    fn share(&self, core: Core) -> &CoreBudget {
        &self.0[usize::from(core.0)]
    }

    /// A request came to this core. Only the owning core may call this.
    pub fn earn(&self, core: Core, share: Percent) {
        let mine = self.share(core);
        mine.set(mine.get().earn(share));
    }

    /// Whether this core can afford a repeat.
    #[must_use]
    pub fn affords(&self, core: Core) -> bool {
        self.share(core).get().spend().is_some()
    }

    /// This core repeats a request, where it can afford that. Only the owning core may call this.
    pub fn spend(&self, core: Core) {
        let mine = self.share(core);
        if let Some(left) = mine.get().spend() {
            mine.set(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn percent(whole: u16) -> Percent {
        Percent::from_hundredths(whole * 100).unwrap()
    }

    /// How many repeats are left to a core; they are spent.
    fn left(budget: &RetryBudget, core: Core) -> usize {
        std::iter::repeat_with(|| (budget.affords(core), budget.spend(core)))
            .take_while(|(affords, ())| *affords)
            .take(100)
            .count()
    }

    #[test]
    fn a_new_one_is_full_and_what_is_spent_comes_back_with_requests_only() {
        let budget = RetryBudget::full(1);
        assert_eq!((left(&budget, Core(0)), left(&budget, Core(0))), (10, 0));
        (0..100).for_each(|_| budget.earn(Core(0), Percent::ZERO));
        assert_eq!(left(&budget, Core(0)), 0);
        (0..29).for_each(|_| budget.earn(Core(0), percent(10)));
        assert_eq!(left(&budget, Core(0)), 2, "a tenth of 29 requests");
    }

    /// Each core spends all of its own while the others do; nobody loses a repeat and nobody gains one.
    #[test]
    fn cores_do_not_spend_each_others() {
        const CORES: u16 = 8;
        let budget = RetryBudget::full(usize::from(CORES));
        thread::scope(|scope| {
            for core in (0..CORES).map(Core) {
                let budget = &budget;
                scope.spawn(move || {
                    assert_eq!(left(budget, core), 10);
                    for round in 1..1000 {
                        (0..10).for_each(|_| budget.earn(core, percent(10 + core.0 * 10)));
                        assert_eq!(left(budget, core), usize::from(core.0) + 1, "round {round}");
                    }
                });
            }
        });
    }
}

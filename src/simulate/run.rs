//! Many runs on all cores, with the same result on any number of them.
//!
//! Each run has a number, and its seed is the first seed plus this number. Cores take the next number when they are
//! free, and the results come back in the order of numbers, so how many cores there were, and which was quicker, is
//! nowhere to be seen. Owns the threads; a run that panics ends them all with its panic.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many runs, and from which seed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// How many.
    pub count: usize,
    /// The seed of the first; the next has the next.
    pub seed: u64,
    /// On so many cores.
    pub threads: NonZero<usize>,
}

impl Runs {
    /// So many, on all the cores that the process may use.
    #[must_use]
    pub fn new(count: usize, seed: u64) -> Runs {
        Runs { count, seed, threads: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN) }
    }

    /// Runs each seed. `progress` hears how many are done, from any thread, each number once.
    pub fn each<T: Send>(&self, run: impl Fn(u64) -> T + Sync, progress: impl Fn(usize) + Sync) -> Vec<T> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            let mut results = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= self.count {
                    return results;
                }
                results.push((number, run(self.seed.wrapping_add(number as u64))));
                progress(done.fetch_add(1, Relaxed) + 1);
            }
        };
        let mut results = std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads.get().min(self.count)).map(|_| scope.spawn(work)).collect();
            let mut results = work();
            for other in others {
                results.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            results
        });
        results.sort_by_key(|(number, _)| *number);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_number_of_threads_is_nowhere_to_be_seen() {
        let run = |seed: u64| crate::simulate::traffic::seeded(seed).u64(..);
        let of = |threads| Runs { count: 100, seed: 5, threads: NonZero::new(threads).unwrap() }.each(run, |_| {});
        assert_eq!(of(1), (5..105).map(run).collect::<Vec<_>>());
        assert_eq!(of(1), of(3));
        assert_eq!(of(3), of(500));
        assert!(Runs::new(0, 0).each(run, |_| {}).is_empty());
    }

    #[test]
    fn progress_is_told_once_for_each_run() {
        let reported = Mutex::new(BTreeSet::new());
        let heard = |done| assert!(reported.lock().unwrap().insert(done));
        let _ = Runs::new(20, 0).each(|seed| seed, heard);
        assert_eq!(reported.into_inner().unwrap(), (1..=20).collect());
    }
}

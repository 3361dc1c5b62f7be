//! Blocks of evidence, in which cores count what becomes of requests: a new one for each epoch of a rollout.
//!
//! Each has a number of its own, by which a sample is told from those of every other epoch. Keeps none of them.
//! Invariant: no number is given twice.

use std::cell::Cell;
use std::sync::Arc;

use super::user_pauses::Pauses;
use crate::decide::policy::Guard;
use crate::state::evidence::{Evidence, Terms};
use crate::state::samples::Samples;
use crate::state::withdrawal::Withdrawal;

/// Makes blocks of evidence.
#[derive(Debug)]
pub(in crate::control) struct Blocks {
    /// What cores tell of requests one by one.
    pub(in crate::control) samples: Arc<Samples>,
    cores: usize,
    made: Cell<u64>,
}

impl Blocks {
    pub(in crate::control) fn new(cores: usize) -> Blocks {
        Blocks { samples: Arc::new(Samples::new(cores)), cores, made: Cell::new(0) }
    }

    /// How many were ever made.
    pub(in crate::control) fn made(&self) -> u64 {
        self.made.get()
    }

    /// A block in which nothing was counted yet.
    pub(in crate::control) fn make(
        &self,
        epoch: u64,
        guard: &Guard,
        pauses: &Pauses,
        withdrawal: &Arc<Withdrawal>,
    ) -> Arc<Evidence> {
        self.made.set(self.made.get() + 1);
        let (silence, samples, withdrawal) = (pauses.silence().clone(), self.samples.clone(), withdrawal.clone());
        let terms = Terms { id: self.made.get(), epoch, counting: guard.counting, silence, samples, withdrawal };
        Arc::new(Evidence::new(terms, self.cores))
    }
}

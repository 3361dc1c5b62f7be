//! Creates the evidence blocks in which cores count the outcomes of requests: one for each epoch of a rollout.
//!
//! Each block has a number, which its samples carry, so that samples of different epochs can be told apart. Keeps no
//! block. Invariant: no number is given twice.

use std::cell::Cell;
use std::sync::Arc;

use super::user_pauses::UserPauses;
use crate::decide::policy::Guard;
use crate::state::evidence::{Evidence, EvidenceSetup};
use crate::state::samples::Samples;
use crate::state::withdrawal::Withdrawal;

#[derive(Debug)]
pub(in crate::control) struct EvidenceBlocks {
    /// The queues of samples, one for each core.
    pub(in crate::control) samples: Arc<Samples>,
    cores: usize,
    created: Cell<u64>,
}

impl EvidenceBlocks {
    pub(in crate::control) fn new(cores: usize) -> EvidenceBlocks {
        EvidenceBlocks { samples: Arc::new(Samples::new(cores)), cores, created: Cell::new(0) }
    }

    /// How many blocks were created since the start.
    pub(in crate::control) fn created(&self) -> u64 {
        self.created.get()
    }

    pub(in crate::control) fn create(
        &self,
        epoch: u64,
        guard: &Guard,
        pauses: &UserPauses,
        withdrawal: &Arc<Withdrawal>,
    ) -> Arc<Evidence> {
        self.created.set(self.created.get() + 1);
        let (silence, samples, withdrawal) = (pauses.masks().clone(), self.samples.clone(), withdrawal.clone());
        let terms = EvidenceSetup {
            id: self.created.get(),
            epoch,
            counting: guard.counting,
            pauses: silence,
            samples,
            withdrawal,
        };
        Arc::new(Evidence::new(terms, self.cores))
    }
}

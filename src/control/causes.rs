//! Why attempts failed, for whoever decides, tells or shows it.
//!
//! The causes of an epoch are in its evidence, to which cores add; what became of the requests is known later, and then the
//! epoch may be over. So the last epoch in which an arm failed is kept. Owns no counts. Invariant: what is told of a
//! decision is what was known when it was made.

use std::sync::Arc;

use super::now::Now;
use crate::decide::cause::CauseCount;
use crate::decide::units::Arm;
use crate::state::evidence::Evidence;

/// How many causes are kept of a decision.
const MOST: usize = 8;

/// The last epochs in which attempts failed.
#[derive(Clone, Debug, Default)]
pub(super) struct FailedIn([Option<Arc<Evidence>>; 2]);

impl FailedIn {
    /// Takes the evidence of this epoch for each arm that failed in it.
    pub(super) fn note(&mut self, evidence: &Arc<Evidence>) {
        for arm in [Arm::Stable, Arm::Canary] {
            let known = &mut self.0[arm as usize];
            if evidence.causes.are_known(arm) && known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, evidence)) {
                *known = Some(Arc::clone(evidence));
            }
        }
    }

    /// Why attempts failed, stable's first, the commonest cause first.
    pub(super) fn causes(&self, now: Now) -> [Vec<CauseCount>; 2] {
        [Arm::Stable, Arm::Canary].map(|arm| {
            let evidence = self.0[arm as usize].as_ref();
            evidence.map(|evidence| evidence.causes.of(arm, now.mono, now.unix)).unwrap_or_default()
        })
    }
}

/// Why the canary's requests of an epoch failed, the commonest cause first.
pub(super) fn of_canary(evidence: &Evidence, now: Now) -> Arc<[CauseCount]> {
    let mut causes = evidence.causes.of(Arm::Canary, now.mono, now.unix);
    causes.truncate(MOST);
    causes.into()
}

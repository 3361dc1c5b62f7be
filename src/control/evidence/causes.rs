//! Why requests failed, for whoever decides, tells or shows it.
//!
//! The causes of an epoch are in its evidence, and cores still add to them when the epoch is over, so that the evidence of
//! the last epochs is kept ([`KeptEpochs`]). Of each arm one epoch is shown:
//!
//! * the latest one in which a bucket sent somebody to the canary and a request of that arm failed;
//! * where there is none, the latest one in which a request of that arm failed.
//!
//! For example: at 25% the canary fails (epoch 4), it is rolled back to 0% (epoch 5), and goes on at 10% (epoch 6). The
//! canary's causes of epoch 4 are shown until a request fails there in epoch 6, whatever fails on stable meanwhile. Owns no
//! counts. Invariant: what is told of a decision is what was known when it was made.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::cause::CauseCount;
use crate::decide::units::Arm;
use crate::state::evidence::Evidence;

/// How many causes are kept of a decision.
const MOST: usize = 8;
/// How many epochs are kept.
const MOST_EPOCHS: usize = 8;

/// The evidence of the last epochs, oldest first; an epoch that was over before anybody looked at it is not among them.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct KeptEpochs(VecDeque<Arc<Evidence>>);

impl KeptEpochs {
    /// Takes the evidence of the present epoch.
    pub(in crate::control) fn note(&mut self, evidence: &Arc<Evidence>) {
        if self.0.back().is_some_and(|last| Arc::ptr_eq(last, evidence)) {
            return;
        }
        self.0.push_back(Arc::clone(evidence));
        if self.0.len() > MOST_EPOCHS {
            let shown = [Arm::Stable, Arm::Canary].map(|arm| self.shown(arm).map(Arc::as_ptr));
            if let Some(oldest) = self.0.iter().position(|known| !shown.contains(&Some(Arc::as_ptr(known)))) {
                self.0.remove(oldest);
            }
        }
    }

    fn shown(&self, arm: Arm) -> Option<&Arc<Evidence>> {
        let mut failed = self.0.iter().rev().filter(|evidence| evidence.causes.are_known(arm));
        failed.clone().find(|evidence| is_split(evidence)).or_else(|| failed.next())
    }

    /// Why requests failed, stable's first, the commonest cause first.
    pub(in crate::control) fn causes(&self, now: Now) -> [Vec<CauseCount>; 2] {
        [Arm::Stable, Arm::Canary]
            .map(|arm| self.shown(arm).map(|evidence| evidence.causes.of(arm, now.mono, now.unix)).unwrap_or_default())
    }
}

/// Whether a bucket sent anybody to the canary.
fn is_split(evidence: &Evidence) -> bool {
    evidence.totals(Arm::Canary).exposed.iter().any(|exposed| *exposed > 0)
}

/// Why the canary's requests of an epoch failed, the commonest cause first.
pub(in crate::control) fn of_canary(evidence: &Evidence, now: Now) -> Arc<[CauseCount]> {
    let mut causes = evidence.causes.of(Arm::Canary, now.mono, now.unix);
    causes.truncate(MOST);
    causes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::cause::Cause;
    use crate::decide::outcome::Outcome;
    use crate::decide::policy::Counting;
    use crate::decide::units::{Millis, UnixMillis};
    use crate::state::causes::{Met, Seen};
    use crate::state::counters::Core;

    const NOW: Now = Now { mono: Millis(1000), unix: UnixMillis(1000) };

    fn epoch(number: u64) -> Arc<Evidence> {
        Arc::new(Evidence::alone(number, 1, Counting::default()))
    }

    fn somebody_on_the_canary(evidence: &Evidence) {
        evidence.begin(Core(0), (Arm::Canary, None));
    }

    fn fails(evidence: &Evidence, arm: Arm, status: u16) {
        let cause = Cause::Status { status, kind: None, code: None };
        let seen = Seen { outcome: Outcome::ServerError, cause: &cause, request_id: None };
        evidence.causes.note(arm, &seen, NOW.mono, &mut Met::default());
    }

    /// The statuses that are shown of stable and of the canary.
    fn shown(kept: &KeptEpochs) -> [Vec<u16>; 2] {
        let status = |count: CauseCount| match count.cause {
            Cause::Status { status, .. } => status,
            other => unreachable!("{other:?}"),
        };
        kept.causes(NOW).map(|causes| causes.into_iter().map(status).collect())
    }

    #[test]
    fn what_led_to_a_rollback_stays_until_the_same_arm_fails_with_somebody_on_the_canary() {
        let (mut kept, [bad, back, again]) = (KeptEpochs::default(), [1, 2, 3].map(epoch));
        somebody_on_the_canary(&bad);
        fails(&bad, Arm::Canary, 500);
        fails(&bad, Arm::Stable, 501);
        kept.note(&bad);
        fails(&back, Arm::Stable, 502);
        kept.note(&back);
        assert_eq!(shown(&kept), [vec![501], vec![500]], "nobody is on the canary");
        kept.note(&again);
        somebody_on_the_canary(&again);
        assert_eq!(shown(&kept), [vec![501], vec![500]], "nothing failed yet");
        fails(&again, Arm::Stable, 503);
        assert_eq!(shown(&kept), [vec![503], vec![500]], "each arm has its own");
        fails(&again, Arm::Canary, 504);
        assert_eq!(shown(&kept), [vec![503], vec![504]]);
    }

    #[test]
    fn what_fails_after_its_epoch_is_shown_even_where_nothing_did_before() {
        let (mut kept, [before, back]) = (KeptEpochs::default(), [1, 2].map(epoch));
        somebody_on_the_canary(&before);
        kept.note(&before);
        kept.note(&back);
        assert_eq!(shown(&kept), [Vec::<u16>::new(), Vec::new()]);
        fails(&before, Arm::Canary, 500);
        kept.note(&back);
        assert_eq!(shown(&kept), [vec![], vec![500]]);
    }

    #[test]
    fn where_nobody_ever_was_on_the_canary_the_latest_failures_are_shown() {
        let mut kept = KeptEpochs::default();
        for (number, status) in [(1, 500), (2, 501)] {
            let epoch = epoch(number);
            fails(&epoch, Arm::Stable, status);
            kept.note(&epoch);
        }
        assert_eq!(shown(&kept), [vec![501], vec![]]);
    }

    #[test]
    fn what_is_shown_outlasts_any_number_of_epochs_without_failures() {
        let (mut kept, bad) = (KeptEpochs::default(), epoch(0));
        somebody_on_the_canary(&bad);
        fails(&bad, Arm::Canary, 500);
        kept.note(&bad);
        (1..100).map(epoch).for_each(|epoch| kept.note(&epoch));
        assert_eq!((shown(&kept), kept.0.len()), ([vec![], vec![500]], MOST_EPOCHS));
    }
}

//! Why requests failed, for decisions and for the status.
//!
//! The causes of an epoch are in its evidence block. Cores may add to a block after its epoch has ended, so the blocks
//! of the last epochs are kept ([`RecentEpochs`]). For each arm the causes of one epoch are shown:
//!
//! * the latest one in which a bucket sent users to the canary and a request of that arm failed;
//! * if there is none, the latest one in which a request of that arm failed.
//!
//! For example: at 25% the canary fails (epoch 4), it is rolled back to 0% (epoch 5), and resumed at 10% (epoch 6). The
//! canary's causes of epoch 4 are shown until a request fails there in epoch 6, whatever fails on stable in between.
//! Owns no counts. Invariant: the causes of a decision are those that were known when it was made.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::control::now::Now;
use crate::decide::cause::CauseCount;
use crate::decide::units::Arm;
use crate::state::evidence::Evidence;

/// How many causes a decision keeps.
const MAX_CAUSES: usize = 8;
const MAX_EPOCHS: usize = 8;

/// The evidence blocks of the last epochs, oldest first. An epoch that ended before its first tick is missing.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct RecentEpochs(VecDeque<Arc<Evidence>>);

impl RecentEpochs {
    /// Adds the block of the current epoch.
    pub(in crate::control) fn add(&mut self, evidence: &Arc<Evidence>) {
        if self.0.back().is_some_and(|last| Arc::ptr_eq(last, evidence)) {
            return;
        }
        self.0.push_back(Arc::clone(evidence));
        if self.0.len() > MAX_EPOCHS {
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

    /// Stable's causes first; the most common cause of each first.
    pub(in crate::control) fn causes(&self, now: Now) -> [Vec<CauseCount>; 2] {
        [Arm::Stable, Arm::Canary]
            .map(|arm| self.shown(arm).map(|evidence| evidence.causes.of(arm, now.mono, now.unix)).unwrap_or_default())
    }
}

/// Whether a bucket sent users to the canary.
fn is_split(evidence: &Evidence) -> bool {
    evidence.totals(Arm::Canary).exposed.iter().any(|exposed| *exposed > 0)
}

/// The canary's causes in one epoch, the most common one first.
pub(in crate::control) fn canary_causes(evidence: &Evidence, now: Now) -> Arc<[CauseCount]> {
    let mut causes = evidence.causes.of(Arm::Canary, now.mono, now.unix);
    causes.truncate(MAX_CAUSES);
    causes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::cause::Cause;
    use crate::decide::outcome::Outcome;
    use crate::decide::policy::Counting;
    use crate::decide::units::{Millis, UnixMillis};
    use crate::state::causes::{CauseOccurrence, RequestCauses};
    use crate::state::counters::Core;

    const NOW: Now = Now { mono: Millis(1000), unix: UnixMillis(1000) };

    fn epoch(number: u64) -> Arc<Evidence> {
        Arc::new(Evidence::standalone(number, 1, Counting::default()))
    }

    fn send_a_user_to_the_canary(evidence: &Evidence) {
        evidence.begin(Core(0), (Arm::Canary, None));
    }

    fn fails(evidence: &Evidence, arm: Arm, status: u16) {
        let cause = Cause::Status { status, kind: None, code: None };
        let seen = CauseOccurrence { outcome: Outcome::ServerError, cause: &cause, request_id: None };
        evidence.causes.record(arm, &seen, NOW.mono, &mut RequestCauses::default());
    }

    /// The statuses that are shown of stable and of the canary.
    fn shown(recent: &RecentEpochs) -> [Vec<u16>; 2] {
        let status = |count: CauseCount| match count.cause {
            Cause::Status { status, .. } => status,
            other => unreachable!("{other:?}"),
        };
        recent.causes(NOW).map(|causes| causes.into_iter().map(status).collect())
    }

    #[test]
    fn causes_of_a_rollback_are_shown_until_the_same_arm_fails_with_users_on_the_canary() {
        let (mut recent, [bad, back, again]) = (RecentEpochs::default(), [1, 2, 3].map(epoch));
        send_a_user_to_the_canary(&bad);
        fails(&bad, Arm::Canary, 500);
        fails(&bad, Arm::Stable, 501);
        recent.add(&bad);
        fails(&back, Arm::Stable, 502);
        recent.add(&back);
        assert_eq!(shown(&recent), [vec![501], vec![500]], "nobody is on the canary");
        recent.add(&again);
        send_a_user_to_the_canary(&again);
        assert_eq!(shown(&recent), [vec![501], vec![500]], "nothing failed yet");
        fails(&again, Arm::Stable, 503);
        assert_eq!(shown(&recent), [vec![503], vec![500]], "each arm has its own");
        fails(&again, Arm::Canary, 504);
        assert_eq!(shown(&recent), [vec![503], vec![504]]);
    }

    #[test]
    fn what_fails_after_its_epoch_is_shown_even_where_nothing_did_before() {
        let (mut recent, [before, back]) = (RecentEpochs::default(), [1, 2].map(epoch));
        send_a_user_to_the_canary(&before);
        recent.add(&before);
        recent.add(&back);
        assert_eq!(shown(&recent), [Vec::<u16>::new(), Vec::new()]);
        fails(&before, Arm::Canary, 500);
        recent.add(&back);
        assert_eq!(shown(&recent), [vec![], vec![500]]);
    }

    #[test]
    fn without_users_on_the_canary_the_latest_failures_are_shown() {
        let mut recent = RecentEpochs::default();
        for (number, status) in [(1, 500), (2, 501)] {
            let epoch = epoch(number);
            fails(&epoch, Arm::Stable, status);
            recent.add(&epoch);
        }
        assert_eq!(shown(&recent), [vec![501], vec![]]);
    }

    #[test]
    fn what_is_shown_outlasts_any_number_of_epochs_without_failures() {
        let (mut recent, bad) = (RecentEpochs::default(), epoch(0));
        send_a_user_to_the_canary(&bad);
        fails(&bad, Arm::Canary, 500);
        recent.add(&bad);
        (1..100).map(epoch).for_each(|epoch| recent.add(&epoch));
        assert_eq!((shown(&recent), recent.0.len()), ([vec![], vec![500]], MAX_EPOCHS));
    }
}

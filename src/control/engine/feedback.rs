//! Verdicts of the application: finds what each is charged to, and counts it.
//!
//! A verdict on a request goes to the rollout, arm and epoch that its id brings back; a verdict on a user to the arm on
//! which the user's bucket is now. Only what a bucket chose is evidence; the rest counts in the metrics. Changes no
//! share: the next tick decides. Invariant: each request is judged once.

use super::dispatch::Engine;
use super::entry::Entry;
use crate::control::evidence::collector::RequestEpoch;
use crate::control::now::Now;
use crate::decide::bucket::bucket_and_slot;
use crate::decide::route::{RouteReason, RouteShare, arm_of_user};
use crate::decide::units::{Arm, Millis, Percent};
use crate::decide::user::is_placeholder;
use crate::decide::verdict::{Judged, NoEvidence, NotCharged, Verdict, VerdictResult};
use crate::state::pause_masks::Attribution;
use crate::state::request_seal::IdProblem;

impl Engine {
    /// Counts verdicts, in their order.
    pub fn feedback(&mut self, verdicts: &[Verdict], now: Now) -> Vec<VerdictResult> {
        verdicts.iter().map(|verdict| self.verdict(verdict, now).unwrap_or_else(VerdictResult::Unknown)).collect()
    }

    fn verdict(&mut self, verdict: &Verdict, now: Now) -> Result<VerdictResult, NotCharged> {
        match &verdict.on {
            Judged::Request(id) => self.on_request(id, verdict, now.mono),
            Judged::User(user) => self.on_user(user, verdict, now.mono),
        }
    }

    fn on_request(&mut self, id: &str, verdict: &Verdict, now: Millis) -> Result<VerdictResult, NotCharged> {
        let (number, request) = self.shared.seal.read(id).map_err(|problem| match problem {
            IdProblem::Malformed => NotCharged::Malformed,
            IdProblem::Unsealed if !self.policy.seals_request_ids() => NotCharged::Off,
            IdProblem::Unsealed => NotCharged::Unsealed,
            IdProblem::Foreign => NotCharged::Foreign,
        })?;
        let mut found = self.entries.iter_mut().filter_map(|entry| {
            let epoch = entry.rollout.as_ref()?.collector().epoch_of(&request)?;
            Some((entry, epoch))
        });
        let (entry, epoch) = found.next().ok_or(NotCharged::Gone)?;
        let rollout = entry.spec.name.clone();
        if verdict.rollout.as_ref().is_some_and(|named| *named != rollout) {
            return Err(NotCharged::OtherRollout { is: rollout });
        }
        if !self.judged.add(number) {
            return Ok(VerdictResult::Duplicate);
        }
        let arm = request.whose.arm;
        if epoch == RequestEpoch::Earlier {
            entry.count(arm, verdict.good);
            return Ok(VerdictResult::Late { rollout, arm });
        }
        let is_off = entry.rollout.as_ref().is_some_and(|rollout| rollout.state().in_force == Percent::ZERO);
        let chosen = match request.counted {
            _ if is_off => Err(NoEvidence::CanaryOff),
            false => Err(NoEvidence::NoBucket),
            true => Ok(request.whose),
        };
        Ok(entry.judge(arm, chosen, verdict, now))
    }

    fn on_user(&mut self, user: &str, verdict: &Verdict, now: Millis) -> Result<VerdictResult, NotCharged> {
        let index = self.rollout_of(verdict.rollout.as_deref())?;
        if is_placeholder(user.as_bytes()) {
            return Err(NotCharged::NoUser);
        }
        let entry = &mut self.entries[index];
        let (spec, no_one) = (&entry.spec, NotCharged::NoUser);
        let rollout = entry.rollout.as_ref().ok_or(NotCharged::Gone)?;
        let effective = rollout.share_in_force(&self.context);
        let share = RouteShare { percent: effective.percent, buckets_only: effective.buckets_only };
        let (arm, reason) = arm_of_user(&spec.salt, &spec.pins, share, Some(user.as_bytes())).ok_or(no_one)?;
        let slot = Some(bucket_and_slot(&spec.salt, user.as_bytes()).slot);
        let chosen = match (reason, rollout.collector().only_source()) {
            (RouteReason::CanaryOff, _) => Err(NoEvidence::CanaryOff),
            (reason, _) if !reason.is_counted() => Err(NoEvidence::NoBucket),
            (_, None) => Err(NoEvidence::SeveralSources),
            (_, Some(source)) => Ok(Attribution { arm, source, slot }),
        };
        Ok(entry.judge(arm, chosen, verdict, now))
    }

    /// The rollout with this name and a canary; without a name the only one.
    fn rollout_of(&self, name: Option<&str>) -> Result<usize, NotCharged> {
        let split = || self.entries.iter().enumerate().filter(|(_, entry)| entry.rollout.is_some());
        let known = || split().map(|(_, entry)| entry.spec.name.clone()).collect();
        match (name, split().count()) {
            (Some(name), _) => split()
                .find(|(_, entry)| entry.spec.name == name)
                .map(|(index, _)| index)
                .ok_or_else(|| NotCharged::NoRollout { name: name.to_owned(), known: known() }),
            (None, 1) => split().next().map(|(index, _)| index).ok_or(NotCharged::Gone),
            (None, _) => Err(NotCharged::WhichRollout { known: known() }),
        }
    }
}

impl Entry {
    fn count(&mut self, arm: Arm, good: bool) {
        self.by_name.verdicts[arm as usize][usize::from(!good)] += 1;
    }

    /// Counts a verdict, and gives it to the guard. `chosen`: for whom it counts, or why it is no evidence.
    fn judge(
        &mut self,
        arm: Arm,
        chosen: Result<Attribution, NoEvidence>,
        verdict: &Verdict,
        now: Millis,
    ) -> VerdictResult {
        self.count(arm, verdict.good);
        let rollout = self.spec.name.clone();
        let compared = self.spec.canary.as_ref().is_some_and(|canary| canary.guard.feedback.is_some());
        let evidence = chosen.and_then(|whose| {
            if !compared {
                return Err(NoEvidence::NotCompared);
            }
            if verdict.weight.hundredths() == 0 {
                return Err(NoEvidence::NoWeight);
            }
            let counts = self.rollout.as_mut().is_some_and(|rollout| rollout.verdict(whose, verdict, now));
            if counts { Ok(()) } else { Err(NoEvidence::Paused) }
        });
        VerdictResult::Accepted { rollout, arm, evidence }
    }
}

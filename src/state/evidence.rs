//! The guard's counts of one (rollout, epoch): only requests whose arm the bucket chose.
//!
//! A block belongs to one epoch, so that a request that was dispatched before a change of percent is never charged to
//! the time after it. Cores count what is frequent (requests sent, successes) and send [`samples`](super::samples) of
//! what is rare or has a size: failures, rejections, times to the first output. Exposure is counted when a request is
//! sent, with the mask of aspects in which its user is paused; control decides whether a sample of a paused user
//! counts. Only [`Outcome::judged`] classifies. Invariant: `ended <= dispatched` for every arm once its requests have
//! finished.

use std::sync::Arc;

use super::causes::CauseTable;
use super::count::Count;
use super::counters::Core;
use super::pause_masks::{Attribution, PauseMasks, bit};
use super::samples::{Sample, SampleKind, Samples};
use super::withdrawal::Withdrawal;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::sources::{GROUPS, SourceGroup};
use crate::decide::guard::waiting::{ResponseKind, Wait, WaitEnd};
use crate::decide::outcome::{Judged, Outcome};
use crate::decide::policy::Counting;
use crate::decide::units::{Arm, Millis};

/// What an epoch's evidence is made of.
#[derive(Clone, Debug)]
pub struct EvidenceSetup {
    /// By which its samples are known, among all that have the same [`Samples`].
    pub id: u64,
    /// Which epoch of the rollout it is.
    pub epoch: u64,
    /// What is judged.
    pub counting: Counting,
    /// Who is paused: the same for all epochs of a rollout.
    pub pauses: Arc<PauseMasks>,
    /// Where samples go: the same for all rollouts.
    pub samples: Arc<Samples>,
    /// Who waits for the canary no more: the same for all epochs of a rollout.
    pub withdrawal: Arc<Withdrawal>,
}

/// What the guard sees of one epoch.
#[derive(Debug)]
pub struct Evidence {
    /// By which its samples are known.
    pub id: u64,
    /// Which epoch of the rollout this belongs to.
    pub epoch: u64,
    /// Who is paused.
    pub silence: Arc<PauseMasks>,
    /// Where its samples go.
    pub samples: Arc<Samples>,
    /// Who waits for the canary no more.
    pub withdrawal: Arc<Withdrawal>,
    /// Why its failures failed.
    pub causes: CauseTable,
    counting: Counting,
    cores: Box<[EvidenceCell]>,
}

// A cell to a few cache lines of its own, so that cores do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct EvidenceCell {
    // By source, then by arm.
    groups: [[ArmCell; 2]; GROUPS],
}

#[derive(Debug, Default)]
struct ArmCell {
    /// Of users who were paused in nothing.
    clear: Count,
    /// Of users who were paused in some aspect, by those in which they were not. Both only rise, and so do their sums.
    partly: [Count; ASPECTS],
    #[cfg(test)]
    dispatched: Count,
    succeeded: Count,
    failed: Count,
    #[cfg(test)]
    not_judged: Count,
    #[cfg(test)]
    began_to_wait: Count,
    #[cfg(test)]
    waited: Count,
}

impl Evidence {
    /// All zero, for this many cores.
    #[must_use]
    pub fn new(terms: EvidenceSetup, cores: usize) -> Evidence {
        let EvidenceSetup { id, epoch, counting, pauses: silence, samples, withdrawal } = terms;
        let cores = (0..cores).map(|_| EvidenceCell::default()).collect();
        let causes = CauseTable::default();
        Evidence { id, epoch, silence, samples, withdrawal, causes, counting, cores }
    }

    /// The same with pauses and samples that are not shared.
    #[cfg(test)]
    pub(crate) fn standalone(epoch: u64, cores: usize, counting: Counting) -> Evidence {
        let (silence, samples) = (Arc::default(), Arc::new(Samples::new(cores)));
        Evidence::new(
            EvidenceSetup { id: epoch, epoch, counting, pauses: silence, samples, withdrawal: Arc::default() },
            cores,
        )
    }

    /// A request was dispatched to this arm.
    pub fn begin(&self, core: Core, whose: impl Into<Attribution>) {
        let whose = whose.into();
        let cell = self.cell(core, whose);
        #[cfg(test)]
        cell.dispatched.add_one();
        match self.silence.mask(whose) {
            0 => cell.clear.add_one(),
            mask => {
                let exposed = Aspect::ALL.into_iter().filter(|aspect| mask & bit(*aspect) == 0);
                exposed.for_each(|aspect| cell.partly[aspect as usize].add_one());
            }
        }
    }

    /// It is on its way to the provider: from now on it waits for output.
    #[must_use]
    pub fn sent(&self, core: Core, whose: impl Into<Attribution>, kind: ResponseKind) -> Wait {
        self.waits(core, whose.into(), kind, SampleKind::Sent)
    }

    /// The same once more, after a pause.
    #[must_use]
    pub fn sent_again(&self, core: Core, whose: impl Into<Attribution>, kind: ResponseKind) -> Wait {
        self.waits(core, whose.into(), kind, SampleKind::SentAgain)
    }

    fn waits(&self, core: Core, whose: Attribution, kind: ResponseKind, what: SampleKind) -> Wait {
        let wait = Wait { second: self.samples.second(), kind };
        #[cfg(test)]
        self.cell(core, whose).began_to_wait.add_one();
        self.samples.push(core, Sample { evidence: self.id, whose, wait: Some(wait), kind: what });
        wait
    }

    /// It waits no more, and no output came.
    pub fn end_wait(&self, core: Core, whose: impl Into<Attribution>, wait: Wait, how: WaitEnd) {
        self.push(core, whose.into(), Some(wait), SampleKind::WaitEnded(how));
    }

    /// What became of it, where it was no answer.
    pub fn end(&self, core: Core, whose: impl Into<Attribution>, outcome: Outcome) {
        self.end_answer(core, whose, outcome, None);
    }

    /// What became of it. An answer that is a failure is that alone, and one that was filtered is no refused request.
    pub fn end_answer(
        &self,
        core: Core,
        whose: impl Into<Attribution>,
        outcome: Outcome,
        finished: Option<FinishKind>,
    ) {
        let whose = whose.into();
        let cell = self.cell(core, whose);
        let judged = outcome.judged(self.counting);
        match judged {
            Judged::Success => cell.succeeded.add_one(),
            Judged::Failure => {
                cell.failed.add_one();
                self.push(core, whose, None, SampleKind::Failed { connect: outcome == Outcome::Connect });
            }
            Judged::NotCounted => {
                #[cfg(test)]
                cell.not_judged.add_one();
            }
        }
        if let Some(finished) = finished.filter(|finished| finished.aspect().is_some()) {
            if judged != Judged::Failure {
                self.push(core, whose, None, SampleKind::Answered { finished });
            }
        } else if matches!(outcome, Outcome::ClientError | Outcome::Unsupported) {
            self.push(core, whose, None, SampleKind::Rejected);
        }
    }

    /// The first output of its answer came.
    pub fn output(&self, core: Core, whose: impl Into<Attribution>, wait: Option<Wait>, after: Millis) {
        self.push(core, whose.into(), wait, SampleKind::Output { after });
    }

    /// Its answer was streamed with this many microseconds between two outputs, on average.
    pub fn paced(&self, core: Core, whose: impl Into<Attribution>, gap: u64) {
        self.push(core, whose.into(), None, SampleKind::Paced { gap });
    }

    /// Its client left before any output came.
    pub fn client_gone(&self, core: Core, whose: impl Into<Attribution>, wait: Option<Wait>, after: Millis) {
        self.push(core, whose.into(), wait, SampleKind::ClientGone { after });
    }

    fn push(&self, core: Core, whose: Attribution, wait: Option<Wait>, what: SampleKind) {
        #[cfg(test)]
        if wait.is_some() {
            self.cell(core, whose).waited.add_one();
        }
        self.samples.push(core, Sample { evidence: self.id, whose, wait, kind: what });
    }

    fn cell(&self, core: Core, whose: Attribution) -> &ArmCell {
        &self.cores[usize::from(core.0)].groups[whose.source.index()][whose.arm as usize]
    }

    /// The sums over all cores and sources, since the epoch began.
    #[must_use]
    pub fn totals(&self, arm: Arm) -> ArmTotals {
        SourceGroup::ALL.into_iter().fold(ArmTotals::default(), |sum, source| sum.plus(&self.totals_of(arm, source)))
    }

    /// The sums over all cores of one group of sources, since the epoch began.
    #[must_use]
    pub fn totals_of(&self, arm: Arm, source: SourceGroup) -> ArmTotals {
        let mut totals = ArmTotals::default();
        for cell in &self.cores {
            let cell = &cell.groups[source.index()][arm as usize];
            totals.succeeded += cell.succeeded.get();
            totals.failed += cell.failed.get();
            #[cfg(test)]
            {
                totals.not_judged += cell.not_judged.get();
                totals.waits.0 += cell.began_to_wait.get();
                totals.waits.1 += cell.waited.get();
                totals.dispatched += cell.dispatched.get();
            }
            let clear = cell.clear.get();
            for (exposed, partly) in totals.exposed.iter_mut().zip(&cell.partly) {
                *exposed += clear + partly.get();
            }
        }
        totals
    }
}

/// One arm's counts since an epoch began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmTotals {
    /// Sent to the provider, for users who were not paused in an aspect, by [`Aspect`].
    pub exposed: [u64; ASPECTS],
    /// Ended as successes.
    pub succeeded: u64,
    /// Ended as failures.
    pub failed: u64,
    /// Sent to the provider, for any user: what tests compare the counts with.
    #[cfg(test)]
    pub(crate) dispatched: u64,
    /// Ended without saying anything about the provider: likewise.
    #[cfg(test)]
    pub(crate) not_judged: u64,
    /// Began to wait for output, and waits no more: likewise.
    #[cfg(test)]
    pub(crate) waits: (u64, u64),
}

impl ArmTotals {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &ArmTotals) -> ArmTotals {
        self.exposed.iter_mut().zip(other.exposed).for_each(|(sum, more)| *sum += more);
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        #[cfg(test)]
        {
            self.dispatched += other.dispatched;
            self.not_judged += other.not_judged;
            self.waits = (self.waits.0 + other.waits.0, self.waits.1 + other.waits.1);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::decide::units::Slot;

    const CORE: Core = Core(1);
    const SLOT: Option<Slot> = Some(Slot::of(5));

    fn evidence() -> Evidence {
        let (silence, samples) = (Arc::default(), Arc::new(Samples::new(2)));
        let (counting, withdrawal) = (Counting::default(), Arc::default());
        Evidence::new(EvidenceSetup { id: 42, epoch: 3, counting, pauses: silence, samples, withdrawal }, 2)
    }

    fn said(evidence: &Evidence) -> Vec<SampleKind> {
        let mut all = Vec::new();
        evidence.samples.drain(|sample| {
            assert_eq!((sample.evidence, sample.whose), (42, (Arm::Canary, SLOT).into()));
            all.push(sample.kind);
        });
        all
    }

    #[test]
    fn a_user_who_is_paused_is_sent_and_not_exposed() {
        let evidence = evidence();
        let begin = |slot| evidence.begin(CORE, (Arm::Canary, slot));
        begin(SLOT);
        let paused = (Arm::Canary, SourceGroup::default(), Slot::of(5));
        evidence.silence.set(paused, Aspect::Slow, true);
        begin(SLOT);
        evidence.silence.set(paused, Aspect::Failing, true);
        [SLOT, None, Some(Slot::of(6))].into_iter().for_each(begin);
        let totals = evidence.totals(Arm::Canary);
        assert_eq!((totals.dispatched, totals.exposed), (5, [4, 3, 5, 5, 5, 5, 5, 5]));
        assert_eq!(evidence.totals(Arm::Stable), ArmTotals::default());
    }

    #[test]
    fn a_success_is_a_count_and_all_else_is_told() {
        let failed = |connect| SampleKind::Failed { connect };
        for outcome in Outcome::ALL {
            let evidence = evidence();
            evidence.end(CORE, (Arm::Canary, SLOT), outcome);
            let ArmTotals { succeeded, failed: failures, not_judged, .. } = evidence.totals(Arm::Canary);
            let judged = outcome.judged(Counting::default());
            let counts = [Judged::Success, Judged::Failure, Judged::NotCounted].map(|what| u64::from(what == judged));
            assert_eq!([succeeded, failures, not_judged], counts, "{outcome:?}");
            let expected = match outcome {
                Outcome::Connect => vec![failed(true)],
                Outcome::Unsupported => vec![failed(false), SampleKind::Rejected],
                Outcome::ClientError => vec![SampleKind::Rejected],
                _ if judged == Judged::Failure => vec![failed(false)],
                _ => vec![],
            };
            assert_eq!(said(&evidence), expected, "{outcome:?}");
        }
    }

    #[test]
    fn an_answer_is_told_that_no_status_calls_bad_and_what_is_a_failure_is_that_alone() {
        let counted = |counting: Counting, outcome, finished| {
            let evidence = Evidence { counting, ..evidence() };
            evidence.end_answer(CORE, (Arm::Canary, SLOT), outcome, finished);
            said(&evidence)
        };
        let of = |outcome, finished| counted(Counting::default(), outcome, Some(finished));
        let answered = |finished| vec![SampleKind::Answered { finished }];
        assert_eq!(of(Outcome::Ok, FinishKind::Stop), []);
        assert_eq!(of(Outcome::Ok, FinishKind::Length), answered(FinishKind::Length));
        assert_eq!(of(Outcome::Empty, FinishKind::Empty), answered(FinishKind::Empty));
        assert_eq!(
            of(Outcome::ClientError, FinishKind::Filtered),
            answered(FinishKind::Filtered),
            "and not as refused"
        );
        assert_eq!(counted(Counting::default(), Outcome::ClientError, None), [SampleKind::Rejected]);
        let failing = Counting { empty: true, ..Counting::default() };
        assert_eq!(counted(failing, Outcome::Empty, Some(FinishKind::Empty)), [SampleKind::Failed { connect: false }]);
        assert_eq!(counted(failing, Outcome::Empty, Some(FinishKind::Length)), [SampleKind::Failed { connect: false }]);
    }

    #[test]
    fn times_are_told() {
        let evidence = evidence();
        evidence.output(CORE, (Arm::Canary, SLOT), None, Millis(250));
        evidence.client_gone(CORE, (Arm::Canary, SLOT), None, Millis(9000));
        assert_eq!(
            said(&evidence),
            [SampleKind::Output { after: Millis(250) }, SampleKind::ClientGone { after: Millis(9000) }]
        );
        assert_eq!(evidence.totals(Arm::Canary), ArmTotals::default());
    }
}

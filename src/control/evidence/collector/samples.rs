//! How a sample of a request becomes an event for the guard.
//!
//! A sample of any epoch says who waits and who no longer does. Only a sample of the current epoch counts as an event:
//! failing, refusing, slow, slow pace, or an unusual end. Thresholds learn from stable's answers only. Invariant: an
//! event of a paused user is not counted.

use super::{EvidenceCollector, Measures, real};
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::guard::waiting::{ResponseKind, WaitEnd};
use crate::decide::policy::Guard;
use crate::decide::units::{Arm, Millis};
use crate::state::pause_masks::Attribution;
use crate::state::samples::{Sample, SampleKind};

/// In milliseconds. Outputs with shorter gaps came together and have no pace.
const MIN_GAP: f64 = 1.0;

impl EvidenceCollector {
    pub(in crate::control) fn sample(&mut self, sample: &Sample, guard: &Guard, now: Millis) {
        let is_late = self.update_waiting(sample, guard, now);
        // An answer to a request that was sent at another share says nothing else about this one.
        if sample.evidence == self.epoch.evidence.id
            && let Some(aspect) = self.aspect_of(sample, is_late, guard, now)
        {
            self.event(aspect, sample.whose, now);
        }
    }

    /// Updates who waits. Returns whether this request was already counted as slow while it waited.
    fn update_waiting(&mut self, sample: &Sample, guard: &Guard, now: Millis) -> bool {
        let Sample { whose: Attribution { arm, source, slot }, kind: what, wait, .. } = *sample;
        let Some(wait) = wait else { return false };
        let of_source = self.measures_by_source.as_mut().map(|sources| &mut sources[source.index()].silent);
        let is_late = of_source.as_deref().unwrap_or(&self.measures.silent).was_late(wait);
        for silent in of_source.into_iter().chain([&mut self.measures.silent]) {
            match what {
                SampleKind::Sent | SampleKind::SentAgain => silent.sent(wait, arm, slot, &guard.constants),
                SampleKind::WaitEnded(how) => silent.end_wait(wait, arm, slot, how, now),
                SampleKind::ClientGone { .. } => silent.end_wait(wait, arm, slot, WaitEnd::ClientGone, now),
                SampleKind::Output { .. } => silent.end_wait(wait, arm, slot, WaitEnd::Answered, now),
                SampleKind::Failed { .. }
                | SampleKind::Rejected
                | SampleKind::Answered { .. }
                | SampleKind::Paced { .. } => {}
            }
        }
        is_late
    }

    /// In which aspect the sample is an event.
    fn aspect_of(&mut self, sample: &Sample, is_late: bool, guard: &Guard, now: Millis) -> Option<Aspect> {
        let Sample { whose, kind: what, wait, .. } = *sample;
        match what {
            SampleKind::Sent => {
                self.pauses.request(whose, now);
                None
            }
            SampleKind::SentAgain | SampleKind::WaitEnded(_) => None,
            SampleKind::Failed { connect } => {
                if connect {
                    self.epoch.count_refused_connection(whose);
                }
                Some(Aspect::Failing)
            }
            SampleKind::Rejected => Some(Aspect::Refusing),
            SampleKind::Output { after } | SampleKind::ClientGone { after } => {
                let kind = wait.map_or(ResponseKind::Whole, |wait| wait.kind);
                if let Some(limit) = guard.max_first_output.filter(|_| whose.arm == Arm::Canary) {
                    let left = matches!(what, SampleKind::ClientGone { .. });
                    self.epoch.first_outputs.add(kind, after, left, limit);
                }
                let learns = whose.arm == Arm::Stable && matches!(what, SampleKind::Output { .. });
                let slow = self.is_slow(kind, real(after.0), whose.source, learns, guard);
                (slow && !is_late && guard.slow.is_some()).then_some(Aspect::Slow)
            }
            SampleKind::Answered { finished } => finished.aspect(),
            SampleKind::Paced { gap } => {
                let millis = real(gap) / 1000.0;
                self.answer_stats.add_pace(whose.arm, millis);
                (millis >= MIN_GAP && self.is_pace_slow(millis, whose, guard)).then_some(Aspect::Pace)
            }
        }
    }

    fn is_slow(&mut self, kind: ResponseKind, millis: f64, source: SourceGroup, learns: bool, guard: &Guard) -> bool {
        let rule = guard.slow.unwrap_or_default();
        let of_source = self.measures_by_source.as_mut().map(|sources| &mut sources[source.index()].slow);
        let slow = of_source.as_deref().unwrap_or(&self.measures.slow).is_slow(&rule, kind, millis);
        if learns {
            let thresholds = of_source.into_iter().chain([&mut self.measures.slow]);
            thresholds.for_each(|threshold| threshold.learn(&rule, kind, millis));
        }
        slow
    }

    fn is_pace_slow(&mut self, millis: f64, whose: Attribution, guard: &Guard) -> bool {
        let rule = guard.pace_rule();
        let of_source = self.measures_by_source.as_mut().map(|sources| &mut sources[whose.source.index()].pace);
        let slow = of_source.as_deref().unwrap_or(&self.measures.pace).is_slow(&rule, millis);
        if whose.arm == Arm::Stable {
            let thresholds = of_source.into_iter().chain([&mut self.measures.pace]);
            thresholds.for_each(|threshold| threshold.learn(&rule, millis));
        }
        slow
    }

    fn event(&mut self, aspect: Aspect, whose: Attribution, now: Millis) {
        if self.pauses.event(aspect, whose, now) {
            self.epoch.count(aspect, whose);
        }
    }

    /// Counts a request as slow once it has waited longer than slow answers take. Its output is not counted again.
    pub(super) fn count_late(&mut self, guard: &Guard, now: Millis) {
        let rule = guard.slow.unwrap_or_default();
        let mut late = Vec::new();
        let mut find = |Measures { silent, slow, .. }: &mut Measures, source: SourceGroup, counts: bool| {
            for kind in ResponseKind::ALL {
                if let Some(limit) = slow.limit(&rule, kind) {
                    silent.take_late(kind, limit, now, |arm, slot| {
                        if counts {
                            late.push(Attribution { arm, source, slot });
                        }
                    });
                }
            }
        };
        // While there is one source, all requests are its own.
        let one = self.sources.alone().unwrap_or_default();
        find(&mut self.measures, one, self.measures_by_source.is_none());
        let sources = self.measures_by_source.iter_mut().flat_map(|sources| sources.iter_mut());
        for (source, one) in SourceGroup::ALL.into_iter().zip(sources) {
            find(one, source, true);
        }
        if guard.slow.is_some() {
            late.into_iter().for_each(|whose| self.event(Aspect::Slow, whose, now));
        }
    }
}

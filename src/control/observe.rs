//! What is seen of one rollout in the current epoch: the cores' counters, taken as differences, and probes' answers.
//!
//! Begins anew with every epoch and never looks at an older one's counters, so that an answer to a request which was
//! dispatched under another share judges nothing. Invariant: counters only rise, so every answer is counted once.

use std::sync::Arc;

use crate::decide::guard::Arms;
use crate::decide::policy::Guard;
use crate::decide::rollout::step::Observation;
use crate::decide::units::{Arm, Millis};
use crate::decide::window::{Counts, Window};
use crate::state::evidence::{ArmTotals, Evidence};

/// How long an answer to a probe says that a provider lives.
const ANSWER_LASTS: Millis = Millis(10_000);
/// Between two probes, at first.
const FIRST_PAUSE: Millis = Millis(1000);
/// Between two probes of a provider that does not answer, at most.
const LONGEST_PAUSE: Millis = Millis(10_000);

/// Both arms of one epoch.
#[derive(Debug)]
pub(super) struct Observer {
    /// What the cores count.
    pub(super) evidence: Arc<Evidence>,
    windows: [Window; 2],
    totals: [Counts; 2],
    canary_answers: Option<Result<(), String>>,
    stable_answer: Option<(Millis, bool)>,
    probes: [ProbeClock; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct ProbeClock {
    next: Millis,
    pause: Millis,
    asked: bool,
}

impl Observer {
    pub(super) fn new(epoch: u64, cores: usize, guard: &Guard) -> Observer {
        Observer {
            evidence: Arc::new(Evidence::alone(epoch, cores, guard.counting)),
            windows: [Window::new(guard.window), Window::new(guard.window)],
            totals: [Counts::default(); 2],
            canary_answers: None,
            stable_answer: None,
            probes: [ProbeClock::default(); 2],
        }
    }

    /// Takes what the cores have counted since the last time.
    pub(super) fn take(&mut self, now: Millis) {
        for arm in [Arm::Stable, Arm::Canary] {
            let total = judged(self.evidence.totals(arm));
            let index = arm as usize;
            self.windows[index].add(now, total.since(self.totals[index]));
            self.totals[index] = total;
        }
    }

    pub(super) fn seen(&mut self, now: Millis) -> Observation {
        let [stable, canary] = &mut self.windows;
        let fresh = self.stable_answer.filter(|(at, _)| now.since(*at) < ANSWER_LASTS);
        Observation {
            window: Arms { stable: stable.counts(now), canary: canary.counts(now) },
            canary_answers: self.canary_answers.clone(),
            stable_answers: fresh.map(|(_, answers)| answers),
            ..Observation::default()
        }
    }

    /// Whether a probe of this arm should begin now; then it counts as begun.
    pub(super) fn begin_probe(&mut self, arm: Arm, now: Millis) -> bool {
        let clock = &mut self.probes[arm as usize];
        let due = !clock.asked && clock.next <= now;
        clock.asked |= due;
        due
    }

    /// What a probe said.
    pub(super) fn probed(&mut self, arm: Arm, result: Result<(), String>, now: Millis) {
        let clock = &mut self.probes[arm as usize];
        clock.pause = match result {
            // It holds until then; a ramp that something else holds up need not ask every second.
            Ok(()) => ANSWER_LASTS,
            Err(_) => Millis((clock.pause.0 * 2).clamp(FIRST_PAUSE.0, LONGEST_PAUSE.0)),
        };
        clock.next = Millis(now.0 + clock.pause.0);
        clock.asked = false;
        match arm {
            Arm::Canary => self.canary_answers = Some(result),
            Arm::Stable => self.stable_answer = Some((now, result.is_ok())),
        }
    }
}

fn judged(totals: ArmTotals) -> Counts {
    Counts { requests: totals.succeeded + totals.failed, failures: totals.failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::Outcome;
    use crate::decide::units::Percent;
    use crate::state::counters::Core;

    #[test]
    fn only_what_was_answered_and_judged_is_seen_and_only_once() {
        let guard =
            Guard { max_error_rate: Percent::ZERO, window: Millis(60_000), min_requests: 1, ..Guard::default() };
        let mut observer = Observer::new(1, 2, &guard);
        let ended = [Outcome::Ok, Outcome::Timeout, Outcome::ClientGone, Outcome::ClientError, Outcome::SerinError];
        for (core, outcome) in [Core(0), Core(1)].into_iter().flat_map(|core| ended.map(|outcome| (core, outcome))) {
            observer.evidence.begin(core, Arm::Canary, None);
            observer.evidence.end(core, Arm::Canary, None, outcome);
        }
        observer.evidence.begin(Core(0), Arm::Canary, None);
        for tick in 1..5 {
            observer.take(Millis(tick * 100));
        }
        let seen = observer.seen(Millis(500));
        assert_eq!(seen.window.canary, Counts { requests: 4, failures: 2 });
        assert_eq!(observer.seen(Millis(500_000)).window.canary, Counts::default());
    }

    #[test]
    fn probes_come_slower_while_nobody_answers() {
        let guard =
            Guard { max_error_rate: Percent::ZERO, window: Millis(60_000), min_requests: 1, ..Guard::default() };
        let mut observer = Observer::new(1, 0, &guard);
        let mut began = Vec::new();
        for now in (0..40_000).step_by(100).map(Millis) {
            if observer.begin_probe(Arm::Canary, now) {
                began.push(now.0);
                assert!(!observer.begin_probe(Arm::Canary, now), "one at a time");
                observer.probed(Arm::Canary, Err("refused".to_owned()), now);
            }
        }
        assert_eq!(began, [0, 1000, 3000, 7000, 15_000, 25_000, 35_000]);
    }
}

//! When the providers of a rollout are probed, and what the last probes returned.
//!
//! One probe per arm at a time. A provider that does not answer is probed less and less often. Sends nothing itself.
//! Invariant: a probe that was started is not started again before it has a result.

use crate::decide::units::{Arm, Millis};

/// How long the result of a probe is valid.
const RESULT_VALID: Millis = Millis(10_000);
/// Between two probes at first, and always of a stable that answers: it is probed only while its answer matters.
const MIN_INTERVAL: Millis = Millis(1000);
/// Between two probes of a provider that does not answer, at most.
const MAX_INTERVAL: Millis = Millis(10_000);

#[derive(Debug, Default)]
pub(super) struct ProbeClock {
    arms: [Schedule; 2],
    canary: Option<Result<(), String>>,
    stable: Option<(Millis, bool)>,
    // Probes of stable since the guard's last tick: answered and failed.
    stable_results: (u32, u32),
}

#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    next: Millis,
    interval: Millis,
    in_flight: bool,
}

impl ProbeClock {
    /// Whether a probe of this arm is due. Then it counts as started.
    pub(super) fn start(&mut self, arm: Arm, now: Millis) -> bool {
        let schedule = &mut self.arms[arm as usize];
        let due = !schedule.in_flight && schedule.next <= now;
        schedule.in_flight |= due;
        due
    }

    pub(super) fn finish(&mut self, arm: Arm, result: Result<(), String>, now: Millis) {
        let schedule = &mut self.arms[arm as usize];
        schedule.interval = match (&result, arm) {
            // The result is valid until then. A ramp that something else holds need not probe every second.
            (Ok(()), Arm::Canary) => RESULT_VALID,
            (Ok(()), Arm::Stable) => MIN_INTERVAL,
            (Err(_), _) => Millis((schedule.interval.0 * 2).clamp(MIN_INTERVAL.0, MAX_INTERVAL.0)),
        };
        schedule.next = Millis(now.0 + schedule.interval.0);
        schedule.in_flight = false;
        match arm {
            Arm::Canary => self.canary = Some(result),
            Arm::Stable => {
                let answers = result.is_ok();
                self.stable = Some((now, answers));
                self.stable_results.0 += u32::from(answers);
                self.stable_results.1 += u32::from(!answers);
            }
        }
    }

    /// The last result of the canary.
    pub(super) fn canary(&self) -> Option<Result<(), String>> {
        self.canary.clone()
    }

    /// Whether stable answered its last probe, while that result is valid.
    pub(super) fn stable(&self, now: Millis) -> Option<bool> {
        let valid = self.stable.filter(|(at, _)| now.since(*at) < RESULT_VALID);
        valid.map(|(_, answers)| answers)
    }

    /// The probes of stable since the last call: answered and failed.
    pub(super) fn take_stable_results(&mut self) -> (u32, u32) {
        std::mem::take(&mut self.stable_results)
    }
}

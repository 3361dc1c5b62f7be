//! Requests that take their time to the first output, one by one, and what the guard's run of waits makes of them.
//!
//! Every request has a user, a kind and a time of its own; it is told to the very [`SilentDetector`] that production
//! runs, with thresholds that learn as they do there, in ticks of a second. A provider may freeze for a while, so that
//! what it was busy with goes on afterwards; the canary may take requests and never answer; clients may leave before
//! they are answered. Users are split as the share says, and one of them may send many requests at once. Knows of no
//! failures. Deterministic for a seed.

use super::normal::normal;
use super::poisson::Poisson;
use super::rule::WaitEvidence;
use super::traffic::seeded;
use crate::decide::guard::silent::{SilentDetector, SilentInputs};
use crate::decide::guard::slow::SlowThresholds;
use crate::decide::guard::waiting::{ResponseKind, Wait, WaitEnd};
use crate::decide::policy::{Guard, SlowRule};
use crate::decide::units::{Arm, Millis, Slot};

/// Times to the first output: lognormal, as times of language models roughly are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputTimes {
    /// Which part of the requests.
    pub part: f64,
    /// How they want their answers.
    pub kind: ResponseKind,
    /// In seconds.
    pub median: f64,
    /// The deviation of the logarithm.
    pub spread: f64,
}

/// Neither provider makes headway for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// From when on, in seconds.
    pub from: f64,
    /// Until when, of stable and of the canary.
    pub until: [f64; 2],
}

/// Traffic of requests that take their time.
#[derive(Clone, Debug, PartialEq)]
pub struct Waits {
    /// Requests a second.
    pub requests: f64,
    /// How many users send them.
    pub users: u16,
    /// What they ask for; the parts sum to 1.
    pub times: Vec<OutputTimes>,
    /// Both stand still.
    pub stall: Option<Stall>,
    /// Which part of what it is sent the canary never answers, and from when on, in seconds.
    pub silent: Option<(f64, f64)>,
    /// Which part of the clients leaves after so many seconds without output.
    pub impatient: Option<(f64, f64)>,
    /// One user of the canary sends so many requests of the last of `times` at once, every so many seconds.
    pub batch: Option<(u32, u32)>,
}

impl Waits {
    /// Requests whose first output takes this long: half of them less, the logarithms spread by 0.7.
    #[must_use]
    pub fn of_median(requests: f64, median: f64) -> Waits {
        let times = OutputTimes { part: 1.0, kind: ResponseKind::Streamed, median, spread: 0.7 };
        Waits { requests, users: 2000, times: vec![times], stall: None, silent: None, impatient: None, batch: None }
    }

    /// The seconds of one run.
    #[must_use]
    pub fn run(&self, guard: Guard, seed: u64) -> WaitsRun<'_> {
        WaitsRun {
            waits: self,
            guard,
            rng: seeded(seed),
            arrivals: Poisson::new(self.requests),
            // The first second has a past.
            second: FIRST,
            silent: SilentDetector::default(),
            thresholds: SlowThresholds::default(),
            due: vec![Vec::new(); DUE],
            waited: WaitEvidence::default(),
        }
    }
}

/// The number of the first second.
const FIRST: u32 = 10;
/// What takes longer than this takes this, in seconds. A power of two.
const DUE: usize = 4096;

/// One run, second by second.
#[derive(Clone, Debug)]
pub struct WaitsRun<'w> {
    waits: &'w Waits,
    guard: Guard,
    rng: fastrand::Rng,
    arrivals: Poisson,
    second: u32,
    silent: SilentDetector,
    thresholds: SlowThresholds,
    // By the second in which it happens.
    due: Vec<Vec<Due>>,
    waited: WaitEvidence,
}

/// Something that happens to a request.
#[derive(Clone, Copy, Debug)]
struct Due {
    wait: Wait,
    arm: Arm,
    user: Slot,
    how: WaitEnd,
    after: f64,
    /// When, within its second.
    within: f64,
}

impl WaitsRun<'_> {
    /// The next second, with this share of users on the canary, 0 to 1. `probed`: probes that stable was asked, all of
    /// which it answers unless it stands still.
    pub fn tick(&mut self, share: f64, probed: u32) -> WaitEvidence {
        let rule = self.guard.slow.unwrap_or_default();
        self.waited = WaitEvidence::default();
        for _ in 0..self.arrivals.draw(&mut self.rng) {
            let user = self.rng.u16(0..self.waits.users);
            let times = self.draw_times();
            self.send(user, times, share);
        }
        if let Some((every, size)) = self.waits.batch
            && self.second.is_multiple_of(every)
            && let Some(times) = self.waits.times.last().copied()
        {
            (0..size).for_each(|_| self.send(0, times, share));
        }
        self.happen(rule);
        let now = self.now();
        for kind in ResponseKind::ALL {
            if let Some(limit) = self.thresholds.limit(&rule, kind) {
                let slow = &mut self.waited.slow;
                self.silent.take_late(kind, limit, now, |arm, _| slow[arm as usize] += 1);
            }
        }
        let stands_still = self.waits.stall.is_some_and(|stall| {
            let at = self.seconds();
            (stall.from..stall.until[0]).contains(&at)
        });
        let probes = if stands_still { (0, probed) } else { (probed, 0) };
        let limits = ResponseKind::ALL.map(|kind| self.thresholds.limit(&rule, kind));
        self.second += 1;
        let (now, measure) = (self.now(), SilentInputs { limits, alone: share >= 1.0, probes });
        self.waited.silence = self.silent.evaluate(&self.guard.constants, &measure, now);
        self.waited
    }

    /// Another share: what was sent before is no evidence.
    pub fn begin(&mut self) {
        let now = self.now();
        self.silent.begin(now);
    }

    /// What a slow answer is by now.
    #[must_use]
    pub const fn thresholds(&self) -> &SlowThresholds {
        &self.thresholds
    }

    fn seconds(&self) -> f64 {
        f64::from(self.second - FIRST)
    }

    fn now(&self) -> Millis {
        Millis(u64::from(self.second) * 1000)
    }

    fn draw_times(&mut self) -> OutputTimes {
        let mut left = if self.waits.times.len() > 1 { self.rng.f64() } else { 0.0 };
        for times in &self.waits.times {
            left -= times.part;
            if left < 0.0 {
                return *times;
            }
        }
        self.waits.times[self.waits.times.len() - 1]
    }

    fn send(&mut self, user: u16, times: OutputTimes, share: f64) {
        let on_canary = f64::from(user) < share * f64::from(self.waits.users);
        let arm = if on_canary { Arm::Canary } else { Arm::Stable };
        let sent_at = self.seconds() + self.rng.f64();
        let time = times.median * (times.spread * normal(&mut self.rng)).exp();
        let mut after = time;
        if let Some(Stall { from, until }) = self.waits.stall {
            let until = until[arm as usize];
            if sent_at < until && sent_at + time > from {
                after += until - sent_at.max(from);
            }
        }
        if let Some((part, from)) = self.waits.silent
            && arm == Arm::Canary
            && sent_at >= from
            && self.rng.f64() < part
        {
            after = f64::INFINITY;
        }
        let mut how = WaitEnd::Answered;
        if let Some((part, patience)) = self.waits.impatient
            && self.rng.f64() < part
            && patience < after
        {
            (after, how) = (patience, WaitEnd::ClientGone);
        }
        let (user, wait) = (Slot::of(user), Wait { second: self.second, kind: times.kind });
        self.waited.requests[arm as usize] += 1;
        self.silent.sent(wait, arm, Some(user), &self.guard.constants);
        if after.is_finite() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
            let later = (sent_at.fract() + after).min((DUE - 1) as f64) as usize;
            let within = (sent_at + after).fract();
            self.due[(self.second as usize + later) % DUE].push(Due { wait, arm, user, how, after, within });
        }
    }

    fn happen(&mut self, rule: SlowRule) {
        // A second later the clock stands at its end.
        let now = Millis(u64::from(self.second + 1) * 1000);
        let mut due = std::mem::take(&mut self.due[self.second as usize % DUE]);
        due.sort_by(|one, other| one.within.total_cmp(&other.within));
        for Due { wait, arm, user, how, after, .. } in due.drain(..) {
            let slow = self.thresholds.is_slow(&rule, wait.kind, after * 1000.0) && !self.silent.was_late(wait);
            self.waited.slow[arm as usize] += u32::from(slow);
            self.silent.end_wait(wait, arm, Some(user), how, now);
            if how == WaitEnd::Answered && arm == Arm::Stable {
                self.thresholds.learn(&rule, wait.kind, after * 1000.0);
            }
        }
        // Its memory is used again.
        self.due[self.second as usize % DUE] = due;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the canary is found silent, in seconds.
    fn found(waits: &Waits, seconds: u32, seed: u64) -> Option<u32> {
        let mut run = waits.run(Guard::default(), seed);
        (1..=seconds).find(|_| run.tick(0.1, 0).silence.down)
    }

    #[test]
    fn a_canary_that_falls_silent_is_found_and_one_that_answers_is_not() {
        let silent = Waits { silent: Some((1.0, 600.0)), ..Waits::of_median(50.0, 2.0) };
        let at = found(&silent, 700, 1).unwrap();
        assert!((608..=618).contains(&at), "{at}");
        assert_eq!(found(&Waits::of_median(50.0, 2.0), 3600, 1), None);
    }

    #[test]
    fn thresholds_come_to_one_and_a_half_times_the_slowest_twentieth() {
        let waits = Waits::of_median(50.0, 2.0);
        let mut run = waits.run(Guard::default(), 3);
        for _ in 0..600 {
            run.tick(0.1, 0);
        }
        let limit = run.thresholds().limit(&SlowRule::default(), ResponseKind::Streamed).unwrap();
        assert!((8_000..12_000).contains(&limit.0), "{limit}");
        assert_eq!(run.thresholds().limit(&SlowRule::default(), ResponseKind::Whole), None);
    }

    #[test]
    fn whoever_waits_for_nobody_waits_for_stable_too() {
        let stall = Stall { from: 600.0, until: [660.0, 655.0] };
        let waits = Waits { stall: Some(stall), ..Waits::of_median(50.0, 2.0) };
        let mut run = waits.run(Guard::default(), 5);
        let seen: Vec<_> = (0..900).map(|_| run.tick(0.1, 0).silence).collect();
        assert!(seen.iter().all(|seen| !seen.down));
        assert!(seen[620..655].iter().filter(|seen| seen.shared).count() > 30, "it is told that neither answers");
        assert!(seen[700..].iter().all(|seen| !seen.shared));
    }

    #[test]
    fn a_seed_is_a_run() {
        let waits = Waits { silent: Some((1.0, 100.0)), ..Waits::of_median(5.0, 2.0) };
        assert_eq!(found(&waits, 400, 9), found(&waits, 400, 9));
    }
}

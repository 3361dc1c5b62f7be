//! The trace of the guard's ticks of one rollout, to which other rules can be applied afterwards.
//!
//! Holds one line a tick for the last hour, since rules differ in the first seconds of a fault, and lines of ten
//! seconds for the two days before, so that the trace of a weekend is still there on Monday. Times without requests are
//! one line. In memory only, and at most some 50 MB for all rollouts together: with very many rollouts each buffer is
//! shorter. Nothing is decided from it. Invariant: merging lines keeps every sum, and merges only lines of the same
//! share without a gap.

use std::collections::VecDeque;

use crate::decide::guard::analysis::fraction;
use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::silent::SilentRun;
use crate::decide::guard::tick::{ArmTick, Tick};
use crate::decide::guard::trace::TraceLine;
use crate::decide::units::{Percent, UnixMillis};

/// The length of an older line.
const COARSE_MILLIS: u32 = 10_000;
/// The maximum length of a line without requests.
const EMPTY_MILLIS: u32 = 600_000;
/// Lines with a longer gap than this between them, in milliseconds, are not merged.
const MAX_GAP: u64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capacity {
    fine: usize,
    coarse: usize,
}

impl Capacity {
    /// The share of one rollout.
    fn among(rollouts: usize) -> Capacity {
        let rollouts = rollouts.max(1);
        Capacity { fine: (60_000 / rollouts).clamp(60, 3600), coarse: (240_000 / rollouts).clamp(60, 17_280) }
    }
}

/// Lines, oldest first.
#[derive(Debug, Default)]
pub(in crate::control) struct TraceBuffer {
    coarse: VecDeque<PackedLine>,
    fine: VecDeque<PackedLine>,
}

/// A line in less memory than a [`Tick`]: counts are integers.
#[derive(Clone, Debug, PartialEq)]
struct PackedLine {
    ended: UnixMillis,
    millis: u32,
    share: Percent,
    arms: [PackedArm; 2],
    probes: [u32; 2],
    // If the guard found the canary silent.
    silence: Option<Box<SilentRun>>,
}

/// The counts of an [`ArmTick`]; those of verdicts, which have weights, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PackedArm {
    requests: [u32; ASPECTS],
    events: [u32; ASPECTS],
    successes: u32,
    refused: u32,
    answered: u32,
}

impl PackedArm {
    fn new(arm: &ArmTick) -> PackedArm {
        PackedArm {
            requests: in_units(arm.requests),
            events: in_units(arm.events),
            successes: whole(arm.successes),
            refused: whole(arm.connections_refused),
            answered: whole(arm.answered),
        }
    }

    fn counts(&self) -> impl Iterator<Item = u32> {
        let PackedArm { requests, events, successes, refused, answered } = *self;
        requests.into_iter().chain(events).chain([successes, refused, answered])
    }

    fn merge(&mut self, next: &PackedArm) {
        let PackedArm { requests, events, successes, refused, answered } = self;
        let own = requests.iter_mut().chain(events).chain([successes, refused, answered]);
        for (sum, count) in own.zip(next.counts()) {
            *sum = sum.saturating_add(count);
        }
    }

    fn tick(&self) -> ArmTick {
        ArmTick {
            requests: from_units(self.requests),
            events: from_units(self.events),
            successes: f64::from(self.successes),
            connections_refused: f64::from(self.refused),
            answered: f64::from(self.answered),
        }
    }
}

fn in_units(mut counts: [f64; ASPECTS]) -> [u32; ASPECTS] {
    counts[Aspect::Feedback as usize] *= 100.0;
    counts.map(whole)
}

fn from_units(units: [u32; ASPECTS]) -> [f64; ASPECTS] {
    let mut counts = units.map(f64::from);
    counts[Aspect::Feedback as usize] /= 100.0;
    counts
}

impl TraceBuffer {
    /// Adds the tick that ended now. `rollouts`: how many share the memory.
    pub(in crate::control) fn push(&mut self, ended: UnixMillis, share: Percent, tick: &Tick, rollouts: usize) {
        let capacity = Capacity::among(rollouts);
        append(&mut self.fine, PackedLine::new(ended, share, tick), 0);
        while self.fine.len() > capacity.fine {
            if let Some(oldest) = self.fine.pop_front() {
                append(&mut self.coarse, oldest, COARSE_MILLIS);
            }
        }
        while self.coarse.len() > capacity.coarse {
            self.coarse.pop_front();
        }
    }

    /// Oldest first.
    pub(in crate::control) fn lines(&self) -> Vec<TraceLine> {
        self.coarse.iter().chain(&self.fine).map(PackedLine::line).collect()
    }
}

fn append(lines: &mut VecDeque<PackedLine>, next: PackedLine, longest: u32) {
    match lines.back_mut() {
        Some(last) if last.can_merge(&next, longest) => last.merge(&next),
        _ => lines.push_back(next),
    }
}

impl PackedLine {
    fn new(ended: UnixMillis, share: Percent, tick: &Tick) -> PackedLine {
        let probes = [whole(tick.stable_probes.0), whole(tick.stable_probes.1)];
        let arms = [&tick.stable, &tick.canary].map(PackedArm::new);
        let silence = tick.silence.down.then(|| Box::new(tick.silence));
        PackedLine { ended, millis: whole(tick.seconds * 1000.0), share, arms, probes, silence }
    }

    fn is_empty(&self) -> bool {
        self.arms.iter().flat_map(PackedArm::counts).chain(self.probes).all(|count| count == 0)
    }

    /// Whether the next line may be merged into this one.
    fn can_merge(&self, next: &PackedLine, longest: u32) -> bool {
        let longest = if self.is_empty() && next.is_empty() { EMPTY_MILLIS } else { longest };
        let began = next.ended.0.saturating_sub(u64::from(next.millis));
        self.share == next.share
            && began.abs_diff(self.ended.0) <= MAX_GAP
            && self.millis.saturating_add(next.millis) <= longest
    }

    fn merge(&mut self, next: &PackedLine) {
        self.ended = next.ended;
        self.millis = self.millis.saturating_add(next.millis);
        self.silence = next.silence.clone().or(self.silence.take());
        self.arms.iter_mut().zip(&next.arms).for_each(|(arm, next)| arm.merge(next));
        self.probes.iter_mut().zip(next.probes).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }

    fn line(&self) -> TraceLine {
        let [stable, canary] = [0, 1].map(|arm: usize| self.arms[arm].tick());
        let [answered, failed] = self.probes.map(f64::from);
        let seconds = f64::from(self.millis) / 1000.0;
        TraceLine::new(
            self.ended,
            fraction(self.share),
            &Tick {
                seconds,
                stable,
                canary,
                stable_probes: (answered, failed),
                silence: self.silence.as_deref().copied().unwrap_or_default(),
            },
        )
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(requests: f64) -> Tick {
        let mut stable = ArmTick::plain(requests * 9.0, 1.0);
        (stable.connections_refused, stable.answered) = (2.0, requests);
        Tick {
            seconds: 1.0,
            stable,
            canary: ArmTick::plain(requests, 0.0),
            stable_probes: (1.0, 0.0),
            ..Tick::default()
        }
    }

    fn nothing() -> Tick {
        Tick { seconds: 1.0, ..Tick::default() }
    }

    fn share(whole: u16) -> Percent {
        Percent::from_hundredths(whole * 100).unwrap()
    }

    #[test]
    fn the_last_hour_is_kept_by_the_second_and_what_was_before_by_ten_of_them() {
        let mut buffer = TraceBuffer::default();
        (1..=4000).for_each(|second| buffer.push(UnixMillis(second * 1000), share(10), &tick(3.0), 1));
        let lines = buffer.lines();
        assert_eq!(lines.len(), 3600 + 40);
        assert_eq!((lines[0].seconds, lines[0].canary.requests, lines[39].seconds), (10.0, 30.0, 10.0));
        let newest = TraceLine::new(UnixMillis(4_000_000), 0.1, &tick(3.0));
        assert_eq!(lines.last(), Some(&newest));
        assert_eq!(lines.iter().map(|line| line.seconds).sum::<f64>(), 4000.0);
        assert_eq!(lines.iter().map(|line| line.stable.failures).sum::<f64>(), 4000.0);
    }

    #[test]
    fn lines_of_another_share_and_on_both_sides_of_a_gap_stay_apart() {
        let mut buffer = TraceBuffer::default();
        let rollouts = 10_000;
        let mut at = 0;
        for (count, percent, gap) in [(5, 10, 0), (5, 25, 0), (5, 25, 60_000), (60, 25, 0)] {
            at += gap;
            for _ in 0..count {
                at += 1000;
                buffer.push(UnixMillis(at), share(percent), &tick(1.0), rollouts);
            }
        }
        let coarse: Vec<(f64, f64)> =
            buffer.coarse.iter().map(|kept| (kept.line().seconds, kept.line().share_percent)).collect();
        assert_eq!(coarse, [(5.0, 10.0), (5.0, 25.0), (5.0, 25.0)]);
    }

    #[test]
    fn a_rollout_keeps_so_much_and_no_more_and_nothing_costs_nothing() {
        let mut buffer = TraceBuffer::default();
        (1..=3000).for_each(|second| buffer.push(UnixMillis(second * 1000), share(10), &tick(1.0), 10_000));
        assert_eq!(buffer.lines().len(), 60 + 60);
        let mut idle = TraceBuffer::default();
        (1..=3000).for_each(|second| idle.push(UnixMillis(second * 1000), share(0), &nothing(), 1));
        let lengths: Vec<f64> = idle.lines().iter().map(|line| line.seconds).collect();
        assert_eq!(lengths, [600.0; 5]);
    }
}

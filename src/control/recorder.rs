//! Takes a point of every rollout each second, and hands them over in blocks of ten seconds.
//!
//! A point is the difference of the cores' counters since the last one, with what is in force when it is taken. Owns the
//! points until they are written. A start begins with a reading and no point, so that nothing that was counted before
//! looks like a jump; so does what follows a time in which the process did not run. Decides nothing, and nothing of it
//! is ever on a request's path. Invariant: memory is bounded, and what is written is dropped here.

mod totals;

use std::collections::{BTreeMap, VecDeque};

use self::totals::ArmTotals;
use super::now::Now;
use super::series::SeriesRegistry;
use crate::decide::guard::aspect::Aspect;
use crate::decide::policy::Counting;
use crate::decide::series::encoding::decode;
use crate::decide::series::{Point, Points, Step, roll_up};
use crate::decide::units::{Arm, Millis, UnixMillis};
use crate::state::status::RolloutStatus;
use crate::store::{SeriesBlock, SeriesQuery};

/// Rollouts that are recorded: the first ones of the file.
const MOST_ROLLOUTS: usize = 100;
/// Blocks that may wait for a disk that cannot be written; the oldest are dropped. Some megabytes.
const MOST_WAITING: usize = 8192;
/// So many blocks are handed over at a time.
const AT_A_TIME: usize = 512;
/// After a longer pause than this the process did not run, and nothing is known of that time.
const SUSPENDED: Millis = Millis(5000);
/// A clock that goes back by so much was set.
const SET_BACK: Millis = Millis(5000);

#[derive(Debug, Default)]
pub(in crate::control) struct Recorder {
    rollouts: BTreeMap<String, Recording>,
    waiting: VecDeque<SeriesBlock>,
    // How many of them, from the oldest on, are being written.
    writing: usize,
    // There is news since the last try.
    due: bool,
    taken: Option<Now>,
}

#[derive(Debug)]
struct Recording {
    totals: [ArmTotals; 2],
    // Of the ten seconds that are not over.
    points: Points,
}

impl Recorder {
    /// Takes the point of the second that has just ended, if one has. `rollouts` have their counting beside them.
    pub(in crate::control) fn tick<'a>(
        &mut self,
        rollouts: impl Iterator<Item = (&'a RolloutStatus, Counting)>,
        series: &SeriesRegistry,
        now: Now,
    ) {
        let second = now.unix.0 / 1000;
        let before = self.taken;
        // A clock that was set back is followed; one that is corrected by a little is waited for.
        let waits = |before: Now| before.unix.0 / 1000 >= second && before.unix.since(now.unix) < SET_BACK;
        if before.is_some_and(waits) {
            return;
        }
        self.taken = Some(now);
        let known = before.is_some_and(|before| now.mono.since(before.mono) <= SUSPENDED);
        let at = UnixMillis(second.saturating_sub(1) * 1000);
        let mut earlier = std::mem::take(&mut self.rollouts);
        for (rollout, counting) in rollouts.take(MOST_ROLLOUTS) {
            let totals = [Arm::Stable, Arm::Canary].map(|arm| ArmTotals::read(&rollout.name, arm, series));
            let mut points = Points::new();
            // One that was not there has no point yet: its counters may be older than its name in this file.
            if let Some(recording) = earlier.remove(&rollout.name) {
                points = recording.points;
                self.close_before(&rollout.name, &mut points, Step::TenSeconds.start_of(at));
                if known {
                    let arms = [0, 1].map(|arm: usize| totals[arm].since(&recording.totals[arm], counting));
                    points.insert(at, Point { arms, ..in_force(rollout) });
                }
                self.close_before(&rollout.name, &mut points, Step::TenSeconds.start_of(now.unix));
            }
            self.rollouts.insert(rollout.name.clone(), Recording { totals, points });
        }
        for (name, mut gone) in earlier {
            self.close_before(&name, &mut gone.points, UnixMillis(u64::MAX));
        }
    }

    /// The process is about to end: what was taken is to be written.
    pub(in crate::control) fn close(&mut self) {
        for (name, mut recording) in std::mem::take(&mut self.rollouts) {
            self.close_before(&name, &mut recording.points, UnixMillis(u64::MAX));
        }
    }

    // Makes blocks of the points before this moment, which are of one block.
    fn close_before(&mut self, rollout: &str, points: &mut Points, end: UnixMillis) {
        let Some((first, _)) = points.first_key_value() else { return };
        let at = Step::TenSeconds.start_of(*first);
        if at >= end {
            return;
        }
        let mut tens = Points::new();
        roll_up(&mut tens, points.iter().map(|(at, point)| (*at, point)), Step::TenSeconds);
        self.waiting.push_back(SeriesBlock::new(rollout, Step::Second, at, points));
        self.waiting.push_back(SeriesBlock::new(rollout, Step::TenSeconds, at, &tens));
        points.clear();
        self.due = true;
        while self.waiting.len() > MOST_WAITING + self.writing {
            // Not one that is being written: its turn comes when that is over.
            self.waiting.remove(self.writing);
        }
    }

    /// What is to be written now: nothing while a write is under way, or since the last one failed.
    pub(in crate::control) fn take_due(&mut self) -> Option<Vec<SeriesBlock>> {
        if self.writing > 0 || !std::mem::take(&mut self.due) {
            return None;
        }
        self.writing = self.waiting.len().min(AT_A_TIME);
        Some(self.waiting.iter().take(self.writing).cloned().collect())
    }

    pub(in crate::control) const fn is_writing(&self) -> bool {
        self.writing > 0
    }

    /// They were written, or not: then they are tried again with the next ones.
    pub(in crate::control) fn write_finished(&mut self, is_written: bool) {
        let tried = std::mem::take(&mut self.writing);
        if is_written {
            self.waiting.drain(..tried);
            self.due |= !self.waiting.is_empty();
        }
    }

    /// The points that the store does not have yet. Those that are being written it has before it answers what it is
    /// asked after them.
    pub(in crate::control) fn unwritten(&self, query: &SeriesQuery) -> Points {
        let step = if query.step == Step::TenMinutes { Step::TenSeconds } else { query.step };
        let mut points = Points::new();
        let waiting = self.waiting.iter().skip(self.writing);
        for block in waiting.filter(|block| block.step == step && block.rollout == query.rollout) {
            // A rollout that left and came back has two of the same ten seconds.
            let more = decode(block.at, block.step, &block.bytes).unwrap_or_default();
            roll_up(&mut points, more.iter().map(|(at, point)| (*at, point)), step);
        }
        // Ten seconds that are not over would look like a fall of traffic.
        if let (Step::Second, Some(open)) = (step, self.rollouts.get(&query.rollout)) {
            roll_up(&mut points, open.points.iter().map(|(at, point)| (*at, point)), step);
        }
        points.retain(|at, _| (query.from..query.to).contains(at));
        points
    }
}

fn in_force(rollout: &RolloutStatus) -> Point {
    let evidence = rollout.guard.as_ref().map(|guard| guard.aspects[Aspect::Failing as usize].evidence);
    let evidence = evidence.filter(|evidence| evidence.is_finite());
    Point { percent: rollout.percent, intent: rollout.intent, evidence, ..Point::default() }
}

#[cfg(test)]
mod tests;

//! Points that are taken of real counters, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::Percent;
use crate::state::counters::{Core, Series};
use crate::state::status::GuardStatus;

/// A beginning of ten seconds.
const STARTED: u64 = 1_796_000_000_000;

struct Recorded {
    recorder: Recorder,
    registry: SeriesRegistry,
    stable: Arc<Series>,
    canary: Arc<Series>,
    rollout: RolloutStatus,
    counting: Counting,
    millis: u64,
}

impl Recorded {
    fn new() -> Recorded {
        let mut registry = SeriesRegistry::new(1);
        let [stable, canary] = [("stable", "openai"), ("canary", "holysheep")]
            .map(|(arm, provider)| registry.of("chat", if arm == "stable" { "stable" } else { "canary" }, provider));
        let mut guard = GuardStatus::default();
        guard.aspects[Aspect::Failing as usize].evidence = 12.5;
        let rollout = RolloutStatus { guard: Some(guard), ..RolloutStatus::sample() };
        let recorder = Recorder::default();
        Recorded { recorder, registry, stable, canary, rollout, counting: Counting::default(), millis: 0 }
    }

    fn tick(&mut self) {
        let now = Now { mono: Millis(self.millis), unix: UnixMillis(STARTED + self.millis) };
        self.recorder.tick([(&self.rollout, self.counting)].into_iter(), &self.registry, now);
    }

    /// Ten ticks a second, as control makes them.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 100 {
            self.millis += 100;
            self.tick();
        }
    }

    fn points(&self, step: Step) -> Points {
        let rollout = "chat".to_owned();
        self.recorder.unwritten(&SeriesQuery { rollout, step, from: UnixMillis(0), to: UnixMillis(u64::MAX) })
    }

    fn requests(&self, step: Step, arm: Arm) -> Vec<(u64, u32, u32)> {
        let of = |point: &Point| (point.arms[arm as usize].requests, point.arms[arm as usize].failures);
        let all = self.points(step);
        all.iter().map(|(at, point)| ((at.0 - STARTED) / 1000, of(point).0, of(point).1)).collect()
    }
}

fn request(series: &Series, outcome: Outcome, took: Duration) {
    series.begin(Core(0));
    series.end(Core(0), outcome);
    series.took(Core(0), took);
}

#[test]
fn a_second_has_what_ended_in_it_and_what_is_in_force_at_its_end() {
    let mut all = Recorded::new();
    request(&all.stable, Outcome::Ok, Duration::from_secs(1));
    all.tick();
    all.pass(500);
    request(&all.stable, Outcome::Ok, Duration::from_millis(700));
    request(&all.canary, Outcome::ServerError, Duration::from_millis(20));
    all.pass(1000);
    all.rollout.percent = Percent::from_hundredths(2500).unwrap();
    all.pass(600);
    assert_eq!(all.requests(Step::Second, Arm::Stable), [(0, 1, 0), (1, 0, 0)], "what was before the start is no jump");
    assert_eq!(all.requests(Step::Second, Arm::Canary), [(0, 1, 1), (1, 0, 0)]);
    let points = all.points(Step::Second);
    let second = |number: u64| &points[&UnixMillis(STARTED + number * 1000)];
    let seen = [0, 1].map(|number| (second(number).percent.hundredths(), second(number).evidence));
    assert_eq!(seen, [(1000, Some(12.5)), (2500, Some(12.5))]);
    assert_eq!(second(0).arms[0].duration.quantile(1.0), Some(1000.0));
}

#[test]
fn ten_seconds_become_a_block_of_seconds_and_their_sum() {
    let mut all = Recorded::new();
    all.tick();
    for _ in 0..25 {
        request(&all.stable, Outcome::Ok, Duration::from_millis(700));
        all.pass(1000);
    }
    assert_eq!(
        all.requests(Step::TenSeconds, Arm::Stable),
        [(0, 10, 0), (10, 10, 0)],
        "those that are not over are left out"
    );
    assert_eq!(all.requests(Step::Second, Arm::Stable).len(), 25);
    let blocks = all.recorder.take_due().unwrap();
    assert_eq!(blocks.iter().map(|block| block.step.seconds()).collect::<Vec<_>>(), [1, 10, 1, 10]);
    assert!(all.recorder.take_due().is_none(), "one write at a time");
    assert!(all.points(Step::TenSeconds).is_empty(), "the store answers for what it was given");
    all.recorder.write_finished(false);
    assert_eq!(all.requests(Step::TenSeconds, Arm::Stable).len(), 2);
    assert!(all.recorder.take_due().is_none(), "not again and again");
    all.pass(5000);
    assert_eq!(all.recorder.take_due().unwrap().len(), 6);
    all.recorder.write_finished(true);
    assert!(all.points(Step::Second).is_empty() && all.recorder.take_due().is_none());
}

#[test]
fn time_in_which_nothing_ran_is_a_gap() {
    let mut all = Recorded::new();
    all.tick();
    all.pass(3000);
    all.millis += 60_000;
    request(&all.stable, Outcome::Ok, Duration::from_millis(700));
    all.pass(2000);
    let seconds: Vec<u64> = all.requests(Step::Second, Arm::Stable).iter().map(|(second, ..)| *second).collect();
    assert_eq!(seconds, [0, 1, 2, 63, 64]);
    assert!(all.requests(Step::Second, Arm::Stable).iter().all(|(_, requests, _)| *requests == 0), "and no jump");
}

#[test]
fn a_late_tick_leaves_its_second_the_counts_and_the_others_none() {
    let mut all = Recorded::new();
    all.tick();
    all.pass(1000);
    request(&all.stable, Outcome::Ok, Duration::from_millis(700));
    all.millis += 3000;
    all.tick();
    assert_eq!(all.requests(Step::Second, Arm::Stable), [(0, 0, 0), (3, 1, 0)]);
}

#[test]
fn what_counts_as_a_failure_is_said_by_the_file_from_then_on() {
    let mut all = Recorded::new();
    all.tick();
    request(&all.canary, Outcome::Empty, Duration::ZERO);
    all.pass(1000);
    all.counting = Counting { empty: true, ..Counting::default() };
    all.pass(1000);
    request(&all.canary, Outcome::Empty, Duration::ZERO);
    all.pass(1000);
    assert_eq!(
        all.requests(Step::Second, Arm::Canary),
        [(0, 1, 0), (1, 0, 0), (2, 1, 1)],
        "the past is not counted again"
    );
}

#[test]
fn a_rollout_that_leaves_the_file_keeps_its_points_and_begins_anew() {
    let mut all = Recorded::new();
    all.tick();
    all.pass(3000);
    let name = std::mem::replace(&mut all.rollout.name, "other".to_owned());
    all.pass(1000);
    assert_eq!(all.requests(Step::TenSeconds, Arm::Stable), [(0, 0, 0)], "what there was is written at once");
    request(&all.stable, Outcome::Ok, Duration::ZERO);
    all.rollout.name = name;
    all.pass(2000);
    let seconds: Vec<_> = all.requests(Step::Second, Arm::Stable);
    assert_eq!(seconds, [(0, 0, 0), (1, 0, 0), (2, 0, 0), (5, 0, 0)]);
}

#[test]
fn the_end_of_the_process_leaves_nothing_untold() {
    let mut all = Recorded::new();
    all.tick();
    request(&all.stable, Outcome::Ok, Duration::ZERO);
    all.pass(3000);
    all.recorder.close();
    let blocks = all.recorder.take_due().unwrap();
    assert_eq!(blocks.len(), 2);
    let points = decode(blocks[1].at, Step::TenSeconds, &blocks[1].bytes).unwrap();
    assert_eq!(points[&UnixMillis(STARTED)].arms[0].requests, 1);
}

#[test]
fn what_waits_for_a_disk_is_bounded() {
    let mut all = Recorded::new();
    all.tick();
    let refused = |all: &mut Recorded| {
        if all.recorder.take_due().is_some() {
            all.recorder.write_finished(false);
        }
    };
    // Five of them make two blocks.
    for _ in 0..3 * MOST_WAITING {
        all.millis += 4000;
        all.tick();
        refused(&mut all);
    }
    assert_eq!(all.recorder.waiting.len(), MOST_WAITING);
    let newest = all.recorder.waiting.back().unwrap().at;
    assert!(STARTED + all.millis - newest.0 < 20_000, "the oldest are dropped");
}

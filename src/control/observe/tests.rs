//! Counters, samples and probes in, what the guard is shown out.

use super::*;
use crate::decide::finished::Finished;
use crate::decide::outcome::Outcome;
use crate::decide::units::UnixMillis;
use crate::state::counters::Core;

struct Bench {
    blocks: Blocks,
    observer: Observer,
    guard: Guard,
    // By stable's breaker.
    diverted: (u64, bool),
}

fn bench() -> Bench {
    let guard = Guard { window: Millis(60_000), ..Guard::default() };
    let mut blocks = Blocks::new(2);
    let observer = Observer::new(&RolloutState::new(1, UnixMillis(0)), &mut blocks, &guard, Millis(0));
    Bench { blocks, observer, guard, diverted: (0, false) }
}

impl Bench {
    fn send(&self, arm: Arm, user: u16) {
        self.observer.evidence().begin(Core(0), arm, Some(Slot::of(user)));
    }

    fn end(&self, arm: Arm, user: u16, outcome: Outcome) {
        self.observer.evidence().end(Core(1), arm, Some(Slot::of(user)), outcome);
    }

    /// Control's look at this moment.
    fn look(&mut self, now: u64) -> Observation {
        let (samples, now) = (Arc::clone(&self.blocks.samples), Millis(now));
        samples.drain(|sample| {
            if self.observer.blocks().any(|id| id == sample.evidence) {
                self.observer.sample(&sample, &self.guard, now);
            }
        });
        self.observer.look(&self.guard, false, self.diverted, now)
    }
}

#[test]
fn the_guard_has_a_tick_a_second_with_what_was_sent_and_what_failed() {
    let mut bench = bench();
    assert_eq!(bench.look(0).tick, None);
    for (user, outcome) in [Outcome::Ok, Outcome::Timeout, Outcome::ClientGone, Outcome::Connect].into_iter().zip(0..) {
        bench.send(Arm::Canary, outcome);
        bench.end(Arm::Canary, outcome, user);
    }
    bench.send(Arm::Stable, 9);
    assert_eq!(bench.look(900).tick, None);
    let tick = bench.look(1000).tick.unwrap();
    assert_eq!((tick.seconds, tick.stable.exposed(), tick.stable.failures()), (1.0, 1.0, 0.0));
    assert_eq!((tick.canary.exposed(), tick.canary.failures(), tick.canary.refused), (4.0, 2.0, 1.0));
    assert_eq!((tick.canary.successes, tick.canary.answered), (1.0, 3.0));
    let seen = bench.look(2000);
    assert_eq!(seen.tick.unwrap().canary, ArmTick::default(), "each is counted once");
    assert_eq!((seen.window.canary, seen.users), (Counts { requests: 4, failures: 2 }, [0, 2]));
}

#[test]
fn a_user_who_fails_is_not_counted_while_paused_neither_sent_nor_failed() {
    let mut bench = bench();
    let mut seen = Vec::new();
    for second in 0..20 {
        bench.send(Arm::Canary, 7);
        bench.end(Arm::Canary, 7, Outcome::ServerError);
        let tick = bench.look(second * 1000).tick.unwrap_or_default();
        seen.push((tick.canary.exposed(), tick.canary.failures()));
    }
    // The first failure is of the first second; the pauses are of ten seconds and of forty.
    assert_eq!(seen.iter().map(|(_, failed)| failed).sum::<f64>(), 2.0, "{seen:?}");
    // Sent between the end of a pause and the look that saw the next failure, and then no more.
    assert_eq!(seen.iter().map(|(sent, _)| sent).sum::<f64>(), 1.0, "{seen:?}");
    assert_eq!(bench.look(60_000).users, [0, 1], "one user");
}

#[test]
fn what_takes_longer_than_stable_does_is_slow_and_so_is_who_leaves_after_waiting() {
    let mut bench = bench();
    bench.look(0);
    for user in 0..400 {
        bench.observer.evidence().output(Core(0), Arm::Stable, Some(Slot::of(user)), None, Millis(100));
    }
    bench.look(500);
    let evidence = Arc::clone(bench.observer.evidence());
    let canary = |user, after| evidence.output(Core(0), Arm::Canary, Some(Slot::of(user)), None, Millis(after));
    (0..5).for_each(|user| canary(500 + user, 90));
    (0..3).for_each(|user| canary(600 + user, 900));
    evidence.left_waiting(Core(0), Arm::Canary, Some(Slot::of(700)), None, Millis(30_000));
    evidence.left_waiting(Core(0), Arm::Canary, Some(Slot::of(701)), None, Millis(20));
    let tick = bench.look(1000).tick.unwrap();
    assert_eq!(tick.canary.events[Aspect::Slow as usize], 4.0);
}

#[test]
fn a_pace_is_slow_by_stables_own_and_what_comes_at_once_has_none() {
    let mut bench = bench();
    bench.look(0);
    let evidence = Arc::clone(bench.observer.evidence());
    let paced = |arm, user, gap| evidence.paced(Core(0), arm, Some(Slot::of(user)), gap);
    paced(Arm::Canary, 900, 90_000);
    bench.look(100);
    (0..400).for_each(|user| paced(Arm::Stable, user, 20_000 + u64::from(user % 7) * 500));
    (400..800).for_each(|user| paced(Arm::Stable, user, 90));
    bench.look(500);
    (0..5).for_each(|user| paced(Arm::Canary, 1000 + user, 20_000));
    (0..3).for_each(|user| paced(Arm::Canary, 1100 + user, 60_000));
    paced(Arm::Canary, 1100, 60_000);
    paced(Arm::Canary, 1200, 900);
    for (user, finished) in [(1300, Finished::Length), (1301, Finished::Length), (1302, Finished::Empty)] {
        evidence.end_answer(Core(1), Arm::Canary, Some(Slot::of(user)), Outcome::Ok, Some(finished));
    }
    let seen = bench.look(1000);
    let events = seen.tick.unwrap().canary.events;
    // One user's second slow stream does not count, nor the one that came before stable had shown anything.
    assert_eq!(Aspect::OF_ANSWERS.map(|aspect| events[aspect as usize]), [1.0, 2.0, 0.0, 3.0]);
    let threshold = seen.pace_threshold.unwrap();
    assert_eq!(threshold.seen(), 400);
    assert!((25..45).contains(&threshold.limit(&bench.guard.pace_rule()).0), "{threshold:?}");
}

#[test]
fn another_epoch_begins_with_nothing_and_keeps_who_is_paused() {
    let mut bench = bench();
    bench.look(0);
    bench.send(Arm::Canary, 7);
    let old = Arc::clone(bench.observer.evidence());
    bench.end(Arm::Canary, 7, Outcome::ServerError);
    bench.look(1000);
    bench.observer.begin(2, &mut bench.blocks, &bench.guard);
    // An answer to what was sent before comes late.
    old.begin(Core(0), Arm::Canary, Some(Slot::of(8)));
    old.end(Core(0), Arm::Canary, Some(Slot::of(8)), Outcome::ServerError);
    bench.send(Arm::Canary, 7);
    bench.send(Arm::Canary, 9);
    let tick = bench.look(2000).tick.unwrap();
    assert_eq!((tick.canary.exposed(), tick.canary.failures()), (1.0, 0.0));
}

#[test]
fn a_process_that_slept_has_seen_nothing() {
    let mut bench = bench();
    bench.look(0);
    for user in 0..50 {
        bench.send(Arm::Canary, user);
        bench.end(Arm::Canary, user, Outcome::Reset);
    }
    let seen = bench.look(3_600_000);
    assert!(seen.slept && seen.tick.is_none());
    let tick = bench.look(3_601_000).tick.unwrap();
    assert_eq!((tick.seconds, tick.canary), (1.0, ArmTick::default()));
}

#[test]
fn a_tick_in_which_stables_breaker_kept_requests_from_it_says_so() {
    let mut bench = bench();
    let mut shut = Vec::new();
    let diverted = [(0, 0), (1000, 0), (1500, 3), (2000, 7), (3000, 7), (3100, 7), (4000, 7)];
    // With hardly any traffic a breaker is open and keeps nobody away.
    for (now, diverted, open) in
        diverted.map(|(now, diverted)| (now, diverted, false)).into_iter().chain([(5000, 7, true)])
    {
        bench.diverted = (diverted, open);
        shut.push(bench.look(now).stable_shut);
    }
    assert_eq!(shut, [false, false, false, true, false, false, false, true], "until the next tick is over");
}

#[test]
fn probes_come_slower_while_nobody_answers() {
    let mut bench = bench();
    let mut began = Vec::new();
    for now in (0..40_000).step_by(100).map(Millis) {
        if bench.observer.begin_probe(Arm::Canary, now) {
            began.push(now.0);
            assert!(!bench.observer.begin_probe(Arm::Canary, now), "one at a time");
            bench.observer.probed(Arm::Canary, Err("refused".to_owned()), now);
        }
    }
    assert_eq!(began, [0, 1000, 3000, 7000, 15_000, 25_000, 35_000]);
}

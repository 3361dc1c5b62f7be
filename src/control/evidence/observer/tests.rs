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
    stepped_back: (u64, bool),
}

fn bench() -> Bench {
    let guard = Guard { window: Millis(60_000), ..Guard::default() };
    let blocks = Blocks::new(2);
    let observer = Observer::new(&RolloutState::new(1, UnixMillis(0)), &blocks, &guard, Millis(0));
    Bench { blocks, observer, guard, stepped_back: (0, false) }
}

impl Bench {
    fn send(&self, arm: Arm, user: u16) {
        self.observer.evidence().begin(Core(0), (arm, Some(Slot::of(user))));
    }

    fn end(&self, arm: Arm, user: u16, outcome: Outcome) {
        self.observer.evidence().end(Core(1), (arm, Some(Slot::of(user))), outcome);
    }

    /// Control's look at this moment.
    fn look(&mut self, now: u64) -> Observation {
        let (samples, now) = (Arc::clone(&self.blocks.samples), Millis(now));
        samples.drain(|sample| {
            if self.observer.blocks().any(|id| id == sample.evidence) {
                self.observer.sample(&sample, &self.guard, now);
            }
        });
        self.observer.look(&self.guard, false, self.stepped_back, now)
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
        bench.observer.evidence().output(Core(0), (Arm::Stable, Some(Slot::of(user))), None, Millis(100));
    }
    bench.look(500);
    let evidence = Arc::clone(bench.observer.evidence());
    let canary = |user, after| evidence.output(Core(0), (Arm::Canary, Some(Slot::of(user))), None, Millis(after));
    (0..5).for_each(|user| canary(500 + user, 90));
    (0..3).for_each(|user| canary(600 + user, 900));
    evidence.left_waiting(Core(0), (Arm::Canary, Some(Slot::of(700))), None, Millis(30_000));
    evidence.left_waiting(Core(0), (Arm::Canary, Some(Slot::of(701))), None, Millis(20));
    let tick = bench.look(1000).tick.unwrap();
    assert_eq!(tick.canary.events[Aspect::Slow as usize], 4.0);
}

#[test]
fn a_pace_is_slow_by_stables_own_and_what_comes_at_once_has_none() {
    let mut bench = bench();
    bench.look(0);
    let evidence = Arc::clone(bench.observer.evidence());
    let paced = |arm, user, gap| evidence.paced(Core(0), (arm, Some(Slot::of(user))), gap);
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
        evidence.end_answer(Core(1), (Arm::Canary, Some(Slot::of(user))), Outcome::Ok, Some(finished));
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
    bench.observer.begin(2, &bench.blocks, &bench.guard);
    // An answer to what was sent before comes late.
    old.begin(Core(0), (Arm::Canary, Some(Slot::of(8))));
    old.end(Core(0), (Arm::Canary, Some(Slot::of(8))), Outcome::ServerError);
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
    let stepped_back = [(0, 0), (1000, 0), (1500, 3), (2000, 7), (3000, 7), (3100, 7), (4000, 7)];
    // With hardly any traffic a breaker is open and keeps nobody away.
    for (now, stepped_back, open) in
        stepped_back.map(|(now, stepped_back)| (now, stepped_back, false)).into_iter().chain([(5000, 7, true)])
    {
        bench.stepped_back = (stepped_back, open);
        shut.push(bench.look(now).stable_shut);
    }
    assert_eq!(shut, [false, false, false, true, false, false, false, true], "until the next tick is over");
}

#[test]
fn a_canary_that_stands_in_and_fails_everybody_is_seen_without_stable() {
    for (outcome, dead) in [(Outcome::Connect, true), (Outcome::ServerError, true), (Outcome::Ok, false)] {
        for shut in [true, false] {
            let mut bench = bench();
            bench.stepped_back = (0, shut);
            let mut seen = Vec::new();
            for second in 0..8 {
                for user in 0..4 {
                    // Its users differ, or else they would count once in a while.
                    let user = u16::try_from(second * 4 + user).unwrap();
                    bench.send(Arm::Canary, user);
                    bench.end(Arm::Canary, user, outcome);
                }
                seen.push(bench.look(second * 1000).canary_dead);
            }
            assert_eq!(seen.iter().any(|dead| *dead), dead && shut, "{outcome:?} {shut}: {seen:?}");
            if !(dead && shut) {
                continue;
            }
            assert_eq!(seen.iter().position(|dead| *dead), Some(3), "three seconds after stable was lost: {seen:?}");
            bench.send(Arm::Canary, 999);
            bench.end(Arm::Canary, 999, Outcome::Ok);
            assert!(!bench.look(8000).canary_dead, "one answer shows that it lives");
        }
    }
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

/// A canary that is sent a request by each of these users, while stable answers as many, for so many seconds.
fn silent_for(bench: &mut Bench, from: u64, seconds: u64) -> Observation {
    let evidence = Arc::clone(bench.observer.evidence());
    let mut last = Observation::default();
    for second in from..from + seconds {
        for user in 0..4 {
            let slot = Some(Slot::of(user));
            let _ = evidence.sent(Core(0), (Arm::Canary, slot), Kind::Whole);
            let wait = evidence.sent(Core(1), (Arm::Stable, slot), Kind::Whole);
            evidence.output(Core(1), (Arm::Stable, slot), Some(wait), Millis(20));
        }
        for look in 1..=10 {
            last = bench.look_on(second * 1000 + look * 100);
        }
    }
    last
}

impl Bench {
    /// The same look, with the second told to the cores, as control does.
    fn look_on(&mut self, now: u64) -> Observation {
        let seen = self.look(now);
        self.blocks.samples.set_second(second_of(Millis(now)));
        self.observer.lost(self.blocks.samples.lost(), Millis(now));
        seen
    }

    /// Of looks in tenths of a second.
    fn last_tick(&mut self, looks: std::ops::RangeInclusive<u64>) -> Tick {
        let mut ticks: Vec<Tick> = looks.filter_map(|look| self.look_on(look * 100).tick).collect();
        ticks.pop().unwrap()
    }

    fn waiting(&self, now: u64) -> u32 {
        let (young, old) = self.observer.waiting().by_age(Arm::Canary, &[Millis(5000)], Millis(now));
        young[0] + old
    }
}

#[test]
fn a_canary_that_never_answers_is_told_with_the_tick_and_slow_answers_before_they_come() {
    let mut bench = bench();
    bench.look_on(0);
    let tick = silent_for(&mut bench, 0, 12).tick.unwrap();
    assert!(tick.silence.down && tick.silence.unanswered >= 8.0, "{:?}", tick.silence);
    assert_eq!((tick.silence.stable_unanswered, bench.waiting(12_000)), (0.0, 48));
    // Each user was slow once in a pause, though no answer came.
    let mut bench = self::bench();
    bench.look_on(0);
    let seen = (0..3).map(|second| silent_for(&mut bench, second, 1).tick.unwrap_or_default());
    assert_eq!(seen.map(|tick| tick.canary.events[Aspect::Slow as usize]).sum::<f64>(), 4.0);
}

#[test]
fn what_was_lost_or_slept_through_is_no_silence() {
    for disturb in [
        |bench: &mut Bench| drop(bench.look_on(14_000)),
        |bench: &mut Bench| {
            let evidence = Arc::clone(bench.observer.evidence());
            let many = crate::state::samples::CAPACITY + 1;
            (0..many).for_each(|_| evidence.left_waiting(Core(0), (Arm::Stable, None), None, Millis(0)));
            bench.look_on(11_000);
        },
    ] {
        let mut bench = bench();
        bench.look_on(0);
        silent_for(&mut bench, 0, 11);
        disturb(&mut bench);
        assert_eq!(bench.waiting(14_000), 0, "all of it is thrown away");
        let tick = bench.last_tick(141..=151);
        assert_eq!(tick.silence, crate::decide::guard::silent::Silence::default());
    }
}

#[test]
fn who_was_sent_at_another_share_waits_still_and_says_nothing() {
    let mut bench = bench();
    bench.look_on(0);
    let old = Arc::clone(bench.observer.evidence());
    let wait = old.sent(Core(0), (Arm::Canary, Some(Slot::of(1))), Kind::Whole);
    silent_for(&mut bench, 0, 7);
    bench.observer.begin(2, &bench.blocks, &bench.guard);
    let tick = bench.last_tick(71..=171);
    assert_eq!((bench.waiting(17_100), tick.silence.unanswered), (29, 0.0));
    old.over(Core(0), (Arm::Canary, Some(Slot::of(1))), wait, Over::Failed);
    bench.look_on(17_200);
    assert_eq!(bench.waiting(17_200), 28);
    // Whoever waits leaves, whatever share they were sent at.
    bench.observer.withdraw(Rescue::Longer(Millis(12_000)), Millis(17_200));
    let withdrawal = &bench.observer.evidence().withdrawal;
    assert!(Arc::ptr_eq(withdrawal, &old.withdrawal));
    assert_eq!([0, 4, 5, 6].map(|second| withdrawal.covers(second)), [true, true, false, false]);
    bench.observer.withdraw(Rescue::Everybody, Millis(17_200));
    assert!(old.withdrawal.covers(17) && !old.withdrawal.covers(18));
}

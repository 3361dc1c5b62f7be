//! Counters, samples and probes in, ticks of the guard out.

use super::*;
use crate::decide::finish_kind::FinishKind;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::tick::ArmTick;
use crate::decide::guard::waiting::WaitEnd;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Slot, UnixMillis};
use crate::state::counters::Core;

struct Harness {
    blocks: EvidenceBlocks,
    collector: EvidenceCollector,
    guard: Guard,
    // By stable's breaker.
    bypassed: (u64, bool),
}

fn harness() -> Harness {
    let guard = Guard { window: Millis(60_000), ..Guard::default() };
    let blocks = EvidenceBlocks::new(2);
    let collector = EvidenceCollector::new(&RolloutState::new(1, UnixMillis(0)), &blocks, &guard, Millis(0));
    Harness { blocks, collector, guard, bypassed: (0, false) }
}

impl Harness {
    fn send(&self, arm: Arm, user: u16) {
        self.collector.evidence().begin(Core(0), (arm, Some(Slot::of(user))));
    }

    fn end(&self, arm: Arm, user: u16, outcome: Outcome) {
        self.collector.evidence().end(Core(1), (arm, Some(Slot::of(user))), outcome);
    }

    /// Control's look at this moment.
    fn poll(&mut self, now: u64) -> Observation {
        let (samples, now) = (Arc::clone(&self.blocks.samples), Millis(now));
        samples.drain(|sample| {
            if self.collector.block_ids().any(|id| id == sample.evidence) {
                self.collector.sample(&sample, &self.guard, now);
            }
        });
        self.collector.poll(&self.guard, false, self.bypassed, now)
    }
}

#[test]
fn the_guard_has_a_tick_a_second_with_what_was_sent_and_what_failed() {
    let mut harness = harness();
    assert_eq!(harness.poll(0).tick, None);
    for (user, outcome) in [Outcome::Ok, Outcome::Timeout, Outcome::ClientGone, Outcome::Connect].into_iter().zip(0..) {
        harness.send(Arm::Canary, outcome);
        harness.end(Arm::Canary, outcome, user);
    }
    harness.send(Arm::Stable, 9);
    assert_eq!(harness.poll(900).tick, None);
    let tick = harness.poll(1000).tick.unwrap();
    assert_eq!((tick.seconds, tick.stable.exposed(), tick.stable.failures()), (1.0, 1.0, 0.0));
    assert_eq!((tick.canary.exposed(), tick.canary.failures(), tick.canary.connections_refused), (4.0, 2.0, 1.0));
    assert_eq!((tick.canary.successes, tick.canary.answered), (1.0, 3.0));
    let seen = harness.poll(2000);
    assert_eq!(seen.tick.unwrap().canary, ArmTick::default(), "each is counted once");
    assert_eq!((seen.window.canary, seen.users), (Counts { requests: 4, failures: 2 }, [0, 2]));
}

#[test]
fn a_user_who_fails_is_not_counted_while_paused_neither_sent_nor_failed() {
    let mut harness = harness();
    let mut seen = Vec::new();
    for second in 0..20 {
        harness.send(Arm::Canary, 7);
        harness.end(Arm::Canary, 7, Outcome::ServerError);
        let tick = harness.poll(second * 1000).tick.unwrap_or_default();
        seen.push((tick.canary.exposed(), tick.canary.failures()));
    }
    // The first failure is of the first second; the pauses are of ten seconds and of forty.
    assert_eq!(seen.iter().map(|(_, failed)| failed).sum::<f64>(), 2.0, "{seen:?}");
    // Sent between the end of a pause and the look that saw the next failure, and then no more.
    assert_eq!(seen.iter().map(|(sent, _)| sent).sum::<f64>(), 1.0, "{seen:?}");
    assert_eq!(harness.poll(60_000).users, [0, 1], "one user");
}

#[test]
fn what_takes_longer_than_stable_does_is_slow_and_so_is_who_leaves_after_waiting() {
    let mut harness = harness();
    harness.poll(0);
    for user in 0..400 {
        harness.collector.evidence().output(Core(0), (Arm::Stable, Some(Slot::of(user))), None, Millis(100));
    }
    harness.poll(500);
    let evidence = Arc::clone(harness.collector.evidence());
    let canary = |user, after| evidence.output(Core(0), (Arm::Canary, Some(Slot::of(user))), None, Millis(after));
    (0..5).for_each(|user| canary(500 + user, 90));
    (0..3).for_each(|user| canary(600 + user, 900));
    evidence.client_gone(Core(0), (Arm::Canary, Some(Slot::of(700))), None, Millis(30_000));
    evidence.client_gone(Core(0), (Arm::Canary, Some(Slot::of(701))), None, Millis(20));
    let tick = harness.poll(1000).tick.unwrap();
    assert_eq!(tick.canary.events[Aspect::Slow as usize], 4.0);
}

#[test]
fn a_pace_is_slow_by_stables_own_and_what_comes_at_once_has_none() {
    let mut harness = harness();
    harness.poll(0);
    let evidence = Arc::clone(harness.collector.evidence());
    let paced = |arm, user, gap| evidence.paced(Core(0), (arm, Some(Slot::of(user))), gap);
    paced(Arm::Canary, 900, 90_000);
    harness.poll(100);
    (0..400).for_each(|user| paced(Arm::Stable, user, 20_000 + u64::from(user % 7) * 500));
    (400..800).for_each(|user| paced(Arm::Stable, user, 90));
    harness.poll(500);
    (0..5).for_each(|user| paced(Arm::Canary, 1000 + user, 20_000));
    (0..3).for_each(|user| paced(Arm::Canary, 1100 + user, 60_000));
    paced(Arm::Canary, 1100, 60_000);
    paced(Arm::Canary, 1200, 900);
    for (user, finished) in [(1300, FinishKind::Length), (1301, FinishKind::Length), (1302, FinishKind::Empty)] {
        evidence.end_answer(Core(1), (Arm::Canary, Some(Slot::of(user))), Outcome::Ok, Some(finished));
    }
    let seen = harness.poll(1000);
    let events = seen.tick.unwrap().canary.events;
    // One user's second slow stream does not count, nor the one that came before stable had shown anything.
    assert_eq!(Aspect::OF_ANSWERS.map(|aspect| events[aspect as usize]), [1.0, 2.0, 0.0, 3.0]);
    let threshold = seen.pace_threshold.unwrap();
    assert_eq!(threshold.seen(), 400);
    assert!((25..45).contains(&threshold.limit(&harness.guard.pace_rule()).0), "{threshold:?}");
}

#[test]
fn another_epoch_begins_with_nothing_and_keeps_who_is_paused() {
    let mut harness = harness();
    harness.poll(0);
    harness.send(Arm::Canary, 7);
    let old = Arc::clone(harness.collector.evidence());
    harness.end(Arm::Canary, 7, Outcome::ServerError);
    harness.poll(1000);
    harness.collector.start_epoch(2, &harness.blocks, &harness.guard);
    // An answer to what was sent before comes late.
    old.begin(Core(0), (Arm::Canary, Some(Slot::of(8))));
    old.end(Core(0), (Arm::Canary, Some(Slot::of(8))), Outcome::ServerError);
    harness.send(Arm::Canary, 7);
    harness.send(Arm::Canary, 9);
    let tick = harness.poll(2000).tick.unwrap();
    assert_eq!((tick.canary.exposed(), tick.canary.failures()), (1.0, 0.0));
}

#[test]
fn a_process_that_slept_has_seen_nothing() {
    let mut harness = harness();
    harness.poll(0);
    for user in 0..50 {
        harness.send(Arm::Canary, user);
        harness.end(Arm::Canary, user, Outcome::Reset);
    }
    let seen = harness.poll(3_600_000);
    assert!(seen.was_suspended && seen.tick.is_none());
    let tick = harness.poll(3_601_000).tick.unwrap();
    assert_eq!((tick.seconds, tick.canary), (1.0, ArmTick::default()));
}

#[test]
fn a_tick_in_which_stables_breaker_kept_requests_from_it_says_so() {
    let mut harness = harness();
    let mut shut = Vec::new();
    let bypassed = [(0, 0), (1000, 0), (1500, 3), (2000, 7), (3000, 7), (3100, 7), (4000, 7)];
    // With hardly any traffic an open breaker diverts no request.
    for (now, bypassed, open) in
        bypassed.map(|(now, bypassed)| (now, bypassed, false)).into_iter().chain([(5000, 7, true)])
    {
        harness.bypassed = (bypassed, open);
        shut.push(harness.poll(now).stable_breaker_open);
    }
    assert_eq!(shut, [false, false, false, true, false, false, false, true], "until the next tick is over");
}

#[test]
fn a_canary_that_stands_in_and_fails_everybody_is_seen_without_stable() {
    for (outcome, dead) in [(Outcome::Connect, true), (Outcome::ServerError, true), (Outcome::Ok, false)] {
        for shut in [true, false] {
            let mut harness = harness();
            harness.bypassed = (0, shut);
            let mut seen = Vec::new();
            for second in 0..8 {
                for user in 0..4 {
                    // Its users differ, or else they would count once in a while.
                    let user = u16::try_from(second * 4 + user).unwrap();
                    harness.send(Arm::Canary, user);
                    harness.end(Arm::Canary, user, outcome);
                }
                seen.push(harness.poll(second * 1000).canary_dead);
            }
            assert_eq!(seen.iter().any(|dead| *dead), dead && shut, "{outcome:?} {shut}: {seen:?}");
            if !(dead && shut) {
                continue;
            }
            assert_eq!(seen.iter().position(|dead| *dead), Some(3), "three seconds after stable was lost: {seen:?}");
            harness.send(Arm::Canary, 999);
            harness.end(Arm::Canary, 999, Outcome::Ok);
            assert!(!harness.poll(8000).canary_dead, "one answer shows that it lives");
        }
    }
}

#[test]
fn probes_come_slower_while_the_provider_does_not_answer() {
    let mut harness = harness();
    let mut began = Vec::new();
    for now in (0..40_000).step_by(100).map(Millis) {
        if harness.collector.start_probe(Arm::Canary, now) {
            began.push(now.0);
            assert!(!harness.collector.start_probe(Arm::Canary, now), "one at a time");
            harness.collector.probe_finished(Arm::Canary, Err("refused".to_owned()), now);
        }
    }
    assert_eq!(began, [0, 1000, 3000, 7000, 15_000, 25_000, 35_000]);
}

/// A canary that is sent a request by each of these users, while stable answers as many, for so many seconds.
fn silent_for(harness: &mut Harness, from: u64, seconds: u64) -> Observation {
    let evidence = Arc::clone(harness.collector.evidence());
    let mut last = Observation::default();
    for second in from..from + seconds {
        for user in 0..4 {
            let slot = Some(Slot::of(user));
            let _ = evidence.sent(Core(0), (Arm::Canary, slot), ResponseKind::Whole);
            let wait = evidence.sent(Core(1), (Arm::Stable, slot), ResponseKind::Whole);
            evidence.output(Core(1), (Arm::Stable, slot), Some(wait), Millis(20));
        }
        for look in 1..=10 {
            last = harness.poll_and_advance(second * 1000 + look * 100);
        }
    }
    last
}

impl Harness {
    /// The same, with the second set for the cores, as control does.
    fn poll_and_advance(&mut self, now: u64) -> Observation {
        let seen = self.poll(now);
        self.blocks.samples.set_second(second_of(Millis(now)));
        self.collector.samples_dropped(self.blocks.samples.dropped(), Millis(now));
        seen
    }

    /// Of looks in tenths of a second.
    fn last_tick(&mut self, looks: std::ops::RangeInclusive<u64>) -> Tick {
        let mut ticks: Vec<Tick> = looks.filter_map(|look| self.poll_and_advance(look * 100).tick).collect();
        ticks.pop().unwrap()
    }

    fn waiting(&self, now: u64) -> u32 {
        let (young, old) = self.collector.waiting().by_age(Arm::Canary, &[Millis(5000)], Millis(now));
        young[0] + old
    }
}

#[test]
fn a_canary_that_never_answers_is_in_the_tick_and_slow_answers_count_before_they_come() {
    let mut harness = harness();
    harness.poll_and_advance(0);
    let tick = silent_for(&mut harness, 0, 12).tick.unwrap();
    assert!(tick.silence.down && tick.silence.unanswered >= 8.0, "{:?}", tick.silence);
    assert_eq!((tick.silence.stable_unanswered, harness.waiting(12_000)), (0.0, 48));
    // Each user was slow once in a pause, though no answer came.
    let mut harness = self::harness();
    harness.poll_and_advance(0);
    let seen = (0..3).map(|second| silent_for(&mut harness, second, 1).tick.unwrap_or_default());
    assert_eq!(seen.map(|tick| tick.canary.events[Aspect::Slow as usize]).sum::<f64>(), 4.0);
}

#[test]
fn lost_samples_and_suspensions_are_no_silence() {
    for disturb in [
        |harness: &mut Harness| drop(harness.poll_and_advance(14_000)),
        |harness: &mut Harness| {
            let evidence = Arc::clone(harness.collector.evidence());
            let many = crate::state::samples::CAPACITY + 1;
            (0..many).for_each(|_| evidence.client_gone(Core(0), (Arm::Stable, None), None, Millis(0)));
            harness.poll_and_advance(11_000);
        },
    ] {
        let mut harness = harness();
        harness.poll_and_advance(0);
        silent_for(&mut harness, 0, 11);
        disturb(&mut harness);
        assert_eq!(harness.waiting(14_000), 0, "all of it is thrown away");
        let tick = harness.last_tick(141..=151);
        assert_eq!(tick.silence, crate::decide::guard::silent::SilentRun::default());
    }
}

#[test]
fn requests_sent_at_another_share_still_wait_and_judge_nothing() {
    let mut harness = harness();
    harness.poll_and_advance(0);
    let old = Arc::clone(harness.collector.evidence());
    let wait = old.sent(Core(0), (Arm::Canary, Some(Slot::of(1))), ResponseKind::Whole);
    silent_for(&mut harness, 0, 7);
    harness.collector.start_epoch(2, &harness.blocks, &harness.guard);
    let tick = harness.last_tick(71..=171);
    assert_eq!((harness.waiting(17_100), tick.silence.unanswered), (29, 0.0));
    old.end_wait(Core(0), (Arm::Canary, Some(Slot::of(1))), wait, WaitEnd::Failed);
    harness.poll_and_advance(17_200);
    assert_eq!(harness.waiting(17_200), 28);
    // Requests that wait are released, at whatever share they were sent.
    harness.collector.withdraw_waiting(WithdrawWaiting::LongerThan(Millis(12_000)), Millis(17_200));
    let withdrawal = &harness.collector.evidence().withdrawal;
    assert!(Arc::ptr_eq(withdrawal, &old.withdrawal));
    assert_eq!([0, 4, 5, 6].map(|second| withdrawal.covers(second)), [true, true, false, false]);
    harness.collector.withdraw_waiting(WithdrawWaiting::All, Millis(17_200));
    assert!(old.withdrawal.covers(17) && !old.withdrawal.covers(18));
}

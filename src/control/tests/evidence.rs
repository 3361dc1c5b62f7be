//! The guard's evidence outlives the process, and only requests add to it.

use super::harness::*;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::control::persist::locks::LockReadError;
use crate::decide::event::Action;
use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::constants::Constants;
use crate::decide::guard::tick::EventSums;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Canary, Guard, Intent, Policy, Ramp};
use crate::decide::rollout::state::{Identity, OverallPhase, RolloutState};
use crate::decide::units::{Arm, Millis, RolloutId, Slot, UnixMillis};
use crate::describe::event::reason;
use crate::state::counters::Core;
use crate::state::samples::CAPACITY;
use crate::store::locks::LocksFound;

/// One stage that lasts for a day, and the guard as it is by default.
fn slow() -> Canary {
    let day = Millis(86_400_000);
    let ramp = Ramp { hold_start: day, every: day, ..canary().ramp };
    Canary { ramp, guard: Guard { constants: Constants::default(), ..Guard::default() }, ..canary() }
}

struct Life {
    engine: Engine,
    mono: u64,
    users: u16,
}

impl Life {
    fn begin(states: Vec<(Identity, RolloutState)>) -> Life {
        let mut life = Life { engine: Engine::new(bootstrap(one(slow()), states), at(0)), mono: 0, users: 0 };
        for probe in life.engine.due_probes(at(0)) {
            life.engine.probe_finished(&probe, Ok(()), at(0));
        }
        life.pass(1);
        life
    }

    /// So many looks of control, each with this many requests of the canary, the first of which fail.
    fn live(&mut self, looks: u32, canary: u16, failing: u16) {
        for _ in 0..looks {
            let evidence = self.engine.shared.load().in_force(RolloutId(0)).evidence.clone();
            for (arm, requests, failing) in [(Arm::Stable, 9 * canary, 0), (Arm::Canary, canary, failing)] {
                for request in 0..requests {
                    self.users = self.users.wrapping_add(1);
                    let (user, fails) = (Some(Slot::of(self.users)), request < failing);
                    evidence.begin(Core(0), (arm, user));
                    evidence.end(Core(0), (arm, user), if fails { Outcome::ServerError } else { Outcome::Ok });
                }
            }
            self.pass(1);
        }
    }

    fn pass(&mut self, looks: u32) {
        for _ in 0..looks {
            self.mono += 100;
            self.engine.tick(at(self.mono));
            self.land();
        }
    }

    /// The disk takes what there is.
    fn land(&mut self) {
        let proposed: Vec<_> = std::mem::take(&mut self.engine.outbox.proposals).into_iter().collect();
        self.engine.batch_finished(&Ok(()), at(self.mono));
        self.engine.proposals_written(&proposed, at(self.mono));
        for (identity, proposal) in proposed {
            self.engine.outbox.states.insert(identity, proposal.state);
        }
    }

    fn written(&mut self) -> Vec<(Identity, RolloutState)> {
        self.engine.outbox.states.clone().into_iter().collect()
    }

    fn chat(&self) -> (OverallPhase, u16, f64) {
        let status = self.engine.status.load();
        let chat = &status.rollouts[0];
        let evidence = chat.guard.as_ref().unwrap().aspects[Aspect::Failing as usize].evidence;
        (chat.phase, chat.percent.hundredths(), evidence)
    }
}

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

#[test]
fn a_restart_goes_on_with_the_same_try_and_comes_to_the_same_verdict() {
    let mut first = Life::begin(Vec::new());
    first.live(600, 2, 0);
    // Some failures: enough to be doubted, not enough to be taken back.
    first.live(11, 1, 1);
    let (phase, percent, before) = first.chat();
    assert_eq!((phase, percent), (OverallPhase::Ramping, 1000));
    assert!(before > 1.0, "{before}");
    first.engine.outbox.states.clear();
    first.live(600, 1, 0);
    let minute = first.written();
    assert_eq!(minute.len(), 1, "once a minute");
    first.engine.drain(at(first.mono));
    let (_, _, kept) = first.chat();
    let written = first.written();
    let mut second = Life::begin(written.clone());
    let (phase, percent, evidence) = second.chat();
    assert_eq!((phase, percent), (OverallPhase::Ramping, 1000));
    assert!((evidence / kept - 1.0).abs() < 0.01, "{evidence} {kept}");
    assert_eq!(written[0].1.retries, 0);
    let watched = second.engine.status.load().rollouts[0].guard.as_ref().unwrap().watched;
    assert!(watched > Millis(115_000), "{watched}: the step's time goes on as well");
    second.live(50, 2, 2);
    assert_eq!(second.chat().0, OverallPhase::RolledBack);
}

#[test]
fn evidence_is_not_shown_while_no_user_is_on_the_canary() {
    let mut life = Life::begin(Vec::new());
    life.live(600, 2, 0);
    life.live(50, 2, 2);
    assert_eq!((life.chat().0, life.chat().1), (OverallPhase::RolledBack, 0));
    life.pass(20);
    let status = life.engine.status.load();
    let guard = status.rollouts[0].guard.as_ref().unwrap();
    let stands = guard.aspects.iter().any(|aspect| aspect.evidence > 0.0 || aspect.above_floor);
    assert!(!stands && guard.aspects.iter().all(|aspect| aspect.doubt == EventSums::default()), "{:?}", guard.aspects);
    assert!(guard.failures_in_a_row.abs() < 1e-9, "{}", guard.failures_in_a_row);
}

#[test]
fn evidence_continues_after_a_time_without_users_on_the_canary() {
    let mut life = Life::begin(Vec::new());
    life.live(600, 2, 0);
    life.live(11, 1, 1);
    let before = life.chat().2;
    assert!(before > 1.0, "{before}");
    life.engine.locks_unreadable(LockReadError { reason: "denied".into(), permanent: true }, at(life.mono));
    life.pass(20);
    assert_eq!((life.chat().0, life.chat().2.abs() < 1e-9), (OverallPhase::Blocked, true), "nothing is compared");
    life.engine.locks_read(LocksFound::default(), at(life.mono));
    life.pass(20);
    let (phase, _, after) = life.chat();
    assert_eq!((phase, after >= before * 0.9), (OverallPhase::Ramping, true), "{before} {after}");
}

/// `one` and `other`, in this order.
fn both(names: [&str; 2]) -> Policy {
    policy(names.into_iter().map(|name| rollout(name, Some(slow()))).collect())
}

/// Users of each rollout in its place of the file whose requests failed on the canary.
fn failing(engine: &Engine) -> Vec<u32> {
    let status = engine.status.load();
    status.rollouts.iter().map(|rollout| rollout.guard.as_ref().unwrap().users[1]).collect()
}

#[test]
fn samples_find_their_rollout_over_epochs_and_files() {
    let mut life =
        Life { engine: Engine::new(bootstrap(both(["one", "other"]), Vec::new()), at(0)), mono: 0, users: 0 };
    let fail = |engine: &Engine, place: u16, users: std::ops::Range<u16>| {
        let evidence = engine.shared.load().in_force(RolloutId(place)).evidence.clone();
        users.for_each(|user| evidence.end(Core(0), (Arm::Canary, Some(Slot::of(user))), Outcome::ServerError));
        evidence
    };
    fail(&life.engine, 0, 0..3);
    life.pass(1);
    assert_eq!(failing(&life.engine), [3, 0]);
    // The same blocks of evidence, in other places.
    life.engine.flags_read(read(both(["other", "one"])), at(life.mono));
    let old = fail(&life.engine, 1, 10..11);
    life.pass(1);
    assert_eq!(failing(&life.engine), [0, 4]);
    // Another epoch of `one`: what belongs to the one before is nobody's.
    for probe in life.engine.due_probes(at(life.mono)) {
        life.engine.probe_finished(&probe, Ok(()), at(life.mono));
    }
    life.pass(2);
    old.end(Core(0), (Arm::Canary, Some(Slot::of(20))), Outcome::ServerError);
    fail(&life.engine, 0, 30..32);
    life.pass(1);
    assert_eq!(failing(&life.engine), [2, 0]);
    life.engine.flags_read(read(policy(vec![rollout("one", Some(slow()))])), at(life.mono));
    old.end(Core(0), (Arm::Canary, Some(Slot::of(21))), Outcome::ServerError);
    life.pass(1);
    assert_eq!(failing(&life.engine), [0]);
}

#[test]
fn lost_samples_are_counted_and_reported_once_an_hour() {
    let mut life = Life::begin(Vec::new());
    let mut alerts = Vec::new();
    for (look, lost) in [(0, 0), (1, 5), (2, 7), (35_990, 0), (36_002, 0), (36_003, 1), (72_003, 1)] {
        life.mono = look * 100;
        let evidence = life.engine.shared.load().in_force(RolloutId(0)).evidence.clone();
        let sent = if lost > 0 { CAPACITY + lost } else { 0 };
        (0..sent).for_each(|_| evidence.output(Core(0), (Arm::Stable, None), None, Millis(1)));
        life.engine.outbox.events.clear();
        life.pass(1);
        let reported = life.engine.outbox.events.iter().filter(|event| event.action == Action::Notice);
        let words = reported.map(|event| reason(event).split(" requests,").next().unwrap().to_owned());
        alerts.extend(words.map(|words| (look, words)));
    }
    let reported = |lost: u64| format!("the guard missed {lost}");
    assert_eq!(alerts, [(1, reported(5)), (36_002, reported(7)), (72_003, reported(2))]);
    assert_eq!(life.engine.status.load().samples_lost, 14);
}

#[test]
fn rollouts_are_written_in_turns_and_those_at_rest_not_again() {
    let names: Vec<String> = (0..30).map(|number| format!("rollout-{number}")).collect();
    let pinned = |share| Canary { percent: Intent::Pinned(percent(share)), ..slow() };
    // Every third has users on the canary.
    let share = |number: usize| if number.is_multiple_of(3) { 10 } else { 0 };
    let rollouts = names.iter().enumerate().map(|(number, name)| rollout(name, Some(pinned(share(number)))));
    let engine = Engine::new(bootstrap(policy(rollouts.collect()), Vec::new()), at(0));
    let mut life = Life { engine, mono: 0, users: 0 };
    life.pass(1);
    let mut minutes = Vec::new();
    for _ in 0..3 {
        let mut batches = Vec::new();
        for _ in 0..600 {
            life.engine.outbox.states.clear();
            for number in (0..30).step_by(3) {
                let evidence = life.engine.shared.load().in_force(RolloutId(number)).evidence.clone();
                evidence.begin(Core(0), (Arm::Canary, None));
                evidence.end(Core(0), (Arm::Canary, None), Outcome::Ok);
            }
            life.pass(1);
            batches.push(life.engine.outbox.states.len());
        }
        let writes = batches.iter().filter(|count| **count > 0).count();
        minutes.push((batches.iter().sum::<usize>(), writes, *batches.iter().max().unwrap()));
    }
    assert_eq!(minutes, [(30, 12, 3), (10, 4, 3), (10, 4, 3)], "written, in so many batches, of so many at most");
    life.engine.outbox.states.clear();
    life.engine.drain(at(life.mono));
    assert_eq!(life.written().len(), 30, "once more at the end");
}

#[test]
fn a_suspended_process_neither_promotes_nor_rolls_back() {
    let mut life = Life::begin(Vec::new());
    life.live(50, 10, 0);
    // All that was under way when it fell asleep fails when it wakes up.
    let evidence = life.engine.shared.load().in_force(RolloutId(0)).evidence.clone();
    for user in 0..200 {
        evidence.begin(Core(0), (Arm::Canary, Some(Slot::of(user))));
        evidence.end(Core(0), (Arm::Canary, Some(Slot::of(user))), Outcome::Reset);
    }
    life.mono += 3 * 86_400_000;
    life.pass(1);
    // Late ones as well: they were sent before.
    for user in 200..400 {
        evidence.begin(Core(0), (Arm::Canary, Some(Slot::of(user))));
        evidence.end(Core(0), (Arm::Canary, Some(Slot::of(user))), Outcome::Timeout);
    }
    life.live(50, 10, 0);
    let (phase, percent, evidence) = life.chat();
    assert_eq!((phase, percent), (OverallPhase::Ramping, 1000));
    assert!(evidence < 1.0, "{evidence}");
    let guard = life.engine.status.load().rollouts[0].guard.clone().unwrap();
    assert!(guard.watched < Millis(20_000), "{}: three days were not watched", guard.watched);
}

#[test]
fn one_user_who_always_fails_causes_no_rollback_over_many_restarts() {
    let mut states = Vec::new();
    for _ in 0..12 {
        let mut life = Life::begin(states);
        for _ in 0..61 {
            let evidence = life.engine.shared.load().in_force(RolloutId(0)).evidence.clone();
            let user = Some(Slot::of(7));
            evidence.begin(Core(0), (Arm::Canary, user));
            evidence.end(Core(0), (Arm::Canary, user), Outcome::ServerError);
            life.live(10, 1, 0);
        }
        assert_eq!(life.chat().0, OverallPhase::Ramping);
        life.engine.drain(at(life.mono));
        states = life.written();
    }
}

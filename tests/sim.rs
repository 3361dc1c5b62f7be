//! A seeded life of control: traffic, faults, commands, lock files, reloads, crashes and clock jumps, in no order.
//!
//! The engine is driven without a runtime and without real time; beside it runs a small model of what users were
//! promised, and after every action both must agree. A failure prints its seed; `SERIN_SIM_SEED=n` runs that one alone,
//! `SERIN_SIM_SEEDS=n` that many.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "sim/actions.rs"]
mod actions;
#[path = "sim/checks.rs"]
mod checks;
#[path = "sim/harness.rs"]
mod harness;
#[path = "../src/decide/policy/plain.rs"]
#[expect(dead_code, reason = "flags are of no concern here")]
mod plain;

use std::sync::Arc;

use harness::{Disk, engine, first_canary, policy};
use serin::control::engine::dispatch::Engine;
use serin::control::now::Now;
use serin::decide::event::Event;
use serin::decide::outcome::Outcome;
use serin::decide::policy::*;
use serin::decide::units::{Arm, Bucket, Millis, Percent, RolloutId, Slot, UnixMillis};
use serin::state::counters::Core;
use serin::state::evidence::Evidence;

const TICK: u64 = 100;
/// How many users there are.
const USERS: u16 = 400;
/// After so long without a change of the weather, what the guard does must fit it.
const SETTLED: u64 = 30_000;

struct Flight {
    evidence: Arc<Evidence>,
    rollout: usize,
    arm: Arm,
    user: Slot,
    ends: u64,
    outcome: Outcome,
}

struct World {
    chance: fastrand::Rng,
    engine: Engine,
    disk: Disk,
    disk_full: bool,
    canaries: [Canary; 2],
    usable: bool,
    // Monotonic milliseconds, and how far the wall clock lies ahead of them.
    mono: u64,
    ahead: u64,
    flights: Vec<Flight>,
    // Share of failures on each arm, of 100, and since when; whether the canary takes requests and never answers.
    failing: [u8; 2],
    weather_since: u64,
    silent: bool,
    probes_answer: bool,
    // Canary requests sent and answered at the present share, and which that is.
    answered: [(Percent, u64); 2],
    // What users were promised: these are locked at most there, these were taken back.
    locked: [Option<Percent>; 2],
    taken_back: [bool; 2],
    // The share that the history came to, and what the last check saw.
    last: [Percent; 2],
    shown: [(Percent, u64); 2],
    events: Vec<Event>,
}

impl World {
    fn new(seed: u64) -> World {
        let canaries = [first_canary(), first_canary()];
        let disk = Disk::default();
        let now = Now { mono: Millis(0), unix: UnixMillis(1_700_000_000_000) };
        World {
            chance: fastrand::Rng::with_seed(seed),
            engine: engine(&canaries, true, &disk, now),
            disk,
            disk_full: false,
            canaries,
            usable: true,
            mono: 0,
            ahead: 1_700_000_000_000,
            flights: Vec::new(),
            failing: [0, 0],
            weather_since: 0,
            silent: false,
            probes_answer: true,
            answered: [(Percent::ZERO, 0); 2],
            locked: [None, None],
            taken_back: [false; 2],
            last: [Percent::ZERO; 2],
            shown: [(Percent::ZERO, 0); 2],
            events: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now { mono: Millis(self.mono), unix: UnixMillis(self.mono + self.ahead) }
    }

    fn policy(&self) -> Arc<Policy> {
        policy(&self.canaries, self.usable)
    }

    /// Writes, and gives the names of those whose proposals came into force.
    fn save(&mut self) -> Vec<String> {
        self.collect();
        let result = if self.disk_full { Err("disk full".to_owned()) } else { Ok(()) };
        let before = self.engine.shared.load();
        let proposed: Vec<_> = std::mem::take(&mut self.engine.outbox.proposals).into_iter().collect();
        if result.is_ok() {
            self.disk.states.append(&mut self.engine.outbox.states);
            self.disk.states.extend(proposed.iter().map(|(identity, next)| (identity.clone(), next.state.clone())));
        }
        self.engine.batch_finished(&result, self.now());
        if self.disk_full {
            assert_eq!(self.engine.proposals_failed(&proposed, self.now()).len(), proposed.len());
            assert_eq!(self.engine.shared.load().revision, before.revision, "what is not written moves nobody");
            return Vec::new();
        }
        for (identity, proposal) in &proposed {
            assert!(!proposal.events.is_empty(), "{identity:?} moves and nobody is told");
            self.explain(proposal.events.clone());
        }
        let moved = self.engine.proposals_written(&proposed, self.now());
        assert_eq!(moved.len(), proposed.len(), "nothing came between");
        moved
    }

    fn tick(&mut self) {
        self.mono += TICK;
        let snapshot = self.engine.shared.load();
        for _ in 0..self.chance.u8(0..40) {
            let rollout = self.chance.u16(0..2);
            let in_force = snapshot.in_force(RolloutId(rollout));
            let user = self.chance.u16(0..USERS);
            // Their buckets lie evenly.
            let on_canary = Bucket(user * (10_000 / USERS)).is_below(in_force.percent);
            let arm = if on_canary { Arm::Canary } else { Arm::Stable };
            let user = Slot::of(user);
            in_force.evidence.begin(Core(0), (arm, Some(user)));
            if self.silent && on_canary {
                continue;
            }
            let fails = self.chance.u8(0..100) < self.failing[arm as usize];
            let outcome = if fails { Outcome::ServerError } else { Outcome::Ok };
            let ends = self.mono + self.chance.u64(0..1500);
            let (evidence, rollout) = (Arc::clone(&in_force.evidence), usize::from(rollout));
            self.flights.push(Flight { evidence, rollout, arm, user, ends, outcome });
        }
        let now = self.mono;
        let (ended, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.ends <= now);
        self.flights = open;
        for Flight { evidence, rollout, arm, user, outcome, .. } in ended {
            evidence.end(Core(0), (arm, Some(user)), outcome);
            let in_force = &snapshot.rollouts[rollout];
            let (share, answered) = &mut self.answered[rollout];
            if *share != in_force.percent {
                (*share, *answered) = (in_force.percent, 0);
            }
            if arm == Arm::Canary && evidence.epoch == in_force.evidence.epoch {
                *answered += 1;
            }
        }
        for probe in self.engine.due_probes(self.now()) {
            let dead = self.failing[probe.arm as usize] == 100;
            let result = if self.probes_answer && !dead { Ok(()) } else { Err("HTTP 503".to_owned()) };
            self.engine.probe_finished(&probe, result, self.now());
        }
        for check in self.engine.due_stable_checks(self.now()) {
            let dead = self.failing[Arm::Stable as usize] == 100;
            let result = if self.probes_answer && !dead { Ok(()) } else { Err("HTTP 503".to_owned()) };
            self.engine.stable_checked(&check, &result);
        }
        self.engine.tick(self.now());
        self.save();
    }
}

/// Prints the seed and the last actions when the world breaks.
struct EventLog {
    seed: u64,
    actions: Vec<String>,
}

impl Drop for EventLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.actions.len().saturating_sub(15);
            eprintln!("SERIN_SIM_SEED={} broke after {} actions:", self.seed, self.actions.len());
            self.actions[last..].iter().for_each(|action| eprintln!("  {action}"));
        }
    }
}

fn live(seed: u64) -> Vec<String> {
    let mut world = World::new(seed);
    let mut diary = EventLog { seed, actions: Vec::new() };
    for _ in 0..120 {
        let action = world.act();
        diary.actions.push(action);
        world.check();
    }
    diary.actions.push("all ends well".to_owned());
    world.all_ends_well();
    let shares = world.events.iter().map(|event| format!("{} {} {}", event.actor, event.action, event.to));
    diary.actions.iter().cloned().chain(shares).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn promises_hold_in_every_world() {
    match number("SERIN_SIM_SEED") {
        Some(seed) => drop(live(seed)),
        None => (0..number("SERIN_SIM_SEEDS").unwrap_or(200)).for_each(|seed| drop(live(seed))),
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    assert_eq!(live(7), live(7));
    assert_ne!(live(7), live(8));
}

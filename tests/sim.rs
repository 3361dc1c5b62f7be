//! A seeded life of control: traffic, faults, commands, lock files, reloads, crashes and clock jumps, in no order.
//!
//! The engine is driven without a runtime and without real time; beside it runs a small model of what users were
//! promised, and after every action both must agree. A failure prints its seed; `SERIN_SIM_SEED=n` runs that one alone,
//! `SERIN_SIM_SEEDS=n` that many.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "sim/harness.rs"]
mod harness;
#[path = "../src/decide/policy/plain.rs"]
mod plain;

use std::sync::Arc;

use harness::{Disk, NAMES, engine, first_canary, policy};
use plain::percent;
use serin::control::engine::dispatch::Engine;
use serin::control::now::Now;
use serin::decide::event::Event;
use serin::decide::file_error::FileError;
use serin::decide::outcome::Outcome;
use serin::decide::policy::*;
use serin::decide::rollout::state::{Lock, OverallPhase, Phase, RolloutCommand};
use serin::decide::units::{Arm, Bucket, Millis, Percent, RolloutId, Slot, UnixMillis};
use serin::state::counters::Core;
use serin::state::evidence::Evidence;
use serin::state::inbox::{Command, FlagsRead};

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
    told: Vec<Event>,
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
            told: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now { mono: Millis(self.mono), unix: UnixMillis(self.mono + self.ahead) }
    }

    fn policy(&self) -> Arc<Policy> {
        policy(&self.canaries, self.usable)
    }

    fn act(&mut self) -> String {
        let which = self.chance.usize(0..2);
        match self.chance.u8(0..64) {
            0 => {
                let to = percent(self.chance.u16(0..3) * 20);
                self.command(which, RolloutCommand::Rollback { to })
            }
            1 | 2 => {
                let at = self.chance.bool().then(|| percent(self.chance.u16(0..=100)));
                self.command(which, RolloutCommand::Resume { at })
            }
            3 => self.command(which, RolloutCommand::Pause),
            4 => {
                let to = self.chance.bool().then(|| percent(self.chance.u16(0..=100)));
                self.command(which, RolloutCommand::Promote { to })
            }
            5 => self.lock_file(which),
            6..=8 => self.edit(which),
            9 => self.crash(),
            10 => {
                let fails = [0, 0, 50, 100][self.chance.usize(0..4)];
                self.weather([self.failing[0], fails]);
                format!("the canary fails at {}%", self.failing[1])
            }
            11 => {
                let fails = [0, 0, 60, 100][self.chance.usize(0..4)];
                self.weather([fails, self.failing[1]]);
                format!("stable fails at {}%", self.failing[0])
            }
            15 => {
                let both = [30, 100][self.chance.usize(0..2)];
                self.weather([both, both]);
                format!("both fail at {both}%")
            }
            16 => {
                self.weather([0, 0]);
                "all is well".to_owned()
            }
            17 => {
                self.silent = !self.silent;
                format!("the canary never answers: {}", self.silent)
            }
            19 => {
                self.ahead = self.ahead.saturating_add_signed(self.chance.i64(-86_400_000..86_400_000));
                format!("the wall clock jumps to {} ms ahead", self.ahead)
            }
            18 => {
                for _ in 0..450 {
                    self.tick();
                }
                "three quarters of a minute pass".to_owned()
            }
            12 => {
                self.probes_answer = !self.probes_answer;
                format!("probes answer: {}", self.probes_answer)
            }
            13 => {
                self.disk_full = !self.disk_full;
                format!("disk full: {}", self.disk_full)
            }
            14 => {
                let idle = self.chance.u64(0..120_000);
                self.mono += idle;
                format!("idle for {idle} ms")
            }
            _ => {
                for _ in 0..self.chance.u8(1..15) {
                    self.tick();
                }
                "time passes".to_owned()
            }
        }
    }

    fn weather(&mut self, failing: [u8; 2]) {
        self.failing = failing;
        self.weather_since = self.mono;
    }

    fn command(&mut self, which: usize, verb: RolloutCommand) -> String {
        let (rollout, reason) = (Some(NAMES[which].to_owned()), format!("{}", self.mono));
        let command = Command { rollout, verb: verb.clone(), actor: "alice".to_owned(), reason };
        let done = self.engine.command(&command, self.now());
        self.collect();
        let Ok(done) = done else { return format!("{verb:?} of {} is refused", NAMES[which]) };
        if done.proposed && !self.save().iter().any(|name| name == NAMES[which]) {
            return format!("{verb:?} of {} is not written", NAMES[which]);
        }
        match &verb {
            RolloutCommand::Rollback { .. } => {
                self.locked[which] = Some(done.rollouts[0].1);
                // An acknowledged rollback is on the disk as a file, whether the database is or not.
                self.disk.locks.rollouts.retain(|(name, _)| name != NAMES[which]);
                self.disk.locks.rollouts.extend(done.locks);
            }
            RolloutCommand::Resume { .. } => {
                self.disk.locks.rollouts.retain(|(name, _)| name != NAMES[which]);
                self.engine.locks_removed(NAMES[which]);
                self.locked[which] = None;
                self.taken_back[which] = false;
            }
            _ => {}
        }
        format!("{verb:?} of {}", NAMES[which])
    }

    fn lock_file(&mut self, which: usize) -> String {
        let lock = Lock { to: Percent::ZERO, at: self.now().unix, actor: "bob".into(), reason: "by file".into() };
        self.disk.locks.rollouts.retain(|(name, _)| name != NAMES[which]);
        self.disk.locks.rollouts.push((NAMES[which].to_owned(), lock));
        self.engine.locks_read(self.disk.locks.clone(), self.now());
        self.locked[which] = Some(Percent::ZERO);
        format!("a lock file for {}", NAMES[which])
    }

    fn edit(&mut self, which: usize) -> String {
        let share = percent(self.chance.u16(0..=100));
        let canary = &mut self.canaries[which];
        let what = match self.chance.u8(0..11) {
            0 => {
                canary.percent = Intent::Pinned(share);
                format!("percent: {share}")
            }
            1 | 2 => {
                canary.percent = Intent::Auto;
                "percent: auto".to_owned()
            }
            3 => {
                canary.ramp.max = share;
                format!("max: {share}")
            }
            4 => {
                canary.ramp.max = Percent::ALL;
                "max: 100%".to_owned()
            }
            5 => {
                canary.attempt += 1;
                self.taken_back[which] = false;
                format!("attempt: {}", canary.attempt)
            }
            8 => {
                canary.try_again_after = self.chance.bool().then_some(Millis(20_000));
                format!("try_again_after: {:?}", canary.try_again_after)
            }
            9 => {
                canary.on_regression =
                    [OnRegression::Rollback, OnRegression::Hold, OnRegression::StepBack][self.chance.usize(0..3)];
                format!("on_regression: {:?}", canary.on_regression)
            }
            10 => {
                canary.guard.patience = [0.5, 1.0, 3.0][self.chance.usize(0..3)];
                format!("patience: {}", canary.guard.patience)
            }
            6 => {
                self.usable = !self.usable;
                format!("usable: {}", self.usable)
            }
            _ => {
                canary.guard.min_requests = 10 + self.chance.u32(0..20);
                "min_requests".to_owned()
            }
        };
        let read = |result| FlagsRead {
            result,
            text: "text".into(),
            shown: "text".into(),
            warnings: Vec::new(),
            hash: 0,
            modified: None,
        };
        // Before every good version somebody saves a broken one.
        self.engine.flags_read(read(Err(vec![FileError::whole("broken".to_owned())])), self.now());
        self.engine.flags_read(read(Ok(self.policy())), self.now());
        format!("{} is edited to {what}", NAMES[which])
    }

    /// The process dies and starts again: what was not on the disk never happened.
    fn crash(&mut self) -> String {
        self.save();
        let lost = self.chance.bool();
        if !lost {
            self.disk_full = false;
            self.save();
        }
        self.ahead = self.ahead.saturating_add_signed(self.chance.i64(-86_400_000..86_400_000));
        self.flights.clear();
        self.collect();
        self.engine = engine(&self.canaries, self.usable, &self.disk, self.now());
        for (index, name) in NAMES.iter().enumerate() {
            let kept = self.disk.states.iter().find(|(identity, _)| identity.rollout == *name).map(|(_, state)| state);
            // Locks were acknowledged, and hold. The guard's own rollbacks hold as far as they were written.
            let back = kept.is_some_and(|state| matches!(state.phase, Phase::RolledBack { .. }));
            self.taken_back[index] = back && kept.unwrap().attempt >= self.canaries[index].attempt;
            let lock = kept.and_then(|state| state.lock.as_ref());
            assert!(self.locked[index].is_some() || lock.is_none(), "a resume that was acknowledged is forgotten");
            self.last[index] = kept.map_or(Percent::ZERO, |state| state.in_force);
            self.shown[index] = (self.last[index], kept.map_or(0, |state| state.epoch));
        }
        self.told.clear();
        format!("a crash, the clock {} ms ahead", self.ahead)
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

    /// Checks that the history explains every share: each event begins where the last one ended.
    fn collect(&mut self) {
        let events = std::mem::take(&mut self.engine.outbox.events);
        self.explain(events);
    }

    fn explain(&mut self, events: Vec<Event>) {
        for event in events {
            let Some(index) = NAMES.iter().position(|name| event.rollout.as_deref() == Some(name)) else { continue };
            assert_eq!(event.from, self.last[index], "the history has a gap before {event:?}");
            self.last[index] = event.to;
            self.fits_the_weather(index, &event);
            match (event.actor.as_str(), event.action.as_str()) {
                ("guard", "rollback") => self.taken_back[index] = true,
                ("ramp", "retry") => {
                    assert!(self.canaries[index].try_again_after.is_some(), "nothing reopens it: {event:?}");
                    self.taken_back[index] = false;
                }
                _ => {}
            }
            if event.actor.as_str() == "guard" {
                assert!(event.decision().is_some(), "{event:?}");
            }
            self.told.push(event);
        }
    }

    /// What the guard and the ramp do is held against what happened, which they know by counts only.
    fn fits_the_weather(&self, index: usize, event: &Event) {
        let (canary, told) = (&self.canaries[index], &self.engine.status.load().rollouts[index]);
        let settled = self.mono - self.weather_since > SETTLED;
        let [stable, fails] = self.failing;
        match (event.actor.as_str(), event.action.as_str()) {
            ("ramp", "promote") => {
                assert!(told.lock.is_none() && !told.paused, "a promotion while locked or paused: {event:?}");
                let (_, answered) = self.answered[index];
                assert!(answered >= u64::from(canary.guard.min_requests), "short of answers ({answered}): {event:?}");
                let incident = told.guard.as_ref().is_some_and(|guard| guard.incident);
                assert!(!incident, "in an incident of stable: {event:?}");
                assert!(!(settled && fails >= 50 && stable == 0), "towards a failing provider: {event:?}");
            }
            ("guard", "rollback" | "step_back" | "hold") => {
                assert!(!(settled && fails <= stable), "a canary that is no worse ({fails}, {stable}): {event:?}");
            }
            ("guard", "confirm") => {
                assert!(self.probes_answer || !settled, "towards a stable that does not answer: {event:?}");
            }
            _ => {}
        }
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
        self.engine.tick(self.now());
        self.save();
    }

    fn check(&mut self) {
        self.collect();
        let (snapshot, status) = (self.engine.shared.load(), self.engine.status.load());
        assert_eq!(snapshot.generation, status.flags.generation);
        for index in 0..2_u16 {
            let (in_force, told) = (snapshot.in_force(RolloutId(index)), &status.rollouts[usize::from(index)]);
            let (canary, index) = (&self.canaries[usize::from(index)], usize::from(index));
            assert_eq!(in_force.percent, told.percent, "what is told is in force");
            assert_eq!(in_force.percent, self.last[index], "the history tells of it");
            let (share, epoch) = self.shown[index];
            let moved = in_force.percent != share;
            assert!(in_force.evidence.epoch >= epoch + u64::from(moved), "a new share begins a new epoch");
            assert_eq!(in_force.evidence.epoch, told.epoch, "what is counted is what is judged");
            self.shown[index] = (in_force.percent, in_force.evidence.epoch);
            assert!(in_force.percent <= canary.ramp.max);
            assert!(self.usable || in_force.percent == Percent::ZERO, "an unusable canary is at 0");
            if canary.percent == Intent::Pinned(Percent::ZERO) {
                assert!(in_force.percent == Percent::ZERO && in_force.buckets_only, "percent: 0 is everybody back");
            }
            if let Some(most) = self.locked[index] {
                assert!(in_force.percent <= most && in_force.buckets_only, "a lock holds: {told:?}");
                assert_eq!(told.standing, OverallPhase::Locked);
            }
            if self.taken_back[index] {
                assert_eq!(in_force.percent, Percent::ZERO, "nothing else reopens it: {told:?}");
            }
            assert!(!told.reason.is_empty());
            let retries = told.guard.as_ref().map_or(0, |guard| guard.retries);
            assert!(retries <= canary.guard.constants.most_retries + 1, "attempts are bounded: {retries}");
        }
    }

    /// Whatever happened before, a healthy canary that humans let go on comes to its end.
    fn all_ends_well(&mut self) {
        self.disk_full = false;
        self.usable = true;
        self.probes_answer = true;
        self.silent = false;
        self.weather([0, 0]);
        self.flights.clear();
        self.canaries = [0, 1].map(|index: usize| Canary { attempt: self.canaries[index].attempt, ..first_canary() });
        self.edit_back();
        // What was under way before says nothing any more, and no user is paused for what failed then.
        self.mono += 3 * 86_400_000;
        for which in 0..2 {
            self.save();
            self.command(which, RolloutCommand::Resume { at: None });
        }
        let under_way = |world: &World| {
            world.engine.status.load().rollouts.iter().any(|told| told.standing != OverallPhase::Completed)
        };
        for _ in 0..600 {
            self.tick();
            self.check();
            if !under_way(self) {
                break;
            }
        }
        let standings: Vec<_> = self.engine.status.load().rollouts.iter().map(|told| told.standing).collect();
        assert_eq!(standings, [OverallPhase::Completed; 2], "{:?}", self.engine.status.load().rollouts);
        // And one that dies after its completion is taken back all the same.
        self.weather([0, 100]);
        (0..300).for_each(|_| self.tick());
        let standings: Vec<_> = self.engine.status.load().rollouts.iter().map(|told| told.standing).collect();
        assert_eq!(standings, [OverallPhase::RolledBack; 2], "{:?}", self.engine.status.load().rollouts);
    }

    fn edit_back(&mut self) {
        let (text, shown) = ("text".into(), "text".into());
        let result = Ok(self.policy());
        let read = FlagsRead { result, text, shown, warnings: Vec::new(), hash: 0, modified: None };
        self.engine.flags_read(read, self.now());
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
    let shares = world.told.iter().map(|event| format!("{} {} {}", event.actor, event.action, event.to));
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

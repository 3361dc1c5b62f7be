//! What must hold after every action, and how a world ends when it is left alone.
//!
//! The snapshot, the status and the history are compared with each other and with what users were promised. Nothing here
//! changes a world but its end.

use serin::decide::event::Event;
use serin::decide::policy::*;
use serin::decide::rollout::state::{OverallPhase, RolloutCommand};
use serin::decide::units::{Percent, RolloutId};
use serin::state::inbox::FlagsRead;

use super::harness::{NAMES, first_canary};
use super::{SETTLED, World};

impl World {
    /// Checks that the history explains every share: each event begins where the last one ended.
    pub(super) fn collect(&mut self) {
        let events = std::mem::take(&mut self.engine.outbox.events);
        self.explain(events);
    }

    pub(super) fn explain(&mut self, events: Vec<Event>) {
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
            self.events.push(event);
        }
    }

    /// What the guard and the ramp do is held against what happened, which they know by counts only.
    fn fits_the_weather(&self, index: usize, event: &Event) {
        let (canary, status) = (&self.canaries[index], &self.engine.status.load().rollouts[index]);
        let settled = self.mono - self.weather_since > SETTLED;
        let [stable, fails] = self.failing;
        match (event.actor.as_str(), event.action.as_str()) {
            ("ramp", "promote") => {
                assert!(status.lock.is_none() && !status.paused, "a promotion while locked or paused: {event:?}");
                let (_, answered) = self.answered[index];
                assert!(answered >= u64::from(canary.guard.min_requests), "short of answers ({answered}): {event:?}");
                let incident = status.guard.as_ref().is_some_and(|guard| guard.incident);
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

    pub(super) fn check(&mut self) {
        self.collect();
        let (snapshot, status) = (self.engine.shared.load(), self.engine.status.load());
        assert_eq!(snapshot.generation, status.flags.generation);
        for index in 0..2_u16 {
            let (in_force, rollout) = (snapshot.in_force(RolloutId(index)), &status.rollouts[usize::from(index)]);
            let (canary, index) = (&self.canaries[usize::from(index)], usize::from(index));
            assert_eq!(in_force.percent, rollout.percent, "what is told is in force");
            assert_eq!(in_force.percent, self.last[index], "the history tells of it");
            let (share, epoch) = self.shown[index];
            let moved = in_force.percent != share;
            assert!(in_force.evidence.epoch >= epoch + u64::from(moved), "a new share begins a new epoch");
            assert_eq!(in_force.evidence.epoch, rollout.epoch, "what is counted is what is judged");
            self.shown[index] = (in_force.percent, in_force.evidence.epoch);
            assert!(in_force.percent <= canary.ramp.max);
            assert!(self.usable || in_force.percent == Percent::ZERO, "an unusable canary is at 0");
            if canary.percent == Intent::Pinned(Percent::ZERO) {
                assert!(in_force.percent == Percent::ZERO && in_force.buckets_only, "percent: 0 is everybody back");
            }
            if let Some(most) = self.locked[index] {
                assert!(in_force.percent <= most && in_force.buckets_only, "a lock holds: {rollout:?}");
                assert_eq!(rollout.phase, OverallPhase::Locked);
            }
            if self.taken_back[index] {
                assert_eq!(in_force.percent, Percent::ZERO, "nothing else reopens it: {rollout:?}");
            }
            assert!(!rollout.reason.is_empty());
            let retries = rollout.guard.as_ref().map_or(0, |guard| guard.retries);
            assert!(retries <= canary.guard.constants.most_retries + 1, "attempts are bounded: {retries}");
        }
    }

    /// Whatever happened before, a healthy canary that humans let go on comes to its end.
    pub(super) fn all_ends_well(&mut self) {
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
            world.engine.status.load().rollouts.iter().any(|rollout| rollout.phase != OverallPhase::Completed)
        };
        for _ in 0..600 {
            self.tick();
            self.check();
            if !under_way(self) {
                break;
            }
        }
        let phases: Vec<_> = self.engine.status.load().rollouts.iter().map(|rollout| rollout.phase).collect();
        assert_eq!(phases, [OverallPhase::Completed; 2], "{:?}", self.engine.status.load().rollouts);
        // And one that dies after its completion is taken back all the same.
        self.weather([0, 100]);
        (0..300).for_each(|_| self.tick());
        let phases: Vec<_> = self.engine.status.load().rollouts.iter().map(|rollout| rollout.phase).collect();
        assert_eq!(phases, [OverallPhase::RolledBack; 2], "{:?}", self.engine.status.load().rollouts);
    }

    fn edit_back(&mut self) {
        let (text, shown) = ("text".into(), "text".into());
        let result = Ok(self.policy());
        let read = FlagsRead { result, text, shown, warnings: Vec::new(), hash: 0, modified: None };
        self.engine.flags_read(read, self.now());
    }
}

//! What happens in a world: commands, lock files, edits, crashes, other weather, and time that passes.
//!
//! Each action gives a line for the log of its seed, and changes the model of what users were promised where the action
//! does. Owns no state.

use serin::decide::file_error::FileError;
use serin::decide::policy::*;
use serin::decide::rollout::state::{Lock, Phase, RolloutCommand};
use serin::decide::units::{Millis, Percent};
use serin::state::inbox::{Command, FlagsRead};

use super::World;
use super::harness::{NAMES, engine};
use super::plain::percent;

impl World {
    pub(super) fn act(&mut self) -> String {
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

    pub(super) fn weather(&mut self, failing: [u8; 2]) {
        self.failing = failing;
        self.weather_since = self.mono;
    }

    pub(super) fn command(&mut self, which: usize, verb: RolloutCommand) -> String {
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
        self.events.clear();
        format!("a crash, the clock {} ms ahead", self.ahead)
    }
}

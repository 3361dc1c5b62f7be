//! Humans' commands, from whom they are for to what they came to.
//!
//! A command of several rollouts (rollback and pause only) is one publication: no moment shows half of it. Whether a
//! command fits is `step`'s to say, and making it last is the shell's.

use super::dispatch::Engine;
use super::effects::{Answer, Denied};
use super::entry::Tracked;
use super::rollout::{Input, Rollout};
use crate::control::now::Now;
use crate::decide::guard::trace::Line;
use crate::decide::rollout::answer::Barred;
use crate::decide::rollout::state::{Lock, RolloutState, Verb};
use crate::decide::units::{Millis, Percent};
use crate::describe::{command as describe, ephemeral};
use crate::state::inbox::{Command, Refusal};

/// What a command came to.
#[derive(Debug, Default)]
pub struct Done {
    /// The rollouts that it touched, with the share now in force.
    pub rollouts: Vec<(String, Percent)>,
    /// The locks that now hold them, to be written as files.
    pub locks: Vec<(String, Lock)>,
    /// Requests of these rollouts still open on a canary.
    pub open_on_canary: u64,
    /// What else the sender should know.
    pub notes: Vec<String>,
    /// Whether it is proposed only, and in force when it has been written.
    pub proposed: bool,
}

/// The locks that a resume meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The one to be lifted.
    pub own: Option<Lock>,
    /// Those of other rollouts.
    pub others: Vec<(String, Lock)>,
}

impl Engine {
    /// Carries a command out. When it returns, what follows from it is published and to be written; or, where it sends
    /// users to the canary, proposed.
    pub fn command(&mut self, command: &Command, now: Now) -> Result<Done, Refusal> {
        let targets = self.targets(command)?;
        let mut done = Done::default();
        for place in targets {
            let Answer { denied, notes, proposed, .. } = self.take(place, Input::Command(command), now);
            let tracked = &self.rollouts[place];
            let (Some(moving), name) = (&tracked.moving, &tracked.rollout.name) else { continue };
            if let Some(denied) = denied {
                return Err(self.refusal_of(name, &denied));
            }
            done.notes.extend(notes.iter().map(|note| describe::note(name, note)));
            done.proposed |= proposed;
            done.rollouts.push((name.clone(), moving.state().in_force));
            if matches!(command.verb, Verb::Rollback { .. }) {
                done.locks.extend(moving.state().lock.clone().map(|lock| (name.clone(), lock)));
            }
            done.open_on_canary += tracked.open_on_canary();
        }
        if !done.locks.is_empty()
            && let Some(kind) = self.context.disk.ephemeral()
        {
            done.notes.push(ephemeral::lock(kind));
        }
        if done.rollouts.is_empty() {
            done.notes.push(describe::nothing_to_change());
        }
        self.publish();
        self.report(now);
        Ok(done)
    }

    /// The lock that a resume is to lift, and those that it must leave in place.
    pub fn held(&self, command: &Command) -> Result<Held, Refusal> {
        let targets = self.targets(command)?;
        let mut held = Held::default();
        for (index, tracked) in self.rollouts.iter().enumerate() {
            let Some(lock) = tracked.moving.as_ref().and_then(|moving| moving.state().lock.clone()) else { continue };
            if targets.contains(&index) {
                held.own = Some(lock);
            } else {
                held.others.push((tracked.rollout.name.clone(), lock));
            }
        }
        Ok(held)
    }

    /// Whether a resume would be carried out, before anything is undone for it; otherwise as [`Engine::held`].
    pub fn check_resume(&self, command: &Command, now: Now) -> Result<Held, Refusal> {
        for place in self.targets(command)? {
            let Tracked { rollout, moving, .. } = &self.rollouts[place];
            let denied = moving.as_ref().and_then(|moving| moving.would_deny(command, &self.context, now));
            if let Some(denied) = denied {
                return Err(self.refusal_of(&rollout.name, &denied));
            }
        }
        self.held(command)
    }

    fn refusal_of(&self, rollout: &str, denied: &Denied) -> Refusal {
        match denied {
            Denied::Refused(refusal) => Refusal::NotNow(describe::refusal(rollout, refusal)),
            Denied::Unwritable(error) => self.unwritable(rollout, error),
        }
    }

    /// Why a command that has to be written first is not carried out while nothing can be.
    pub(in crate::control) fn unwritable(&self, rollout: &str, error: &str) -> Refusal {
        let (dir, error) = (self.context.disk.dir.clone(), error.to_owned());
        barred(rollout, &Barred::Unwritable { stays: self.share_of(rollout), dir, error })
    }

    /// The same of one that was not written in time.
    pub(in crate::control) fn unanswered(&self, rollout: &str, after: Millis) -> Refusal {
        barred(rollout, &Barred::Unanswered { stays: self.share_of(rollout), after })
    }

    /// Why one that is for one rollout, and names none, is not carried out.
    pub(in crate::control) fn unnamed(&self) -> Refusal {
        barred("", &Barred::Unnamed { known: self.known() })
    }

    fn share_of(&self, rollout: &str) -> Percent {
        self.standing_of(rollout).map_or(Percent::ZERO, |state| state.in_force)
    }

    /// A rollout's lock.
    pub(in crate::control) fn lock_of(&self, rollout: &str) -> Option<Lock> {
        self.standing_of(rollout).and_then(|state| state.lock.clone())
    }

    fn standing_of(&self, rollout: &str) -> Option<&RolloutState> {
        self.rollouts[self.place_of(rollout)?].moving.as_ref().map(Rollout::state)
    }

    /// Whether something is proposed for this rollout.
    pub(in crate::control) fn proposes(&self, rollout: &str) -> bool {
        let moving = self.place_of(rollout).and_then(|place| self.rollouts[place].moving.as_ref());
        moving.is_some_and(|moving| moving.proposed().is_some())
    }

    /// Withdraws what is proposed for this rollout.
    pub(in crate::control) fn withdraw_from(&mut self, rollout: &str, now: Now) {
        if let Some(place) = self.place_of(rollout) {
            self.take(place, Input::Withdraw, now);
        }
    }

    /// What a proposed command came to, now that it is in force.
    pub(in crate::control) fn came_to(&self, rollout: &str, notes: Vec<String>) -> Done {
        let mut done = Done { notes, ..Done::default() };
        for tracked in self.rollouts.iter().filter(|tracked| tracked.rollout.name == rollout) {
            done.rollouts.extend(tracked.moving.as_ref().map(|moving| (rollout.to_owned(), moving.state().in_force)));
            done.open_on_canary += tracked.open_on_canary();
        }
        done
    }

    fn targets(&self, command: &Command) -> Result<Vec<usize>, Refusal> {
        let moving = |(index, tracked): (usize, &Tracked)| tracked.moving.as_ref().map(|_| index);
        let Some(name) = &command.rollout else {
            if matches!(command.verb, Verb::Rollback { .. } | Verb::Pause) {
                return Ok(self.rollouts.iter().enumerate().filter_map(moving).collect());
            }
            return Err(self.unnamed());
        };
        match self.rollouts.iter().position(|tracked| tracked.rollout.name == *name) {
            None => Err(Refusal::Unknown { name: name.clone(), known: self.known() }),
            Some(index) if self.rollouts[index].moving.is_none() => Err(barred(name, &Barred::PlainRoute)),
            Some(index) => Ok(vec![index]),
        }
    }

    /// What the guard saw of a rollout lately, oldest first.
    pub(in crate::control) fn trace(&self, name: &str) -> Result<Vec<Line>, Refusal> {
        let unknown = || Refusal::Unknown { name: name.to_owned(), known: self.known() };
        let tracked = self.rollouts.iter().find(|tracked| tracked.rollout.name == name).ok_or_else(unknown)?;
        match &tracked.moving {
            Some(moving) => Ok(moving.lately()),
            None => Err(barred(name, &Barred::NothingToCompare)),
        }
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.rollouts.iter().map(|tracked| tracked.rollout.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// In words, as the API answers it.
pub(in crate::control) fn barred(rollout: &str, barred: &Barred) -> Refusal {
    Refusal::NotNow(describe::barred(rollout, barred))
}

//! Operators' commands: which rollouts a command is for, and its result.
//!
//! A command for several rollouts (rollback and pause only) is published once, so that no snapshot shows half of it.
//! The state machine decides whether a command is valid, and the event loop answers it when it is durable.

use super::dispatch::Engine;
use super::effects::{Denied, InputResult};
use super::entry::Entry;
use super::input::Input;
use super::rollout::Rollout;
use crate::control::now::Now;
use crate::decide::guard::trace::TraceLine;
use crate::decide::rollout::command_result::CommandObstacle;
use crate::decide::rollout::state::{Lock, RolloutCommand, RolloutState};
use crate::decide::units::{Millis, Percent};
use crate::describe::{command as describe, ephemeral};
use crate::state::inbox::{Command, CommandError};

#[derive(Debug, Default)]
pub struct CommandResult {
    /// The rollouts that it was for, with the percent now in force.
    pub rollouts: Vec<(String, Percent)>,
    /// Their locks, to be written as files.
    pub locks: Vec<(String, Lock)>,
    /// Requests of these rollouts that are in flight at a canary.
    pub open_on_canary: u64,
    /// WebSocket sessions among them.
    pub websockets_on_canary: u64,
    /// Remarks for the sender.
    pub notes: Vec<String>,
    /// Whether it waits for the disk before it comes into force.
    pub proposed: bool,
}

impl CommandResult {
    /// Counts what is in flight at the canary of this rollout.
    fn count_open(&mut self, entry: &Entry) {
        self.open_on_canary += entry.open_on_canary();
        self.websockets_on_canary += entry.websockets_on_canary();
    }
}

/// The locks that matter to a resume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct ResumeLocks {
    /// The lock to lift.
    pub(in crate::control) own: Option<Lock>,
    /// The locks of other rollouts, which stay.
    pub(in crate::control) others: Vec<(String, Lock)>,
}

impl Engine {
    /// Runs a command. On return its effects are published and in the outbox. If it sends users to the canary, it is
    /// proposed instead.
    pub fn command(&mut self, command: &Command, now: Now) -> Result<CommandResult, CommandError> {
        let targets = self.targets(command)?;
        let mut result = CommandResult::default();
        for index in targets {
            let InputResult { denied, notes, proposed, .. } = self.apply(index, Input::Command(command), now);
            let entry = &self.entries[index];
            let (Some(rollout), name) = (&entry.rollout, &entry.spec.name) else { continue };
            if let Some(denied) = denied {
                return Err(self.refusal_text(name, &denied));
            }
            result.notes.extend(notes.iter().map(|note| describe::note(name, note)));
            result.proposed |= proposed;
            result.rollouts.push((name.clone(), rollout.state().in_force));
            if matches!(command.verb, RolloutCommand::Rollback { .. }) {
                result.locks.extend(rollout.state().lock.clone().map(|lock| (name.clone(), lock)));
            }
            result.count_open(entry);
        }
        if !result.locks.is_empty()
            && let Some(kind) = self.context.disk.ephemeral()
        {
            result.notes.push(ephemeral::lock(kind));
        }
        if result.rollouts.is_empty() {
            result.notes.push(describe::nothing_to_change());
        }
        self.publish();
        self.report(now);
        Ok(result)
    }

    /// The lock that a resume lifts, and the locks that it must leave in place.
    pub(in crate::control) fn locks_for_resume(&self, command: &Command) -> Result<ResumeLocks, CommandError> {
        let targets = self.targets(command)?;
        let mut locks = ResumeLocks::default();
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(lock) = entry.rollout.as_ref().and_then(|rollout| rollout.state().lock.clone()) else { continue };
            if targets.contains(&index) {
                locks.own = Some(lock);
            } else {
                locks.others.push((entry.spec.name.clone(), lock));
            }
        }
        Ok(locks)
    }

    /// The same, after a check that the resume would be accepted. To be called before a lock file is removed for it.
    pub(in crate::control) fn check_resume(&self, command: &Command, now: Now) -> Result<ResumeLocks, CommandError> {
        for index in self.targets(command)? {
            let Entry { spec, rollout, .. } = &self.entries[index];
            let preview = rollout.as_ref().map(|rollout| rollout.preview(command, &self.context, now));
            if let Some(Err(denied)) = preview {
                return Err(self.refusal_text(&spec.name, &denied));
            }
        }
        self.locks_for_resume(command)
    }

    pub(super) fn refusal_text(&self, rollout: &str, denied: &Denied) -> CommandError {
        match denied {
            Denied::Refused(refusal) => CommandError::NotNow(describe::refusal(rollout, refusal)),
            Denied::Unwritable(error) => self.unwritable(rollout, error),
        }
    }

    /// Refuses a command that has to be written first, because the disk cannot be written.
    pub(in crate::control) fn unwritable(&self, rollout: &str, error: &str) -> CommandError {
        let (dir, error) = (self.context.disk.dir.clone(), error.to_owned());
        barred(rollout, &CommandObstacle::Unwritable { stays: self.percent_of(rollout), dir, error })
    }

    /// Refuses a command that was not written in time.
    pub(in crate::control) fn write_timed_out(&self, rollout: &str, after: Millis) -> CommandError {
        barred(rollout, &CommandObstacle::Unanswered { stays: self.percent_of(rollout), after })
    }

    /// Refuses a command that needs the name of a rollout and has none.
    pub(in crate::control) fn rollout_name_missing(&self) -> CommandError {
        barred("", &CommandObstacle::Unnamed { known: self.names() })
    }

    fn percent_of(&self, rollout: &str) -> Percent {
        self.state_of(rollout).map_or(Percent::ZERO, |state| state.in_force)
    }

    pub(in crate::control) fn lock_of(&self, rollout: &str) -> Option<Lock> {
        self.state_of(rollout).and_then(|state| state.lock.clone())
    }

    fn state_of(&self, rollout: &str) -> Option<&RolloutState> {
        self.entries[self.index_of(rollout)?].rollout.as_ref().map(Rollout::state)
    }

    pub(in crate::control) fn has_proposal(&self, rollout: &str) -> bool {
        let index = self.index_of(rollout);
        let rollout = index.and_then(|index| self.entries[index].rollout.as_ref());
        rollout.is_some_and(|rollout| rollout.proposed().is_some())
    }

    pub(in crate::control) fn withdraw_proposal(&mut self, rollout: &str, now: Now) {
        if let Some(index) = self.index_of(rollout) {
            self.apply(index, Input::Withdraw, now);
        }
    }

    /// The result of a command whose proposal was committed.
    pub(in crate::control) fn result_after_commit(&self, name: &str, notes: Vec<String>) -> CommandResult {
        let mut result = CommandResult { notes, ..CommandResult::default() };
        for entry in self.entries.iter().filter(|entry| entry.spec.name == name) {
            result.rollouts.extend(entry.rollout.as_ref().map(|rollout| (name.to_owned(), rollout.state().in_force)));
            result.count_open(entry);
        }
        result
    }

    pub(super) fn targets(&self, command: &Command) -> Result<Vec<usize>, CommandError> {
        let with_canary = |(index, entry): (usize, &Entry)| entry.rollout.as_ref().map(|_| index);
        let Some(name) = &command.rollout else {
            if matches!(command.verb, RolloutCommand::Rollback { .. } | RolloutCommand::Pause) {
                return Ok(self.entries.iter().enumerate().filter_map(with_canary).collect());
            }
            return Err(self.rollout_name_missing());
        };
        match self.entries.iter().position(|entry| entry.spec.name == *name) {
            None => Err(CommandError::Unknown { name: name.clone(), known: self.names() }),
            Some(index) if self.entries[index].rollout.is_none() => Err(barred(name, &CommandObstacle::PlainRoute)),
            Some(index) => Ok(vec![index]),
        }
    }

    /// The trace of a rollout's guard, oldest first.
    pub(in crate::control) fn trace(&self, name: &str) -> Result<Vec<TraceLine>, CommandError> {
        let unknown = || CommandError::Unknown { name: name.to_owned(), known: self.names() };
        let entry = self.entries.iter().find(|entry| entry.spec.name == name).ok_or_else(unknown)?;
        match &entry.rollout {
            Some(rollout) => Ok(rollout.trace()),
            None => Err(barred(name, &CommandObstacle::NothingToCompare)),
        }
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.spec.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// The refusal with its sentence, as the API returns it.
pub(in crate::control) fn barred(rollout: &str, barred: &CommandObstacle) -> CommandError {
    CommandError::NotNow(describe::barred(rollout, barred))
}

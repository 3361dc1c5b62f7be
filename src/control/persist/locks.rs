//! The locks that are known from lock files, and the effect of lock files that cannot be read.
//!
//! While the locks are unknown, no user is sent to a canary: every rollout is blocked at 0 and the status says why. The
//! block ends by itself when the files can be read. A transient error (too many open files) is reported, but it neither
//! blocks a rollout whose locks were known before nor ends a block. A rollout that has completed and has no usable
//! stable stays where it is. Reads nothing itself.

use crate::decide::event::Alert;
use crate::decide::policy::{Canary, Provider};
use crate::decide::rollout::context::Blocked;
use crate::decide::rollout::state::{Lock, RolloutState};
use crate::decide::unusable_stable::is_completed;
use crate::store::locks::LocksFound;

/// Why lock files cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct LockReadError {
    /// What the system said.
    pub(in crate::control) reason: String,
    /// Whether it lasts until an operator fixes it.
    pub(in crate::control) permanent: bool,
}

#[derive(Debug)]
pub(in crate::control) struct Locks {
    found: LocksFound,
    error: Option<LockReadError>,
}

impl Locks {
    /// `found`: the locks at the start, or why they cannot be read.
    pub(in crate::control) fn new(found: Result<LocksFound, String>) -> Locks {
        match found {
            Ok(found) => Locks { found, error: None },
            Err(reason) => {
                Locks { found: LocksFound::default(), error: Some(LockReadError { reason, permanent: true }) }
            }
        }
    }

    /// Replaces the known locks. An error stays until [`Locks::set_read_error`] clears it.
    pub(in crate::control) fn set(&mut self, found: LocksFound) {
        self.found = found;
    }

    /// The lock that holds this rollout.
    pub(in crate::control) fn of(&self, rollout: &str) -> Option<&Lock> {
        self.found.of(rollout)
    }

    /// Whether one file locks every rollout.
    pub(in crate::control) const fn has_global(&self) -> bool {
        self.found.every.is_some()
    }

    /// The rollouts that have a file of their own.
    pub(in crate::control) fn names(&self) -> impl Iterator<Item = &str> {
        self.found.rollouts.iter().map(|(name, _)| name.as_str())
    }

    /// The lock file of this rollout and the one for every rollout were removed.
    pub(in crate::control) fn remove(&mut self, rollout: &str) {
        self.found.every = None;
        self.found.rollouts.retain(|(name, _)| name != rollout);
    }

    /// Why the files cannot be read now. `None`: they were read. Returns `Some` if that has changed, with the alert to
    /// emit.
    pub(in crate::control) fn set_read_error(
        &mut self,
        error: Option<LockReadError>,
        dir: &str,
    ) -> Option<Option<Alert>> {
        // Locks that are unknown stay unknown if the next error is a transient one.
        let permanent = self.error.as_ref().is_some_and(|before| before.permanent);
        let error = error.map(|error| LockReadError { permanent: error.permanent || permanent, ..error });
        if error == self.error {
            return None;
        }
        let before = std::mem::replace(&mut self.error, error);
        Some(match (&before, &self.error) {
            (None, Some(_)) => self.alert(dir),
            (Some(_), None) => Some(Alert::LocksRead { dir: dir.to_owned() }),
            _ => None,
        })
    }

    pub(in crate::control) fn read_error(&self) -> Option<&str> {
        self.error.as_ref().map(|error| error.reason.as_str())
    }

    /// The current error, if it blocks.
    pub(in crate::control) fn lasting_error(&self) -> Option<&str> {
        self.error.as_ref().filter(|error| error.permanent).map(|error| error.reason.as_str())
    }

    /// The alert of the current error.
    pub(in crate::control) fn alert(&self, dir: &str) -> Option<Alert> {
        let LockReadError { reason, permanent } = self.error.clone()?;
        Some(Alert::LocksUnread { dir: dir.to_owned(), error: reason, lasting: permanent })
    }

    /// How the current error blocks a rollout.
    pub(in crate::control) fn block<'a>(
        &'a self,
        dir: &'a str,
        canary: &Canary,
        stable: &Provider,
        state: &RolloutState,
    ) -> Option<Blocked<'a>> {
        let error = self.error.as_ref().filter(|error| error.permanent)?;
        let needs_no_stable = is_completed(canary, state) && stable.unusable.is_some();
        (!needs_no_stable).then_some(Blocked::LocksUnread { dir, error: &error.reason })
    }
}

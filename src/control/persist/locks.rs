//! Locks that were found as files, and what follows where they cannot be read.
//!
//! While nobody knows what humans have locked, nobody is sent to a canary: every rollout is blocked at 0 and says so, and
//! what is known again takes the block away by itself. A want that passes (too many open files) is told, blocks nothing
//! that was known before, and lifts nothing. A rollout that came to its end and has no stable to go back to stays there.

use crate::decide::event::Notice;
use crate::decide::policy::{Canary, Provider};
use crate::decide::rollout::state::{Lock, RolloutState};
use crate::decide::rollout::view::Blocked;
use crate::decide::unserved::is_at_its_end;
use crate::store::locks::LocksFound;

/// Why lock files cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What the system said.
    pub why: String,
    /// Whether it stays so until somebody mends it.
    pub lasting: bool,
}

/// The locks that are known of.
#[derive(Debug)]
pub(in crate::control) struct Locks {
    found: LocksFound,
    unread: Option<Unread>,
}

impl Locks {
    /// As they were at the start; or why they cannot be read.
    pub(in crate::control) fn new(found: Result<LocksFound, String>) -> Locks {
        match found {
            Ok(found) => Locks { found, unread: None },
            Err(why) => Locks { found: LocksFound::default(), unread: Some(Unread { why, lasting: true }) },
        }
    }

    /// These were read. Until [`Locks::set_unread`] says otherwise they may still count as unread.
    pub(in crate::control) fn find(&mut self, found: LocksFound) {
        self.found = found;
    }

    /// The lock that holds this rollout.
    pub(in crate::control) fn of(&self, rollout: &str) -> Option<&Lock> {
        self.found.of(rollout)
    }

    /// Whether one file locks every rollout.
    pub(in crate::control) const fn hold_all(&self) -> bool {
        self.found.every.is_some()
    }

    /// The rollouts that have a file of their own.
    pub(in crate::control) fn names(&self) -> impl Iterator<Item = &str> {
        self.found.rollouts.iter().map(|(name, _)| name.as_str())
    }

    /// The files of this rollout's lock are gone, and the one for every rollout with them.
    pub(in crate::control) fn remove(&mut self, rollout: &str) {
        self.found.every = None;
        self.found.rollouts.retain(|(name, _)| name != rollout);
    }

    /// Why they cannot be read now; `None`: they were. Returns whether that is different, with what is to be told of it.
    pub(in crate::control) fn set_unread(&mut self, unread: Option<Unread>, dir: &str) -> Option<Option<Notice>> {
        // What was not known at the start does not become known by failing otherwise.
        let lasting = self.unread.as_ref().is_some_and(|before| before.lasting);
        let unread = unread.map(|unread| Unread { lasting: unread.lasting || lasting, ..unread });
        if unread == self.unread {
            return None;
        }
        let before = std::mem::replace(&mut self.unread, unread);
        Some(match (&before, &self.unread) {
            (None, Some(_)) => self.notice(dir),
            (Some(_), None) => Some(Notice::LocksRead { dir: dir.to_owned() }),
            _ => None,
        })
    }

    /// Why they cannot be read.
    pub(in crate::control) fn unread(&self) -> Option<&str> {
        self.unread.as_ref().map(|unread| unread.why.as_str())
    }

    /// What is told while they cannot be read.
    pub(in crate::control) fn notice(&self, dir: &str) -> Option<Notice> {
        let Unread { why, lasting } = self.unread.clone()?;
        Some(Notice::LocksUnread { dir: dir.to_owned(), error: why, lasting })
    }

    /// Whether a rollout is blocked by it.
    pub(in crate::control) fn block<'a>(
        &'a self,
        dir: &'a str,
        canary: &Canary,
        stable: &Provider,
        state: &RolloutState,
    ) -> Option<Blocked<'a>> {
        let unread = self.unread.as_ref().filter(|unread| unread.lasting)?;
        let needs_no_stable = is_at_its_end(canary, state) && stable.unusable.is_some();
        (!needs_no_stable).then_some(Blocked::LocksUnread { dir, error: &unread.why })
    }
}

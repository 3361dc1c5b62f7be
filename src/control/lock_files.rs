//! Locks that were found as files, and what follows where they cannot be read.
//!
//! While nobody knows what humans have locked, nobody is sent to a canary: every rollout is blocked at 0 and says so, and
//! what is known again takes the block away by itself. A want that passes (too many open files) is told, blocks nothing
//! that was known before, and lifts nothing. A rollout that came to its end and has no stable to go back to stays there.

use super::engine::{Engine, Now, Tracked};
use crate::decide::event::Notice;
use crate::decide::policy::Canary;
use crate::decide::rollout::state::{Lock, RolloutState};
use crate::decide::rollout::step::Input;
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

impl Engine {
    /// Locks were read from files. Returns those that the one for every rollout comes down to, to be written.
    pub fn locks_found(&mut self, found: LocksFound, now: Now) -> Vec<(String, Lock)> {
        self.locks = found;
        let mut changed = false;
        for index in 0..self.rollouts.len() {
            changed |= self.apply_lock_file(index, now);
        }
        if changed {
            self.publish();
        }
        // After the locks are in force: nothing that they hold is open between.
        self.set_unread(None, now);
        self.report(now);
        if self.locks.every.is_none() {
            return Vec::new();
        }
        let held = self.rollouts.iter().filter_map(|tracked| {
            let lock = tracked.moving.as_ref()?.state.lock.clone()?;
            Some((tracked.rollout.name.clone(), lock))
        });
        held.collect()
    }

    /// They could not be read.
    pub fn locks_unread(&mut self, unread: Unread, now: Now) {
        // What was not known at the start does not become known by failing otherwise.
        let lasting = unread.lasting || self.locks_unread.as_ref().is_some_and(|before| before.lasting);
        self.set_unread(Some(Unread { lasting, ..unread }), now);
        self.report(now);
    }

    fn set_unread(&mut self, unread: Option<Unread>, now: Now) {
        if unread == self.locks_unread {
            return;
        }
        let before = std::mem::replace(&mut self.locks_unread, unread);
        match (&before, &self.locks_unread) {
            (None, Some(_)) => {
                if let Some(notice) = self.locks_notice() {
                    self.notice(notice, now);
                }
            }
            (Some(_), None) => self.notice(Notice::LocksRead { dir: self.dir.clone() }, now),
            _ => {}
        }
        // It is acted upon now, and not when the next look is due.
        self.tick(now);
    }

    /// What is told of it.
    pub(super) fn locks_notice(&self) -> Option<Notice> {
        let Unread { why, lasting } = self.locks_unread.clone()?;
        Some(Notice::LocksUnread { dir: self.dir.clone(), error: why, lasting })
    }

    /// Why a rollout is blocked by it.
    pub(super) fn blocked_by_locks(&self, tracked: &Tracked, canary: &Canary, state: &RolloutState) -> Option<String> {
        let unread = self.locks_unread.as_ref().filter(|unread| unread.lasting)?;
        let needs_no_stable = is_at_its_end(canary, state) && tracked.stable.unusable.is_some();
        (!needs_no_stable).then(|| {
            format!(
                "the locks in {}/locks cannot be read ({}), so nobody knows whether it was rolled back: mend that",
                self.dir, unread.why
            )
        })
    }

    /// The files of this rollout's lock are gone, and the one for every rollout with them.
    pub fn locks_removed(&mut self, rollout: &str) {
        self.locks.every = None;
        self.locks.rollouts.retain(|(name, _)| name != rollout);
    }

    pub(super) fn apply_lock_file(&mut self, index: usize, now: Now) -> bool {
        let Some(lock) = self.locks.of(&self.rollouts[index].rollout.name).cloned() else { return false };
        self.happened(index, &Input::LockFound(lock), now).is_some_and(|happened| happened.changed)
    }
}

//! Who of a rollout's users is paused, in which aspect and until when.
//!
//! Owns the pauses; what they are is [`decide::guard::user_cap`](crate::decide::guard::user_cap)'s to say. Writes the
//! masks that cores read, so that a pause begins and ends for all of them within a tick. The tables are made with the
//! first event in an aspect: most rollouts have none. What outlives the process are the pauses of those who fail again
//! and again, so that a process that restarts often does not take one user for many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::user_cap::{KeptPause, UserCap};
use crate::decide::units::{Millis, Slot};
use crate::state::silence::Silence;

/// How many pauses of an aspect outlive the process.
const MOST_KEPT: usize = 256;

/// The pauses of one rollout's users.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    silence: Arc<Silence>,
    caps: [Option<Box<UserCap>>; ASPECTS],
    ends: BinaryHeap<Reverse<(Millis, Slot, Aspect)>>,
}

impl Pauses {
    /// What cores read.
    pub(super) fn silence(&self) -> &Arc<Silence> {
        &self.silence
    }

    /// With the pauses of an earlier process.
    pub(super) fn restored(kept: &[KeptPause], now: Millis) -> Pauses {
        let mut pauses = Pauses::default();
        for pause in kept {
            let until = pauses.caps[pause.aspect as usize].get_or_insert_default().restore(pause, now);
            if until > now {
                pauses.silence.set(pause.user, pause.aspect, true);
                pauses.ends.push(Reverse((until, pause.user, pause.aspect)));
            }
        }
        pauses
    }

    /// Those that are to outlive the process.
    pub(super) fn kept(&self, now: Millis) -> Arc<[KeptPause]> {
        let kept = |aspect: Aspect| self.caps[aspect as usize].as_ref().map(|cap| cap.kept(aspect, now, MOST_KEPT));
        Aspect::ALL.into_iter().filter_map(kept).flatten().collect()
    }

    /// Something happened to a user; whether it counts. What belongs to nobody always does.
    pub(super) fn event(&mut self, aspect: Aspect, user: Option<Slot>, now: Millis) -> bool {
        let Some(user) = user else { return true };
        let cap = self.caps[aspect as usize].get_or_insert_default();
        let Some(until) = cap.event(user, now) else { return false };
        self.silence.set(user, aspect, true);
        self.ends.push(Reverse((until, user, aspect)));
        true
    }

    /// A request of this user was sent.
    pub(super) fn request(&mut self, user: Option<Slot>, now: Millis) {
        let Some(user) = user else { return };
        for aspect in Aspect::OF_ANSWERS {
            if let Some(cap) = &mut self.caps[aspect as usize] {
                cap.request(user, now);
            }
        }
    }

    /// Ends the pauses that are over.
    pub(super) fn end(&mut self, now: Millis) {
        while let Some(Reverse((until, user, aspect))) = self.ends.peek().copied()
            && until <= now
        {
            self.ends.pop();
            // A new pause may have begun at the moment at which this one ended.
            let over = self.caps[aspect as usize].as_ref().is_none_or(|cap| cap.counts(user, now));
            if over {
                self.silence.set(user, aspect, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_paused_in_one_aspect_and_for_longer_each_time() {
        let mut pauses = Pauses::default();
        let user = Some(Slot::of(7));
        let mask = |pauses: &Pauses| pauses.silence().mask(user);
        assert!(pauses.event(Aspect::Failing, user, Millis(0)));
        assert!(!pauses.event(Aspect::Failing, user, Millis(9999)), "paused for ten seconds");
        assert!(pauses.event(Aspect::Slow, user, Millis(9999)), "and not in another aspect");
        assert_eq!(mask(&pauses), 0b011);
        pauses.end(Millis(10_000));
        assert_eq!(mask(&pauses), 0b010);
        assert!(pauses.event(Aspect::Failing, user, Millis(10_000)));
        pauses.end(Millis(49_999));
        assert_eq!(mask(&pauses), 0b001, "four times as long");
        pauses.end(Millis(50_000));
        assert_eq!(mask(&pauses), 0);
        assert!(pauses.event(Aspect::Failing, user, Millis(60_000)));
        let kept = pauses.kept(Millis(70_000));
        assert_eq!(kept.len(), 1, "slow once is nothing to remember");
        let mut restored = Pauses::restored(&kept, Millis(5));
        assert_eq!(mask(&restored), 0b001);
        assert!(!restored.event(Aspect::Failing, user, Millis(150_004)), "the third pause goes on");
        assert!(restored.event(Aspect::Failing, user, Millis(150_005)));
        assert!(!restored.event(Aspect::Failing, user, Millis(700_000)), "and the fourth is as long as it would be");
        assert!(pauses.event(Aspect::Failing, None, Millis(0)) && pauses.event(Aspect::Failing, None, Millis(0)));
    }
}

//! Who of a rollout's users is paused, in which aspect and until when.
//!
//! Owns the pauses; what they are is [`decide::guard::user_cap`](crate::decide::guard::user_cap)'s to say. Writes the
//! masks that cores read, so that a pause begins and ends for all of them within a tick. The tables are made with the
//! first event in an aspect: most rollouts have none. A restart forgets pauses: whoever goes on failing is paused again
//! by the first failure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::decide::guard::aspect::Aspect;
use crate::decide::guard::user_cap::UserCap;
use crate::decide::units::{Millis, Slot};
use crate::state::silence::Silence;

/// The pauses of one rollout's users.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    silence: Arc<Silence>,
    caps: [Option<Box<UserCap>>; 3],
    ends: BinaryHeap<Reverse<(Millis, Slot, Aspect)>>,
}

impl Pauses {
    /// What cores read.
    pub(super) fn silence(&self) -> &Arc<Silence> {
        &self.silence
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
        assert!(pauses.event(Aspect::Failing, None, Millis(0)) && pauses.event(Aspect::Failing, None, Millis(0)));
    }
}

//! Who of a rollout's users is paused, in which aspect and until when.
//!
//! Owns the pauses; what they are is [`decide::guard::user_cap`](crate::decide::guard::user_cap)'s to say. Writes the
//! masks that cores read, so that a pause begins and ends for all of them within a tick. The tables are made with the
//! first event in an aspect: most rollouts have none. What outlives the process are the pauses of those who fail again
//! and again, so that a process that restarts often does not take one user for many. A pause holds on one arm and for the
//! requests of one source: whoever names a user says nothing of the requests that others name so. It goes with users to
//! the other arm when the share changes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::sources::{GROUPS, SourceGroup};
use crate::decide::guard::user_cap::{KeptPause, UserCap};
use crate::decide::units::{Arm, Millis, Slot};
use crate::state::silence::{Silence, Whose};

/// How many pauses of an aspect outlive the process.
const MOST_KEPT: usize = 256;

/// A user of an arm, by whose requests.
type User = (Arm, SourceGroup, Slot);

/// The pauses of one rollout's users.
#[derive(Debug, Default)]
pub(in crate::control) struct Pauses {
    silence: Arc<Silence>,
    // By aspect, arm and source.
    caps: [[[Option<Box<UserCap>>; GROUPS]; 2]; ASPECTS],
    ends: BinaryHeap<Reverse<(Millis, User, Aspect)>>,
}

impl Pauses {
    /// What cores read.
    pub(in crate::control) fn silence(&self) -> &Arc<Silence> {
        &self.silence
    }

    /// With the pauses of an earlier process. Sources may be others by then; the first is the only one as a rule.
    pub(in crate::control) fn restored(kept: &[KeptPause], now: Millis) -> Pauses {
        let mut pauses = Pauses::default();
        let arms = |pause: &KeptPause| match pause.arm {
            Some(arm) => [Some(arm), None],
            None => [Arm::Stable, Arm::Canary].map(Some),
        };
        for (pause, arm) in kept.iter().flat_map(|pause| arms(pause).into_iter().flatten().map(move |arm| (pause, arm)))
        {
            let user = (arm, SourceGroup::of(pause.source), pause.user);
            let until = pauses.cap(pause.aspect, user).get_or_insert_default().restore(pause, now);
            if until > now {
                pauses.silence.set(user, pause.aspect, true);
                pauses.ends.push(Reverse((until, user, pause.aspect)));
            }
        }
        pauses
    }

    fn cap(&mut self, aspect: Aspect, (arm, source, _): User) -> &mut Option<Box<UserCap>> {
        &mut self.caps[aspect as usize][arm as usize][source.index()]
    }

    /// Those that are to outlive the process.
    pub(in crate::control) fn kept(&self, now: Millis) -> Arc<[KeptPause]> {
        let of = |aspect: Aspect| {
            let by_arm = [Arm::Stable, Arm::Canary].into_iter().zip(&self.caps[aspect as usize]);
            let caps = by_arm.flat_map(|(arm, caps)| SourceGroup::ALL.into_iter().zip(caps).map(move |cap| (arm, cap)));
            let kept = caps.filter_map(|(arm, (source, cap))| Some(((aspect, arm, source), cap.as_ref()?)));
            let mut kept: Vec<KeptPause> = kept.flat_map(|(of, cap)| cap.kept(of, now, MOST_KEPT)).collect();
            kept.sort_by_key(|pause| (Reverse((pause.strikes, pause.left)), pause.user, pause.source));
            // Whoever is paused on both arms alike is kept once.
            kept.dedup_by(|one, other| {
                let alike = KeptPause { arm: other.arm, ..*one } == *other && one.arm != other.arm;
                if alike {
                    other.arm = None;
                }
                alike
            });
            kept.truncate(MOST_KEPT);
            kept
        };
        Aspect::ALL.into_iter().flat_map(of).collect()
    }

    /// Something happened to a user; whether it counts. What belongs to nobody always does.
    pub(in crate::control) fn event(&mut self, aspect: Aspect, whose: Whose, now: Millis) -> bool {
        let Some(user) = user(whose) else { return true };
        let cap = self.cap(aspect, user).get_or_insert_default();
        let Some(until) = cap.event(user.2, now) else { return false };
        self.silence.set(user, aspect, true);
        self.ends.push(Reverse((until, user, aspect)));
        true
    }

    /// A request of this user was sent.
    pub(in crate::control) fn request(&mut self, whose: Whose, now: Millis) {
        let Some(user) = user(whose) else { return };
        for aspect in Aspect::OF_ANSWERS {
            if let Some(cap) = self.cap(aspect, user) {
                cap.request(user.2, now);
            }
        }
    }

    /// Users go to the other arm: whoever is paused on one is paused there too, or what both arms suffer from would be
    /// new on that which they go to, and only there.
    pub(in crate::control) fn carry_over(&mut self, now: Millis) {
        let all: Vec<_> = self.ends.iter().map(|Reverse(end)| *end).filter(|(until, ..)| *until > now).collect();
        for (_, user, aspect) in all {
            let Some((until, strikes)) = self.cap(aspect, user).as_ref().map(|cap| cap.of(user.2)) else { continue };
            let (arm, source, slot) = user;
            let other = (if arm == Arm::Stable { Arm::Canary } else { Arm::Stable }, source, slot);
            let cap = self.cap(aspect, other).get_or_insert_default();
            if cap.of(slot).0 < until {
                let left = until.since(now);
                cap.restore(&KeptPause { aspect, user: slot, arm: None, source: 0, left, strikes }, now);
                self.silence.set(other, aspect, true);
                self.ends.push(Reverse((until, other, aspect)));
            }
        }
    }

    /// Ends the pauses that are over.
    pub(in crate::control) fn end(&mut self, now: Millis) {
        while let Some(Reverse((until, user, aspect))) = self.ends.peek().copied()
            && until <= now
        {
            self.ends.pop();
            // A new pause may have begun at the moment at which this one ended.
            let over = self.cap(aspect, user).as_ref().is_none_or(|cap| cap.counts(user.2, now));
            if over {
                self.silence.set(user, aspect, false);
            }
        }
    }
}

fn user(Whose { arm, source, slot }: Whose) -> Option<User> {
    slot.map(|slot| (arm, source, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_paused_in_one_aspect_and_for_longer_each_time() {
        let mut pauses = Pauses::default();
        let user = Whose { arm: Arm::Canary, source: SourceGroup::of(2), slot: Some(Slot::of(7)) };
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
        let nobody = Whose { slot: None, ..user };
        assert!(pauses.event(Aspect::Failing, nobody, Millis(0)) && pauses.event(Aspect::Failing, nobody, Millis(0)));
    }

    #[test]
    fn what_a_source_makes_of_a_user_on_an_arm_pauses_nobody_elsewhere() {
        let mut pauses = Pauses::default();
        let user = Whose { arm: Arm::Stable, source: SourceGroup::of(1), slot: Some(Slot::of(7)) };
        let (canary, other) = (Whose { arm: Arm::Canary, ..user }, Whose { source: SourceGroup::of(3), ..user });
        assert!(
            [user, canary, other].map(|whose| pauses.event(Aspect::Failing, whose, Millis(0))).iter().all(|new| *new)
        );
        assert!(!pauses.event(Aspect::Failing, user, Millis(1)));
        pauses.end(Millis(10_000));
        assert!(pauses.event(Aspect::Failing, other, Millis(10_000)));
        assert_eq!([user, canary, other].map(|whose| pauses.silence().mask(whose)), [0, 0, 1]);
        pauses.carry_over(Millis(20_000));
        let moved = Whose { arm: Arm::Canary, ..other };
        assert_eq!([user, canary, other, moved].map(|whose| pauses.silence().mask(whose)), [0, 0, 1, 1]);
        pauses.end(Millis(49_999));
        assert_eq!(pauses.silence().mask(moved), 1, "as long as where it came from");
        pauses.end(Millis(50_000));
        assert_eq!([other, moved].map(|whose| pauses.silence().mask(whose)), [0, 0]);
        let kept = pauses.kept(Millis(20_000));
        assert_eq!(kept.iter().map(|pause| (pause.arm, pause.source)).collect::<Vec<_>>(), [(None, 3)]);
        let of_both = KeptPause { arm: None, source: 1, ..kept[0] };
        let restored = Pauses::restored(&[of_both], Millis(0));
        assert_eq!([user, canary, other].map(|whose| restored.silence().mask(whose)), [1, 1, 0]);
    }
}

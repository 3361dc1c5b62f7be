//! Which users of a rollout are paused, in which aspect and until when. Events of a paused user are not counted.
//!
//! Owns the pauses; [`decide::guard::user_cap`](crate::decide::guard::user_cap) has their rules. Writes the masks that
//! the cores read, so that a pause begins and ends on all cores within a tick. A table is created with the first event
//! in its aspect: most rollouts have none. Pauses of users who keep failing outlive the process, so that frequent
//! restarts do not make one user look like many. A pause holds on one arm and for the requests of one source, because a
//! source cannot speak for the users of another. When the share changes, pauses follow the users to the other arm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::decide::guard::aspect::{ASPECTS, Aspect};
use crate::decide::guard::sources::{GROUPS, SourceGroup};
use crate::decide::guard::user_cap::{SavedPause, UserCap};
use crate::decide::units::{Arm, Millis, Slot};
use crate::state::pause_masks::{Attribution, PauseMasks};

/// How many pauses of an aspect outlive the process.
const MAX_KEPT: usize = 256;

/// A user on an arm, as named by one source.
type User = (Arm, SourceGroup, Slot);

#[derive(Debug, Default)]
pub(in crate::control) struct UserPauses {
    masks: Arc<PauseMasks>,
    // By aspect, arm and source.
    caps: [[[Option<Box<UserCap>>; GROUPS]; 2]; ASPECTS],
    ends: BinaryHeap<Reverse<(Millis, User, Aspect)>>,
}

impl UserPauses {
    /// The masks that the cores read.
    pub(super) fn masks(&self) -> &Arc<PauseMasks> {
        &self.masks
    }

    /// Continues with the pauses of an earlier process. Sources may have changed since; usually there is only one.
    pub(super) fn restore(kept: &[SavedPause], now: Millis) -> UserPauses {
        let mut pauses = UserPauses::default();
        let arms = |pause: &SavedPause| match pause.arm {
            Some(arm) => [Some(arm), None],
            None => [Arm::Stable, Arm::Canary].map(Some),
        };
        for (pause, arm) in kept.iter().flat_map(|pause| arms(pause).into_iter().flatten().map(move |arm| (pause, arm)))
        {
            let user = (arm, SourceGroup::of(pause.source), pause.user);
            let until = pauses.cap(pause.aspect, user).get_or_insert_default().restore(pause, now);
            if until > now {
                pauses.set_mask(user, pause.aspect, true);
                pauses.ends.push(Reverse((until, user, pause.aspect)));
            }
        }
        pauses
    }

    fn cap(&mut self, aspect: Aspect, (arm, source, _): User) -> &mut Option<Box<UserCap>> {
        &mut self.caps[aspect as usize][arm as usize][source.index()]
    }

    /// The pauses that outlive the process.
    pub(super) fn to_keep(&self, now: Millis) -> Arc<[SavedPause]> {
        let of = |aspect: Aspect| {
            let by_arm = [Arm::Stable, Arm::Canary].into_iter().zip(&self.caps[aspect as usize]);
            let caps = by_arm.flat_map(|(arm, caps)| SourceGroup::ALL.into_iter().zip(caps).map(move |cap| (arm, cap)));
            let kept = caps.filter_map(|(arm, (source, cap))| Some(((aspect, arm, source), cap.as_ref()?)));
            let mut kept: Vec<SavedPause> = kept.flat_map(|(of, cap)| cap.saved(of, now, MAX_KEPT)).collect();
            kept.sort_by_key(|pause| (Reverse((pause.strikes, pause.left)), pause.user, pause.source));
            // A user with equal pauses on both arms is kept once.
            kept.dedup_by(|one, other| {
                let alike = SavedPause { arm: other.arm, ..*one } == *other && one.arm != other.arm;
                if alike {
                    other.arm = None;
                }
                alike
            });
            kept.truncate(MAX_KEPT);
            kept
        };
        Aspect::ALL.into_iter().flat_map(of).collect()
    }

    /// Returns whether an event of a user counts. An event without a user always counts.
    pub(in crate::control) fn event(&mut self, aspect: Aspect, whose: Attribution, now: Millis) -> bool {
        let Some(user) = user(whose) else { return true };
        let cap = self.cap(aspect, user).get_or_insert_default();
        let Some(until) = cap.event(user.2, now) else { return false };
        self.set_mask(user, aspect, true);
        self.ends.push(Reverse((until, user, aspect)));
        true
    }

    /// Cores count no verdicts, and need not know who is paused for theirs.
    fn set_mask(&self, user: User, aspect: Aspect, paused: bool) {
        if aspect != Aspect::Feedback {
            self.masks.set(user, aspect, paused);
        }
    }

    /// Returns whether a verdict of a user counts. One without a user always counts.
    pub(in crate::control) fn verdict(&mut self, whose: Attribution, good: bool, now: Millis) -> bool {
        let Some(user @ (arm, source, slot)) = user(whose) else { return true };
        let cap = self.caps[Aspect::Feedback as usize][arm as usize][source.index()].get_or_insert_default();
        let Some(until) = cap.verdict(slot, good, now) else { return false };
        self.ends.push(Reverse((until, user, Aspect::Feedback)));
        true
    }

    /// A request of this user was sent.
    pub(in crate::control) fn request(&mut self, whose: Attribution, now: Millis) {
        let Some(user) = user(whose) else { return };
        for aspect in Aspect::OF_ANSWERS {
            if let Some(cap) = self.cap(aspect, user) {
                cap.request(user.2, now);
            }
        }
    }

    /// Users move to the other arm: copies their pauses to it. Otherwise a fault of both arms would count as new on the
    /// arm that users move to, and only there.
    pub(super) fn carry_over(&mut self, now: Millis) {
        let all: Vec<_> = self.ends.iter().map(|Reverse(end)| *end).filter(|(until, ..)| *until > now).collect();
        for (_, user, aspect) in all {
            let Some((until, strikes)) = self.cap(aspect, user).as_ref().map(|cap| cap.of(user.2)) else { continue };
            let (arm, source, slot) = user;
            let other = (if arm == Arm::Stable { Arm::Canary } else { Arm::Stable }, source, slot);
            let cap = self.cap(aspect, other).get_or_insert_default();
            if cap.of(slot).0 < until {
                let left = until.since(now);
                cap.restore(&SavedPause { aspect, user: slot, arm: None, source: 0, left, strikes }, now);
                self.set_mask(other, aspect, true);
                self.ends.push(Reverse((until, other, aspect)));
            }
        }
    }

    pub(super) fn end_expired(&mut self, now: Millis) {
        while let Some(Reverse((until, user, aspect))) = self.ends.peek().copied()
            && until <= now
        {
            self.ends.pop();
            // A new pause may have begun at the moment this one ended.
            let over = self.cap(aspect, user).as_ref().is_none_or(|cap| cap.counts(user.2, now));
            if over {
                self.set_mask(user, aspect, false);
            }
        }
    }
}

fn user(Attribution { arm, source, slot }: Attribution) -> Option<User> {
    slot.map(|slot| (arm, source, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_paused_in_one_aspect_and_for_longer_each_time() {
        let mut pauses = UserPauses::default();
        let user = Attribution { arm: Arm::Canary, source: SourceGroup::of(2), slot: Some(Slot::of(7)) };
        let mask = |pauses: &UserPauses| pauses.masks().mask(user);
        assert!(pauses.event(Aspect::Failing, user, Millis(0)));
        assert!(!pauses.event(Aspect::Failing, user, Millis(9999)), "paused for ten seconds");
        assert!(pauses.event(Aspect::Slow, user, Millis(9999)), "and not in another aspect");
        assert_eq!(mask(&pauses), 0b011);
        pauses.end_expired(Millis(10_000));
        assert_eq!(mask(&pauses), 0b010);
        assert!(pauses.event(Aspect::Failing, user, Millis(10_000)));
        pauses.end_expired(Millis(49_999));
        assert_eq!(mask(&pauses), 0b001, "four times as long");
        pauses.end_expired(Millis(50_000));
        assert_eq!(mask(&pauses), 0);
        assert!(pauses.event(Aspect::Failing, user, Millis(60_000)));
        let kept = pauses.to_keep(Millis(70_000));
        assert_eq!(kept.len(), 1, "slow once is nothing to remember");
        let mut restored = UserPauses::restore(&kept, Millis(5));
        assert_eq!(mask(&restored), 0b001);
        assert!(!restored.event(Aspect::Failing, user, Millis(150_004)), "the third pause goes on");
        assert!(restored.event(Aspect::Failing, user, Millis(150_005)));
        assert!(!restored.event(Aspect::Failing, user, Millis(700_000)), "and the fourth is as long as it would be");
        let nobody = Attribution { slot: None, ..user };
        assert!(pauses.event(Aspect::Failing, nobody, Millis(0)) && pauses.event(Aspect::Failing, nobody, Millis(0)));
    }

    #[test]
    fn a_pause_holds_for_one_source_and_one_arm() {
        let mut pauses = UserPauses::default();
        let user = Attribution { arm: Arm::Stable, source: SourceGroup::of(1), slot: Some(Slot::of(7)) };
        let (canary, other) =
            (Attribution { arm: Arm::Canary, ..user }, Attribution { source: SourceGroup::of(3), ..user });
        assert!(
            [user, canary, other].map(|whose| pauses.event(Aspect::Failing, whose, Millis(0))).iter().all(|new| *new)
        );
        assert!(!pauses.event(Aspect::Failing, user, Millis(1)));
        pauses.end_expired(Millis(10_000));
        assert!(pauses.event(Aspect::Failing, other, Millis(10_000)));
        assert_eq!([user, canary, other].map(|whose| pauses.masks().mask(whose)), [0, 0, 1]);
        pauses.carry_over(Millis(20_000));
        let moved = Attribution { arm: Arm::Canary, ..other };
        assert_eq!([user, canary, other, moved].map(|whose| pauses.masks().mask(whose)), [0, 0, 1, 1]);
        pauses.end_expired(Millis(49_999));
        assert_eq!(pauses.masks().mask(moved), 1, "as long as where it came from");
        pauses.end_expired(Millis(50_000));
        assert_eq!([other, moved].map(|whose| pauses.masks().mask(whose)), [0, 0]);
        let kept = pauses.to_keep(Millis(20_000));
        assert_eq!(kept.iter().map(|pause| (pause.arm, pause.source)).collect::<Vec<_>>(), [(None, 3)]);
        let of_both = SavedPause { arm: None, source: 1, ..kept[0] };
        let restored = UserPauses::restore(&[of_both], Millis(0));
        assert_eq!([user, canary, other].map(|whose| restored.masks().mask(whose)), [1, 1, 0]);
    }
}

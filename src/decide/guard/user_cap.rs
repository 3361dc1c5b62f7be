//! How often one user's events count: once per pause, and each pause is four times as long as the one before.
//!
//! A user who always fails adds about log4(T / 10 s) events in a time T, and as little to the denominator, so that the
//! rest is a fair comparison of the other users. Pauses begin at ten seconds, end at a day, and are forgotten after a
//! day without events. The table has a bounded size, 64 KiB, and grows with its users, since there is one for each
//! aspect of each rollout, arm and group of sources. Users who share a [`Slot`] are paused together, which only ever
//! hides events. Requests in flight: one that was sent in a pause does not count, one that fails after it does. The
//! time has to be monotonic only.

use serde::{Deserialize, Serialize};

use super::aspect::Aspect;
use super::sources::SourceGroup;
use crate::decide::units::{Arm, Millis, Slot};

/// The first pause.
pub const FIRST_PAUSE: Millis = Millis(10_000);
/// The pause after a verdict of the application: one user's come less often than requests.
pub const BETWEEN_VERDICTS: Millis = Millis(600_000);
/// The longest pause.
pub const LONGEST_PAUSE: Millis = Millis(86_400_000);
/// Each pause is this many times as long as the one before.
const GROWTH: u64 = 4;
/// So many requests between two events are many. What all users suffer from now and then would pause all of them for
/// days otherwise, and who is paused shows no fault.
const MANY: u8 = 20;
/// How many slots the table grows by.
const PAGE: usize = 32;

/// Everybody's pauses in one aspect, on one arm, by the requests of one group of sources.
#[derive(Clone, Debug)]
pub struct UserCap {
    // A power of two.
    slots: usize,
    pages: Box<[Option<Box<[Pause; PAGE]>>]>,
}

/// A pause as it outlives a process: only users who failed again after one are worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPause {
    /// In what the user is paused.
    pub aspect: Aspect,
    /// Who.
    pub user: Slot,
    /// On which arm; `None`: on both, as an earlier version paused.
    #[serde(default)]
    pub arm: Option<Arm>,
    /// By the requests of which group of sources.
    #[serde(default = "first")]
    pub source: u8,
    /// For how long still.
    pub left: Millis,
    /// How many pauses there were.
    pub strikes: u8,
}

/// While there is one source, it is this.
const fn first() -> u8 {
    1
}

// Eight bytes: when it ends, and in the lowest two of them how many requests came since, and how many pauses there were
// that have not been forgotten.
#[derive(Clone, Copy, Debug, Default)]
struct Pause(u64);

impl Pause {
    fn new(until: Millis, strikes: u8) -> Pause {
        // What does not fit is eight thousand years away.
        Pause(until.0.min(u64::MAX >> u16::BITS) << u16::BITS | u64::from(strikes))
    }

    const fn until(self) -> Millis {
        Millis(self.0 >> u16::BITS)
    }

    fn with_until(self, until: Millis) -> Pause {
        Pause(Pause::new(until, self.strikes()).0 | u64::from(self.requests()) << u8::BITS)
    }

    const fn requests(self) -> u8 {
        let [_, requests, ..] = self.0.to_le_bytes();
        requests
    }

    const fn one_more(self) -> Pause {
        if self.requests() == u8::MAX { self } else { Pause(self.0 + (1 << u8::BITS)) }
    }

    const fn strikes(self) -> u8 {
        let [strikes, ..] = self.0.to_le_bytes();
        strikes
    }
}

impl Default for UserCap {
    fn default() -> UserCap {
        UserCap::of_size(Slot::COUNT)
    }
}

impl UserCap {
    /// Users who failed again after a pause, the most often paused first, at most this many.
    #[must_use]
    pub fn saved(
        &self,
        (aspect, arm, source): (Aspect, Arm, SourceGroup),
        now: Millis,
        most: usize,
    ) -> Vec<SavedPause> {
        let (arm, source) = (Some(arm), u8::try_from(source.index()).unwrap_or_default());
        let pages = self.pages.iter().zip((0..).step_by(PAGE));
        let pages = pages.filter_map(|(page, first)| Some((page.as_ref()?, first)));
        let all = pages.flat_map(|(page, first): (_, u16)| page.iter().zip(first..));
        let again = all.filter(|(pause, _)| pause.strikes() > 1);
        let kept = again.map(|(pause, slot)| {
            let (user, left) = (Slot::of(slot), pause.until().since(now));
            SavedPause { aspect, user, arm, source, left, strikes: pause.strikes() }
        });
        let mut kept: Vec<SavedPause> = kept.collect();
        kept.sort_by_key(|pause| std::cmp::Reverse((pause.strikes, pause.left)));
        kept.truncate(most);
        kept
    }

    /// A pause of an earlier process goes on. Returns until when.
    pub fn restore(&mut self, kept: &SavedPause, now: Millis) -> Millis {
        let until = Millis(now.0.saturating_add(kept.left.0.min(LONGEST_PAUSE.0)));
        *self.pause_mut(kept.user) = Pause::new(until, kept.strikes);
        until
    }

    /// Until when this user is paused, and how many pauses there were.
    #[must_use]
    pub fn of(&self, user: Slot) -> (Millis, u8) {
        let pause = self.pause(user);
        (pause.until(), pause.strikes())
    }

    // A power of two.
    pub(super) fn of_size(slots: usize) -> UserCap {
        UserCap { slots, pages: vec![None; slots.div_ceil(PAGE)].into() }
    }

    const fn place(&self, user: Slot) -> (usize, usize) {
        let place = user.index() & (self.slots - 1);
        (place / PAGE, place % PAGE)
    }

    fn pause(&self, user: Slot) -> Pause {
        let (page, place) = self.place(user);
        self.pages[page].as_ref().map_or_else(Pause::default, |page| page[place])
    }

    fn pause_mut(&mut self, user: Slot) -> &mut Pause {
        let (page, place) = self.place(user);
        &mut self.pages[page].get_or_insert_default()[place]
    }

    /// Whether this user's requests are counted now.
    #[must_use]
    pub fn counts(&self, user: Slot, now: Millis) -> bool {
        now >= self.pause(user).until()
    }

    /// A request of this user was sent. Where that is recorded, the pauses of a user with many requests since the last
    /// pause begin anew: events are rare for this user.
    pub fn request(&mut self, user: Slot, now: Millis) {
        let pause = self.pause(user);
        if pause.strikes() > 0 && now >= pause.until() {
            *self.pause_mut(user) = pause.one_more();
        }
    }

    /// Something happened to a user: until when it pauses them; `None`: they are paused already, and it does not count.
    pub fn event(&mut self, user: Slot, now: Millis) -> Option<Millis> {
        self.event_after(user, now, FIRST_PAUSE)
    }

    /// A user gave a verdict: until when it pauses them; `None`: they are paused already, and it does not count. Every
    /// verdict begins a pause, so that who gives many counts as one user and which ones count does not depend on what
    /// they are; a bad one is an event besides, whose pauses grow.
    pub fn verdict(&mut self, user: Slot, good: bool, now: Millis) -> Option<Millis> {
        if !good {
            return self.event_after(user, now, BETWEEN_VERDICTS);
        }
        let pause = self.pause_mut(user);
        if now < pause.until() {
            return None;
        }
        let until = Millis(now.0 + BETWEEN_VERDICTS.0);
        *pause = pause.one_more().with_until(until);
        Some(until)
    }

    /// `first`: how long the first pause is.
    fn event_after(&mut self, user: Slot, now: Millis, first: Millis) -> Option<Millis> {
        let pause = self.pause_mut(user);
        let (before, mut strikes) = (pause.until(), pause.strikes());
        if now < before {
            return None;
        }
        if strikes > 0 && (now.since(before) > LONGEST_PAUSE || pause.requests() >= MANY) {
            strikes = 0;
        }
        let length = first.0.saturating_mul(GROWTH.saturating_pow(u32::from(strikes))).min(LONGEST_PAUSE.0);
        let until = Millis(now.0 + length);
        *pause = Pause::new(until, if length < LONGEST_PAUSE.0 { strikes + 1 } else { strikes });
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_large_as_its_users_need() {
        assert_eq!(size_of::<[Pause; PAGE]>(), PAGE * 8);
        let pages = |cap: &UserCap| cap.pages.iter().flatten().count();
        let mut cap = UserCap::default();
        assert!(cap.counts(Slot::of(7), Millis(0)) && pages(&cap) == 0, "a look makes none");
        for user in [7, 8, 8191] {
            cap.event(Slot::of(user), Millis(0));
        }
        assert_eq!(pages(&cap), 2);
        for user in 0..8192 {
            cap.event(Slot::of(user), Millis(0));
        }
        assert_eq!(pages(&cap) * PAGE * 8, 64 * 1024);
    }

    #[test]
    fn to_whom_it_rarely_happens_is_never_paused_for_long_and_who_insists_is() {
        let user = Slot::of(7);
        let paused = |requests: u32| {
            let (mut cap, mut now, mut counted) = (UserCap::default(), 0, 0);
            while now < 100_000_000 {
                counted += u32::from(cap.event(user, Millis(now)).is_some());
                for _ in 0..requests {
                    now += 1000;
                    cap.request(user, Millis(now));
                }
            }
            counted
        };
        // Each 60 seconds, nearly all of them after the pause: each counts. One in ten: they grow to a day.
        assert_eq!(paused(60), 1667);
        assert!(paused(1) < 12 && paused(10) < 12, "{} {}", paused(1), paused(10));
        let mut cap = UserCap::default();
        cap.request(user, Millis(0));
        cap.event(user, Millis(0));
        (0..300).for_each(|_| cap.request(user, Millis(9_999)));
        assert!(cap.event(user, Millis(10_000)).is_some());
        assert!(!cap.counts(user, Millis(49_999)), "what came in the pause is not looked at");
        (0..300).for_each(|_| cap.request(user, Millis(50_000)));
        assert_eq!(cap.event(user, Millis(50_000)), Some(Millis(60_000)));
    }

    #[test]
    fn a_user_who_gives_verdicts_all_the_time_counts_once_in_ten_minutes_and_bad_ones_ever_more_rarely() {
        let counted = |good: fn(u64) -> bool| {
            let (mut cap, user) = (UserCap::default(), Slot::of(7));
            let all =
                (0..2 * 86_400).filter(|second| cap.verdict(user, good(*second), Millis(second * 1000)).is_some());
            all.collect::<Vec<_>>()
        };
        assert_eq!(counted(|_| true).len(), 2 * 144);
        assert_eq!(counted(|_| false), [0, 600, 3000, 12_600, 51_000, 137_400]);
        // Now and then a good one forgives nothing, until there were twenty.
        let mixed = counted(|second| second % 1200 >= 600);
        assert!(mixed.len() < 60, "{mixed:?}");
        let (mut cap, user) = (UserCap::default(), Slot::of(7));
        cap.verdict(user, false, Millis(0));
        (1..=20).for_each(|turn| assert!(cap.verdict(user, true, Millis(turn * 600_000)).is_some()));
        assert_eq!(cap.verdict(user, false, Millis(12_600_000)), Some(Millis(13_200_000)), "as the first one");
        assert_eq!(cap.verdict(user, true, Millis(13_199_999)), None);
    }

    #[test]
    fn a_pause_is_exact_to_the_millisecond_and_ends_in_any_case() {
        for (until, strikes) in [(0, 0), (10_001, 1), (u64::MAX >> 16, 255)] {
            let pause = Pause::new(Millis(until), strikes);
            assert_eq!((pause.until(), pause.strikes()), (Millis(until), strikes));
        }
        assert_eq!(Pause::new(Millis(u64::MAX), 3).strikes(), 3);
        let mut cap = UserCap::default();
        for strike in 0..3 {
            cap.event(Slot::of(8190), Millis(strike * 100_000));
        }
        let of = (Aspect::Slow, Arm::Canary, SourceGroup::of(1));
        let kept = cap.saved(of, Millis(200_001), 9);
        let (user, arm) = (Slot::of(8190), Some(Arm::Canary));
        let expected = SavedPause { aspect: Aspect::Slow, user, arm, source: 1, left: Millis(159_999), strikes: 3 };
        assert_eq!(kept, [expected]);
    }
}

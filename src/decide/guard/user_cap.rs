//! How often one user's events count: once in a pause, and each pause is four times as long as the one before.
//!
//! A user who fails for ever adds about log4(T / 10 s) events in a time T and is in the denominator as little, so that
//! what is left is a fair comparison of the others. Pauses begin at ten seconds, end at a day, and are forgotten after a
//! day without events. A table of fixed size: users who share a [`Slot`] are paused together, on both arms alike, which
//! only ever hides something. Decides nothing about requests in flight: what began in a pause does not count, what
//! fails after it does. Its time only has to be monotonic.

use serde::{Deserialize, Serialize};

use super::aspect::Aspect;
use crate::decide::units::{Millis, Slot};

/// The first pause.
pub const FIRST_PAUSE: Millis = Millis(10_000);
/// The longest pause.
pub const LONGEST_PAUSE: Millis = Millis(86_400_000);
/// Each pause is so many times as long as the one before.
const GROWTH: u64 = 4;

/// Everybody's pauses in one aspect.
#[derive(Clone, Debug)]
pub struct UserCap {
    slots: Box<[Pause]>,
}

/// A pause as it outlives a process: only users who failed again after one are worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPause {
    /// In what the user is paused.
    pub aspect: Aspect,
    /// Who.
    pub user: Slot,
    /// For how long still.
    pub left: Millis,
    /// How many pauses there were.
    pub strikes: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    until: Millis,
    // How many pauses there were that have not been forgotten.
    strikes: u8,
}

impl Default for UserCap {
    fn default() -> UserCap {
        UserCap::of_size(Slot::COUNT)
    }
}

impl UserCap {
    /// Those who failed again after a pause, the most often paused first, at most so many.
    #[must_use]
    pub fn kept(&self, aspect: Aspect, now: Millis, most: usize) -> Vec<KeptPause> {
        let again = (0..).zip(&self.slots).filter(|(_, pause)| pause.strikes > 1);
        let kept = again.map(|(slot, pause)| {
            let (user, left) = (Slot::of(slot), pause.until.since(now));
            KeptPause { aspect, user, left, strikes: pause.strikes }
        });
        let mut kept: Vec<KeptPause> = kept.collect();
        kept.sort_by_key(|pause| std::cmp::Reverse((pause.strikes, pause.left)));
        kept.truncate(most);
        kept
    }

    /// A pause of an earlier process goes on. Returns until when.
    pub fn restore(&mut self, kept: &KeptPause, now: Millis) -> Millis {
        let place = self.place(kept.user);
        let until = Millis(now.0.saturating_add(kept.left.0.min(LONGEST_PAUSE.0)));
        self.slots[place] = Pause { until, strikes: kept.strikes };
        until
    }

    // A power of two.
    pub(super) fn of_size(slots: usize) -> UserCap {
        UserCap { slots: vec![Pause::default(); slots].into() }
    }

    fn place(&self, user: Slot) -> usize {
        user.index() & (self.slots.len() - 1)
    }

    /// Whether this user's requests are counted now.
    #[must_use]
    pub fn counts(&self, user: Slot, now: Millis) -> bool {
        now >= self.slots[self.place(user)].until
    }

    /// Something happened to a user: until when it pauses them; `None`: they are paused already, and it does not count.
    pub fn event(&mut self, user: Slot, now: Millis) -> Option<Millis> {
        let place = self.place(user);
        let pause = &mut self.slots[place];
        if now < pause.until {
            return None;
        }
        if pause.strikes > 0 && now.since(pause.until) > LONGEST_PAUSE {
            pause.strikes = 0;
        }
        let length = FIRST_PAUSE.0.saturating_mul(GROWTH.saturating_pow(u32::from(pause.strikes)));
        let length = length.min(LONGEST_PAUSE.0);
        pause.until = Millis(now.0 + length);
        if length < LONGEST_PAUSE.0 {
            pause.strikes += 1;
        }
        Some(pause.until)
    }
}

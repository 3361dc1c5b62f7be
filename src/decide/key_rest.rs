//! For how long a key is not asked: the one law of everything that may be wrong with it.
//!
//! Three things rest, each by itself: an account with one model after a 429, an account whose quota is spent, and a key
//! that was refused. Each is a [`KeyRest`], which is one word, so that cores share it without waiting for each other.
//! Owns how long a rest is and how it grows. Knows no key and reads no clock. Invariants: a rest that runs only grows; of
//! all who ask when it is over one is let through until it is known what came of it.

use super::units::Millis;

/// The first rest after a 429 that names no time. It doubles.
const THROTTLED_FROM: Millis = Millis(5_000);
/// What it doubles up to.
const THROTTLED_TO: Millis = Millis(300_000);
/// No rest that a provider asks for is longer: what is longer is no time to wait, and the key is tried again.
const LONGEST_ASKED: Millis = Millis(86_400_000);
/// What a rest for a spent quota grows up to, fourfold each time.
const SPENT_TO: Millis = Millis(3_600_000);
/// Between two tries of a refused key.
pub const REFUSED_FOR: Millis = Millis(600_000);
/// How long the one that was let through keeps the others waiting.
const TRIAL: Millis = Millis(1_000);
/// After this time without another failure a rest begins anew from its shortest.
pub const FORGOTTEN_AFTER: Millis = Millis(600_000);

const STEP_BITS: u32 = 7;
const MOST_STEPS: u8 = (1 << STEP_BITS) - 1;

/// A rest, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRest {
    /// When it is over, on the monotonic clock.
    pub until: Millis,
    /// How often in a row; 0: there is none.
    pub step: u8,
    /// Whether one was let through, and `until` is how long the others wait for it.
    pub trial: bool,
}

/// What may be asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAdmission {
    /// Anything.
    Usable,
    /// One request, once this rest is in the place of the other.
    Trial(KeyRest),
    /// Nothing until then.
    Resting(Millis),
}

impl KeyRest {
    pub const NONE: KeyRest = KeyRest { until: Millis(0), step: 0, trial: false };

    /// As one word; 0: none.
    #[must_use]
    pub const fn pack(self) -> u64 {
        (self.until.0 << (STEP_BITS + 1)) | ((self.trial as u64) << STEP_BITS) | self.step as u64
    }

    /// From the word that [`KeyRest::pack`] made.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the step has its bits")]
    pub const fn unpack(word: u64) -> KeyRest {
        KeyRest {
            until: Millis(word >> (STEP_BITS + 1)),
            step: (word & MOST_STEPS as u64) as u8,
            trial: (word >> STEP_BITS) & 1 == 1,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.step == 0
    }

    /// Whether it is long enough over to be forgotten.
    #[must_use]
    pub fn is_stale(self, now: Millis) -> bool {
        !self.is_none() && now.since(self.until) > FORGOTTEN_AFTER
    }

    /// Whether a key may be asked now.
    #[must_use]
    pub fn admits(self, now: Millis) -> KeyAdmission {
        if self.is_none() {
            KeyAdmission::Usable
        } else if self.until > now {
            KeyAdmission::Resting(self.until)
        } else {
            KeyAdmission::Trial(KeyRest { until: now.plus(TRIAL), trial: true, ..self })
        }
    }

    /// The same for a refusal, of which nothing is tried again for ten minutes.
    #[must_use]
    pub fn admits_refused(self, now: Millis) -> KeyAdmission {
        match self.admits(now) {
            KeyAdmission::Trial(next) => KeyAdmission::Trial(KeyRest { until: now.plus(REFUSED_FOR), ..next }),
            admission => admission,
        }
    }

    /// After a 429; `asked`: for how long the provider asks not to be asked.
    #[must_use]
    pub fn after_throttle(self, asked: Option<Millis>, now: Millis) -> KeyRest {
        let step = self.next_step(now);
        let own = grown(THROTTLED_FROM, 2, step, THROTTLED_TO);
        self.grown_to(step, asked.map_or(own, |asked| asked.min(LONGEST_ASKED)), now)
    }

    /// After an answer that the quota is spent; `cool_down`: the first rest.
    #[must_use]
    pub fn after_spent(self, cool_down: Millis, now: Millis) -> KeyRest {
        let step = self.next_step(now);
        self.grown_to(step, grown(cool_down, 4, step, SPENT_TO.max(cool_down)), now)
    }

    /// After a refusal of the key.
    #[must_use]
    pub fn after_refusal(self, now: Millis) -> KeyRest {
        self.grown_to(self.next_step(now), REFUSED_FOR, now)
    }

    /// Who was let through asked nothing: the next one may.
    #[must_use]
    pub fn after_no_trial(self, now: Millis) -> KeyRest {
        if self.trial { KeyRest { until: self.until.min(now), trial: false, ..self } } else { self }
    }

    /// Failures of requests that were under way together are one.
    fn next_step(self, now: Millis) -> u8 {
        if !self.is_none() && !self.trial && self.until > now { self.step } else { (self.step + 1).min(MOST_STEPS) }
    }

    fn grown_to(self, step: u8, length: Millis, now: Millis) -> KeyRest {
        let until = now.plus(length);
        KeyRest { until: if self.trial { until } else { until.max(self.until) }, step, trial: false }
    }
}

fn grown(from: Millis, factor: u64, step: u8, to: Millis) -> Millis {
    let times = factor.saturating_pow(u32::from(step.saturating_sub(1)));
    Millis(from.0.saturating_mul(times).min(to.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Millis = Millis(1_000_000);

    /// The rests of failures that come each when the last rest is just over.
    fn ladder(after: impl Fn(KeyRest, Millis) -> KeyRest) -> Vec<u64> {
        let (mut rest, mut now) = (KeyRest::NONE, AT);
        (0..9)
            .map(|_| {
                rest = after(rest, now);
                let length = rest.until.since(now);
                now = rest.until;
                length.0 / 1000
            })
            .collect()
    }

    #[test]
    fn the_ladders_of_the_three_rests() {
        assert_eq!(ladder(|rest, now| rest.after_throttle(None, now)), [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(
            ladder(|rest, now| rest.after_spent(Millis(60_000), now)),
            [60, 240, 960, 3600, 3600, 3600, 3600, 3600, 3600]
        );
        assert_eq!(ladder(|rest, now| rest.after_spent(Millis(7_200_000), now)), [7200; 9], "longer than the bound");
        assert_eq!(ladder(KeyRest::after_refusal), [600; 9]);
    }

    #[test]
    fn what_a_provider_asks_for_is_what_is_waited_up_to_a_day() {
        let asked = |millis| KeyRest::NONE.after_throttle(Some(Millis(millis)), AT).until.since(AT);
        assert_eq!([0, 20_000, u64::MAX].map(asked), [Millis(0), Millis(20_000), LONGEST_ASKED]);
    }

    #[test]
    fn failures_that_were_under_way_together_are_one_and_the_longest_rest_counts() {
        let first = KeyRest::NONE.after_throttle(Some(Millis(30_000)), AT);
        let second = first.after_throttle(None, Millis(AT.0 + 10));
        assert_eq!((second.step, second.until), (1, first.until));
        let third = second.after_throttle(Some(Millis(60_000)), Millis(AT.0 + 20));
        assert_eq!((third.step, third.until), (1, Millis(AT.0 + 60_020)));
    }

    #[test]
    fn one_is_let_through_when_a_rest_is_over_and_its_failure_counts() {
        let rest = KeyRest::NONE.after_throttle(None, AT);
        assert_eq!(rest.admits(AT), KeyAdmission::Resting(rest.until));
        let KeyAdmission::Trial(trial) = rest.admits(rest.until) else { unreachable!("it is over") };
        assert_eq!(trial.admits(rest.until), KeyAdmission::Resting(rest.until.plus(TRIAL)), "the others wait");
        let failed = trial.after_throttle(None, rest.until.plus(Millis(100)));
        assert_eq!((failed.step, failed.until), (2, rest.until.plus(Millis(10_100))));
        assert!(matches!(trial.admits(rest.until.plus(TRIAL)), KeyAdmission::Trial(_)), "one that was lost");
        let unasked = trial.after_no_trial(rest.until);
        assert!(matches!(unasked.admits(rest.until), KeyAdmission::Trial(_)), "one that asked nothing");
        assert_eq!(rest.after_no_trial(AT), rest);
        let refused = KeyRest::NONE.after_refusal(AT);
        let KeyAdmission::Trial(trial) = refused.admits_refused(refused.until) else { unreachable!("it is over") };
        assert_eq!(trial.until, refused.until.plus(REFUSED_FOR), "once in ten minutes, whatever comes of it");
    }

    #[test]
    fn a_rest_is_forgotten_some_time_after_its_end() {
        let rest = KeyRest::NONE.after_throttle(None, AT);
        assert!(!rest.is_stale(rest.until.plus(FORGOTTEN_AFTER)));
        assert!(rest.is_stale(rest.until.plus(Millis(FORGOTTEN_AFTER.0 + 1))));
        assert!(!KeyRest::NONE.is_stale(Millis(u64::MAX >> 8)));
        assert_eq!(KeyRest::NONE.admits(AT), KeyAdmission::Usable);
    }

    proptest! {
        #[test]
        fn a_rest_is_one_word_and_never_none_after_a_failure(
            until in 0u64..1 << 55, step in 0u8..=127, trial: bool, now in 0u64..1 << 50, asked in 0u64..1 << 50
        ) {
            let rest = KeyRest { until: Millis(until), step, trial };
            prop_assert_eq!(KeyRest::unpack(rest.pack()), rest);
            let now = Millis(now);
            for after in [
                rest.after_throttle(Some(Millis(asked)), now),
                rest.after_throttle(None, now),
                rest.after_spent(Millis(asked), now),
                rest.after_refusal(now),
            ] {
                prop_assert!(after.pack() != 0 && !after.trial && after.step >= rest.step.min(127));
                prop_assert!(trial || after.until >= rest.until);
            }
        }
    }
}

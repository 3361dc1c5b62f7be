//! Rate limits: the generic cell rate algorithm over integers, and what a request is expected to take of tokens.
//!
//! A bucket is one word: the moment at which it will be full again, in nanoseconds of the process's clock. Taking from
//! it puts that moment off; it fills by the passing of time alone. Every function computes the next word from the
//! present one, so that cores can share a bucket by compare-and-exchange. Has no state and reads no clock. Invariant: over
//! any time no more passes than what fits in at once and what comes back in that time, but for what is forced, and for a
//! request that is larger than the whole bucket, which passes alone when that is full.

pub mod estimate;
#[cfg(test)]
mod tests;

const MINUTE: u64 = 60_000_000_000;

/// So many a minute, of which so many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_minute: u64,
    depth: u64,
    /// How long one takes to come back, and all of them.
    one: u64,
    whole: u64,
}

/// What an attempt to take from a bucket comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The bucket's next word.
    Yes(u64),
    /// Not before this moment.
    NotBefore(u64),
}

impl Rate {
    /// Both are at least 1.
    #[must_use]
    pub fn new(per_minute: u32, depth: u32) -> Rate {
        let (per_minute, depth) = (u64::from(per_minute.max(1)), u64::from(depth.max(1)));
        let rate = Rate { per_minute, depth, one: 0, whole: 0 };
        Rate { one: rate.time_of(1), whole: rate.time_of(depth), ..rate }
    }

    /// As one word; never 0.
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.per_minute << 32 | self.depth
    }

    /// From the word that [`Rate::pack`] made; `None` of 0.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each half is 32 bits")]
    pub fn unpack(word: u64) -> Option<Rate> {
        (word != 0).then(|| Rate::new((word >> 32) as u32, word as u32))
    }

    #[must_use]
    pub const fn per_minute(self) -> u64 {
        self.per_minute
    }

    #[must_use]
    pub const fn depth(self) -> u64 {
        self.depth
    }

    /// How long so many take to come back.
    #[must_use]
    pub fn time_of(self, units: u64) -> u64 {
        match units.checked_mul(MINUTE) {
            Some(product) => product / self.per_minute,
            None => u64::try_from(u128::from(units) * u128::from(MINUTE) / u128::from(self.per_minute))
                .unwrap_or(u64::MAX / 4),
        }
    }

    /// How long one takes to come back.
    #[must_use]
    pub const fn one(self) -> u64 {
        self.one
    }

    /// Takes what costs so much time. `since`: when whoever asks began to wait for it, else `now`: a turn that came
    /// while its owner slept is not lost. `yields`: it leaves a fifth for others.
    #[must_use]
    pub fn take(self, full_at: u64, now: u64, since: u64, cost: u64, yields: bool) -> Take {
        let room = if yields { self.whole - self.whole / 5 } else { self.whole };
        let (used, needed) = (full_at.saturating_sub(now), cost.min(room));
        if used.saturating_add(needed) <= room {
            Take::Yes(full_at.max(since).saturating_add(cost))
        } else {
            Take::NotBefore(full_at.saturating_add(needed).saturating_sub(room))
        }
    }

    /// Takes it although there is no room. What is owed is bounded, so that no later request waits for long.
    #[must_use]
    pub fn force(self, full_at: u64, now: u64, cost: u64) -> u64 {
        let most = now.saturating_add(self.whole.saturating_mul(2));
        full_at.max(full_at.max(now).saturating_add(cost).min(most))
    }

    /// Whether less than a fifth is left.
    #[must_use]
    pub fn is_low(self, full_at: u64, now: u64) -> bool {
        full_at.saturating_sub(now) > self.whole - self.whole / 5
    }

    /// No more than this is left, as far as others know.
    #[must_use]
    pub fn lower_to(self, full_at: u64, now: u64, left: u64) -> u64 {
        full_at.max(now.saturating_add(self.time_of(self.depth.saturating_sub(left))))
    }

    /// Nothing is left before this moment.
    #[must_use]
    pub fn close_until(self, full_at: u64, opens_at: u64) -> u64 {
        full_at.max(opens_at.saturating_add(self.whole - self.one))
    }

    /// How many may come at once now: the most units whose time, which is rounded down, fits in what is free.
    #[must_use]
    pub fn left(self, full_at: u64, now: u64) -> u64 {
        let free = u128::from(self.whole.saturating_sub(full_at.saturating_sub(now)));
        let units = ((free + 1) * u128::from(self.per_minute) - 1) / u128::from(MINUTE);
        u64::try_from(units).unwrap_or(u64::MAX).min(self.depth)
    }

    /// The same bucket by another rate: what was used stays used.
    #[must_use]
    pub fn rescaled_from(self, before: Rate, full_at: u64, now: u64) -> u64 {
        let used = u128::from(full_at.saturating_sub(now)) * u128::from(before.per_minute);
        now.saturating_add(u64::try_from(used / u128::from(self.per_minute)).unwrap_or(u64::MAX / 4))
    }
}

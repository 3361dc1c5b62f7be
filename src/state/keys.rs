//! What is known of a provider's keys, shared by all cores: which rests, until when, and which was refused.
//!
//! Every fact is one atomic word ([`KeyRest`]), and no core waits for another. A [`KeyRing`] is the keys of a provider
//! in the order of one version of the file; the keys and accounts in it are kept over reloads by control. Holds no key
//! and knows no rules: [`key_rest`](crate::decide::key_rest) computes each transition. Whether there is anything to
//! know at all is one flag of the [`provider`](super::provider), so that requests look in here only while there is.
//! Invariant: at most one request at a time tests a key whose rest is over.

mod account;
mod word;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

use crate::decide::key_rest::{KeyAdmission, KeyRest};
use crate::decide::units::Millis;

pub use account::{AccountState, ModelRest};
use word::{change, take_trial};

/// The keys of a provider, in the order of the file.
#[derive(Debug, Default)]
pub struct KeyRing(Box<[RingKey]>);

/// A key in a ring.
#[derive(Clone, Debug)]
pub struct RingKey {
    pub key: Arc<KeyState>,
    /// With whom it shares what the provider allows.
    pub account: Arc<AccountState>,
}

/// Whether a key is refused.
#[derive(Debug, Default)]
pub struct KeyState {
    // A packed `KeyRest`, as all words here. It carries nothing but itself, so no order with other memory is needed.
    refused: AtomicU64,
    status: AtomicU16,
}

/// What an answer says of the key that it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySignal {
    /// It was asked too often. For how long it asks not to be asked, where it says so.
    Throttled(Option<Millis>),
    /// The account's quota is spent. The first rest.
    Spent(Millis),
    /// The key was refused, with this status.
    Refused(u16),
}

/// What a model is known by here; never 0. The same text is the same model.
#[must_use]
pub fn model_hash(name: Option<&str>) -> u64 {
    // FNV-1a: names that are made to collide cost their own sender a request.
    let bytes = name.unwrap_or_default().bytes();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)) | 1
}

/// The key to ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChoice {
    pub index: usize,
    /// Whether it may be at rest still, so that a success is news.
    pub trial: bool,
    /// Whether it was taken to be tested: no other request tests it meanwhile.
    pub taken: bool,
}

/// Why a key is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    Throttled,
    Spent,
    Refused,
}

impl RingKey {
    /// Whether it may be asked for this model now; else why not, and until when.
    fn look(&self, model: u64, now: Millis) -> Result<bool, (Obstacle, Millis)> {
        let mut trial = false;
        for (obstacle, rest) in [
            (Obstacle::Refused, self.key.refused()),
            (Obstacle::Spent, self.account.spent()),
            (Obstacle::Throttled, self.account.throttled(model)),
        ] {
            match rest.admits(now) {
                KeyAdmission::Usable => {}
                KeyAdmission::Trial(_) => trial = true,
                KeyAdmission::Resting(until) => return Err((obstacle, until)),
            }
        }
        Ok(trial)
    }

    /// Takes the trial of each rest that is over; false: another request did.
    fn take(&self, model: u64, now: Millis) -> bool {
        self.account.take_trial(model, now) && self.key.take_trial(now)
    }
}

impl KeyRing {
    /// Of these keys.
    pub fn new(keys: impl IntoIterator<Item = RingKey>) -> KeyRing {
        KeyRing(keys.into_iter().collect())
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.0
    }

    /// Whether another key than those can be asked for this model now.
    #[must_use]
    pub fn has_usable(&self, model: u64, tried: &[usize], now: Millis) -> bool {
        (0..self.0.len()).any(|index| !tried.contains(&index) && self.0[index].look(model, now).is_ok())
    }

    /// The first usable key from `home` on that was not tried.
    #[must_use]
    pub fn choose(&self, home: usize, model: u64, tried: &[usize], now: Millis) -> Option<KeyChoice> {
        self.first_of(self.from(home), model, tried, now)
    }

    /// The first usable key from `home` on that need not be tested, for what must take no trial from a request.
    #[must_use]
    pub fn at_ease(&self, home: usize, model: u64, now: Millis) -> Option<usize> {
        self.from(home).find(|index| self.0[*index].look(model, now) == Ok(false))
    }

    /// The first from `home` on that does not rest, whether or not it has to be tested. Takes no trial.
    #[must_use]
    pub fn not_resting(&self, home: usize, model: u64, now: Millis) -> Option<usize> {
        self.from(home).find(|index| self.0[*index].look(model, now).is_ok())
    }

    /// A refused key that was not tried and whose rest is over. No request would come to it by itself while another key
    /// is usable.
    #[must_use]
    pub fn choose_refused(&self, home: usize, model: u64, tried: &[usize], now: Millis) -> Option<KeyChoice> {
        let is_due = |key: &RingKey| matches!(key.key.refused().admits_refused(now), KeyAdmission::Trial(_));
        self.first_of(self.from(home).filter(|index| is_due(&self.0[*index])), model, tried, now)
    }

    fn first_of(
        &self,
        mut keys: impl Iterator<Item = usize>,
        model: u64,
        tried: &[usize],
        now: Millis,
    ) -> Option<KeyChoice> {
        keys.find_map(|index| {
            let key = &self.0[index];
            let trial = key.look(model, now).ok().filter(|_| !tried.contains(&index))?;
            (!trial || key.take(model, now)).then_some(KeyChoice { index, trial, taken: trial })
        })
    }

    /// The key that is usable soonest, for a request that must be sent although none is.
    #[must_use]
    pub fn soonest(&self, home: usize, model: u64, now: Millis) -> KeyChoice {
        let when = |index: &usize| {
            let obstacle = self.0[*index].look(model, now).err();
            obstacle.map(|(obstacle, until)| (obstacle == Obstacle::Refused, until))
        };
        KeyChoice { index: self.from(home).min_by_key(when).unwrap_or_default(), trial: true, taken: false }
    }

    fn from(&self, home: usize) -> impl Iterator<Item = usize> + use<> {
        let keys = self.0.len();
        (0..keys).map(move |step| (home + step) % keys)
    }

    /// An answer said this of the key at this index, asked for this model.
    pub fn record(&self, index: usize, model: u64, signal: KeySignal, now: Millis) {
        let Some(RingKey { key, account }) = self.0.get(index) else { return };
        match signal {
            KeySignal::Throttled(asked) => account.throttle(model, asked, now),
            KeySignal::Spent(cool_down) => account.spend(cool_down, now),
            KeySignal::Refused(status) => key.refuse(status, now),
        }
    }

    /// The key at this index was let in, for this model.
    pub fn accepted(&self, index: usize, model: u64) {
        if let Some(RingKey { key, account }) = self.0.get(index) {
            key.restore(KeyRest::NONE, 0);
            account.accepted(model);
        }
    }

    /// The key at this index was chosen to be tested, for this model, and was not asked.
    pub fn give_up_trial(&self, index: usize, model: u64, now: Millis) {
        if let Some(RingKey { key, account }) = self.0.get(index) {
            change(&key.refused, |rest| rest.after_no_trial(now));
            account.give_up_trial(model, now);
        }
    }

    /// Control only: forgets rests that are long over. Returns whether anything is left to know.
    pub fn tidy(&self, now: Millis) -> bool {
        self.0.iter().fold(false, |left, RingKey { key, account }| left | !key.refused().is_none() | account.tidy(now))
    }
}

impl KeyState {
    /// For how long it is refused.
    #[must_use]
    pub fn refused(&self) -> KeyRest {
        KeyRest::unpack(self.refused.load(Relaxed))
    }

    /// The status with which it was refused last.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.load(Relaxed)
    }

    /// As it was before a restart, or as if nothing had happened.
    pub fn restore(&self, refused: KeyRest, status: u16) {
        self.status.store(status, Relaxed);
        self.refused.store(refused.pack(), Relaxed);
    }

    fn refuse(&self, status: u16, now: Millis) {
        self.status.store(status, Relaxed);
        change(&self.refused, |rest| rest.after_refusal(now));
    }

    fn take_trial(&self, now: Millis) -> bool {
        take_trial(&self.refused, |rest| rest.admits_refused(now))
    }
}

#[cfg(test)]
mod tests;

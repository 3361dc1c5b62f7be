//! What an account may be asked for: its quota, and what it was throttled for, by model.
//!
//! A provider limits an account and not a key, and most limit each model by itself. Models are known by their hash, in a
//! table of fixed size: where it is full, the rest of another model is forgotten, which costs a request and no more.
//! Decides nothing. Invariant: bounded memory, whatever models a client names.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::word::{change, take_trial};
use crate::decide::key_rest::KeyRest;
use crate::decide::units::Millis;

/// Models of an account that may rest at a time.
const MODELS: usize = 16;

/// What is known of an account.
#[derive(Debug, Default)]
pub struct AccountState {
    spent: AtomicU64,
    models: [ModelCell; MODELS],
}

#[derive(Debug, Default)]
struct ModelCell {
    /// The hash of its name; 0: the cell is free.
    model: AtomicU64,
    rest: AtomicU64,
}

/// The rest of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelRest {
    /// The hash of its name.
    pub model: u64,
    pub rest: KeyRest,
}

impl AccountState {
    /// For how long its quota is taken to be spent.
    #[must_use]
    pub fn spent(&self) -> KeyRest {
        KeyRest::unpack(self.spent.load(Relaxed))
    }

    /// For how long it is not asked for this model.
    #[must_use]
    pub fn throttled(&self, model: u64) -> KeyRest {
        self.cell(model).map_or(KeyRest::NONE, |cell| KeyRest::unpack(cell.rest.load(Relaxed)))
    }

    /// All models that rest.
    pub fn models(&self) -> impl Iterator<Item = ModelRest> {
        let rests = self
            .models
            .iter()
            .map(|cell| ModelRest { model: cell.model.load(Relaxed), rest: KeyRest::unpack(cell.rest.load(Relaxed)) });
        rests.filter(|rest| rest.model != 0 && !rest.rest.is_none())
    }

    /// As it was before a restart.
    pub fn restore(&self, spent: KeyRest, models: impl IntoIterator<Item = ModelRest>) {
        self.spent.store(spent.pack(), Relaxed);
        for ModelRest { model, rest } in models {
            self.cell_for(model).rest.store(rest.pack(), Relaxed);
        }
    }

    pub(super) fn throttle(&self, model: u64, asked: Option<Millis>, now: Millis) {
        change(&self.cell_for(model).rest, |rest| rest.after_throttle(asked, now));
    }

    pub(super) fn spend(&self, cool_down: Millis, now: Millis) {
        change(&self.spent, |rest| rest.after_spent(cool_down, now));
    }

    pub(super) fn accepted(&self, model: u64) {
        self.spent.store(0, Relaxed);
        if let Some(cell) = self.cell(model) {
            cell.rest.store(0, Relaxed);
        }
    }

    pub(super) fn take_trial(&self, model: u64, now: Millis) -> bool {
        take_trial(&self.spent, |rest| rest.admits(now))
            && self.cell(model).is_none_or(|cell| take_trial(&cell.rest, |rest| rest.admits(now)))
    }

    pub(super) fn give_up_trial(&self, model: u64, now: Millis) {
        change(&self.spent, |rest| rest.after_no_trial(now));
        if let Some(cell) = self.cell(model) {
            change(&cell.rest, |rest| rest.after_no_trial(now));
        }
    }

    /// Forgets what is long over; returns whether anything is left.
    pub(super) fn tidy(&self, now: Millis) -> bool {
        let words = std::iter::once(&self.spent).chain(self.models.iter().map(|cell| &cell.rest));
        words.fold(false, |left, word| {
            let packed = word.load(Relaxed);
            let rest = KeyRest::unpack(packed);
            let gone =
                rest.is_none() || (rest.is_stale(now) && word.compare_exchange(packed, 0, Relaxed, Relaxed).is_ok());
            left || !gone
        })
    }

    fn cell(&self, model: u64) -> Option<&ModelCell> {
        self.models.iter().find(|cell| cell.model.load(Relaxed) == model)
    }

    /// Its cell, else one that has no rest, else that of another.
    fn cell_for(&self, model: u64) -> &ModelCell {
        let free = || self.models.iter().find(|cell| cell.rest.load(Relaxed) == 0);
        let [first, ..] = &self.models;
        let other = || self.models.get(usize::try_from(model % 16).unwrap_or_default()).unwrap_or(first);
        if let Some(cell) = self.cell(model) {
            return cell;
        }
        let cell = free().unwrap_or_else(other);
        if cell.model.swap(model, Relaxed) != model {
            cell.rest.store(0, Relaxed);
        }
        cell
    }
}

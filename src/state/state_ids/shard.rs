//! A part of the ids, in the order in which they were used.
//!
//! A list through slots that are used again: what was used last is at its head. Owns no count of the whole. Invariant:
//! each id of the index has one slot, and each slot in use is on the list once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::key::StateKey;
use super::owners::OwnerId;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Shard {
    index: HashMap<u128, u32, BuildHasherDefault<AsItIs>>,
    slots: Vec<Slot>,
    /// The first slot that is free; the others follow by `next`.
    free: u32,
    newest: u32,
    oldest: u32,
}

impl Default for Shard {
    fn default() -> Shard {
        Shard { index: HashMap::default(), slots: Vec::new(), free: NONE, newest: NONE, oldest: NONE }
    }
}

#[derive(Debug)]
struct Slot {
    key: u128,
    owner: OwnerId,
    /// When the use that was written last was, in seconds.
    written: u32,
    newer: u32,
    older: u32,
}

/// An id that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) owner: OwnerId,
    pub(super) written: u32,
}

impl Shard {
    /// Uses an id, if it is known.
    pub(super) fn use_now(&mut self, key: StateKey) -> Option<Used> {
        let at = *self.index.get(&key.0)?;
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        let Slot { owner, written, .. } = self.slots[at as usize];
        Some(Used { owner, written })
    }

    /// Its use is written.
    pub(super) fn written(&mut self, key: StateKey, now: u32) {
        if let Some(at) = self.index.get(&key.0) {
            self.slots[*at as usize].written = now;
        }
    }

    /// Adds one that is not known.
    pub(super) fn insert(&mut self, key: StateKey, owner: OwnerId, now: u32) {
        let slot = Slot { key: key.0, owner, written: now, newer: NONE, older: NONE };
        let at = match self.slots.get(self.free as usize) {
            Some(free) => {
                let at = std::mem::replace(&mut self.free, free.older);
                self.slots[at as usize] = slot;
                at
            }
            None => {
                let Ok(at) = u32::try_from(self.slots.len()) else { return };
                self.slots.push(slot);
                at
            }
        };
        self.index.insert(key.0, at);
        self.link(at);
    }

    /// Removes one; who kept it.
    pub(super) fn remove(&mut self, key: StateKey) -> Option<OwnerId> {
        let at = self.index.remove(&key.0)?;
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        slot.older = std::mem::replace(&mut self.free, at);
        Some(slot.owner)
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Removes the one that was not used for the longest time, but not `spared`.
    pub(super) fn remove_oldest(&mut self, spared: Option<StateKey>) -> Option<(StateKey, OwnerId)> {
        let key = StateKey(self.slots.get(self.oldest as usize)?.key);
        if Some(key) == spared {
            return None;
        }
        self.remove(key).map(|owner| (key, owner))
    }

    fn link(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        self.slots[at as usize].older = before;
        self.slots[at as usize].newer = NONE;
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Slot { newer, older, .. } = self.slots[at as usize];
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }
}

/// The ids are hashes already, under a key that nobody knows.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

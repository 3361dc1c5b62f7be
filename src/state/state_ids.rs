//! Which provider keeps what an id stands for: responses, files, conversations and the like.
//!
//! Only ids that a provider other than stable made are here. A provider is known by its name and its `base_url`
//! ([`owners`]), so that a file which swaps stable and canary changes nothing. An id is kept as a hash under a key that
//! only this state has. Cores learn and look up; control takes what has to be written ([`changes`]) and gives the
//! status its figures. The shards are locked for some hundred nanoseconds, and only by requests and answers that name
//! an id. Invariants: no more than [`StateIds::set_most`] ids are kept; of more, those that were used least recently
//! go.

mod changes;
mod key;
mod misses;
mod owners;
mod shard;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::decide::units::{Millis, UnixMillis};
use changes::ChangeQueue;
pub use changes::{StateChange, StateChanges};
pub use key::StateKey;
use key::lock;
use misses::Misses;
use owners::{LastUses, Owners};
pub use owners::{Owner, OwnerId, OwnerReport};
use shard::{Shard, Used};

/// So that cores seldom meet.
const SHARDS: usize = 16;
/// A use is written when the last one that was written is older than this, in seconds.
const BETWEEN_WRITTEN_USES: u32 = 3600;
/// How many ids are kept where nobody says.
pub const MOST_STATE_IDS: u32 = 100_000;

/// What an earlier process kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptStateIds {
    /// What its ids were hashed with; `None`: nothing was kept.
    pub secret: Option<[u8; 32]>,
    pub owners: Vec<(OwnerId, Owner)>,
    /// Each with its owner and when it was last used, the oldest first.
    pub ids: Vec<(StateKey, OwnerId, u32)>,
}

/// All ids that are known.
#[derive(Debug)]
pub struct StateIds {
    secret: [u8; 32],
    key: hmac::Key,
    shards: [Mutex<Shard>; SHARDS],
    len: AtomicUsize,
    most: AtomicUsize,
    owners: Mutex<Owners>,
    uses: LastUses,
    misses: Misses,
    changes: ChangeQueue,
    evicted: AtomicU64,
    is_new: AtomicBool,
}

impl Default for StateIds {
    fn default() -> StateIds {
        StateIds::restored(KeptStateIds::default(), MOST_STATE_IDS)
    }
}

impl StateIds {
    /// Goes on with what an earlier process kept.
    #[must_use]
    pub fn restored(kept: KeptStateIds, most: u32) -> StateIds {
        let is_new = kept.secret.is_none();
        let secret = kept.secret.unwrap_or_else(|| {
            let mut secret = [0; 32];
            // A system without random numbers has no TLS either; an id is then hashed under a key that others know.
            let _ = SystemRandom::new().fill(&mut secret);
            secret
        });
        let ids = StateIds {
            secret,
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            shards: Default::default(),
            len: AtomicUsize::new(0),
            most: AtomicUsize::new(most as usize),
            owners: Mutex::new(Owners::restored(kept.owners)),
            uses: LastUses::default(),
            misses: Misses::default(),
            changes: ChangeQueue::default(),
            evicted: AtomicU64::new(0),
            is_new: AtomicBool::new(is_new),
        };
        for (key, owner, used) in kept.ids {
            if lock(&ids.owners).count(owner, 1) {
                ids.uses.note(owner, used);
                ids.shard(key).insert(key, owner, used);
                ids.len.fetch_add(1, Relaxed);
                ids.make_room(key);
            }
        }
        ids
    }

    /// What an id is kept as.
    #[must_use]
    pub fn key(&self, id: &str) -> StateKey {
        let tag = hmac::sign(&self.key, id.as_bytes());
        let half = tag.as_ref().first_chunk().copied().unwrap_or_default();
        StateKey(u128::from_be_bytes(half))
    }

    /// The number of a provider here. `None`: there were too many others, and nothing is learned of this one.
    #[must_use]
    pub fn owner(&self, name: &str, base_url: &str) -> Option<OwnerId> {
        lock(&self.owners).number(name, base_url)
    }

    /// How many ids there are at most from now on. Each shard has its share of them.
    pub fn set_most(&self, most: u32) {
        if self.most.swap(most as usize, Relaxed) > most as usize {
            self.shards.iter().for_each(|shard| self.trim(shard, None));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Who keeps what this id stands for. Marks it as used.
    #[must_use]
    pub fn find(&self, key: StateKey, now: UnixMillis) -> Option<OwnerId> {
        let now = seconds(now);
        let Used { owner, written } = self.shard(key).use_now(key)?;
        self.note_use(key, owner, now, written);
        Some(owner)
    }

    /// This provider keeps what the id stands for.
    pub fn learn(&self, key: StateKey, owner: OwnerId, now: UnixMillis) {
        let now = seconds(now);
        let mut shard = self.shard(key);
        match shard.use_now(key) {
            Some(known) if known.owner == owner => {
                drop(shard);
                self.note_use(key, owner, now, known.written);
                return;
            }
            Some(known) => {
                shard.remove(key);
                self.len.fetch_sub(1, Relaxed);
                lock(&self.owners).count(known.owner, -1);
            }
            None => {}
        }
        shard.insert(key, owner, now);
        drop(shard);
        self.len.fetch_add(1, Relaxed);
        lock(&self.owners).count(owner, 1);
        self.uses.note(owner, now);
        self.misses.forget(key);
        self.changes.push(StateChange::Keep { key, owner, used: now });
        self.make_room(key);
    }

    /// Its provider keeps it no longer.
    pub fn forget(&self, key: StateKey) {
        let removed = self.shard(key).remove(key);
        if let Some(owner) = removed {
            self.removed(key, owner);
        }
    }

    /// Nobody who was asked keeps what this id stands for.
    pub fn note_miss(&self, key: StateKey, now: UnixMillis) {
        self.misses.note(key, seconds(now), true);
    }

    /// Somebody who was asked gave no answer.
    pub fn note_failed_lookup(&self, key: StateKey, now: UnixMillis) {
        self.misses.note(key, seconds(now), false);
    }

    /// Whether that was found out a short time ago, so that nobody needs to be asked again.
    #[must_use]
    pub fn is_missed(&self, key: StateKey, now: UnixMillis) -> bool {
        self.misses.has(key, seconds(now))
    }

    /// Begins to ask others than stable about an id that nobody is known to keep. `false`: too many were asked for
    /// nothing.
    #[must_use]
    pub fn begin_lookup(&self, now: Millis) -> bool {
        self.misses.begin_lookup(now)
    }

    /// Who was asked has it: only lookups that find nothing are limited.
    pub fn found(&self) {
        self.misses.found();
    }

    /// What each provider keeps, those that keep something.
    #[must_use]
    pub fn report(&self) -> Vec<OwnerReport> {
        lock(&self.owners).report(&self.uses)
    }

    /// How many ids had to go because others came.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// How many changes were not written, since they came faster than the disk took them.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.changes.dropped()
    }

    /// How many changes wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.changes.len()
    }

    /// Control only: the oldest changes that are to be written, with what they need to be read again.
    #[must_use]
    pub fn take_changes(&self, most: usize) -> StateChanges {
        let changes = self.changes.take(most);
        let is_new = !changes.is_empty() && self.is_new.swap(false, Relaxed);
        let owners = if changes.is_empty() { Vec::new() } else { lock(&self.owners).take_new() };
        StateChanges { secret: is_new.then_some(self.secret), owners, changes }
    }

    /// Control only: they could not be written.
    pub fn give_back(&self, changes: StateChanges) {
        if changes.secret.is_some() {
            self.is_new.store(true, Relaxed);
        }
        lock(&self.owners).give_back(&changes.owners);
        self.changes.give_back(changes.changes);
    }

    fn note_use(&self, key: StateKey, owner: OwnerId, now: u32, written: u32) {
        self.uses.note(owner, now);
        if now.saturating_sub(written) >= BETWEEN_WRITTEN_USES {
            self.shard(key).written(key, now);
            self.changes.push(StateChange::Keep { key, owner, used: now });
        }
    }

    /// Removes what was used least recently of the shard that has grown, while it has more than its share.
    fn make_room(&self, grown: StateKey) {
        self.trim(&self.shards[index(grown)], Some(grown));
    }

    fn trim(&self, shard: &Mutex<Shard>, spared: Option<StateKey>) {
        let most = self.most.load(Relaxed).div_ceil(SHARDS);
        loop {
            let removed = {
                let mut shard = lock(shard);
                if shard.len() > most { shard.remove_oldest(spared) } else { None }
            };
            let Some((key, owner)) = removed else { return };
            self.evicted.fetch_add(1, Relaxed);
            self.removed(key, owner);
        }
    }

    fn removed(&self, key: StateKey, owner: OwnerId) {
        self.len.fetch_sub(1, Relaxed);
        lock(&self.owners).count(owner, -1);
        self.changes.push(StateChange::Forget(key));
    }

    fn shard(&self, key: StateKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[index(key)])
    }
}

/// Which shard has it.
fn index(key: StateKey) -> usize {
    usize::try_from(key.0 >> 124).unwrap_or_default() % SHARDS
}

fn seconds(now: UnixMillis) -> u32 {
    u32::try_from(now.0 / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

//! The providers that keep something, by name and `base_url`, each with a number.
//!
//! A number is given once and never to another provider, so that what a core prepared for one file is right after the
//! next one too. Owns what is counted of each. Invariant: there are at most [`MOST_OWNERS`].

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::decide::units::UnixMillis;

/// More providers than any file names, over all of its versions.
const MOST_OWNERS: usize = 1024;

/// The number of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerId(pub u16);

/// A provider, as it is known over restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    pub base_url: String,
}

/// What one provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerReport {
    pub owner: Owner,
    /// How many ids.
    pub ids: u64,
    /// When the last of them was used.
    pub last_used: UnixMillis,
}

#[derive(Debug)]
struct Kept {
    owner: Owner,
    ids: u64,
    /// Whether it is to be written with the next changes.
    is_new: bool,
}

#[derive(Debug, Default)]
pub(super) struct Owners(Vec<Kept>);

impl Owners {
    /// In the order of their numbers. One whose number is not its place is left out, and all after it.
    pub(super) fn restored(mut kept: Vec<(OwnerId, Owner)>) -> Owners {
        kept.sort_by_key(|(number, _)| number.0);
        let in_place = kept.into_iter().enumerate().take_while(|(place, (number, _))| *place == usize::from(number.0));
        let kept = |(_, (_, owner))| Kept { owner, ids: 0, is_new: false };
        Owners(in_place.take(MOST_OWNERS).map(kept).collect())
    }

    pub(super) fn number(&mut self, name: &str, base_url: &str) -> Option<OwnerId> {
        let is_it = |kept: &Kept| kept.owner.name == name && kept.owner.base_url == base_url;
        let at = self.0.iter().position(is_it).or_else(|| {
            (self.0.len() < MOST_OWNERS).then(|| {
                let owner = Owner { name: name.to_owned(), base_url: base_url.to_owned() };
                self.0.push(Kept { owner, ids: 0, is_new: true });
                self.0.len() - 1
            })
        })?;
        u16::try_from(at).ok().map(OwnerId)
    }

    /// It keeps so many more. Whether it is known.
    pub(super) fn count(&mut self, id: OwnerId, more: i64) -> bool {
        let Some(kept) = self.0.get_mut(usize::from(id.0)) else { return false };
        kept.ids = kept.ids.saturating_add_signed(more);
        true
    }

    pub(super) fn report(&self, uses: &LastUses) -> Vec<OwnerReport> {
        let keeping = (0..=u16::MAX).zip(&self.0).filter(|(_, kept)| kept.ids > 0);
        let report = |(number, kept): (u16, &Kept)| OwnerReport {
            owner: kept.owner.clone(),
            ids: kept.ids,
            last_used: UnixMillis(u64::from(uses.last(OwnerId(number))) * 1000),
        };
        keeping.map(report).collect()
    }

    /// Those that were not written yet.
    pub(super) fn take_new(&mut self) -> Vec<(OwnerId, Owner)> {
        let numbered = (0..=u16::MAX).zip(&mut self.0);
        let new = |(number, kept): (u16, &mut Kept)| {
            std::mem::take(&mut kept.is_new).then(|| (OwnerId(number), kept.owner.clone()))
        };
        numbered.filter_map(new).collect()
    }

    pub(super) fn give_back(&mut self, owners: &[(OwnerId, Owner)]) {
        for (number, _) in owners {
            if let Some(kept) = self.0.get_mut(usize::from(number.0)) {
                kept.is_new = true;
            }
        }
    }
}

/// When each of them was last used, in seconds of unix time; written without a lock.
#[derive(Debug)]
pub(super) struct LastUses(Box<[AtomicU32]>);

impl Default for LastUses {
    fn default() -> LastUses {
        LastUses((0..MOST_OWNERS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl LastUses {
    pub(super) fn note(&self, owner: OwnerId, now: u32) {
        if let Some(last) = self.0.get(usize::from(owner.0)) {
            last.fetch_max(now, Relaxed);
        }
    }

    fn last(&self, owner: OwnerId) -> u32 {
        self.0.get(usize::from(owner.0)).map_or(0, |last| last.load(Relaxed))
    }
}

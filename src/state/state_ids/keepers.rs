//! The providers that keep something, by name and `base_url`, each with a number.
//!
//! A number is given once and never to another provider, so that what a core prepared for one file is right after the
//! next one too. Owns what is counted of each. Invariant: there are at most [`MOST_KEEPERS`].

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::decide::units::UnixMillis;

/// More providers than any file names, over all of its versions.
const MOST_KEEPERS: usize = 1024;

/// The number of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeeperId(pub u16);

/// A provider, as it is known over restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub name: String,
    pub base_url: String,
}

/// What one provider keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperReport {
    pub keeper: Keeper,
    /// How many ids.
    pub ids: u64,
    /// When the last of them was used.
    pub last_used: UnixMillis,
}

#[derive(Debug)]
struct Kept {
    keeper: Keeper,
    ids: u64,
    /// Whether it is to be written with the next changes.
    is_new: bool,
}

#[derive(Debug, Default)]
pub(super) struct Keepers(Vec<Kept>);

impl Keepers {
    /// In the order of their numbers. One whose number is not its place is left out, and all after it.
    pub(super) fn restored(mut kept: Vec<(KeeperId, Keeper)>) -> Keepers {
        kept.sort_by_key(|(number, _)| number.0);
        let in_place = kept.into_iter().enumerate().take_while(|(place, (number, _))| *place == usize::from(number.0));
        let kept = |(_, (_, keeper))| Kept { keeper, ids: 0, is_new: false };
        Keepers(in_place.take(MOST_KEEPERS).map(kept).collect())
    }

    pub(super) fn number(&mut self, name: &str, base_url: &str) -> Option<KeeperId> {
        let is_it = |kept: &Kept| kept.keeper.name == name && kept.keeper.base_url == base_url;
        let at = self.0.iter().position(is_it).or_else(|| {
            (self.0.len() < MOST_KEEPERS).then(|| {
                let keeper = Keeper { name: name.to_owned(), base_url: base_url.to_owned() };
                self.0.push(Kept { keeper, ids: 0, is_new: true });
                self.0.len() - 1
            })
        })?;
        u16::try_from(at).ok().map(KeeperId)
    }

    /// It keeps so many more. Whether it is known.
    pub(super) fn count(&mut self, id: KeeperId, more: i64) -> bool {
        let Some(kept) = self.0.get_mut(usize::from(id.0)) else { return false };
        kept.ids = kept.ids.saturating_add_signed(more);
        true
    }

    pub(super) fn report(&self, uses: &LastUses) -> Vec<KeeperReport> {
        let keeping = (0..=u16::MAX).zip(&self.0).filter(|(_, kept)| kept.ids > 0);
        let report = |(number, kept): (u16, &Kept)| KeeperReport {
            keeper: kept.keeper.clone(),
            ids: kept.ids,
            last_used: UnixMillis(u64::from(uses.last(KeeperId(number))) * 1000),
        };
        keeping.map(report).collect()
    }

    /// Those that were not written yet.
    pub(super) fn take_new(&mut self) -> Vec<(KeeperId, Keeper)> {
        let numbered = (0..=u16::MAX).zip(&mut self.0);
        let new = |(number, kept): (u16, &mut Kept)| {
            std::mem::take(&mut kept.is_new).then(|| (KeeperId(number), kept.keeper.clone()))
        };
        numbered.filter_map(new).collect()
    }

    pub(super) fn give_back(&mut self, keepers: &[(KeeperId, Keeper)]) {
        for (number, _) in keepers {
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
        LastUses((0..MOST_KEEPERS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl LastUses {
    pub(super) fn note(&self, keeper: KeeperId, now: u32) {
        if let Some(last) = self.0.get(usize::from(keeper.0)) {
            last.fetch_max(now, Relaxed);
        }
    }

    fn last(&self, keeper: KeeperId) -> u32 {
        self.0.get(usize::from(keeper.0)).map_or(0, |last| last.load(Relaxed))
    }
}

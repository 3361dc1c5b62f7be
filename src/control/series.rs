//! Every series there ever was since the start, found by its labels.
//!
//! The same labels are the same series over any number of reloads, so that a scraped counter never falls. None is ever
//! removed: names come from flags.yaml and never from a request, so operators' edits bound them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::counters::{Labels, Series};

/// Makes a series for these labels and this many cores; telemetry knows how.
pub type SeriesFactory = Box<dyn Fn(Labels, usize) -> Arc<Series> + Send>;

pub(super) struct Registry {
    make: SeriesFactory,
    cores: usize,
    all: BTreeMap<Labels, Arc<Series>>,
}

impl Registry {
    pub(super) fn new(make: SeriesFactory, cores: usize) -> Registry {
        Registry { make, cores, all: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, rollout: &str, arm: &'static str, provider: &str) -> Arc<Series> {
        let labels = Labels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() };
        let (make, cores) = (&self.make, self.cores);
        Arc::clone(self.all.entry(labels).or_insert_with_key(|labels| make(labels.clone(), cores)))
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.all.values().map(Arc::clone).collect()
    }
}

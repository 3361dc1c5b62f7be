//! All series since the start: equal labels are the same series, over any number of reloads.
//!
//! Owns which series exist, not what they count. No series is ever removed or reset, because scrapers take differences:
//! a rollout that leaves the file and comes back continues to count.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::counters::{Labels, Series};

/// Creates a series for these labels and this number of cores. Telemetry supplies it.
pub type SeriesFactory = Box<dyn Fn(Labels, usize) -> Arc<Series> + Send>;

pub(super) struct SeriesRegistry {
    make: SeriesFactory,
    cores: usize,
    all: BTreeMap<Labels, Arc<Series>>,
}

impl SeriesRegistry {
    pub(super) fn new(make: SeriesFactory, cores: usize) -> SeriesRegistry {
        SeriesRegistry { make, cores, all: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, rollout: &str, arm: &'static str, provider: &str) -> Arc<Series> {
        let labels = Labels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() };
        let (make, cores) = (&self.make, self.cores);
        Arc::clone(self.all.entry(labels).or_insert_with_key(|labels| make(labels.clone(), cores)))
    }

    /// The series of this arm, of all providers under this and earlier files.
    pub(super) fn of_arm(&self, rollout: &str, arm: &'static str) -> impl Iterator<Item = &Arc<Series>> {
        let first = Labels { rollout: rollout.to_owned(), arm, provider: String::new() };
        let is_same = move |labels: &Labels, name: &str| labels.rollout == name && labels.arm == arm;
        let name = first.rollout.clone();
        self.all.range(first..).take_while(move |(labels, _)| is_same(labels, &name)).map(|(_, series)| series)
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.all.values().map(Arc::clone).collect()
    }
}

//! All series since the start: equal labels are the same series, over any number of reloads.
//!
//! Owns which series exist, not what they count. No series is ever removed or reset, because scrapers take differences:
//! a rollout that leaves the file and comes back continues to count.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::counters::{Series, SeriesLabels};

pub(super) struct SeriesRegistry {
    cores: usize,
    all: BTreeMap<SeriesLabels, Arc<Series>>,
}

impl SeriesRegistry {
    pub(super) fn new(cores: usize) -> SeriesRegistry {
        SeriesRegistry { cores, all: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, rollout: &str, arm: &'static str, provider: &str) -> Arc<Series> {
        let labels = SeriesLabels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() };
        let series = |labels: &SeriesLabels| Arc::new(Series::new(labels.clone(), self.cores));
        Arc::clone(self.all.entry(labels).or_insert_with_key(series))
    }

    /// The series of this arm, of all providers under this and earlier files.
    pub(super) fn of_arm(&self, rollout: &str, arm: &'static str) -> impl Iterator<Item = &Arc<Series>> {
        let first = SeriesLabels { rollout: rollout.to_owned(), arm, provider: String::new() };
        let is_same = move |labels: &SeriesLabels, name: &str| labels.rollout == name && labels.arm == arm;
        let name = first.rollout.clone();
        self.all.range(first..).take_while(move |(labels, _)| is_same(labels, &name)).map(|(_, series)| series)
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.all.values().map(Arc::clone).collect()
    }
}

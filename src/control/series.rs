//! Every series there ever was since the start: the same labels are the same series, over any number of reloads.
//!
//! Owns which series exist, not what they count. None is ever removed or zeroed, since a scraper takes differences: a
//! rollout that leaves the file and comes back counts on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::counters::{Labels, Series};

pub(super) struct Registry {
    cores: usize,
    all: BTreeMap<Labels, Arc<Series>>,
}

impl Registry {
    pub(super) fn new(cores: usize) -> Registry {
        Registry { cores, all: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, rollout: &str, arm: &'static str, provider: &str) -> Arc<Series> {
        let labels = Labels { rollout: rollout.to_owned(), arm, provider: provider.to_owned() };
        let series = |labels: &Labels| Arc::new(Series::new(labels.clone(), self.cores));
        Arc::clone(self.all.entry(labels).or_insert_with_key(series))
    }

    /// Whoever answered requests of this arm, now or under an earlier file.
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

//! How often, and what all tables share: runs side by side on the same ticks.

use std::io::Write;
use std::sync::Mutex;

use serin::simulate::rollout::{SimulatedRollout, Span, side_by_side};
use serin::simulate::rule::TickSource;
use serin::simulate::run::Runs;
use serin::simulate::summary::Summary;

use crate::compared_rules::BenchRule;

pub(crate) const MINUTE: f64 = 60.0;
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 86_400.0;

/// How often everything is run.
pub(crate) struct Bench {
    runs: usize,
}

impl Bench {
    pub(crate) const fn new(runs: usize) -> Bench {
        Bench { runs }
    }

    /// So many runs for a table of cheap ones.
    pub(crate) const fn many(&self) -> usize {
        self.runs
    }

    /// So many for a table of dear ones.
    pub(crate) fn few(&self, part: usize) -> usize {
        (self.runs / part).max(2)
    }

    /// Runs `one` for each seed on all cores; says on standard error what it is at.
    pub(crate) fn each<T: Send>(&self, what: &str, count: usize, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
        let terminal = Mutex::new(std::io::stderr());
        let progress = |done: usize| {
            let due = done == count || done.is_multiple_of(count.div_ceil(20));
            if due && let Ok(mut terminal) = terminal.lock() {
                // A terminal that is gone stops no measurement.
                let _ = write!(terminal, "\r{what}: {done}/{count}\x1b[K{}", if done == count { "\n" } else { "" });
            }
        };
        Runs::new(count, 1).each(one, progress)
    }

    /// Shows the same ticks to each of these rules, a fixed share all the time; `source` makes them from a seed.
    pub(crate) fn together<S: TickSource>(
        &self,
        what: &str,
        count: usize,
        rules: &[BenchRule],
        share: f64,
        span: &Span,
        source: impl Fn(u64) -> S + Sync,
    ) -> Vec<Summary> {
        let runs: Vec<Vec<SimulatedRollout>> = self.each(what, count, |seed| {
            let mut detectors: Vec<_> = rules.iter().map(|rule| (rule.detector)(share)).collect();
            side_by_side(&mut source(seed), share, &mut detectors, span)
        });
        let of = |which: usize| runs.iter().map(|run| run[which]).collect::<Vec<_>>();
        (0..rules.len()).map(|which| Summary::of(&of(which))).collect()
    }
}

/// How long a tick is: what a slow traffic brings in seconds is nothing.
pub(crate) fn tick(requests: f64) -> f64 {
    match requests {
        r if r < 2.0 => 20.0,
        r if r < 20.0 => 2.0,
        _ => 1.0,
    }
}

/// Columns of tallies as a table's rows, one for each rule.
pub(crate) fn rows(
    rules: &[BenchRule],
    columns: &[Vec<Summary>],
    cell: impl Fn(&Summary) -> String,
) -> Vec<Vec<String>> {
    let row = |which: usize| columns.iter().map(|column| cell(&column[which])).collect::<Vec<_>>();
    let named = |(which, rule): (usize, &BenchRule)| [vec![rule.name.to_owned()], row(which)].concat();
    rules.iter().enumerate().map(named).collect()
}

/// A table's head.
pub(crate) fn head(first: &str, columns: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(columns).collect()
}

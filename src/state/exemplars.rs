//! The trace of one request in each bucket of a histogram: the last one that was recorded.
//!
//! Made when the first trace is recorded, so that without traces there is nothing. A core that finds them in use by
//! another or by a scrape keeps none: it never waits. Decides nothing. Invariant: an exemplar's value lies in its
//! bucket.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::latency::{BUCKETS, bucket_of};
use crate::decide::trace::{SpanId, TraceId};

/// A request that took so long, and where its trace is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    pub trace: TraceId,
    pub span: SpanId,
    pub took: Duration,
    /// When it ended, since the Unix epoch.
    pub at: Duration,
}

/// By bucket.
pub type Exemplars = [Option<Exemplar>; BUCKETS];

/// The last exemplar of each bucket.
#[derive(Debug, Default)]
pub(super) struct ExemplarCell(OnceLock<Box<Mutex<Exemplars>>>);

impl ExemplarCell {
    /// Keeps one, if nobody else is at it.
    pub(super) fn keep(&self, exemplar: Exemplar) {
        let kept = self.0.get_or_init(Box::default);
        if let Ok(mut kept) = kept.try_lock() {
            kept[bucket_of(exemplar.took)] = Some(exemplar);
        }
    }

    /// Those that were kept so far.
    pub(super) fn all(&self) -> Exemplars {
        self.0.get().map_or([None; BUCKETS], |kept| *kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_of_each_bucket_is_kept() {
        let cell = ExemplarCell::default();
        assert_eq!(cell.all(), [None; BUCKETS]);
        let of = |trace, millis| Exemplar {
            trace: TraceId::new(trace),
            span: SpanId::new(1),
            took: Duration::from_millis(millis),
            at: Duration::ZERO,
        };
        for exemplar in [of(1, 3), of(2, 4), of(3, 1_000_000)] {
            cell.keep(exemplar);
        }
        let kept = cell.all();
        assert_eq!((kept[0], kept[BUCKETS - 1]), (Some(of(2, 4)), Some(of(3, 1_000_000))));
        assert_eq!(kept.iter().flatten().count(), 2);
    }

    #[test]
    fn a_core_does_not_wait_for_a_scrape() {
        let cell = ExemplarCell::default();
        let exemplar =
            Exemplar { trace: TraceId::new(1), span: SpanId::new(1), took: Duration::ZERO, at: Duration::ZERO };
        cell.keep(exemplar);
        let held = cell.0.get().unwrap().lock().unwrap();
        cell.keep(Exemplar { trace: TraceId::new(2), ..exemplar });
        drop(held);
        assert_eq!(cell.all()[0], Some(exemplar));
    }
}

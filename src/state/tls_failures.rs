//! Connections to the proxy port over TLS that never became one, by why not.
//!
//! Counted for the metrics, and told in the log once a minute at most for each reason: whoever scans ports, or is set up
//! wrongly and tries again, fills no log. Reads no clock. Invariant: each connection is counted once at most.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::decide::tls_failure::TlsFailure;
use crate::decide::units::Millis;

/// Between two lines of the log for one reason.
const QUIET: Millis = Millis(60_000);

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    /// When it was told last, and how many there were by then; 0: never.
    told_at: AtomicU64,
    told: AtomicU64,
}

/// How many there were since the start.
#[derive(Debug, Default)]
pub struct TlsFailures([Cell; TlsFailure::ALL.len()]);

impl TlsFailures {
    /// One more. Returns how many there are to be told, this one included; `None`: it was told a moment ago.
    pub fn count(&self, why: TlsFailure, now: Millis) -> Option<u64> {
        let cell = &self.0[why as usize];
        let count = cell.count.fetch_add(1, Relaxed) + 1;
        let told_at = cell.told_at.load(Relaxed);
        if told_at != 0 && now.since(Millis(told_at)) < QUIET {
            return None;
        }
        // Of several threads one tells it.
        cell.told_at.compare_exchange(told_at, now.0.max(1), Relaxed, Relaxed).ok()?;
        Some(count.saturating_sub(cell.told.swap(count, Relaxed)))
    }

    /// So many, in the order of [`TlsFailure::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u64; TlsFailure::ALL.len()] {
        std::array::from_fn(|cell| self.0[cell].count.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_a_minute_with_those_that_came_meanwhile() {
        let failures = TlsFailures::default();
        let plain = |now| failures.count(TlsFailure::PlainHttp, Millis(now));
        assert_eq!([plain(5), plain(6), plain(60_004)], [Some(1), None, None]);
        assert_eq!(failures.count(TlsFailure::Refused, Millis(7)), Some(1));
        assert_eq!([plain(60_005), plain(60_006)], [Some(3), None]);
        assert_eq!(failures.counts(), [5, 0, 1, 0, 0, 0]);
    }
}

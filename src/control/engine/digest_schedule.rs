//! When the weekly digest is due, and since when its requests are counted.
//!
//! Due each Monday at 09:00 UTC while a target asks for it; a process that does not run then sends none. Says nothing of
//! what a digest holds. Invariant: one digest a week.

use std::collections::BTreeMap;

use crate::control::evidence::recent_traffic::TrafficCounts;
use crate::decide::units::UnixMillis;

const DAY: u64 = 24 * 60 * 60 * 1000;
const WEEK: u64 = 7 * DAY;
/// The first Monday after the epoch, a Thursday, at 09:00.
const FIRST: u64 = 4 * DAY + 9 * 60 * 60 * 1000;

/// What is remembered from one digest to the next.
#[derive(Debug, Default)]
pub(super) struct DigestSchedule {
    next: Option<UnixMillis>,
    /// Since when requests are counted, and what the series had come to then.
    pub(super) since: UnixMillis,
    pub(super) before: BTreeMap<String, [TrafficCounts; 2]>,
}

impl DigestSchedule {
    pub(super) fn starting(now: UnixMillis) -> DigestSchedule {
        DigestSchedule { next: None, since: now, before: BTreeMap::new() }
    }

    /// The week whose digest is due now, if one is wanted.
    pub(super) fn due(&mut self, wanted: bool, now: UnixMillis) -> Option<(UnixMillis, UnixMillis)> {
        if !wanted {
            self.next = None;
            return None;
        }
        let next = *self.next.get_or_insert_with(|| after(now));
        if now < next {
            return None;
        }
        self.next = Some(after(now));
        Some((UnixMillis(next.0.saturating_sub(WEEK)), next))
    }
}

/// The next Monday at 09:00 UTC.
fn after(now: UnixMillis) -> UnixMillis {
    let weeks = (now.0 + WEEK).saturating_sub(FIRST) / WEEK;
    UnixMillis(FIRST + weeks * WEEK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::timestamp::Timestamp;

    #[test]
    fn it_is_due_on_mondays_at_nine() {
        let next = |at: u64| Timestamp(after(UnixMillis(at))).to_string();
        // 2026-11-30 is a Monday.
        let monday = 1_796_029_200_000;
        assert_eq!(next(monday - 1), "2026-11-30T09:00:00.000Z");
        assert_eq!(next(monday), "2026-12-07T09:00:00.000Z");
        assert_eq!(next(monday + 3 * DAY), "2026-12-07T09:00:00.000Z");
        assert_eq!(next(0), "1970-01-05T09:00:00.000Z");
    }
}

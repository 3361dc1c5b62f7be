//! The only reader of time.
//!
//! Durations inside the process are [`Millis`] on a monotonic clock; stamps that outlive the process are
//! [`UnixMillis`]. The wall clock is read once, at start, and advanced by the monotonic one, so a step of the
//! wall clock (NTP, a resumed virtual machine) can neither promote a canary early nor hold it back: it shows
//! up at the next start only. What other machines compare with their own clocks is stamped with [`wall`], by which
//! nothing is decided. Decision code never calls this; it is handed the time as a parameter.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::decide::units::{Millis, UnixMillis};

struct Anchor {
    started: Instant,
    unix: UnixMillis,
}

#[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| Anchor {
        started: Instant::now(),
        unix: UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Monotonic milliseconds since the first reading in this process.
#[must_use]
pub fn now() -> Millis {
    Millis(millis(anchor().started.elapsed()))
}

/// The same in nanoseconds, for limits.
#[must_use]
pub fn nanos() -> u64 {
    u64::try_from(anchor().started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The same of a moment that was read before.
#[must_use]
pub fn nanos_at(moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(anchor().started).as_nanos()).unwrap_or(u64::MAX)
}

/// Monotonic time as an [`Instant`], for latencies below a millisecond and for tokio's deadlines.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch, steady within one process.
#[must_use]
pub fn unix() -> UnixMillis {
    let anchor = anchor();
    UnixMillis(anchor.unix.0.saturating_add(millis(anchor.started.elapsed())))
}

/// The wall clock as it is now, since the Unix epoch.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

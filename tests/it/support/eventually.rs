//! Waiting for something to become true, with a deadline.

use std::time::Duration;

use serin::clock;

/// Looks again and again until there is something; panics with `what` when it takes longer than this.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = clock::instant();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(20);

//! Which requests are written to the access log, and where to.
//!
//! Owns what the file says of it; how lines look and get there is [`state`](crate::state)'s and
//! [`telemetry`](crate::telemetry)'s. Invariant: without it no line is made, and nothing of a request is kept for one.

use std::path::PathBuf;

use crate::decide::outcome::Outcome;
use crate::decide::units::Percent;

/// The settings of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: AccessLogTo,
    /// Which requests have one.
    pub only: AccessLogOnly,
    /// Which part of those has one.
    pub sample: Percent,
    /// More lines than this are dropped, a second.
    pub max_per_second: u32,
    /// A file of this many bytes is rotated.
    pub max_bytes: u64,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTo {
    /// Standard output.
    Stdout,
    File(PathBuf),
}

/// Which requests have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogOnly {
    All,
    /// Those that did not end well, or took more than one attempt.
    Failures,
}

impl AccessLogOnly {
    /// Whether a request with this outcome and this many attempts has a line.
    #[must_use]
    pub fn takes(self, outcome: Outcome, attempts: usize) -> bool {
        match self {
            AccessLogOnly::All => true,
            AccessLogOnly::Failures => outcome != Outcome::Ok || attempts > 1,
        }
    }
}

//! What a store is asked of series: to keep blocks of points, and to give the points of a range.
//!
//! Owns the two requests. A block is what one line of the table holds: ten points of a second, or one of a longer step.
//! Invariant: a block begins where a step of ten seconds does, or a longer one of its own.

use crate::decide::series::encoding::encode;
use crate::decide::series::{Points, Step};
use crate::decide::units::UnixMillis;

/// Points of a rollout, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesBlock {
    pub rollout: String,
    pub step: Step,
    /// Where it begins.
    pub at: UnixMillis,
    /// By [`encode`].
    pub bytes: Vec<u8>,
}

impl SeriesBlock {
    #[must_use]
    pub fn new(rollout: &str, step: Step, at: UnixMillis, points: &Points) -> SeriesBlock {
        SeriesBlock { rollout: rollout.to_owned(), step, at, bytes: encode(at, step, points) }
    }
}

/// Which points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    pub rollout: String,
    pub step: Step,
    /// From this moment on.
    pub from: UnixMillis,
    /// Up to this one, which is not among them.
    pub to: UnixMillis,
}

//! One metric: its name, how it counts, its labels and its help text.
//!
//! Owns the shape only. Which metrics there are is [`metrics`](super::metrics)'; how they are written is
//! [`exposition`](super::exposition)'s. Invariant: nothing of a metric changes while the process runs.

/// How a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Samples in buckets.
    Histogram,
}

impl MetricKind {
    /// Its name in the exposition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in the exposition.
    pub name: &'static str,
    /// How it counts.
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

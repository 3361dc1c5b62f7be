//! When an answer is slow: above a multiple of a quantile of stable's own times to the first output.
//!
//! The quantile follows stable by itself, with a small step up or down at each answer (stochastic approximation, H.
//! Robbins and S. Monro, 1951), so no usual time has to be configured, and a cause that slows both providers makes no
//! answer slow. Steps are in the logarithm, large at first and never below a fiftieth. Counts nothing: slow answers are
//! events for their own [`RelativeDetector`](super::relative::RelativeDetector). Streamed and whole answers have a
//! threshold each, which starts at the first answer of stable.

use serde::{Deserialize, Serialize};

use super::waiting::ResponseKind;
use crate::decide::policy::SlowRule;
use crate::decide::units::Millis;

/// The least step.
const LEAST_STEP: f64 = 0.02;
/// Where the quantile begins, in milliseconds.
const START: f64 = 1000.0;
/// An answer is never taken for quicker than this, in milliseconds.
const QUICKEST: f64 = 1e-6;

/// A quantile of stable's times to the first output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowThreshold {
    // The logarithm of milliseconds.
    quantile: f64,
    seen: u64,
}

impl Default for SlowThreshold {
    fn default() -> SlowThreshold {
        SlowThreshold { quantile: START.ln(), seen: 0 }
    }
}

impl SlowThreshold {
    /// Without a usual time: it starts at the first answer of stable.
    #[must_use]
    pub const fn unknown() -> SlowThreshold {
        SlowThreshold { quantile: f64::MAX, seen: 0 }
    }

    /// Whether an answer that took this many milliseconds is slow.
    #[must_use]
    pub fn is_slow(&self, rule: &SlowRule, millis: f64) -> bool {
        millis > rule.tolerance * self.quantile.exp()
    }

    /// Above which time an answer is slow.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
    pub fn limit(&self, rule: &SlowRule) -> Millis {
        Millis((rule.tolerance * self.quantile.exp()) as u64)
    }

    /// Learns from an answer of stable that took this many milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "the step is small by then")]
    pub fn learn(&mut self, rule: &SlowRule, millis: f64) {
        if self.seen == 0 && self.quantile == f64::MAX {
            self.quantile = millis.max(QUICKEST).ln();
        }
        self.seen = self.seen.saturating_add(1);
        let step = LEAST_STEP.max(1.0 / (self.seen as f64).sqrt());
        let above = if millis.max(QUICKEST).ln() > self.quantile { 1.0 } else { 0.0 };
        self.quantile += step * (above - (1.0 - rule.quantile));
    }

    /// The same, and never beyond what was seen: after a stall it would take long to find back.
    fn learn_within(&mut self, rule: &SlowRule, millis: f64) {
        let most = self.quantile.max(millis.max(QUICKEST).ln());
        self.learn(rule, millis);
        self.quantile = self.quantile.min(most);
    }

    /// Starts at an answer that took this many milliseconds.
    fn from_first(millis: f64) -> SlowThreshold {
        SlowThreshold { quantile: millis.max(QUICKEST).ln(), seen: 1 }
    }

    /// Of how many answers it was learnt.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    #[cfg(test)]
    pub(super) const fn log_quantile(&self) -> f64 {
        self.quantile
    }
}

/// The thresholds of both kinds of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredThresholds")]
pub struct SlowThresholds {
    streamed: Option<SlowThreshold>,
    whole: Option<SlowThreshold>,
}

/// As it may lie on a disk: there was one threshold for all requests once.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredThresholds {
    One(SlowThreshold),
    Each {
        #[serde(default)]
        streamed: Option<SlowThreshold>,
        #[serde(default)]
        whole: Option<SlowThreshold>,
    },
}

impl From<StoredThresholds> for SlowThresholds {
    fn from(kept: StoredThresholds) -> SlowThresholds {
        match kept {
            StoredThresholds::One(threshold) => {
                let learnt = (threshold.seen > 0).then_some(threshold);
                SlowThresholds { streamed: learnt, whole: learnt }
            }
            StoredThresholds::Each { streamed, whole } => SlowThresholds { streamed, whole },
        }
    }
}

impl SlowThresholds {
    /// That of one kind; `None`: stable has not answered such a request yet.
    #[must_use]
    pub const fn of(&self, kind: ResponseKind) -> Option<&SlowThreshold> {
        match kind {
            ResponseKind::Streamed => self.streamed.as_ref(),
            ResponseKind::Whole => self.whole.as_ref(),
        }
    }

    /// Above which time an answer of this kind is slow; `None`: nothing is known yet.
    #[must_use]
    pub fn limit(&self, rule: &SlowRule, kind: ResponseKind) -> Option<Millis> {
        self.of(kind).map(|threshold| threshold.limit(rule))
    }

    /// Whether an answer that took this many milliseconds is slow.
    #[must_use]
    pub fn is_slow(&self, rule: &SlowRule, kind: ResponseKind, millis: f64) -> bool {
        self.of(kind).is_some_and(|threshold| threshold.is_slow(rule, millis))
    }

    /// Learns from an answer of stable that took this many milliseconds.
    pub fn learn(&mut self, rule: &SlowRule, kind: ResponseKind, millis: f64) {
        let threshold = match kind {
            ResponseKind::Streamed => &mut self.streamed,
            ResponseKind::Whole => &mut self.whole,
        };
        match threshold {
            Some(threshold) => threshold.learn_within(rule, millis),
            None => *threshold = Some(SlowThreshold::from_first(millis)),
        }
    }
}

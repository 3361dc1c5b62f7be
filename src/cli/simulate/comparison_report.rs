//! A question and its answer: what was simulated, and what came of it by each rule.
//!
//! Owns the pair, from which the table, the sentences, the page and the JSON are made. Computes nothing. Invariant:
//! there is a result for each rule, the guard's first.

use super::inputs::SimulationInputs;
use crate::simulate::rule_results::RuleResult;

/// A question and its answer.
#[derive(Clone, Debug)]
pub(super) struct ComparisonReport {
    pub(super) question: SimulationInputs,
    /// In the order of [`ComparedRule::ALL`](crate::simulate::comparison::ComparedRule::ALL).
    pub(super) results: Vec<RuleResult>,
}

impl ComparisonReport {
    /// The guard's own result.
    pub(super) fn serin(&self) -> &RuleResult {
        // There is one for each rule, the guard's first.
        &self.results[0]
    }
}

//! What became of many rollouts under each rule, side by side.
//!
//! Each seed is played once under every rule before the next, so that all rules have met the same traffic whenever one
//! looks. Owns the sums over lives that a [`Summary`] does not know: how far rollouts came, how often they were
//! confirmed, and how many moved users to a stable that was dead. Invariant: the same comparison and seeds give the same
//! results, on any number of cores.

use super::comparison::{ComparedRule, RuleComparison, RuleRun};
use super::quantiles::Distribution;
use super::rollout::{RolloutEnd, SimulatedRollout};
use super::run::Runs;
use super::summary::Summary;

/// What became of the rollouts under one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleResult {
    pub rule: ComparedRule,
    /// Ends, times and costs.
    pub tally: Summary,
    /// The largest share that the canary ever had, 0 to 1.
    pub highest: Distribution,
    /// Confirmations in all runs together.
    pub confirmations: u64,
    /// Runs in which users were moved to stable after that had died.
    pub to_dead: usize,
    /// The run whose time was the median of those found, by its number; the first one where none was found.
    pub typical: usize,
}

impl RuleResult {
    fn of(rule: ComparedRule, lives: &[RuleRun]) -> RuleResult {
        let rollouts: Vec<SimulatedRollout> = lives.iter().map(|life| life.rollout).collect();
        let tally = Summary::of(&rollouts);
        let middle = tally.seconds.median();
        let is_middle = |rollout: &SimulatedRollout| {
            rollout.end == RolloutEnd::RolledBack && rollout.since_fault.map(|(seconds, _)| seconds) == middle
        };
        RuleResult {
            rule,
            typical: middle.and_then(|_| rollouts.iter().position(is_middle)).unwrap_or(0),
            highest: Distribution::of(lives.iter().map(|life| life.highest)),
            confirmations: lives.iter().map(|life| u64::from(life.confirmations)).sum(),
            to_dead: lives.iter().filter(|life| life.to_dead).count(),
            tally,
        }
    }
}

/// Plays the comparison under every rule. `progress` receives how many seeds are done, from any thread.
pub fn rule_results(comparison: &RuleComparison, runs: &Runs, progress: impl Fn(usize) + Sync) -> Vec<RuleResult> {
    let lives: Vec<[RuleRun; 4]> =
        runs.each(|seed| ComparedRule::ALL.map(|rule| comparison.play(rule, seed)), progress);
    let mut of_each: Vec<Vec<RuleRun>> = vec![Vec::with_capacity(lives.len()); ComparedRule::ALL.len()];
    for four in lives {
        of_each.iter_mut().zip(four).for_each(|(lives, life)| lives.push(life));
    }
    ComparedRule::ALL.into_iter().zip(of_each).map(|(rule, lives)| RuleResult::of(rule, &lives)).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use crate::simulate::comparison::tests::{comparison, scenario};
    use crate::simulate::guarded::pinned_canary;
    use crate::simulate::schedule::Schedule;

    #[test]
    fn every_rule_has_a_standing_and_threads_change_nothing() {
        let canary = pinned_canary(0.2, &Schedule::even(0.1, 0.3, 300.0));
        let comparison = RuleComparison { canary, ..comparison(&scenario((0.5, 60.0)), 900.0, Some(60.0)) };
        let on = |threads| {
            let runs = Runs { count: 7, seed: 1, threads: NonZero::new(threads).unwrap() };
            rule_results(&comparison, &runs, |_| {})
        };
        let results = on(1);
        assert_eq!(results, on(3));
        let [serin, .., argo] = results.as_slice() else { panic!("four rules") };
        assert_eq!((serin.tally.found, serin.highest.median(), argo.tally.open), (7, Some(0.2), 7));
        let typical = comparison.play(ComparedRule::Serin, 1 + serin.typical as u64);
        assert_eq!(typical.rollout.since_fault.map(|(seconds, _)| seconds), serin.tally.seconds.median());
    }
}

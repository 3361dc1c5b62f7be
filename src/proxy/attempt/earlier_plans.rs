//! What was attempted for a request under plans that no longer stand.
//!
//! Where what is in force changes while a request is being recovered, it is planned anew: by another version of the
//! file, or on the other arm. Its attempts stay with the plan by which they were made, since names, series and evidence
//! are that plan's, until the request ends. Owns no counting. Invariants: a plan without an attempt leaves nothing
//! here; what a request met in one epoch, and what the guard was told of it there, is carried on as long as that epoch
//! lasts, so that it is one request there; and what no plan goes on with is ended.

use std::mem;
use std::sync::Arc;

use super::guard_report::{GuardReport, NOTHING};
use super::record::AttemptRecord;
use crate::proxy::request::scope::Scope;
use crate::state::causes::Met;

/// One plan, with what was attempted by it.
#[derive(Debug)]
pub(crate) struct EarlierPlan {
    /// Whose request it was then.
    pub(crate) scope: Scope,
    /// The first one first.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// What failed it, if it went on in another epoch.
    pub(crate) met: Met,
    /// What the guard was told, until another plan goes on with it or it is ended.
    pub(crate) guard: GuardReport,
}

impl EarlierPlan {
    /// Nobody goes on with what the guard was told.
    fn end_guard_report(&mut self) {
        if let Some(sink) = self.scope.guard() {
            self.guard.ends(sink, NOTHING);
        }
    }
}

/// All of them, the first one first.
#[derive(Debug, Default)]
pub(crate) struct EarlierPlans(Vec<EarlierPlan>);

impl EarlierPlans {
    /// That plan stands no longer. Where nothing was attempted by it, what it went on with goes back to where it was met.
    pub(crate) fn add(&mut self, chapter: EarlierPlan) {
        if !chapter.attempts.is_empty() {
            self.0.push(chapter);
            return;
        }
        let Some(last) = self.0.last_mut() else { return };
        if !chapter.met.is_empty() {
            last.met = chapter.met;
        }
        if chapter.guard.is_given() {
            last.guard = chapter.guard;
        }
    }

    /// What a request met by the last plan and what the guard was told of it, where that was made in the same epoch and on
    /// the same arm as this.
    pub(crate) fn goes_on(&mut self, scope: &Scope) -> (Met, GuardReport) {
        let Some(last) = self.0.last_mut() else { return Default::default() };
        match (last.scope.guard(), scope.guard()) {
            (Some(then), Some(now)) if Arc::ptr_eq(then.evidence, now.evidence) && then.whose.arm == now.whose.arm => {
                if then.whose != now.whose {
                    // Counted as another's: it ends as that one's, and is not counted anew.
                    last.guard.goes_elsewhere(then);
                    last.guard.ends(then, NOTHING);
                }
                (mem::take(&mut last.met), mem::take(&mut last.guard))
            }
            _ => {
                last.end_guard_report();
                Default::default()
            }
        }
    }

    /// Plan by plan.
    pub(crate) fn chapters(&self) -> &[EarlierPlan] {
        &self.0
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> usize {
        self.0.iter().map(|chapter| chapter.attempts.len()).sum()
    }
}

impl Drop for EarlierPlans {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(EarlierPlan::end_guard_report);
    }
}

//! What was attempted for a request under plans that no longer stand.
//!
//! Where what is in force changes while a request is being recovered, the request is planned anew: by another version
//! of the file, or on the other arm. Its attempts stay with the plan by which they were made, since names, series and
//! evidence belong to that plan, until the request ends. Counts nothing. Invariants: a plan without an attempt leaves
//! nothing here; within one epoch a request is one request to the guard, over all its plans; and a guard report that no
//! plan continues is ended.

use std::mem;
use std::sync::Arc;

use super::guard_report::{GuardReport, NO_VERDICT};
use super::record::AttemptRecord;
use crate::proxy::request::scope::Scope;
use crate::state::causes::RequestCauses;

/// One plan, with what was attempted by it.
#[derive(Debug)]
pub(crate) struct EarlierPlan {
    pub(crate) scope: Scope,
    /// In order.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// Why the chosen provider failed it, if it was continued in another epoch.
    pub(crate) met: RequestCauses,
    /// Until another plan continues it or it is ended.
    pub(crate) guard: GuardReport,
}

impl EarlierPlan {
    /// No plan continues the guard report.
    fn end_guard_report(&mut self) {
        if let Some(sink) = self.scope.guard() {
            self.guard.end(sink, NO_VERDICT);
        }
    }
}

/// All of them, in order.
#[derive(Debug, Default)]
pub(crate) struct EarlierPlans {
    plans: Vec<EarlierPlan>,
    /// Whether there was a plan, even one by which nothing was attempted.
    any: bool,
}

impl EarlierPlans {
    /// This plan stands no longer. Where nothing was attempted by it, what it continued goes back to the plan before.
    pub(crate) fn add(&mut self, plan: EarlierPlan) {
        self.any = true;
        if !plan.attempts.is_empty() {
            self.plans.push(plan);
            return;
        }
        let Some(last) = self.plans.last_mut() else { return };
        if !plan.met.is_empty() {
            last.met = plan.met;
        }
        if plan.guard.has_begun() {
            last.guard = plan.guard;
        }
    }

    /// Causes and guard report of the last plan, if it was made in the same epoch and on the same arm as this one.
    pub(crate) fn resume(&mut self, scope: &Scope) -> (RequestCauses, GuardReport) {
        let Some(last) = self.plans.last_mut() else { return Default::default() };
        match (last.scope.guard(), scope.guard()) {
            (Some(then), Some(now)) if Arc::ptr_eq(then.evidence, now.evidence) && then.whose.arm == now.whose.arm => {
                if then.whose != now.whose {
                    // It was counted for another user: it ends there, and is not counted again.
                    last.guard.other_is_asked(then);
                    last.guard.end(then, NO_VERDICT);
                }
                (mem::take(&mut last.met), mem::take(&mut last.guard))
            }
            _ => {
                last.end_guard_report();
                Default::default()
            }
        }
    }

    /// Whether the request was planned before.
    pub(crate) const fn is_replan(&self) -> bool {
        self.any
    }

    pub(crate) fn plans(&self) -> &[EarlierPlan] {
        &self.plans
    }

    pub(crate) fn attempts(&self) -> usize {
        self.plans.iter().map(|plan| plan.attempts.len()).sum()
    }
}

impl Drop for EarlierPlans {
    fn drop(&mut self) {
        self.plans.iter_mut().for_each(EarlierPlan::end_guard_report);
    }
}

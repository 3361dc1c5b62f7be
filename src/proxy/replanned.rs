//! What was attempted for a request under plans that no longer stand.
//!
//! Where what is in force changes while a request is being recovered, it is planned anew: by another version of the file,
//! or on the other arm. Its attempts stay with the plan by which they were made, since names, series and evidence are that
//! plan's, until the request ends. Owns no counting. Invariants: a plan without an attempt leaves nothing here, and what a
//! request met in one epoch is carried on as long as that epoch lasts, so that it is one request there.

use std::sync::Arc;

use super::record::AttemptRecord;
use super::scope::Scope;
use crate::state::causes::Met;

/// One plan, with what was attempted by it.
#[derive(Debug)]
pub(crate) struct Chapter {
    /// Whose request it was then.
    pub(crate) scope: Scope,
    /// The first one first.
    pub(crate) attempts: Vec<AttemptRecord>,
    /// What failed it, if it went on in another epoch.
    pub(crate) met: Met,
}

/// All of them, the first one first.
#[derive(Debug, Default)]
pub(crate) struct Replanned(Vec<Chapter>);

impl Replanned {
    /// That plan stands no longer. Where nothing was attempted by it, what the request met goes back to where it was met.
    pub(crate) fn add(&mut self, chapter: Chapter) {
        if !chapter.attempts.is_empty() {
            self.0.push(chapter);
        } else if let Some(last) = self.0.last_mut().filter(|_| !chapter.met.is_empty()) {
            last.met = chapter.met;
        }
    }

    /// What a request met by the last plan, where that was made in the same epoch and on the same arm as this.
    pub(crate) fn goes_on(&mut self, scope: &Scope) -> Met {
        let Some(last) = self.0.last_mut() else { return Met::default() };
        match (last.scope.guard(), scope.guard()) {
            (Some(then), Some(now)) if Arc::ptr_eq(then.evidence, now.evidence) && then.whose.arm == now.whose.arm => {
                std::mem::take(&mut last.met)
            }
            _ => Met::default(),
        }
    }

    /// Plan by plan.
    pub(crate) fn chapters(&self) -> &[Chapter] {
        &self.0
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> usize {
        self.0.iter().map(|chapter| chapter.attempts.len()).sum()
    }
}

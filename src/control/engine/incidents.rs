//! What the engine does about incident reports: one begins with a rollback, and is completed some minutes later.
//!
//! A report is written in the batch of its rollback, after users were moved back. Decides nothing about traffic.
//! Invariant: a rollback has one report, whoever ordered it.

use std::sync::Arc;

use super::dispatch::Engine;
use super::rollout::Rollout;
use crate::control::incidents::Incidents;
use crate::control::now::Now;
use crate::decide::event::{Action, Event};
use crate::decide::incident::Incident;
use crate::decide::notification::Pair;

impl Incidents {
    /// The report that an event begins; `None`: it begins none. `open`: requests that are open on the canary.
    pub(super) fn of(
        &mut self,
        event: &Event,
        pair: &Pair,
        rollout: &Rollout,
        open: u64,
        now: Now,
    ) -> Option<Arc<Incident>> {
        if Incidents::is_one(event) {
            let [_, causes] = rollout.causes(now);
            let incident = Incident::new(event.clone(), pair.clone(), causes, open, &rollout.trace());
            return Some(self.open(Arc::new(incident)));
        }
        self.note(event);
        None
    }

    /// Ends what an event ends.
    pub(super) fn note(&mut self, event: &Event) {
        let goes_on = matches!(event.action, Action::Resume | Action::Attempt | Action::Retry | Action::Promote);
        if goes_on && let Some(name) = &event.rollout {
            self.over(name);
        }
    }
}

impl Engine {
    /// Completes the reports whose minutes have passed.
    pub(super) fn complete_incidents(&mut self, now: Now) {
        let entries = &self.entries;
        let lines = |name: &str| {
            let entry = entries.iter().find(|entry| entry.spec.name == name)?;
            entry.rollout.as_ref().map(Rollout::trace)
        };
        self.outbox.incidents.extend(self.incidents.completed(now.unix, lines));
    }
}

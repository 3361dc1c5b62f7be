//! Incident reports that are not complete, and the newest one of each rollout.
//!
//! A report is written with the rollback that it is about, and written again when the minutes after it have passed. One
//! that a process leaves behind stays as it is. Decides nothing; the store keeps the newest ones. Invariant: at most
//! [`MOST_OPEN`] reports are open, so that rollouts that flap cost no memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decide::event::{Action, Event};
use crate::decide::guard::trace::TraceLine;
use crate::decide::incident::Incident;
use crate::decide::units::UnixMillis;

const MOST_OPEN: usize = 32;

#[derive(Debug, Default)]
pub(in crate::control) struct Incidents {
    open: Vec<Arc<Incident>>,
    /// The id of the report about what holds a rollout now, by the rollout's name.
    newest: BTreeMap<String, String>,
}

impl Incidents {
    /// `newest`: the newest report of each rollout that an earlier process wrote.
    pub(in crate::control) fn restored(newest: Vec<(String, String)>) -> Incidents {
        Incidents { open: Vec::new(), newest: newest.into_iter().collect() }
    }

    /// Whether an event is one that has a report.
    pub(in crate::control) fn is_one(event: &Event) -> bool {
        matches!(event.action, Action::Rollback | Action::StepBack) && event.to < event.from && event.rollout.is_some()
    }

    /// A report begins. Returns it, to be written.
    pub(in crate::control) fn open(&mut self, incident: Arc<Incident>) -> Arc<Incident> {
        let name = incident.event.rollout.clone().unwrap_or_default();
        self.newest.insert(name, incident.id.clone());
        if self.open.len() == MOST_OPEN {
            self.open.remove(0);
        }
        self.open.push(Arc::clone(&incident));
        incident
    }

    /// The rollout goes on: nothing holds it any more.
    pub(in crate::control) fn over(&mut self, rollout: &str) {
        self.newest.remove(rollout);
    }

    pub(in crate::control) fn newest(&self, rollout: &str) -> Option<&String> {
        self.newest.get(rollout)
    }

    /// The reports whose minutes have passed, complete with what the guard saw of their rollout. `lines`: `None` where
    /// the rollout is not there any more.
    pub(in crate::control) fn completed(
        &mut self,
        now: UnixMillis,
        lines: impl Fn(&str) -> Option<Vec<TraceLine>>,
    ) -> Vec<Arc<Incident>> {
        if !self.open.iter().any(|incident| incident.is_due(now)) {
            return Vec::new();
        }
        let (done, open) = std::mem::take(&mut self.open).into_iter().partition::<Vec<_>, _>(|one| one.is_due(now));
        self.open = open;
        let complete = |incident: Arc<Incident>| {
            let mut incident = incident.as_ref().clone();
            if let Some(lines) = lines(incident.event.rollout.as_deref().unwrap_or_default()) {
                incident.see(&lines);
            }
            incident.complete = true;
            Arc::new(incident)
        };
        done.into_iter().map(complete).collect()
    }
}

//! Which events of the history somebody wants to see.
//!
//! The API reads it from a query, and every store goes by [`HistoryFilter::fits`], so that all of them give the same.
//! Knows nothing of how many are wanted. Invariant: without a condition every event fits.

use super::{Action, Actor, Event};
use crate::decide::units::UnixMillis;

/// The conditions that an event has to meet; all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this rollout; `None`: of any, and of the file and the process.
    pub rollout: Option<String>,
    /// At this time or later.
    pub since: Option<UnixMillis>,
    /// At this time or earlier.
    pub until: Option<UnixMillis>,
    /// One of these was done; empty: anything.
    pub actions: Vec<Action>,
    /// By one of these; empty: by anybody.
    pub actors: Vec<Actor>,
}

impl HistoryFilter {
    /// Every event of one rollout, or (`None`) of all.
    #[must_use]
    pub fn of_rollout(rollout: Option<String>) -> HistoryFilter {
        HistoryFilter { rollout, ..HistoryFilter::default() }
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn fits(&self, event: &Event) -> bool {
        (self.rollout.is_none() || self.rollout == event.rollout)
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at <= until)
            && (self.actions.is_empty() || self.actions.contains(&event.action))
            && (self.actors.is_empty() || self.actors.contains(&event.actor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::event::Reason;
    use crate::decide::units::Percent;

    #[test]
    fn each_condition_leaves_out_what_does_not_meet_it() {
        let event = Event {
            at: UnixMillis(1000),
            rollout: Some("chat".to_owned()),
            actor: Actor::Guard,
            action: Action::Rollback,
            reason: Reason::from_human(""),
            from: Percent::ZERO,
            to: Percent::ZERO,
            generation: 1,
        };
        let all = HistoryFilter::default();
        let fits = |filter: &HistoryFilter| filter.fits(&event);
        assert!(fits(&all) && fits(&HistoryFilter::of_rollout(Some("chat".to_owned()))));
        assert!(!fits(&HistoryFilter::of_rollout(Some("embed".to_owned()))));
        assert!(fits(&HistoryFilter { since: Some(UnixMillis(1000)), ..all.clone() }));
        assert!(!fits(&HistoryFilter { since: Some(UnixMillis(1001)), ..all.clone() }));
        assert!(fits(&HistoryFilter { until: Some(UnixMillis(1000)), ..all.clone() }));
        assert!(!fits(&HistoryFilter { until: Some(UnixMillis(999)), ..all.clone() }));
        assert!(fits(&HistoryFilter { actions: vec![Action::Hold, Action::Rollback], ..all.clone() }));
        assert!(!fits(&HistoryFilter { actions: vec![Action::Hold], ..all.clone() }));
        assert!(fits(&HistoryFilter { actors: vec![Actor::Guard], ..all.clone() }));
        assert!(!fits(&HistoryFilter { actors: vec!["ana".into()], ..all }));
    }
}

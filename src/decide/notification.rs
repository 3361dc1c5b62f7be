//! What a notification is about, as values, and which events lead to one.
//!
//! Owns the types that are queued and kept; [`describe`](crate::describe) writes the texts, control sends them. A
//! notification of a notification does not exist, so that none can cause another. Invariant: a notification has one id,
//! for all targets and for all tries.

use serde::{Deserialize, Serialize};

use super::event::{Action, BreakerChange, Event, KeyChange, Reason};
use super::policy::NotifyEvent;
use super::units::{Percent, UnixMillis};

/// What is sent, to however many targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The same for all targets and all tries.
    pub id: String,
    pub at: UnixMillis,
    /// What it is; `None`: a message that tests a target, or the end of a problem that is notified of nothing else.
    pub on: Option<NotifyEvent>,
    pub subject: Subject,
    /// How many earlier ones it stands for besides itself.
    #[serde(default)]
    pub others: u32,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Subject {
    /// Something of the history.
    Transition(Box<Transition>),
    /// The week that ended.
    Digest(Digest),
    /// Nothing: whether the target answers.
    Test,
}

/// An event of the history, with what the event does not say itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub event: Event,
    /// The rollout's providers; `None`: it is about no rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    /// The id of the incident report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// The providers of a rollout and which try it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub stable: String,
    pub canary: String,
    pub attempt: u32,
}

/// What a week brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    pub from: UnixMillis,
    pub to: UnixMillis,
    /// Since when requests are counted: the start of the process, if that is later.
    pub counted_from: UnixMillis,
    pub rollouts: Vec<RolloutDigest>,
    /// Rollouts that are left out.
    pub more: usize,
}

/// The week of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutDigest {
    pub name: String,
    /// The share a week ago, as far as the history goes back, and now.
    pub from: Percent,
    pub to: Percent,
    /// The word for where it is.
    pub phase: String,
    /// What was done, oldest first: when, the word, the share after it.
    pub decisions: Vec<(UnixMillis, String, Percent)>,
    /// Requests and failures of stable and of the canary; `None`: not known.
    pub counts: Option<[(u64, u64); 2]>,
    /// Incident reports of the week.
    pub incidents: u32,
    /// In a sentence; empty: nothing.
    pub waiting_for: String,
}

/// What an event means for those who are notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is sent as; `None`: it only ends a problem.
    pub on: Option<NotifyEvent>,
    /// What it is about: notifications of one lane are sent in order.
    pub lane: String,
    /// Whether it is a problem, or the end of one.
    pub turn: Turn,
}

/// What a notification means to a receiver that keeps problems open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// A problem begins, or is another one now.
    Opens,
    /// It is over.
    Closes,
    /// Neither.
    Tells,
}

/// The lane of flags.yaml. A rollout's name has no colon.
const FLAGS: &str = "file:flags.yaml";

/// What an event means for those who are notified; `None`: nothing.
#[must_use]
pub fn news(event: &Event) -> Option<News> {
    let news = |on, lane: String, turn| Some(News { on, lane, turn });
    match (&event.action, &event.rollout) {
        (Action::Refuse, _) => return news(Some(NotifyEvent::ReloadFailed), FLAGS.to_owned(), Turn::Opens),
        (Action::Retires, _) => {
            let Reason::Retires { retirement } = &event.reason else { return None };
            let lane = format!("model:{}/{}", retirement.provider, retirement.model);
            return news(Some(NotifyEvent::ModelRetires), lane, Turn::Tells);
        }
        (Action::Reload, _) => return news(None, FLAGS.to_owned(), Turn::Closes),
        (Action::Open | Action::Close, _) => {
            let Reason::Breaker { provider, turn } = &event.reason else { return None };
            let lane = format!("breaker:{provider}");
            return match turn {
                BreakerChange::Opened { .. } | BreakerChange::OutOfReach { .. } => {
                    news(Some(NotifyEvent::BreakerOpened), lane, Turn::Opens)
                }
                BreakerChange::Closed | BreakerChange::Reached => news(None, lane, Turn::Closes),
            };
        }
        (Action::KeyRefused | Action::KeyRestored, _) => {
            let Reason::Key { provider, key, turn } = &event.reason else { return None };
            let lane = format!("key:{provider}:{}", key.position);
            return match turn {
                KeyChange::Refused { .. } => news(Some(NotifyEvent::KeyRefused), lane, Turn::Opens),
                KeyChange::Accepted | KeyChange::Replaced => news(None, lane, Turn::Closes),
            };
        }
        _ => {}
    }
    let lane = event.rollout.clone()?;
    let raised = event.to > event.from;
    match &event.action {
        Action::Rollback | Action::StepBack => news(Some(NotifyEvent::RolledBack), lane, Turn::Opens),
        Action::Hold | Action::Confirm | Action::GiveUp | Action::Pause | Action::Block => {
            news(Some(NotifyEvent::Held), lane, Turn::Opens)
        }
        Action::Promote => news(Some(NotifyEvent::Promoted), lane, Turn::Closes),
        // An edit moves no one back by surprise, and lifts no rollback.
        Action::Percent | Action::Ramp if raised => news(Some(NotifyEvent::Promoted), lane, Turn::Tells),
        Action::Complete => news(Some(NotifyEvent::Completed), lane, Turn::Closes),
        Action::Resume | Action::Unblock | Action::Confirmed => news(Some(NotifyEvent::Resumed), lane, Turn::Closes),
        Action::Start | Action::Attempt | Action::Retry => news(Some(NotifyEvent::AttemptStarted), lane, Turn::Closes),
        _ => None,
    }
}

/// A notification on its way to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuedNotification {
    /// In the order of their making.
    pub number: u64,
    pub target: String,
    pub lane: String,
    pub turn: Turn,
    /// By which a receiver knows the problem; empty: it is none.
    pub problem: String,
    pub queued_at: UnixMillis,
    /// Tries that failed.
    pub attempts: u32,
    /// Not before that.
    pub due: UnixMillis,
    /// Whether it was delivered and the problem is open still.
    pub stands: bool,
    pub notification: Notification,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: Action, rollout: Option<&str>, from: u16, to: u16) -> Event {
        Event {
            at: UnixMillis(1),
            rollout: rollout.map(str::to_owned),
            actor: "guard".into(),
            action,
            reason: Reason::from_human(""),
            from: Percent::from_hundredths(from).unwrap(),
            to: Percent::from_hundredths(to).unwrap(),
            generation: 1,
        }
    }

    #[test]
    fn no_event_of_a_notification_leads_to_another() {
        for action in [Action::Notified, Action::NotNotified, Action::Notice, Action::Withdraw, Action::Advise] {
            assert_eq!(news(&event(action, Some("chat"), 0, 0)), None);
        }
    }

    #[test]
    fn what_moves_users_is_told_and_ends_or_begins_a_problem() {
        let on =
            |action, from, to| news(&event(action, Some("chat"), from, to)).map(|news| (news.on.unwrap(), news.turn));
        assert_eq!(on(Action::Rollback, 1000, 0), Some((NotifyEvent::RolledBack, Turn::Opens)));
        assert_eq!(on(Action::Promote, 1000, 2500), Some((NotifyEvent::Promoted, Turn::Closes)));
        assert_eq!(on(Action::Percent, 1000, 2500), Some((NotifyEvent::Promoted, Turn::Tells)));
        assert_eq!(on(Action::Percent, 2500, 1000), None);
        assert_eq!(news(&event(Action::Start, None, 0, 0)), None, "of the process");
        assert_eq!(news(&event(Action::Reload, None, 0, 0)).unwrap().on, None);
    }
}

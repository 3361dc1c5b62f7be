//! The texts of a notification: what happened, why in figures, who is affected, and the command that undoes it.
//!
//! The texts are the same in every format ([`standard`], [`slack`], [`pagerduty`], [`alertmanager`]), each of which is
//! the body of one request. They have no text of a user and no secret. Invariant: a body is below [`LARGEST`] bytes,
//! whatever the texts in it are.

pub mod alertmanager;
pub mod digest;
pub mod pagerduty;
pub mod slack;
pub mod standard;

use super::cause::in_short;
use super::event::reason;
use super::format::shortened;
use crate::decide::event::{Action, Event};
use crate::decide::notification::{Notification, Pair, Subject, Transition, Turn};
use crate::decide::policy::NotifyEvent;
use crate::decide::units::UnixMillis;

/// A receiver may refuse more.
pub const LARGEST: usize = 20_000;
/// Longest text from outside that is sent, in characters.
const LONGEST: usize = 1000;
/// Causes that are named.
const MOST_CAUSES: usize = 5;

/// A notification, and what its texts need besides it.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    pub notification: &'a Notification,
    pub turn: Turn,
    /// By which a receiver knows the problem; empty: it is none.
    pub problem: &'a str,
    /// Where people reach the admin port, without a trailing slash.
    pub base: &'a str,
    /// The time of the try.
    pub now: UnixMillis,
}

impl Letter<'_> {
    pub(super) fn transition(&self) -> Option<&Transition> {
        match &self.notification.subject {
            Subject::Transition(transition) => Some(transition),
            Subject::Digest(_) | Subject::Test => None,
        }
    }

    /// Where to read on.
    fn links(&self) -> Vec<(&'static str, String)> {
        let incident = self.transition().and_then(|transition| transition.incident.as_ref());
        let incident = incident.map(|id| ("incident", format!("{}/#/incidents/{id}", self.base)));
        incident.into_iter().chain([("dashboard", format!("{}/", self.base))]).collect()
    }
}

/// What it is, with dots: `rollout.rolled_back`.
#[must_use]
pub fn kind(notification: &Notification) -> &'static str {
    match (notification.on, &notification.subject) {
        (_, Subject::Test) => "serin.test",
        (_, Subject::Digest(_)) => "serin.digest",
        (Some(NotifyEvent::Promoted), _) => "rollout.promoted",
        (Some(NotifyEvent::Held), _) => "rollout.held",
        (Some(NotifyEvent::RolledBack), _) => "rollout.rolled_back",
        (Some(NotifyEvent::Resumed), _) => "rollout.resumed",
        (Some(NotifyEvent::Completed), _) => "rollout.completed",
        (Some(NotifyEvent::AttemptStarted), _) => "rollout.attempt_started",
        (Some(NotifyEvent::ReloadFailed), _) => "flags.reload_failed",
        (Some(NotifyEvent::BreakerOpened), _) => "provider.breaker_opened",
        (Some(NotifyEvent::ModelRetires), _) => "provider.model_retires",
        (Some(NotifyEvent::KeyRefused), _) => "provider.key_refused",
        (Some(NotifyEvent::Digest) | None, _) => "serin.resolved",
    }
}

/// One line: what happened.
#[must_use]
pub fn title(notification: &Notification) -> String {
    let title = match &notification.subject {
        Subject::Test => "Serin: this is a test".to_owned(),
        Subject::Digest(digest) => digest::title(digest),
        Subject::Transition(transition) => of_event(&transition.event, transition.pair.as_ref()),
    };
    match notification.others {
        0 => title,
        others => format!("{title} (and {others} more)"),
    }
}

fn of_event(event: &Event, pair: Option<&Pair>) -> String {
    let (from, to) = (event.from, event.to);
    let name = event.rollout.as_deref().unwrap_or("serin");
    let canary = pair.map_or("the canary", |pair| pair.canary.as_str());
    let attempt = pair.map_or(1, |pair| pair.attempt);
    match event.action {
        Action::Refuse => "flags.yaml was refused: the previous version stays in force".to_owned(),
        Action::Reload => "flags.yaml is in force".to_owned(),
        Action::Open => "a provider's breaker opened".to_owned(),
        Action::Retires => "a provider retires a model".to_owned(),
        Action::Close => "a provider's breaker closed".to_owned(),
        Action::KeyRefused => "a provider refuses a key".to_owned(),
        Action::KeyRestored => "a key that a provider refused is in order again".to_owned(),
        Action::Rollback | Action::StepBack => format!("{name}: rolled back from {from} to {to} by {}", event.actor),
        Action::Hold | Action::GiveUp => format!("{name}: held at {to}"),
        Action::Confirm => format!("{name}: half of the users on each provider, to compare them ({to})"),
        Action::Pause => format!("{name}: paused at {to} by {}", event.actor),
        Action::Block => format!("{name}: blocked at {to}"),
        Action::Promote | Action::Percent | Action::Ramp => format!("{name}: promoted from {from} to {to}"),
        Action::Complete => format!("{name}: completed, {to} of the users are on {canary}"),
        Action::Resume | Action::Unblock | Action::Confirmed => format!("{name}: resumed at {to}"),
        Action::Start | Action::Attempt | Action::Retry => format!("{name}: attempt {attempt} started at {to}"),
        _ => format!("{name}: {}", event.action),
    }
}

/// Why, in figures; empty: no reason was given.
#[must_use]
pub fn why(notification: &Notification) -> String {
    match &notification.subject {
        Subject::Test => "Nothing happened. The target is set up correctly if you can read this.".to_owned(),
        Subject::Digest(digest) => digest::text(digest),
        Subject::Transition(transition) => shortened(&reason(&transition.event), LONGEST),
    }
}

/// Who is affected; `None`: it is not known, or nobody.
#[must_use]
pub fn affected(transition: &Transition) -> Option<String> {
    let causes = &transition.event.decision()?.causes;
    let failed = causes.iter().map(|cause| cause.of).max()?;
    let users: u64 = causes.iter().map(|cause| cause.users_failed).sum();
    let requests = if failed == 1 { "1 request".to_owned() } else { format!("{failed} requests") };
    Some(match users {
        0 => format!("{requests} failed at the canary; no user saw an error"),
        1 => format!("{requests} failed at the canary; 1 user saw an error"),
        users => format!("{requests} failed at the canary; {users} users saw an error"),
    })
}

/// Why requests failed, most often first.
#[must_use]
pub fn causes(transition: &Transition) -> Vec<String> {
    let decision = transition.event.decision().into_iter();
    let causes = decision.flat_map(|decision| decision.causes.iter().take(MOST_CAUSES));
    causes.map(|cause| shortened(&in_short(cause), LONGEST)).collect()
}

/// The command that undoes it, or that shows more where there is nothing to undo.
#[must_use]
pub fn command(notification: &Notification) -> String {
    let name = match &notification.subject {
        Subject::Transition(transition) => transition.event.rollout.as_deref(),
        Subject::Digest(_) | Subject::Test => None,
    };
    match (notification.on, name) {
        (Some(NotifyEvent::RolledBack | NotifyEvent::Held), Some(name)) => format!("serin resume {name}"),
        (
            Some(NotifyEvent::Promoted | NotifyEvent::Resumed | NotifyEvent::Completed | NotifyEvent::AttemptStarted),
            Some(name),
        ) => format!("serin rollback {name}"),
        (Some(NotifyEvent::ReloadFailed), _) => "serin check".to_owned(),
        (_, Some(name)) => format!("serin why {name}"),
        (_, None) => "serin status".to_owned(),
    }
}

#[cfg(test)]
mod tests;

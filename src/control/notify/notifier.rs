//! From an event to the notifications of it, and from an answer to what happens next.
//!
//! Which targets are told, by which of their formats a problem is opened or closed, and what a target's answer means:
//! delivered, tried again, given up, or ended. Does no I/O and reads no clock. Rows of a proposal are written with it,
//! and are sent once it is in force. Invariant: of a notification to a target the history has at most one event, and no
//! such event leads to a notification.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deliver::{Answer, Post};
use super::queue::{Changes, NEVER, NotificationQueue, has_come};
use super::target_state::TargetState;
use super::{backoff, post};
use crate::control::now::Now;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::notification::{Notification, Pair, QueuedNotification, Subject, Transition, Turn, news};
use crate::decide::policy::{NotifyEvent, NotifyFormat, NotifyTarget, Policy};
use crate::decide::rollout::state::Identity;
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::describe::format::shortened;
use crate::describe::notification::Letter;
use crate::state::status::NotifyTargetStatus;

/// Alertmanager forgets an alert that is not sent again within five minutes.
const AGAIN: Millis = Millis(60_000);
/// Longest error of a target that is kept, in characters.
const LONGEST_ERROR: usize = 300;

/// One try.
#[derive(Debug)]
pub(in crate::control) struct Try {
    pub(in crate::control) number: u64,
    pub(in crate::control) target: String,
    pub(in crate::control) post: Post,
}

#[derive(Debug, Default)]
pub(in crate::control) struct Notifier {
    queue: NotificationQueue,
    targets: Vec<Arc<NotifyTarget>>,
    // Where people reach the admin port.
    base: String,
    states: BTreeMap<String, TargetState>,
    // Written with a proposal that is not in force yet.
    proposed: BTreeMap<Identity, Vec<QueuedNotification>>,
}

impl Notifier {
    pub(in crate::control) fn restored(kept: Vec<QueuedNotification>) -> Notifier {
        Notifier { queue: NotificationQueue::restored(kept), ..Notifier::default() }
    }

    /// A file is in force. What was for others than its targets is dropped; a target that had ended is used again.
    pub(in crate::control) fn set_targets(&mut self, policy: &Policy, changes: &mut Changes) {
        self.targets = policy.notify.iter().cloned().map(Arc::new).collect();
        self.base = policy.admin_url.clone().unwrap_or_else(|| format!("http://{}", policy.fixed.admin));
        let targets = &self.targets;
        let gone = self.queue.take(changes, |queued| {
            let target = targets.iter().find(|target| target.name == queued.target);
            let lane_is_gone = || match queued.lane.split_once(':') {
                Some(("breaker", provider)) => !policy.providers.iter().any(|known| known.name == provider),
                Some(_) => false,
                None => policy.rollout(&queued.lane).is_none(),
            };
            target.is_none_or(|target| queued.stands && (!target.format.keeps_open() || lane_is_gone()))
        });
        for queued in gone {
            self.states.entry(queued.target).or_default().dropped += u64::from(!queued.stands);
        }
        for target in targets {
            self.states.entry(target.name.clone()).or_default().begin_again();
        }
        TargetState::forget_oldest(&mut self.states, |name| targets.iter().any(|target| target.name == name));
    }

    /// An event is in force: queues what is to be sent of it.
    pub(in crate::control) fn tell(
        &mut self,
        event: &Event,
        pair: Option<&Pair>,
        incident: Option<&str>,
        changes: &mut Changes,
    ) {
        for queued in self.rows(event, pair, incident) {
            self.admit(queued, false, changes);
        }
    }

    /// Events of a proposal: what is to be sent of them is written with it.
    pub(in crate::control) fn propose(
        &mut self,
        identity: &Identity,
        events: &[Event],
        pair: &Pair,
        changes: &mut Changes,
    ) {
        self.withdraw(identity, changes);
        let rows: Vec<_> = events.iter().flat_map(|event| self.rows(event, Some(pair), None)).collect();
        changes.extend(rows.iter().map(|queued| (queued.number, Some(queued.clone()))));
        if !rows.is_empty() {
            self.proposed.insert(identity.clone(), rows);
        }
    }

    /// The proposal is in force.
    pub(in crate::control) fn commit(&mut self, identity: &Identity, changes: &mut Changes) {
        for queued in self.proposed.remove(identity).unwrap_or_default() {
            self.admit(queued, true, changes);
        }
    }

    /// The proposal will not be in force.
    pub(in crate::control) fn withdraw(&mut self, identity: &Identity, changes: &mut Changes) {
        let rows = self.proposed.remove(identity).unwrap_or_default();
        changes.extend(rows.into_iter().map(|queued| (queued.number, None)));
    }

    /// The digest of a week.
    pub(in crate::control) fn tell_all(&mut self, notification: &Notification, on: NotifyEvent, changes: &mut Changes) {
        let targets = self.targets.clone();
        for target in targets.iter().filter(|target| target.on.contains(&on)) {
            let (lane, turn) = (format!("{}:", on.as_str()), Turn::Tells);
            let queued = self.queued(target, &lane, turn, "", notification.clone());
            self.admit(queued, false, changes);
        }
    }

    /// Whether some target is notified of this.
    pub(in crate::control) fn wants(&self, on: NotifyEvent) -> bool {
        self.targets.iter().any(|target| target.on.contains(&on))
    }

    fn rows(&mut self, event: &Event, pair: Option<&Pair>, incident: Option<&str>) -> Vec<QueuedNotification> {
        let Some(news) = news(event) else { return Vec::new() };
        if self.targets.is_empty() {
            return Vec::new();
        }
        let transition =
            Transition { event: event.clone(), pair: pair.cloned(), incident: incident.map(str::to_owned) };
        let subject = Subject::Transition(Box::new(transition));
        let notification = Notification { id: post::id(event), at: event.at, on: news.on, subject, others: 0 };
        let key = pair.map_or_else(|| news.lane.clone(), |pair| format!("{}/{}", news.lane, pair.attempt));
        let targets = self.targets.clone();
        let mut rows = Vec::new();
        for target in &targets {
            let wanted = news.on.is_some_and(|on| target.on.contains(&on));
            let open = self.queue.open_problem(&target.name, &news.lane);
            let (turn, problem) = match (target.format.keeps_open(), news.turn, open) {
                (true, Turn::Opens, _) if wanted => (Turn::Opens, key.clone()),
                (true, Turn::Closes, Some(open)) => (Turn::Closes, open),
                (true, ..) if target.format == NotifyFormat::Alertmanager => continue,
                _ if wanted => (Turn::Tells, String::new()),
                _ => continue,
            };
            if self.states.get(&target.name).is_some_and(|state| state.ended) {
                self.states.entry(target.name.clone()).or_default().dropped += 1;
                continue;
            }
            rows.push(self.queued(target, &news.lane, turn, &problem, notification.clone()));
        }
        rows
    }

    fn queued(
        &mut self,
        target: &NotifyTarget,
        lane: &str,
        turn: Turn,
        problem: &str,
        notification: Notification,
    ) -> QueuedNotification {
        let at = notification.at;
        QueuedNotification {
            number: self.queue.number(at),
            target: target.name.clone(),
            lane: lane.to_owned(),
            turn,
            problem: problem.to_owned(),
            queued_at: at,
            attempts: 0,
            due: at,
            stands: false,
            notification,
        }
    }

    /// Into the queue, in the place of those that it stands for.
    fn admit(&mut self, mut queued: QueuedNotification, written: bool, changes: &mut Changes) {
        let target = self.targets.iter().find(|target| target.name == queued.target);
        let spaced = target.is_some_and(|target| target.min_interval > Millis(0));
        if spaced {
            let flying = self.states.get(&queued.target).and_then(|state| state.in_flight);
            let replaced = self.queue.take(changes, |earlier| {
                earlier.target == queued.target
                    && earlier.lane == queued.lane
                    && earlier.attempts == 0
                    && Some(earlier.number) != flying
                    && earlier.notification.on != Some(NotifyEvent::RolledBack)
            });
            let others = replaced.iter().map(|earlier| earlier.notification.others + 1);
            queued.notification.others = others.sum();
            if written && queued.notification.others > 0 {
                changes.insert(queued.number, Some(queued.clone()));
            }
        }
        let dropped = if written { self.queue.add_written(queued, changes) } else { self.queue.add(queued, changes) };
        for queued in dropped {
            self.states.entry(queued.target).or_default().dropped += 1;
        }
    }

    /// Everything so far was handed over to be written as this batch.
    pub(in crate::control) fn handed_over(&mut self, batch: u64) {
        self.queue.handed_over(batch);
    }

    /// The batches up to this one were written, or could not be.
    pub(in crate::control) fn settled(&mut self, upto: u64) {
        self.queue.settled(upto);
    }

    /// The tries to begin now: at most one for each target at a time.
    pub(in crate::control) fn due(&mut self, now: Now) -> Vec<Try> {
        let mut tries = Vec::new();
        for target in &self.targets {
            let state = self.states.entry(target.name.clone()).or_default();
            if !state.is_free(now.unix) {
                continue;
            }
            let soon = state.last_sent.map_or(UnixMillis(0), |last| UnixMillis(last.0 + target.min_interval.0));
            let may_go = |queued: &QueuedNotification| {
                has_come(soon, now.unix) || queued.notification.on == Some(NotifyEvent::RolledBack)
            };
            let Some(queued) = self.queue.due(&target.name, now.unix, may_go) else { continue };
            let letter = Letter {
                notification: &queued.notification,
                turn: queued.turn,
                problem: &queued.problem,
                base: &self.base,
                now: now.unix,
            };
            let post = post::post(target, &letter);
            tries.push(Try { number: queued.number, target: target.name.clone(), post });
            state.in_flight = Some(queued.number);
        }
        tries
    }

    /// Requests that test targets: the named one, or all. `None`: there is no target of that name.
    pub(in crate::control) fn tests(&self, name: Option<&str>, now: Now) -> Option<Vec<(String, Post)>> {
        let notification = post::test(now.unix);
        let letter =
            Letter { notification: &notification, turn: Turn::Tells, problem: "", base: &self.base, now: now.unix };
        let chosen = self.targets.iter().filter(|target| name.is_none_or(|name| name == target.name));
        let posts: Vec<_> = chosen.map(|target| (target.name.clone(), post::post(target, &letter))).collect();
        (name.is_none() || !posts.is_empty()).then_some(posts)
    }

    /// The names of all targets.
    pub(in crate::control) fn names(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.name.as_str()).collect()
    }

    /// A try has ended. Returns what the history has of it.
    pub(in crate::control) fn answered(
        &mut self,
        number: u64,
        name: &str,
        result: &Result<Answer, String>,
        changes: &mut Changes,
        now: Now,
    ) -> Option<(Option<String>, Action, Reason)> {
        let state = self.states.entry(name.to_owned()).or_default();
        state.in_flight = None;
        let target = self.targets.iter().find(|target| target.name == name).cloned()?;
        // Dropped meanwhile, or delivered too late to matter.
        let queued = self.queue.get(number)?.clone();
        let error = match result {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) if answer.said.is_empty() => Some(format!("it answered {}", answer.status)),
            Ok(answer) => Some(format!("it answered {}: {}", answer.status, target.masked(&answer.said))),
            Err(error) => Some(error.clone()),
        };
        let error = error.map(|error| shortened(&error, LONGEST_ERROR));
        state.last_error.clone_from(&error);
        let history = |action, error| {
            let (on, id) = (queued.notification.on, queued.notification.id.clone());
            let tries = queued.attempts + 1;
            let reason = Reason::Notification { target: name.to_owned(), on, id, tries, error };
            let rollout = Some(queued.lane.clone()).filter(|lane| !lane.contains(':'));
            Some((rollout, action, reason))
        };
        let Some(error) = error else {
            state.last_sent = Some(now.unix);
            state.delivered += u64::from(!queued.stands);
            self.delivered(&queued, target.format, changes, now.unix);
            return if queued.stands { None } else { history(Action::Notified, None) };
        };
        let status = result.as_ref().map_or(0, |answer| answer.status);
        let state = self.states.entry(name.to_owned()).or_default();
        if status == 410 {
            state.ended = true;
            let rows = self.queue.take(changes, |other| other.target == name);
            let others = rows.iter().filter(|row| !row.stands && row.number != number).count() as u64;
            state.given_up += 1;
            state.dropped += others;
            let error = format!("{error}; it gets nothing more until flags.yaml is reloaded; {others} others dropped");
            return history(Action::NotNotified, Some(error));
        }
        // The same request would be refused again, but for a receiver that may be mended.
        let refused = status == 400 && target.format != NotifyFormat::Standard;
        if !queued.stands && (refused || backoff::is_over(queued.queued_at, now.unix)) {
            state.given_up += 1;
            self.queue.remove(number, changes);
            return history(Action::NotNotified, Some(error));
        }
        state.retried += 1;
        let attempts = queued.attempts.saturating_add(1);
        let asked = result.as_ref().ok().and_then(|answer| answer.retry_after);
        let due = UnixMillis(now.unix.0 + backoff::wait(attempts, asked, &queued.notification.id, name).0);
        if status == 429 || asked.is_some() {
            state.not_before = due;
        }
        self.queue.change(number, !queued.stands, changes, |queued| (queued.attempts, queued.due) = (attempts, due));
        None
    }

    fn delivered(&mut self, queued: &QueuedNotification, format: NotifyFormat, changes: &mut Changes, now: UnixMillis) {
        let same_lane = |other: &QueuedNotification| other.target == queued.target && other.lane == queued.lane;
        if queued.turn != Turn::Tells {
            self.queue.take(changes, |other| same_lane(other) && other.stands && other.number < queued.number);
        }
        let is_last = !self
            .queue
            .of(&queued.target)
            .any(|other| same_lane(other) && other.number > queued.number && other.turn != Turn::Tells);
        if format.keeps_open() && queued.turn == Turn::Opens && is_last {
            let due = if format == NotifyFormat::Alertmanager { UnixMillis(now.0 + AGAIN.0) } else { NEVER };
            self.queue.change(queued.number, !queued.stands, changes, |queued| {
                (queued.stands, queued.attempts, queued.due) = (true, 0, due);
            });
        } else {
            self.queue.remove(queued.number, changes);
        }
    }

    pub(in crate::control) fn report(&self) -> Vec<NotifyTargetStatus> {
        let known = |name: &str| self.targets.iter().find(|target| target.name == name);
        let status = |(name, state): (&String, &TargetState)| {
            state.report(name, known(name).map(|target| target.format), self.queue.len_of(name))
        };
        self.states.iter().map(status).collect()
    }
}

/// An event about notifications.
pub(in crate::control) fn event(
    (rollout, action, reason): (Option<String>, Action, Reason),
    share: Percent,
    generation: u64,
    now: Now,
) -> Event {
    Event { at: now.unix, rollout, actor: Actor::Serin, action, reason, from: share, to: share, generation }
}

#[cfg(test)]
mod tests;

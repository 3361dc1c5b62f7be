//! What the engine does about notifications: the answer of a target becomes an event of the history.
//!
//! The [`Notifier`](crate::control::notify::notifier::Notifier) decides. The event is written in the batch that removes
//! the notification, so that a process that ends in between sends it again, with the same id. Invariant: an event about
//! a notification leads to none.

use super::dispatch::Engine;
use crate::control::events;
use crate::control::notify::Answer;
use crate::control::notify::notifier;
use crate::control::now::Now;
use crate::decide::units::Percent;

impl Engine {
    /// A target has answered, or has not.
    pub(in crate::control) fn notification_answered(
        &mut self,
        number: u64,
        target: &str,
        answer: &Result<Answer, String>,
        now: Now,
    ) {
        let changes = &mut self.outbox.notifications;
        let Some(result) = self.notifier.answered(number, target, answer, changes, now) else { return };
        let index = result.0.as_deref().and_then(|name| self.index_of(name));
        let rollout = index.and_then(|index| self.entries[index].rollout.as_ref());
        let share = rollout.map_or(Percent::ZERO, |rollout| rollout.share_in_force(&self.context).percent);
        let event = notifier::event(result, share, self.context.flags.generation, now);
        events::emit(event, &mut self.outbox, &self.shared.history);
        self.report(now);
    }
}

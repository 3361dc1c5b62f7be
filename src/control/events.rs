//! The one way for what happened to get out: [`emit`](Engine::emit) feeds the log and the history.
//!
//! Whoever else is to hear of events is told here and nowhere else. What is proposed is told when it comes into force, by
//! [`announce`]: its part of the history was written with it. A withdrawal is known to the [`Ledger`] alone, which writes
//! the history, and goes the same way.
//!
//! [`Ledger`]: super::ledger::Ledger

use super::engine::{Engine, Now};
use crate::decide::event::{Action, Event, Notice, Reason};
use crate::decide::units::Percent;
use crate::describe::event::reason;

impl Engine {
    /// Something happened: tells everybody who is to know.
    pub(super) fn emit(&mut self, event: Event) {
        announce(&event);
        self.outbox.events.push(event);
    }

    /// Something happened to the file or the process.
    pub(super) fn emit_own(&mut self, actor: &str, action: Action, reason: Reason, now: Now) {
        self.emit(Event {
            at: now.unix,
            rollout: None,
            actor: actor.to_owned(),
            action,
            reason,
            from: Percent::ZERO,
            to: Percent::ZERO,
            generation: self.flags.generation,
        });
    }

    /// Something is not as it should be, or is so again.
    pub(super) fn notice(&mut self, notice: Notice, now: Now) {
        self.emit_own("serin", Action::Notice, Reason::Noticed(notice), now);
    }
}

/// Tells all but the history.
pub(super) fn announce(event: &Event) {
    let Event { rollout, actor, action, from, to, generation, .. } = event;
    let (rollout, told) = (rollout.as_deref().unwrap_or("-"), reason(event));
    let told = if told.is_empty() { "no reason given" } else { &told };
    if action.is_warning() {
        tracing::warn!(rollout, actor, %from, %to, generation, "{action}: {told}");
    } else {
        tracing::info!(rollout, actor, %from, %to, generation, "{action}: {told}");
    }
}

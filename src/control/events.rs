//! How what happened is told: the log is told here, and nowhere else, of what the history has.
//!
//! What is proposed is told when it comes into force: its part of the history was written with it. A withdrawal is known
//! to those who write alone, and is told by them. Knows of no rollout: whoever something happened to says so in the event.

use super::now::Now;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::units::Percent;
use crate::describe::event::reason;

/// What happened to the file or the process.
pub(super) fn own(actor: Actor, action: Action, reason: Reason, generation: u64, now: Now) -> Event {
    let (rollout, from, to) = (None, Percent::ZERO, Percent::ZERO);
    Event { at: now.unix, rollout, actor, action, reason, from, to, generation }
}

/// Tells all but the history.
pub(super) fn announce(event: &Event) {
    let Event { rollout, actor, action, from, to, generation, .. } = event;
    let (rollout, actor, told) = (rollout.as_deref().unwrap_or("-"), actor.as_str(), reason(event));
    let told = if told.is_empty() { "no reason given" } else { &told };
    if action.is_warning() {
        tracing::warn!(rollout, actor, %from, %to, generation, "{action}: {told}");
    } else {
        tracing::info!(rollout, actor, %from, %to, generation, "{action}: {told}");
    }
}

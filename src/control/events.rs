//! The one place that emits events: to the log, to those who listen, and through the outbox to the history.
//!
//! The events of a proposal go to the history with the proposal, and are told ([`tell`]) when it is committed. The write
//! queue records a withdrawn proposal itself. Knows no rollout: an event names the rollout it belongs to.

use super::now::Now;
use super::persist::outbox::Outbox;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::units::Percent;
use crate::describe::event::reason;
use crate::state::history_feed::HistoryFeed;

/// An event of the file or of the process.
pub(super) fn of_process(actor: Actor, action: Action, reason: Reason, generation: u64, now: Now) -> Event {
    let (rollout, from, to) = (None, Percent::ZERO, Percent::ZERO);
    Event { at: now.unix, rollout, actor, action, reason, from, to, generation }
}

/// To the log, to those who listen, and to the history.
pub(super) fn emit(event: Event, outbox: &mut Outbox, feed: &HistoryFeed) {
    tell(&event, feed);
    outbox.events.push(event);
}

/// To the log and to those who listen.
pub(super) fn tell(event: &Event, feed: &HistoryFeed) {
    log(event);
    feed.send(event);
}

fn log(event: &Event) {
    let Event { rollout, actor, action, from, to, generation, .. } = event;
    let (rollout, actor, reason) = (rollout.as_deref().unwrap_or("-"), actor.as_str(), reason(event));
    let reason = if reason.is_empty() { "no reason given" } else { &reason };
    if action.is_warning() {
        tracing::warn!(rollout, actor, %from, %to, generation, "{action}: {reason}");
    } else {
        tracing::info!(rollout, actor, %from, %to, generation, "{action}: {reason}");
    }
}

//! Watches for models that providers take away: which notices are new, and what the status says.
//!
//! Looks once a minute, and at each file. What was told before is read from the history, once, so that a restart tells
//! nothing twice; until then nothing is told. [`decide::retirement`](crate::decide::retirement) decides. Does no I/O:
//! the event loop reads the history. Invariant: a notice of a model and a date has one event.

use super::dispatch::Engine;
use super::retirement_watch::Told;
use crate::control::now::Now;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::retirement::{Retirement, near};
use crate::decide::units::{Millis, ProviderId};

/// Between two looks.
const EVERY: Millis = Millis(60_000);

impl Engine {
    /// Whether the history is to be read for what was told before. It is said once.
    pub(in crate::control) fn wants_told_retirements(&mut self) -> bool {
        let wants = matches!(self.retirements.told, Told::Unknown)
            && self.policy.providers.iter().any(|provider| !provider.retires.is_empty());
        if wants {
            self.retirements.told = Told::Asked;
        }
        wants
    }

    /// What the history has of earlier notices.
    pub(in crate::control) fn told_retirements(&mut self, events: &[Event], now: Now) {
        let told = events.iter().filter_map(|event| match &event.reason {
            Reason::Retires { retirement } => Some(retirement.clone()),
            _ => None,
        });
        self.retirements.told = Told::Known(told.collect());
        self.retirements.look_soon();
        self.tick(now);
    }

    /// Tells what is new.
    pub(super) fn watch_retirements(&mut self, now: Now) {
        if self.retirements.next.is_some_and(|next| now.mono < next) {
            return;
        }
        self.retirements.next = Some(Millis(now.mono.0 + EVERY.0));
        let states = self.providers.of(&self.policy);
        let seen = |id: ProviderId, model: &str| states[usize::from(id.0)].seen_models.has(model);
        self.retirements.near = near(&self.policy, seen, now.unix);
        let Told::Known(told) = &mut self.retirements.told else { return };
        let new: Vec<Retirement> =
            self.retirements.near.iter().filter(|retirement| !retirement.is_among(told)).cloned().collect();
        told.extend(new.iter().cloned());
        for retirement in new {
            self.emit_process_event(Actor::Serin, Action::Retires, Reason::Retires { retirement }, now);
        }
    }
}

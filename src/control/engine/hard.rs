//! Ends what is under way on canaries that have just been rolled back.
//!
//! A rollback leaves open streams where they are, and this ends them: a counter is raised that every request on the
//! canary compares with its own, and the cores are woken. What becomes of each is the data plane's. From then on nobody
//! is sent to the canary for what it keeps, either. Invariant: nothing is ended where users may be on the canary.

use std::sync::Arc;

use super::commands::barred;
use super::dispatch::Engine;
use super::input::Input;
use crate::control::events;
use crate::control::now::Now;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::rollout::command_result::CommandObstacle;
use crate::decide::units::{Arm, Millis, Percent};
use crate::state::inbox::{CommandError, EndOnCanary};

impl Engine {
    /// Ends all requests on the canary of a rollout, or of each. Returns how many there were.
    pub(in crate::control) fn end_on_canary(&mut self, wish: &EndOnCanary, now: Now) -> Result<u64, CommandError> {
        let EndOnCanary { rollout: name, actor, reason } = wish;
        if let Some(name) = name {
            match self.index_of(name).map(|index| self.entries[index].rollout.is_some()) {
                None => return Err(CommandError::Unknown { name: name.clone(), known: self.names() }),
                Some(false) => return Err(barred(name, &CommandObstacle::PlainRoute)),
                Some(true) => {}
            }
        }
        let (mut ended, mut withdrawals) = (0, Vec::new());
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let Some(rollout) = &entry.rollout else { continue };
            let meant = name.as_ref().is_none_or(|name| *name == entry.spec.name);
            if !meant || rollout.share_in_force(&self.context).percent != Percent::ZERO {
                continue;
            }
            let open = entry.open_on_canary();
            let ages = [Millis(u64::MAX)];
            let ([without_output], _) = rollout.collector().waiting().by_age(Arm::Canary, &ages, now.mono);
            withdrawals.push(Arc::clone(&rollout.collector().evidence().withdrawal));
            ended += open;
            let event = Event {
                at: now.unix,
                rollout: Some(entry.spec.name.clone()),
                actor: Actor::from(actor.as_str()),
                action: Action::End,
                reason: Reason::Ended {
                    canary: rollout.config().provider.name.clone(),
                    open,
                    without_output,
                    text: reason.clone(),
                },
                from: Percent::ZERO,
                to: Percent::ZERO,
                generation: self.context.flags.generation,
            };
            events::emit(event, &mut self.outbox, &self.shared.history);
            self.apply(index, Input::StateMoved, now);
        }
        // First nobody is planned there any more: what is ended and can be sent again would be sent there once more.
        self.publish();
        withdrawals.iter().for_each(|withdrawal| withdrawal.cut());
        self.publish();
        self.report(now);
        Ok(ended)
    }
}

//! What a file would do in the place of the one in force: the comparison, with the states that are in force here.
//!
//! Reads the engine and changes nothing of it. A reload takes the same comparison into the history, made before the new
//! file is applied. Invariant: what is said of a rollout is what [`apply_policy`](super::apply_policy) then does.

use super::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::plan::Plan;
use crate::decide::plan::compare::plan;
use crate::decide::plan::projected::Situation;
use crate::decide::policy::Policy;

impl Engine {
    /// Compares a policy with the one in force.
    pub fn plan(&self, new: &Policy, now: Now) -> Plan {
        let rollouts = self.entries.iter().filter_map(|entry| entry.rollout.as_ref());
        let in_force = rollouts.map(|rollout| (rollout.identity().clone(), rollout.state().clone()));
        let absent = self.absent.iter().map(|(identity, state)| (identity.clone(), state.clone()));
        let names = new.rollouts.iter().map(|rollout| rollout.name.clone());
        let locks = &self.context.locks;
        let situation = Situation {
            policy: &self.policy,
            states: absent.chain(in_force).collect(),
            locks: names.filter_map(|name| Some((name.clone(), locks.of(&name)?.clone()))).collect(),
            locks_unread: locks.lasting_error().map(|error| (self.context.disk.dir.as_str(), error)),
            never_writable: self.context.disk.never_writable(),
            is_live: true,
            now: now.unix,
        };
        Plan { fits: self.fits(new, now), ..plan(&situation, new) }
    }
}

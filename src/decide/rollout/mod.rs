//! The life of a rollout: its state, its inputs, and the next state.
//!
//! [`state`] is what is stored. [`in_force`] computes the share of users on the canary. [`ramp`] is the schedule,
//! [`promotion`] the next promotion and what it waits for. [`step`] takes one input and returns the next state with the
//! events for the history, and [`write_ahead`] decides which steps have to be on the disk first.
//!
//! Invariants: the share is never above `ramp.max`; only `resume`, `try_again_after` or a higher `attempt` reopens a
//! canary that was rolled back, and only `resume` lifts a human's lock; a rollback wins over a promotion that is due at
//! the same moment; the same trace gives the same steps.

mod command;
pub mod command_result;
pub mod context;
pub mod dry_run;
mod guard_step;
pub mod identity;
pub mod in_force;
pub mod promotion;
pub mod ramp;
pub mod retry_after_rollback;
pub mod rules_fingerprint;
pub mod state;
pub mod step;
mod step_builder;
pub mod write_ahead;

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(in crate::decide) mod tests;

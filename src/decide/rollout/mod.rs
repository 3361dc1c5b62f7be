//! The life of a rollout: its state, its inputs, and the next state.
//!
//! [`state`] is what is stored. [`in_force`] computes the share of users on the canary. [`ramp`] is the schedule,
//! [`outlook`] the next promotion and what it waits for. [`step`] takes one input and returns the next state with the
//! events for the history, and [`written_first`] decides which steps have to be on the disk first.
//!
//! Invariants: the share is never above `ramp.max`; only `resume`, `try_again_after` or a higher `attempt` reopens a
//! canary that was rolled back, and only `resume` lifts a human's lock; a rollback wins over a promotion that is due at
//! the same moment; the same trace gives the same steps.

pub mod answer;
mod command;
mod draft;
mod guarding;
pub mod in_force;
pub mod outlook;
pub mod ramp;
pub mod retry;
pub mod state;
pub mod step;
pub mod terms;
pub mod view;
pub mod written_first;

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(in crate::decide) mod tests;

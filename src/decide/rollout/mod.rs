//! The life of a rollout: what it is now, what can happen to it, and what happens next.
//!
//! [`state`] is what lasts. [`in_force`] says which share of users is on the canary, whatever lies over the ramp.
//! [`ramp`] is the schedule, [`outlook`] what is ahead and what holds it. [`step`] takes one thing that happened and
//! gives the next state with what to write into the history; [`command`] is its part for humans' commands.
//!
//! Invariants: the share is never above `ramp.max`; nothing but `resume`, `try_again_after` or a higher `attempt`
//! reopens a canary that was rolled back, and nothing but `resume` lifts a human's lock; a rollback wins over a
//! promotion that is due at the same moment; the same trace gives the same steps.

pub mod command;
mod guarding;
pub mod in_force;
pub mod outlook;
pub mod ramp;
pub mod state;
pub mod step;
pub mod terms;

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(in crate::decide) mod tests;

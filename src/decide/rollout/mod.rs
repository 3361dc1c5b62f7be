//! The life of a rollout: what it is now, what can happen to it, and what happens next.
//!
//! [`state`] is what lasts. [`in_force`] says which share of users is on the canary, whatever lies over the ramp.
//! [`ramp`] is the schedule, [`outlook`] what is ahead and what holds it. [`step`] takes one thing that happened and
//! gives the next state with what to write into the history, and [`written_first`] says which of it the disk must have
//! first.
//!
//! Invariants: the share is never above `ramp.max`; nothing but `resume`, `try_again_after` or a higher `attempt`
//! reopens a canary that was rolled back, and nothing but `resume` lifts a human's lock; a rollback wins over a
//! promotion that is due at the same moment; the same trace gives the same steps.

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

//! What judges the canary: evidence that it is worse than stable, gathered tick by tick.
//!
//! Fixed thresholds on small windows roll healthy canaries back and miss sick ones. Here each failure is weighed by
//! whom it happened to ([`relative`]), so that an outage of both says nothing; a dead canary has a quicker path
//! ([`down`]), where stable has too little traffic for a comparison, a rate above what is usual ([`cusum`],
//! [`history`]) asks for a confirmation at half. One user counts once in a while ([`user_cap`]), slow answers are
//! events of their own ([`slow`]). [`judge`] holds the numbers of a try and reads them, [`measure`] is what a step is
//! held against, [`rule`] says what can be found, [`grounds`] what a decision was reached by and [`trace`] what was
//! seen, in lines for programs; [`forecast`] says how long what would take to be seen. Decides nothing: what follows is
//! [`rollout::step`](super::rollout::step)'s to say. Refuses to know of time, of counters that still run, and of where
//! numbers are kept.

pub mod aspect;
pub mod ceiling;
pub mod constants;
pub mod cusum;
pub mod down;
pub mod forecast;
pub mod grounds;
pub mod history;
pub mod judge;
pub mod measure;
pub mod numbers;
pub mod relative;
pub mod rule;
pub mod silent;
pub mod slow;
pub mod sources;
pub mod stand_in;
pub mod tick;
pub mod trace;
pub mod user_cap;
pub mod views;
pub mod waiting;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use super::window::Counts;

/// Both arms over the guard's window, at the present share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    /// The old provider's.
    pub stable: Counts,
    /// The new one's.
    pub canary: Counts,
}

//! The guard: evidence that the canary is worse than stable, gathered tick by tick.
//!
//! Fixed thresholds on small windows roll healthy canaries back and miss broken ones. Here each failure is weighed by
//! the arm that it happened on ([`relative`]), so that an outage of both providers is no evidence. A dead canary is
//! detected faster by [`down`] and [`silent`]. Where stable has too little traffic for a comparison, a rate above the
//! usual one ([`cusum`], [`baseline`]) asks for a confirmation at 50%. One user counts once per pause ([`user_cap`]);
//! slow answers are events of their own ([`slow`]). [`analysis`] holds and evaluates the numbers of a try,
//! [`rate_check`] has the limits at the end of a step, [`rule`] lists what can be detected, [`decision_inputs`]
//! collects the inputs of a decision, [`trace`] writes what was seen as lines for programs, and [`forecast`] estimates
//! detection times. Decides nothing: [`rollout::step`](super::rollout::step) does. Reads no clock and no live counters,
//! and stores nothing.

pub mod analysis;
mod arms;
pub mod aspect;
pub mod baseline;
pub mod canary_down;
pub mod ceiling;
pub mod constants;
pub mod cusum;
pub mod decision_inputs;
pub mod down;
pub mod first_output;
pub mod forecast;
pub mod numbers;
pub mod rate_check;
pub mod relative;
pub mod rule;
pub mod silent;
pub mod slow;
pub mod source_sets;
pub mod sources;
pub mod tick;
pub mod trace;
pub mod user_cap;
pub mod waiting;

pub use arms::Arms;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

//! What if: rollouts against stated traffic, thousands of them, beside the rules that others use.
//!
//! A [`traffic`] (or a crowd of [`users`], several [`sources`], timed [`answers`], or answers in [`excess`] or with
//! [`feedback`]) gives
//! ticks, a [`rule`] sees them, a [`rollout`] plays one against the other, [`run`] does it for many seeds on all cores,
//! and a [`summary`] says what became of them. [`guarded`] is the rule that production runs, with the same code. A
//! [`scenario`] is traffic as an operator states it, a [`comparison`] puts the guard and the others in charge of it, a
//! [`replay`] shows the guard what was recorded. Nothing here reads a clock or waits: a simulated day lasts
//! milliseconds. Decides nothing about real traffic, and no other layer but the command line uses it. Invariant: the
//! same seeds give the same result, on any number of cores.

pub mod answers;
pub mod comparison;
pub mod example_run;
pub mod excess;
pub mod feedback;
pub mod guarded;
pub mod inversion;
pub mod normal;
pub mod pauses;
pub mod poisson;
pub mod profile;
pub mod quantiles;
pub mod reference_rules;
pub mod replay;
pub mod rollout;
pub mod rule;
pub mod rule_results;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod sources;
pub mod summary;
pub mod timeline;
pub mod traffic;
pub mod users;
pub mod waits;

//! What if: rollouts against stated traffic, thousands of them, beside the rules that others use.
//!
//! A [`traffic`] (or a crowd of [`users`], or timed [`answers`]) gives ticks, a [`rule`] sees them, a [`rollout`] plays
//! one against the other, [`run`] does it for many seeds on all cores, and a [`tally`] says what became of them.
//! [`guarded`] is the rule that production runs, with the same code. Nothing here reads a clock or waits: a simulated day
//! lasts milliseconds. Decides nothing about real traffic, and no other layer but the command line uses it. Invariant:
//! the same seeds give the same result, on any number of cores.

pub mod answers;
pub mod course;
pub mod guarded;
pub mod inversion;
pub mod normal;
pub mod pauses;
pub mod poisson;
pub mod quantiles;
pub mod rivals;
pub mod rollout;
pub mod rule;
pub mod run;
pub mod schedule;
pub mod tally;
pub mod traffic;
pub mod users;

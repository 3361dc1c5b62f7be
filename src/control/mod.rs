//! The control loop, on a thread of its own: the sole writer of the snapshot and of what is told of it.
//!
//! [`engine`] is its mind, without I/O and without reading a clock: it hands what happens to each [`rollout`], and carries
//! out the [`effects`] that come back. [`shell`] is its hands: it feeds the engine with time, commands, files, lock files
//! and probes, answers commands when they are in force, and has everything that changed written. A panic here ends the
//! thread, and with it the process: `app` watches the handle.
//!
//! The order that a rollback keeps: decide, publish, then wait for the cores and for the disk. Whatever the disk does,
//! users are back on stable first. Whatever sends more users to the canary goes the other way round: decide, write,
//! then publish ([`proposals`]), so that no share was ever seen that a restart forgets.

mod adopt;
mod answered;
pub mod begin;
mod blocks;
mod causes;
mod commands;
mod context;
mod disk;
mod effects;
pub mod engine;
mod events;
mod foresight;
mod identity;
mod lately;
mod ledger;
pub mod lock_files;
mod locksmith;
pub mod now;
mod observe;
pub mod outbox;
mod outlasting;
mod pauses;
mod pending;
mod proposals;
mod providers;
mod recent;
mod refusals;
mod reload;
mod report;
mod rollout;
mod sampling;
mod series;
mod serving;
pub mod shell;
mod start;
mod tracked;
mod traffic;
mod turns;
mod unserved;

pub use shell::{Ask, Prober};
pub use start::{FirstFlags, Setup, Started, start};
pub use unserved::unserved_at_start;

#[cfg(test)]
mod tests;

//! The control loop, on a thread of its own: the sole writer of the snapshot and of what is told of it.
//!
//! [`engine`] is its mind, without I/O and without reading a clock: it hands what happens to each [`rollout`](engine::rollout), and carries
//! out the [`effects`](engine::effects) that come back. [`event_loop`] is its hands: it feeds the engine with time, commands, files, lock files
//! and probes, answers commands when they are in force, and has everything that changed written. A panic here ends the
//! thread, and with it the process: `app` watches the handle.
//!
//! The order that a rollback keeps: decide, publish, then wait for the cores and for the disk. Whatever the disk does,
//! users are back on stable first. Whatever sends more users to the canary goes the other way round: decide, write,
//! then publish ([`committed`](engine::committed)), so that no share was ever seen that a restart forgets.

pub mod engine;
mod event_loop;
mod events;
mod evidence;
pub mod now;
mod pending_commands;
mod persist;
mod report;
mod series;
mod start;

pub use engine::unusable_stable::unserved_at_start;
pub use event_loop::{Ask, Prober};
pub use series::SeriesFactory;
pub use start::{FirstFlags, Setup, Started, start};

#[cfg(test)]
mod tests;

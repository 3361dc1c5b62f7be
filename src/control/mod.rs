//! The control loop, on a thread of its own. It is the sole writer of the snapshot and of the status.
//!
//! Inputs of operators, of the file watcher and of the data plane come in through the inbox. The snapshot and the
//! status go out, and so do writes to the store. [`event_loop`] does the I/O and answers commands. [`engine`] decides,
//! without I/O and without a clock. [`evidence`] is what is observed of requests. [`persist`] is what outlives the
//! process. [`report`] is the status, and
//! [`recorder`] keeps what it was. A panic ends the thread and with it the process: `app` watches the handle.
//!
//! A rollback is decided, published, and then acknowledged by the cores and written to the disk: users are back on
//! stable first, whatever the disk does. A step that sends more users to the canary is decided, written, and then
//! published ([`committed`](engine::committed)), so that a restart cannot undo a share that was in force.

pub mod engine;
mod event_loop;
mod events;
mod evidence;
mod incidents;
mod notify;
pub mod now;
mod pending_commands;
mod persist;
mod prober;
mod receipts;
mod recorder;
mod report;
mod series;
mod start;
mod state_writer;

pub use engine::unusable_stable::rollouts_without_stable_at_start;
pub use notify::{Answer, Deliver, Post};
pub use prober::{Ask, Prober};
pub use start::{FirstFlags, Setup, Started, start};

#[cfg(test)]
mod tests;

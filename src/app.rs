//! The composition root: the one place that knows every layer.
//!
//! [`start()`] reads flags.yaml, opens the state directory, binds every socket, and starts the control loop, the data
//! plane, the operators' ports and the watcher; [`Running`] gives the bound addresses back and waits for the end.
//! Nothing is decided here. The pieces that commands need while no process answers are in [`offline`] and
//! [`registry`]; what the admin API says is in [`api`].

mod bind;
mod drain;
mod in_force_file;
mod initial_flags;
mod memory;
pub mod offline;
mod probing;
pub mod registry;
mod signals;
mod socket;
mod start;
mod start_error;
mod traces;

pub use self::drain::{Ended, Stopper};
pub use self::memory::keep_memory_private;
pub use self::probing::{ComparedEndpoint, ProbeResults, ProbeScope, probe_all};
pub use self::signals::watch as watch_signals;
pub use self::socket::connect as connect_socket;
pub use self::start::{Options, Running, start};
pub use self::start_error::StartError;
pub use crate::proxy::{Redirect, Reply, connect_directly};

/// The admin API's own shapes, for those who read its answers.
pub mod api {
    pub use crate::admin::change::check_reason;
    pub use crate::admin::dto::*;
    pub use crate::admin::users::current as current_user;
    pub use crate::decide::timestamp::Timestamp;
}

#[cfg(test)]
mod tests;

//! Who else may keep what a request names, and what follows from a bad answer to it.
//!
//! Values only: [`failover`](super::failover) asks them, in its part about state. Invariant: nobody is in the list twice,
//! and stable is not in it.

use crate::decide::units::ProviderId;

/// Those that are still to be asked, in order.
#[derive(Debug, Default)]
pub(crate) struct OtherKeepers {
    pub(crate) asked: bool,
    pub(crate) left: Vec<ProviderId>,
}

/// What follows from a bad answer to a request that names state.
pub(crate) enum NextKeeper {
    /// What follows from it otherwise.
    None,
    /// This one is asked.
    Ask(ProviderId),
    /// This one has it, and its answer goes out.
    Found,
    /// The client gets stable's answer.
    Nobody,
}

//! A lookup among the other providers that may have what a request names, and what follows from a bad answer to it.
//!
//! Values only: [`failover`](super::failover) makes and asks them, in its part about state. Invariant: nobody is in the
//! list twice, and stable is not in it.

use super::deadline::Deadline;
use crate::decide::units::ProviderId;

/// Those that are still to be asked, in order, and until when.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// `None`: it has not begun.
    pub(crate) deadline: Option<Deadline>,
    pub(crate) left: Vec<ProviderId>,
    /// Whether one of them failed, so that it is not known that nobody has it.
    pub(crate) failed: bool,
}

impl Lookup {
    pub(crate) const fn has_begun(&self) -> bool {
        self.deadline.is_some()
    }
}

/// What follows from a bad answer to a request that names state.
pub(crate) enum NextOwner {
    /// What follows from it otherwise.
    None,
    /// This one is asked.
    Ask(ProviderId),
    /// The client gets the failure that is remembered.
    GiveUp,
}

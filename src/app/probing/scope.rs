//! Which providers of a file are asked.
//!
//! By their ids in the policy; names are the command line's. None named means all, so that a scope that nobody narrowed
//! asks everybody.

use crate::decide::units::ProviderId;

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeScope {
    /// These; empty: all.
    pub only: Vec<ProviderId>,
}

impl ProbeScope {
    /// Whether this provider is asked.
    #[must_use]
    pub fn has(&self, id: ProviderId) -> bool {
        self.only.is_empty() || self.only.contains(&id)
    }
}

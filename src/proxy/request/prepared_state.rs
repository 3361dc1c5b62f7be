//! What is prepared once for each version of the file, so that the state is found which a request names.
//!
//! Owns the providers' numbers in the table of ids, and the words without which a body names none. Looks nothing up:
//! [`named_state`](super::named_state) does. Invariant: without a canary and without ids no request is read for them.

use std::sync::Arc;

use crate::decide::policy::{Policy, Provider};
use crate::decide::units::ProviderId;
use crate::state::state_ids::{OwnerId, StateIds};
use crate::wire::path;
use crate::wire::state_ids::{Needles, body_names};

/// What is prepared for one version of the file.
#[derive(Debug)]
pub(crate) struct PreparedState {
    /// Whether any request may have to go elsewhere for what it names.
    pub(super) is_split: bool,
    /// The providers' numbers, by provider id.
    owners: Box<[Option<OwnerId>]>,
    pub(crate) needles: Needles,
}

impl PreparedState {
    pub(super) fn new(policy: &Policy, ids: &StateIds) -> PreparedState {
        let is_split = policy.rollouts.iter().any(|rollout| rollout.canary.is_some()) || !ids.is_empty();
        let number = |provider: &Arc<Provider>| ids.owner(&provider.name, &provider.base_url.to_string());
        let owners = if is_split { policy.providers.iter().map(number).collect() } else { Box::default() };
        PreparedState { is_split, owners, needles: Needles::default() }
    }

    /// Whether a JSON body at this path below the mount may name ids that decide where it goes.
    pub(super) fn reads_body(&self, path: &str) -> bool {
        self.is_split && body_names(&path::plain(path))
    }

    /// The number under which a provider keeps something.
    pub(crate) fn owner(&self, id: ProviderId) -> Option<OwnerId> {
        self.owners.get(usize::from(id.0)).copied().flatten()
    }

    pub(super) fn provider(&self, owner: OwnerId) -> Option<ProviderId> {
        let at = self.owners.iter().position(|known| *known == Some(owner))?;
        u16::try_from(at).ok().map(ProviderId)
    }
}

//! How a verdict of the application becomes evidence for the guard.
//!
//! A verdict counts in the epoch of its request, and only while that is the present one. A verdict on a user belongs to
//! the present epoch, and to the only source, since a user does not say from where requests came. Invariant: a user
//! counts once in a while, however many verdicts there are.

use super::{EvidenceCollector, RequestEpoch};
use crate::decide::guard::sources::SourceGroup;
use crate::decide::units::Millis;
use crate::decide::verdict::Weight;
use crate::state::pause_masks::Attribution;
use crate::state::request_seal::SealedRequest;

impl EvidenceCollector {
    /// In which epoch of this rollout the request was planned; `None`: in none, or in one of long ago.
    pub(in crate::control) fn epoch_of(&self, request: &SealedRequest) -> Option<RequestEpoch> {
        let place = self.block_ids().position(|block| request.is_of(block))?;
        Some(if place == 0 { RequestEpoch::Present } else { RequestEpoch::Earlier })
    }

    /// The source of a verdict that says none; `None`: there are several.
    pub(in crate::control) fn only_source(&self) -> Option<SourceGroup> {
        (!self.has_several_sources()).then(|| self.sources.alone().unwrap_or_default())
    }

    /// Counts a verdict of the present epoch; false: its user is paused.
    pub(in crate::control) fn verdict(&mut self, whose: Attribution, good: bool, weight: Weight, now: Millis) -> bool {
        let counts = self.pauses.verdict(whose, good, now);
        if counts {
            self.epoch.count_verdict(whose, good, weight);
        }
        counts
    }
}

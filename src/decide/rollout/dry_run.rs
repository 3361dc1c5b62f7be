//! The effect that a command would have on a rollout, before anybody gives it.
//!
//! Values, taken from the same [`step`](super::step) that carries the command out;
//! [`describe::dry_run`](crate::describe::dry_run) writes the sentences. Changes nothing. Invariant: `from` is the share
//! in force, and `to` the share right after the command.

use std::collections::BTreeMap;

use super::command_result::CommandNote;
use super::in_force::EffectiveShare;
use super::state::RolloutCommand;
use crate::decide::units::{Arm, Percent};

/// What a command would do to one rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct DryRun {
    pub rollout: String,
    /// The stable provider's name.
    pub stable: String,
    /// The canary's.
    pub canary: String,
    pub verb: RolloutCommand,
    /// What is in force.
    pub from: EffectiveShare,
    /// What would be in force.
    pub to: EffectiveShare,
    /// Pinned users who would go to the other arm.
    pub pinned: usize,
    /// Requests in flight at the canary.
    pub open_on_canary: u64,
    /// Whether these would be ended.
    pub hard: bool,
    pub notes: Vec<CommandNote>,
}

impl DryRun {
    /// The first and the last bucket whose users would go to the other arm.
    #[must_use]
    pub fn buckets(&self) -> Option<(u16, u16)> {
        let (one, other) = (self.from.percent.hundredths(), self.to.percent.hundredths());
        (one != other).then(|| (one.min(other), one.max(other) - 1))
    }
}

/// The number of users that the file pins to the canary and who are on it at this share.
#[must_use]
pub fn pinned_on_canary(pins: &BTreeMap<String, Arm>, share: &EffectiveShare) -> usize {
    if share.percent == Percent::ZERO || share.buckets_only {
        return 0;
    }
    pins.values().filter(|arm| **arm == Arm::Canary).count()
}

//! One unit a rollout: an input in, effects out.

pub(super) mod apply_policy;
pub(super) mod availability;
pub mod bootstrap;
pub(super) mod commands;
pub(super) mod committed;
pub(super) mod context;
pub mod dispatch;
pub(super) mod effects;
pub(super) mod entry;
pub(super) mod forecast;
pub(super) mod identity;
pub(super) mod providers;
pub(super) mod reload;
pub(super) mod rollout;
pub(super) mod unusable_stable;

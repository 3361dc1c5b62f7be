//! The canary of a rollout: which share of the users it gets, by which schedule, and what follows from a regression.
//!
//! Shapes only. Which share is in force is decided by [`decide::rollout`](crate::decide::rollout), and the judgement is
//! [`Guard`]'s. Invariant: stages ascend, and none is above the ramp's `max`.

use serde::{Deserialize, Serialize};

use super::copies::{Compare, Rehearse};
use super::guard::{Guard, OnRegression};
use crate::decide::units::{Millis, Percent, ProviderId, UnixMillis};

/// The new provider and how users get there.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Who serves the canary arm.
    pub provider: ProviderId,
    /// What the file asks for.
    pub percent: Intent,
    /// The schedule that `auto` follows.
    pub ramp: Ramp,
    /// What judges the canary.
    pub guard: Guard,
    /// What the guard does about a regression.
    pub on_regression: OnRegression,
    /// The share that an automatic rollback goes back to.
    pub rollback_to: Percent,
    /// When an automatic rollback is tried again by itself; `None`: never.
    pub try_again_after: Option<Millis>,
    /// A number higher than the one rolled back begins a new try.
    pub attempt: u32,
    /// What is copied to it before its first user; `None`: nothing.
    pub rehearse: Option<Rehearse>,
    /// What is copied to it after that; `None`: nothing.
    pub compare: Option<Compare>,
}

/// `percent:` as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// The ramp decides.
    Auto,
    /// A human decides.
    Pinned(Percent),
}

/// The schedule of promotions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// The stages after 0, ascending, the last one at most `max`: 10%, 25%, ...
    pub stages: Vec<Percent>,
    /// How long the first stage lasts at least.
    pub hold_start: Millis,
    /// How long each later stage lasts at least.
    pub every: Millis,
    /// Never above this, whatever asks for it.
    pub max: Percent,
    /// Where state cannot be written: when the first stage began.
    pub from: Option<UnixMillis>,
    /// When promotions may happen; `None`: always.
    pub hours: Option<Hours>,
}

/// A weekly time window in which promotions may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight, from (inclusive).
    pub from: u16,
    /// Minutes after midnight, to (exclusive); may lie before `from`: over midnight.
    pub to: u16,
    /// Minutes east of UTC.
    pub offset: i16,
}

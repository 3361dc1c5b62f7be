//! The stored state of a rollout: the ramp's progress, the guard's numbers, and locks of humans.
//!
//! Owns the types that the store saves, the control loop passes on and the surfaces show. A change of a rollout is an
//! [`Event`](crate::decide::event::Event). Invariant: a state belongs to one [`Identity`]; another pair of providers or
//! another salt is another rollout and begins anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::decide::event::decision::{Decision, Regression};
use crate::decide::guard::analysis::Analysis;
use crate::decide::guard::constants::Constants;
use crate::decide::guard::rule::Rule;
use crate::decide::guard::user_cap::SavedPause;
use crate::decide::units::{Millis, Percent, UnixMillis};

/// What makes a rollout the same rollout over edits and restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The rollout's name.
    pub rollout: String,
    /// The stable provider's base_url.
    pub stable: String,
    /// The canary's base_url.
    pub canary: String,
    /// The salt; empty: none.
    pub salt: String,
}

/// What a rollout's own progress is. Locks, blocks and pins lie over it and are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct RolloutState {
    /// Where the ramp stands.
    pub phase: Phase,
    /// The ramp's share: what `auto` would send to the canary if nothing lay over it.
    pub percent: Percent,
    /// When this phase or stage began.
    pub since: UnixMillis,
    /// The highest `attempt:` begun so far.
    pub attempt: u32,
    /// A human's rollback.
    pub lock: Option<Lock>,
    /// Whether with that lock everything was moved that the canary keeps: nobody is sent there for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub state_moved: bool,
    /// A hold on promotions until resumed. Rollbacks happen all the same.
    pub paused: Option<Pause>,
    /// Counts the evidence periods: judgement begins afresh whenever it rises.
    pub epoch: u64,
    /// The share that was last in force, with everything that overrides the ramp: what a change starts from.
    pub in_force: Percent,
    /// Tries of this attempt that the guard ended and that were begun again without a human.
    pub retries: u32,
    /// How often the guard went one stage back in this attempt.
    pub step_backs: u32,
    /// By which rules the guard judges; `None`: not known.
    pub judged_by: Option<u64>,
    /// How long it has been rolled back, as the monotonic clock saw it.
    pub waited: Millis,
    /// The guard's numbers.
    #[serde(rename = "judge")]
    pub analysis: Analysis,
    /// Users who fail again and again, as far as they were written. Shared, since a state is copied at every look.
    #[serde(serialize_with = "as_list")]
    pub pauses: Arc<[SavedPause]>,
}

fn as_list<S: Serializer>(pauses: &Arc<[SavedPause]>, serializer: S) -> Result<S::Ok, S::Error> {
    pauses.as_ref().serialize(serializer)
}

impl RolloutState {
    /// A new rollout: no users on the canary, waiting for its first answer to a probe.
    #[must_use]
    pub fn new(attempt: u32, now: UnixMillis) -> RolloutState {
        RolloutState {
            phase: Phase::Probing,
            percent: Percent::ZERO,
            since: now,
            attempt,
            lock: None,
            state_moved: false,
            paused: None,
            epoch: 1,
            in_force: Percent::ZERO,
            retries: 0,
            step_backs: 0,
            judged_by: None,
            waited: Millis(0),
            analysis: Analysis::new(&Constants::default()),
            pauses: Arc::default(),
        }
    }

    /// How many judgements of this attempt there were before this one: each has half of what is left of the budget.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.retries.saturating_add(self.step_backs)
    }

    /// Whether the change has to be reported: every one but numbers that accumulate with time.
    #[must_use]
    pub fn is_reportable_change_from(&self, before: &RolloutState) -> bool {
        let visible = |state: &RolloutState| (state.percent, state.since, state.attempt, state.epoch, state.in_force);
        visible(self) != visible(before)
            || self.phase != before.phase
            || self.lock != before.lock
            || self.state_moved != before.state_moved
            || self.paused != before.paused
            || self.tries() != before.tries()
    }
}

// The stored form. An earlier version has no numbers of the guard. The numbers of a later version cannot be read and
// are dropped: another try begins, with what is left of the budget of false rollbacks.
#[derive(Deserialize)]
struct Stored {
    phase: Phase,
    percent: Percent,
    since: UnixMillis,
    attempt: u32,
    lock: Option<Lock>,
    #[serde(default)]
    state_moved: bool,
    paused: Option<Pause>,
    epoch: u64,
    in_force: Percent,
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    step_backs: u32,
    #[serde(default)]
    judged_by: Option<u64>,
    #[serde(default)]
    waited: Millis,
    #[serde(rename = "judge")]
    analysis: Option<StoredAnalysis>,
    #[serde(default)]
    pauses: Vec<SavedPause>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredAnalysis {
    Known(Box<Analysis>),
    Unknown(serde::de::IgnoredAny),
}

impl From<Stored> for RolloutState {
    fn from(stored: Stored) -> RolloutState {
        let Stored { phase, percent, since, attempt, lock, paused, epoch, in_force, waited, pauses, .. } = stored;
        let anew = || Analysis::new(&Constants::default());
        let (analysis, lost) = match stored.analysis {
            None => (anew(), 0),
            Some(StoredAnalysis::Known(analysis)) => (*analysis, 0),
            Some(StoredAnalysis::Unknown(_)) => (anew(), 1),
        };
        let (retries, judged_by) = (stored.retries, stored.judged_by);
        // It costs a share of the budget, and none of the retries that the file allows.
        let step_backs = stored.step_backs.saturating_add(lost).min(Constants::default().most_retries);
        RolloutState {
            phase,
            percent,
            since,
            attempt,
            lock,
            state_moved: stored.state_moved,
            paused,
            epoch,
            in_force,
            retries,
            step_backs,
            judged_by,
            waited,
            analysis,
            pauses: pauses.into(),
        }
    }
}

/// Where a ramp stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// At 0 until the canary has answered a probe.
    Probing,
    /// At a stage of the ramp.
    Ramping,
    /// At a stage where stable has too little traffic to be compared with: half of the users are with each, for a
    /// while.
    Confirming {
        /// Whether the ramp had come to its end.
        completed: bool,
    },
    /// Taken back by the guard.
    RolledBack {
        /// When.
        at: UnixMillis,
        /// Why.
        cause: Regression,
        /// Whether the canary has no users left, whatever `rollback_to` is: those who were left failed as well.
        #[serde(default)]
        emptied: bool,
    },
    /// At the ramp's last stage, and held for its time.
    Completed,
}

/// A hold on promotions, a human's or the guard's; only `resume` lifts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// Why, in a human's words or in a sentence of an earlier version; empty: not said.
    pub reason: String,
    /// Whether it is the guard's, for something that it found.
    #[serde(default)]
    pub regression: bool,
    /// What the guard has found and held the rollout for since then, each reported once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Of its own pause: what it found, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Decision>,
}

/// A human's rollback; only `resume` lifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The share it holds the rollout at; 0 unless `--to` said otherwise.
    pub to: Percent,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
}

/// What an operator can ask of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum RolloutCommand {
    /// Lock it at `to`.
    Rollback {
        /// The share it is held at.
        to: Percent,
    },
    /// Lift the lock, the pause and an automatic rollback; the ramp goes on, at this share when given.
    Resume {
        /// Where the ramp goes on.
        at: Option<Percent>,
    },
    /// No promotion until resumed.
    Pause,
    /// To the next stage now, or to this share.
    Promote {
        /// Which share.
        to: Option<Percent>,
    },
}

/// The one word for a rollout's phase, with everything that overrides its ramp. The `phase` label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverallPhase {
    /// A human rolled it back.
    Locked,
    /// The canary cannot be used.
    Blocked,
    /// The guard rolled it back.
    RolledBack,
    /// The file pins its share.
    Pinned,
    /// A human holds the ramp.
    Paused,
    /// At 0 until the canary has answered a probe.
    Probing,
    Ramping,
    /// Half of the users with each, to see which is to blame.
    Confirming,
    /// At the ramp's end.
    Completed,
}

impl OverallPhase {
    pub const ALL: [OverallPhase; 9] = [
        OverallPhase::Locked,
        OverallPhase::Blocked,
        OverallPhase::RolledBack,
        OverallPhase::Pinned,
        OverallPhase::Paused,
        OverallPhase::Probing,
        OverallPhase::Ramping,
        OverallPhase::Confirming,
        OverallPhase::Completed,
    ];

    /// The word used in status, metrics and history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            OverallPhase::Locked => "locked",
            OverallPhase::Blocked => "blocked",
            OverallPhase::RolledBack => "rolled_back",
            OverallPhase::Pinned => "pinned",
            OverallPhase::Paused => "paused",
            OverallPhase::Probing => "probing",
            OverallPhase::Ramping => "ramping",
            OverallPhase::Confirming => "confirming",
            OverallPhase::Completed => "completed",
        }
    }
}

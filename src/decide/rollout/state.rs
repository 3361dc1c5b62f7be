//! What is known of a rollout beyond the file: the machine's own state, the locks of humans, and what is told of both.
//!
//! Owns the shapes that the store keeps, the control loop hands on and the surfaces show. Invariant: a state belongs
//! to one [`Identity`]; another pair of providers or another salt is another rollout and begins anew.

use serde::{Deserialize, Serialize};

use crate::decide::units::{Percent, UnixMillis};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A hold on promotions until resumed. Rollbacks happen all the same.
    pub paused: Option<Pause>,
    /// Counts the evidence periods: judgement begins afresh whenever it rises.
    pub epoch: u64,
    /// The share that was last put in force, all that lies over the ramp included: what a change is a change from.
    pub in_force: Percent,
}

impl RolloutState {
    /// A rollout that was never seen before: nobody on the canary, waiting for its first answer to a probe.
    #[must_use]
    pub const fn new(attempt: u32, now: UnixMillis) -> RolloutState {
        RolloutState {
            phase: Phase::Probing,
            percent: Percent::ZERO,
            since: now,
            attempt,
            lock: None,
            paused: None,
            epoch: 1,
            in_force: Percent::ZERO,
        }
    }
}

/// Where a ramp stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// At 0 until the canary has answered a probe.
    Probing,
    /// At a stage of the ramp.
    Ramping,
    /// Taken back by the guard.
    RolledBack {
        /// When.
        at: UnixMillis,
        /// Why, in a sentence with its numbers.
        cause: String,
    },
    /// At the ramp's last stage, and held for its time.
    Completed,
}

/// A hold on promotions; only `resume` lifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// Why; empty: not said.
    pub reason: String,
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

/// One line of the history: something that changed what is in force, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// Which rollout; `None`: the file or the process.
    pub rollout: Option<String>,
    /// Who: a human's name, `guard`, `ramp`, `flags` or `serin`.
    pub actor: String,
    /// What was done: `promote`, `rollback`, `resume`, `pause`, `complete`, `attempt`, `reload`, `refuse`, ...
    pub action: String,
    /// Why, in a sentence.
    pub reason: String,
    /// The share in force before.
    pub from: Percent,
    /// The share in force after.
    pub to: Percent,
    /// What it was decided by, as name and value: counts and rates of both arms.
    pub numbers: Vec<(String, String)>,
    /// The version of flags.yaml in force.
    pub generation: u64,
}

/// What an operator can ask of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
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

/// The one word for where a rollout is, over all that lies over its ramp. The `phase` label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
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
    /// On the ramp.
    Ramping,
    /// At the ramp's end.
    Completed,
}

impl Standing {
    /// All of them.
    pub const ALL: [Standing; 8] = [
        Standing::Locked,
        Standing::Blocked,
        Standing::RolledBack,
        Standing::Pinned,
        Standing::Paused,
        Standing::Probing,
        Standing::Ramping,
        Standing::Completed,
    ];

    /// The word used in status, metrics and history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Locked => "locked",
            Standing::Blocked => "blocked",
            Standing::RolledBack => "rolled_back",
            Standing::Pinned => "pinned",
            Standing::Paused => "paused",
            Standing::Probing => "probing",
            Standing::Ramping => "ramping",
            Standing::Completed => "completed",
        }
    }
}

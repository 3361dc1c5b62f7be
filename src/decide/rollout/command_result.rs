//! The result of a command: why it is not carried out, or what its sender should know.
//!
//! Values; [`describe::command`](crate::describe::command) writes the sentences, and [`command`](super::command)
//! decides whether a command is carried out.

use super::in_force::ShareReason;
use crate::decide::units::{Millis, Percent};

/// What a command's sender should know besides.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandNote {
    /// The share stays, since a rollback never raises it.
    Stays(Percent),
    /// The file pins this share, so that a pause holds nothing yet.
    Pinned(Percent),
    /// It was paused already.
    PausedBy(String),
    NothingHeld(ShareReason),
    /// The ramp begins again at this stage when the canary has answered a probe.
    BeginsAgain(Percent),
    /// It stays at 0%.
    Blocked(String),
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandRefusal {
    /// It was rolled back, so that only `resume` takes it to a share.
    RolledBack,
    /// The canary cannot be used.
    Blocked(String),
    /// It is being confirmed, and goes on at this share by itself.
    Confirming(Percent),
    /// It is at the end of its ramp.
    AtEnd(Percent),
    /// It is at this share or above it already.
    Above {
        /// The share in force.
        percent: Percent,
        asked: Percent,
    },
    /// The file pins this share.
    Pinned {
        percent: Percent,
        /// Whether it was a `resume` that named another.
        resumes: bool,
    },
    /// It follows `ramp.from` and the clock.
    Clock,
    /// The share is above `ramp.max`.
    AboveMax(Percent),
}

/// Why a command comes to nothing for another reason than where its rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandObstacle {
    /// It is for one rollout, and names none of these.
    Unnamed {
        /// Their names.
        known: String,
    },
    /// What it names has no canary.
    PlainRoute,
    /// The same, where canary and stable were to be compared.
    NothingToCompare,
    /// It has to outlive a restart, and state cannot be written.
    Unwritable {
        /// The share that stays in force.
        stays: Percent,
        /// Where.
        dir: String,
        /// What the system said.
        error: String,
    },
    /// The same, and the disk has not answered for this long.
    Unanswered {
        /// The share that stays in force.
        stays: Percent,
        /// How long.
        after: Millis,
    },
    /// Something else took its place while it was being written.
    Overtaken,
    /// A rollback came while it was being resumed.
    RolledBackAgain,
}

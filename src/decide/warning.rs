//! Conditions of a process and its file that are unusual, although both are in force.
//!
//! Shown with the status while they last. They move no users. [`describe::warning`](crate::describe::warning) writes
//! the text.

use serde::{Deserialize, Serialize};

/// Something unusual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// A key was edited that takes a restart.
    FixedEdit {
        key: String,
        /// What stays in force; `None`: the default.
        old: Option<String>,
        /// What the file has now.
        new: Option<String>,
    },
    /// The process may open too few files for as many connections as the file allows.
    FewerConnections {
        /// What the file has.
        asked: u32,
        /// What is in force.
        most: u32,
    },
    /// A lock is kept for a rollout that the file does not have.
    StrayLock {
        /// Its name.
        rollout: String,
    },
    /// A rollout's stable is the canary of one that was rolled back.
    StableTakenBack(RolledBackStable),
}

/// A stable that is the canary of a rollout which was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBackStable {
    /// Whose stable it is.
    pub rollout: String,
    /// Its address.
    pub stable: String,
    /// Whose canary it is.
    pub other: String,
}

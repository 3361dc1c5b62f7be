//! Whether requests of a rollout are copied at present, and why not.
//!
//! One word for every surface. What it follows from is looked at by control. Invariant: nothing is copied by a rollout
//! that was taken back.

/// Whether requests are copied, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyMode {
    /// The file asks for none now.
    Off,
    /// Before the first user.
    Rehearsing,
    /// The rehearsal was not passed, and begins again after a while.
    RehearsalFailed,
    /// After that.
    Comparing,
    /// The rollout was taken back or is pinned at 0, or the canary cannot be used.
    TakenBack,
    /// Everybody is on the canary: stable has no request to copy.
    NothingOnStable,
}

impl CopyMode {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            CopyMode::Off => "off",
            CopyMode::Rehearsing => "rehearsing",
            CopyMode::RehearsalFailed => "rehearsal_failed",
            CopyMode::Comparing => "comparing",
            CopyMode::TakenBack => "taken_back",
            CopyMode::NothingOnStable => "nothing_on_stable",
        }
    }
}

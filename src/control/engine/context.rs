//! What every rollout of a process shares when something happens to it: the file, the disk, the locks, the evidence.
//!
//! The engine owns it and changes it; a rollout is lent it for one input and changes nothing in it. Blocks of evidence know
//! how many were made, and that is all that an input leaves here.

use crate::control::evidence::blocks::Blocks;
use crate::control::persist::disk::Disk;
use crate::control::persist::locks::Locks;
use crate::state::status::FlagsStatus;

/// What all rollouts share.
#[derive(Debug)]
pub(in crate::control) struct Context {
    /// flags.yaml as it is in force.
    pub(in crate::control) flags: FlagsStatus,
    pub(in crate::control) disk: Disk,
    pub(in crate::control) locks: Locks,
    pub(in crate::control) blocks: Blocks,
    /// How many rollouts and plain routes the file has.
    pub(in crate::control) rollouts: usize,
}

//! What every rollout of a process shares when something happens to it: the file, the disk, the locks, the evidence.
//!
//! The engine owns it and changes it; a rollout is lent it for one input and changes nothing in it. Blocks of evidence know
//! how many were made, and that is all that an input leaves here.

use super::blocks::Blocks;
use super::disk::Disk;
use super::lock_files::Locks;
use crate::state::status::FlagsStatus;

/// What all rollouts share.
#[derive(Debug)]
pub(super) struct Context {
    /// flags.yaml as it is in force.
    pub(super) flags: FlagsStatus,
    pub(super) disk: Disk,
    pub(super) locks: Locks,
    pub(super) blocks: Blocks,
    /// How many rollouts and plain routes the file has.
    pub(super) rollouts: usize,
}

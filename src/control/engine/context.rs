//! What all rollouts of a process share: the file, the disk, the locks and the evidence blocks.
//!
//! The engine owns it and changes it. A rollout borrows it for one input and changes nothing in it, except that
//! creating an evidence block raises the count of blocks.

use super::comparisons::Comparisons;
use crate::control::evidence::blocks::EvidenceBlocks;
use crate::control::persist::disk::Disk;
use crate::control::persist::locks::Locks;
use crate::state::status::FlagsStatus;

#[derive(Debug)]
pub(in crate::control) struct ProcessContext {
    /// flags.yaml as it is in force.
    pub(in crate::control) flags: FlagsStatus,
    pub(in crate::control) disk: Disk,
    pub(in crate::control) locks: Locks,
    pub(in crate::control) blocks: EvidenceBlocks,
    /// What is known of copies, by rollout.
    pub(super) comparisons: Comparisons,
    /// The number of rollouts and plain routes in the file.
    pub(super) rollouts: usize,
}

//! Sentences for a state directory that does not last.
//!
//! Used at the start, in the status and in the reply to a rollback. Decides nothing. Invariant: each sentence contains
//! the moment at which the state is lost.

use crate::decide::ephemeral::Ephemeral;

/// The sentence for the directory.
#[must_use]
pub fn state(dir: &str, kind: Ephemeral) -> String {
    let kept = match kind {
        Ephemeral::Memory => "is in memory and is lost when the machine or the container stops",
        Ephemeral::ContainerLayer => "is in the container's own layer and is lost when the container is replaced",
        Ephemeral::EmptyDir => "is an emptyDir and is lost with the pod",
    };
    format!("state in {dir} {kept}; keep it on a disk or a volume (`state`, or --state)")
}

/// The sentence for a lock in it.
#[must_use]
pub fn lock(kind: Ephemeral) -> String {
    let ends = match kind {
        Ephemeral::Memory => "in memory, and ends when the machine or the container stops",
        Ephemeral::ContainerLayer => "in the container's own layer, and ends when the container is replaced",
        Ephemeral::EmptyDir => "in an emptyDir, and ends with the pod",
    };
    format!("the lock is {ends}; `percent: 0` in flags.yaml lasts")
}

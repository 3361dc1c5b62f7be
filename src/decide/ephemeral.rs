//! Why the content of a state directory does not survive a restart.
//!
//! A lock in memory, in a container's own layer or in an `emptyDir` is lost with the machine, the container or the pod.
//! Owns the kinds. The store reads the system to tell them apart; [`describe`](crate::describe::ephemeral) writes the
//! text.

/// Why a directory does not last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    /// It is in memory (tmpfs, ramfs).
    Memory,
    /// It is in a container's own layer.
    ContainerLayer,
    /// It is an `emptyDir` of Kubernetes.
    EmptyDir,
}

impl Ephemeral {
    pub const ALL: [Ephemeral; 3] = [Ephemeral::Memory, Ephemeral::ContainerLayer, Ephemeral::EmptyDir];

    /// One word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ephemeral::Memory => "memory",
            Ephemeral::ContainerLayer => "container_layer",
            Ephemeral::EmptyDir => "empty_dir",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Ephemeral> {
        Ephemeral::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

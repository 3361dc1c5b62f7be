//! What is kept over restarts.

pub(super) mod checkpoint;
pub(super) mod disk;
pub(super) mod lock_files;
pub(super) mod locks;
pub(super) mod outbox;
pub(super) mod write_queue;

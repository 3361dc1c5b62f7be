//! What outlives the process: states, events, the last good file and lock files.
//!
//! The engine's [`outbox`] comes in; batches for the store and lock files go out, and their results come back. Decides
//! nothing about rollouts, and does not know the engine.
//!
//! In the order of a write: [`checkpoint`] says when evidence is due. [`outbox`] holds what must be written.
//! [`write_queue`] writes it in batches, with [`proposals`] once each. [`disk`] keeps the result. [`lock_files`] reads
//! and writes lock files, and [`locks`] keeps what they say.

pub(super) mod checkpoint;
pub(super) mod disk;
pub(super) mod lock_files;
pub(super) mod locks;
pub(super) mod outbox;
pub(super) mod proposals;
pub(super) mod write_queue;

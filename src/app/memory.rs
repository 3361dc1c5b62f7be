//! Keeps the process' memory, and with it every key, from other processes of the same user.
//!
//! Not dumpable means: no core dump, no debugger without root, and the files of `/proc/PID` that tell of memory,
//! environment and descriptors belong to root. What others may read of a process all the same (its status, its command
//! line) has no key in it. Root sees everything, now as before.

use std::io;

/// From now on.
///
/// # Errors
/// Where the system does not know of it.
#[cfg(target_os = "linux")]
pub fn keep_memory_private() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Other systems have other ways.
#[cfg(not(target_os = "linux"))]
pub fn keep_memory_private() -> io::Result<()> {
    Ok(())
}

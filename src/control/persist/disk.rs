//! Whether the state directory can be written, according to the last write.
//!
//! Reports the first failure and the recovery, and no failure in between. A directory that cannot be written now may
//! become writable, so a change that must outlive the process waits for it. If it could never be written since the
//! start, nothing waits. Writes nothing itself.

use crate::decide::ephemeral::Ephemeral;
use crate::decide::event::Alert;

/// The state directory.
#[derive(Debug)]
pub(in crate::control) struct Disk {
    pub(in crate::control) dir: String,
    ephemeral: Option<Ephemeral>,
    error: Option<String>,
    ever_written: bool,
}

impl Disk {
    /// `error`: why it cannot be written at the start. `ephemeral`: why it does not outlast the process or the machine.
    pub(in crate::control) fn new(dir: String, error: Option<String>, ephemeral: Option<Ephemeral>) -> Disk {
        Disk { dir, ever_written: error.is_none(), error, ephemeral }
    }

    /// Why the directory does not last, if that is known.
    pub(in crate::control) const fn ephemeral(&self) -> Option<Ephemeral> {
        self.ephemeral
    }

    /// Why it cannot be written now. `None`: it can.
    pub(in crate::control) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether any write has succeeded since the start.
    pub(in crate::control) const fn was_ever_written(&self) -> bool {
        self.ever_written
    }

    /// Why it cannot be written now although it could be before.
    pub(in crate::control) fn unwritable(&self) -> Option<&str> {
        self.error().filter(|_| self.ever_written)
    }

    /// Why it could never be written since the start.
    pub(in crate::control) fn never_writable(&self) -> Option<&str> {
        self.error().filter(|_| !self.ever_written)
    }

    /// The alert of the current failure.
    pub(in crate::control) fn alert(&self) -> Option<Alert> {
        self.error.clone().map(|error| Alert::Unwritable { dir: self.dir.clone(), error })
    }

    /// Records the result of a batch. Returns the alert to emit, and whether the error has changed.
    pub(in crate::control) fn record_result(&mut self, result: &Result<(), String>) -> (Option<Alert>, bool) {
        self.ever_written |= result.is_ok();
        let before = std::mem::replace(&mut self.error, result.as_ref().err().cloned());
        let alert = match (&before, &self.error) {
            (None, Some(_)) => self.alert(),
            (Some(_), None) => Some(Alert::Writable { dir: self.dir.clone() }),
            _ => None,
        };
        (alert, before != self.error)
    }
}

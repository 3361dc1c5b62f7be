//! Whether state can be written, as far as the last writing said.
//!
//! Tells of the first failure and of its end, however often and differently it fails between. What cannot be written now
//! may be later, so that whatever must outlive the process waits for it; where state could never be written since the
//! start nothing can be remembered, and nothing waits. Writes nothing itself.

use crate::decide::ephemeral::Ephemeral;
use crate::decide::event::Notice;

/// The state directory.
#[derive(Debug)]
pub(in crate::control) struct Disk {
    /// Where it is.
    pub(in crate::control) dir: String,
    ephemeral: Option<Ephemeral>,
    error: Option<String>,
    ever_written: bool,
}

impl Disk {
    /// `error`: why it cannot be written from the start. `ephemeral`: why it does not last.
    pub(in crate::control) fn new(dir: String, error: Option<String>, ephemeral: Option<Ephemeral>) -> Disk {
        Disk { dir, ever_written: error.is_none(), error, ephemeral }
    }

    /// Why what is written does not last, where that is known.
    pub(in crate::control) const fn ephemeral(&self) -> Option<Ephemeral> {
        self.ephemeral
    }

    /// Why nothing can be written now; `None`: all is well.
    pub(in crate::control) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether what was written once is there after a restart.
    pub(in crate::control) const fn remembers(&self) -> bool {
        self.ever_written
    }

    /// Why state that could be written before cannot be now.
    pub(in crate::control) fn unwritable(&self) -> Option<&str> {
        self.error().filter(|_| self.ever_written)
    }

    /// Why state could never be written since the start.
    pub(in crate::control) fn never_writable(&self) -> Option<&str> {
        self.error().filter(|_| !self.ever_written)
    }

    /// What is told while it cannot be written.
    pub(in crate::control) fn notice(&self) -> Option<Notice> {
        self.error.clone().map(|error| Notice::Unwritable { dir: self.dir.clone(), error })
    }

    /// A batch was written, or why not. Returns what is to be told, and whether anything is different.
    pub(in crate::control) fn saved(&mut self, result: &Result<(), String>) -> (Option<Notice>, bool) {
        self.ever_written |= result.is_ok();
        let before = std::mem::replace(&mut self.error, result.as_ref().err().cloned());
        let notice = match (&before, &self.error) {
            (None, Some(_)) => self.notice(),
            (Some(_), None) => Some(Notice::Writable { dir: self.dir.clone() }),
            _ => None,
        };
        (notice, before != self.error)
    }
}

//! A line of what a probe found, and how bad it is.
//!
//! Shape only. By its severity and never by its words it is decided how the command ends.

use crate::decide::probe::Severity;

/// One line of the text.
pub(super) struct ProbeLine {
    pub(super) severity: Severity,
    pub(super) text: String,
}

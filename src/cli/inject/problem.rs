//! An error at a place of a manifest.
//!
//! The errors of flags.yaml are reused, since they show line, column, problem and remedy in the same form. Refuses
//! nothing by itself: whoever reads a manifest finds the errors. Invariant: lines and columns are shown from 1 on, and
//! a line of 0 means that the error has no place.

use crate::flags::FlagsError;

/// An error at a place; the column counts from 0.
pub(super) fn problem(line: usize, column: usize, what: impl Into<String>, remedy: impl Into<String>) -> FlagsError {
    FlagsError {
        line,
        column: column + usize::from(line > 0),
        path: String::new(),
        problem: what.into(),
        remedy: remedy.into(),
        source: String::new(),
    }
}

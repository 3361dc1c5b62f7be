//! An error in flags.yaml, as values: the place, the problem and the remedy.
//!
//! Line and column stay numbers until they are shown. An error about the file as a whole, or about what it asks for on
//! this machine, has no place. Holds no text of the file, since that may contain a key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong with flags.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileError {
    /// Counted from 1; `None`: the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Where in the structure: `rollouts[0].ramp.every`; empty: the file as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong, as a lowercase fragment.
    pub problem: String,
    /// How to fix it, as a lowercase fragment; empty: the problem already says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl FileError {
    #[must_use]
    pub fn whole(problem: String) -> FileError {
        FileError { problem, ..FileError::default() }
    }
}

/// `line 12, column 9: rollouts[0].ramp.every: ...`, and the remedy on a line of its own.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  fix: {}", self.remedy) }
    }
}

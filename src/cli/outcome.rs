//! How a command ends, and what it says where it did not do what it was asked to.
//!
//! Owns the exit codes, which every command shares. Prints nothing: main does. Invariant: a failure shows no control
//! characters of foreign text.

use std::fmt;
use std::process::ExitCode;

use crate::decide::printable::printable_lines;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Users would move, where that was the question.
    UsersMove,
    /// The arguments or the file are wrong.
    Usage,
    /// It was asked for, and not confirmed in time.
    NotConfirmed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::UsersMove => 2,
            Exit::Usage => 64,
            Exit::NotConfirmed => 75,
        })
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What, where and how to mend it; may have several lines.
    pub message: String,
}

impl Failure {
    /// It failed: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Failed, message: message.into() }
    }

    /// The arguments or the file are wrong: exit code 64.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable_lines(&self.message))
    }
}

impl std::error::Error for Failure {}

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;

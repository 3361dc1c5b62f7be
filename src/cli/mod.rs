//! The command line: one file a command, each `struct ...Args` (clap) with a `run` that returns [`Outcome`].
//!
//! A command prints its result on standard output and returns how it ended; an error is one [`Failure`], printed by
//! main. Nothing here decides: commands ask a running sidecar through its admin API, or read and write its state
//! directory when none answers.

mod api_call;
pub mod args;
pub mod bucket;
pub mod change;
pub mod check;
pub mod completions;
pub mod demo;
#[cfg(test)]
mod fixtures;
mod guard_format;
pub mod healthcheck;
pub mod history;
pub mod inject;
mod locate;
mod output;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod simulate;
pub mod sleep;
pub mod status;
mod version;
pub mod why;

use std::fmt;
use std::process::ExitCode;

use crate::decide::printable::printable_lines;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
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

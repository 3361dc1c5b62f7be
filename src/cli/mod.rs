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
pub mod compare;
pub mod complete;
pub mod completions;
pub mod demo;
mod dry_run;
#[cfg(test)]
mod fixtures;
pub mod flag;
mod guard_format;
pub mod healthcheck;
pub mod history;
pub mod incident;
pub mod inject;
mod locate;
pub mod notify;
mod outcome;
mod output;
mod past;
pub mod plan;
mod progress;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod selftest;
pub mod simulate;
pub mod sleep;
pub mod status;
mod version;
pub mod why;

pub use outcome::{Exit, Failure, Outcome};

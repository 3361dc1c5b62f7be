//! `serin completions`: a script that teaches a shell the commands and flags.
//!
//! Generated from the command line's own definition, so that it knows exactly what this binary knows. Prints it and
//! installs nothing: where a shell looks for such scripts is the user's to choose.

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Exit, Outcome, output};

/// Arguments of `serin completions`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin completions bash > /etc/bash_completion.d/serin\n  serin completions zsh > ~/.zfunc/_serin"
)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints the script. `command`: the whole command line.
///
/// # Errors
/// None.
pub fn run(args: &CompletionsArgs, command: &mut Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "serin", &mut script);
    output::print(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

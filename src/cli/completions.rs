//! `serin completions`: a script that teaches a shell the commands, the flags, and the names of rollouts and providers.
//!
//! Generated from the command line's own definition, so that it knows exactly what this binary knows; [`names`] adds
//! the call for the names to it. Prints it and installs nothing: where a shell looks for such scripts is the user's to
//! choose.

mod names;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Exit, Outcome, output};

/// Arguments of `serin completions`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  serin completions bash > /etc/bash_completion.d/serin\n  serin completions zsh > ~/.zfunc/_serin\n\n\
    In bash, zsh and fish the names of rollouts and providers are completed too: they come from the running sidecar, \
    else from flags.yaml."
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
    output::print(&script(args.shell, command));
    Ok(Exit::Done)
}

fn script(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "serin", &mut script);
    names::add(shell, command, String::from_utf8_lossy(&script).into_owned())
}

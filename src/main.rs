//! The thin binary: reads the command line, does it, prints what went wrong, and ends with the right code.
//!
//! Owns the allocator and the exit code, which are the process's and not the library's. Everything else is a call into
//! [`serin::cli`], so that a test which uses the library sees all that the binary does.

use std::process::ExitCode;

use clap::Parser;
use serin::cli::Exit;
use serin::cli::args::Cli;

/// Requests allocate and free on the same core, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if serin::cli::complete::answer(std::env::args_os().map(|word| word.to_string_lossy().into_owned())) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; everything else is wrong usage. A closed pipe has nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("serin: {failure}");
            failure.exit.into()
        }
    }
}

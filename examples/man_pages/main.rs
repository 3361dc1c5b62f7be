//! The man pages: `serin.1`, and one for each command, written into a folder.
//!
//! Made from the command line's own definition, as the completions are, so that they say what `--help` says. Kept out
//! of the binary, which has no use for them. The date is that of the release, or none: two builds write the same bytes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use serin::cli::args::Cli;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: man_pages FOLDER");
        return ExitCode::from(64);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("man_pages: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages().into_iter().try_for_each(|(name, command)| {
        let mut page = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        clap_mangen::Man::new(command).source(format!("serin {version}")).manual("Serin").date("").render(&mut page)?;
        std::fs::write(folder.join(format!("{name}.1")), page)
    })
}

/// Every page by its name, `serin` first.
fn pages() -> Vec<(String, Command)> {
    // Of the version the release alone: the commit is not the manual's.
    let mut all = Cli::command().version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    all.build();
    let commands = all.get_subcommands().map(|command| {
        let name = format!("serin-{}", command.get_name());
        let shown = format!("serin {}", command.get_name());
        (name.clone(), command.clone().display_name(name).bin_name(shown))
    });
    std::iter::once(("serin".to_owned(), all.clone())).chain(commands).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_command_with_all_its_options() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let all = Cli::command();
        for command in all.get_subcommands() {
            let page = std::fs::read_to_string(folder.path().join(format!("serin-{}.1", command.get_name()))).unwrap();
            // troff writes a hyphen as `\-`.
            let text = page.replace("\\-", "-");
            assert!(text.contains(&format!("serin-{}", command.get_name())), "{text}");
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(text.contains(&format!("--{option}")), "{}: no --{option}", command.get_name());
            }
        }
        assert!(folder.path().join("serin.1").exists());
    }

    #[test]
    fn two_runs_write_the_same_bytes() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path()).unwrap();
        write(other.path()).unwrap();
        for (name, _) in pages() {
            let read = |folder: &Path| std::fs::read(folder.join(format!("{name}.1"))).unwrap();
            assert_eq!(read(one.path()), read(other.path()), "{name}");
        }
    }
}

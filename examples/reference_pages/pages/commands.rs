//! The page of commands: what `--help` says, for every command.
//!
//! Adds what is true of all commands. What a command takes and does is changed where its arguments are defined.

use clap::{Arg, Command, CommandFactory as _};
use serin::cli::args::Cli;

use super::filled;

const BEFORE: &str = "\
# Commands

`serin COMMAND --help` prints the same texts. Output is for people; `--json` prints it for programs. Colours are used on
terminals only, and not if `NO_COLOR` is set.

## Exit codes

| Code | Meaning |
|---|---|
| 0 | Done. |
| 1 | Failed. |
| 64 | Bad usage, or a file with errors. |
| 75 | Not confirmed in time. |

## Which sidecar

Commands find a running sidecar in its registry: `$XDG_RUNTIME_DIR/serin`, `/run/serin` or `/tmp/serin-UID`, or only the
directory `SERIN_REGISTRY` if it is set, which separates sidecars on one machine. `--admin URL`, `--flags FILE` and
`--state DIR` (or `SERIN_ADMIN`, `SERIN_FLAGS`, `SERIN_STATE`) select a sidecar. `SERIN_ADMIN_TOKEN` is the token for its
admin port. Only entries of root and of the calling user are used, since commands send tokens to these addresses. For a
service of another user give `--state DIR`.

## Environment

| Variable | Meaning |
|---|---|
| `SERIN_FLAGS` | The flags file, as `--flags`. |
| `SERIN_STATE` | The state directory, as `--state`. |
| `SERIN_ADMIN` | The address of the admin port, as `--admin`. |
| `SERIN_ADMIN_TOKEN` | The token for the admin port. |
| `SERIN_REGISTRY` | The only directory in which running sidecars are listed and looked for. |
| `SERIN_SELFTEST_KEY` | The key for the requests of `serin selftest --url`, as `--key`. |
| `SERIN_LOG` | The log level of `serin run`: `off`, `error`, `warn`, `info`, `debug`, `trace`. `debug` has each failed attempt and its cause. |
| `SERIN_LOG_FORMAT` | The log format, as `--log-format`. |
| `SERIN_DUMPABLE` | `yes` opens the memory of `serin run`, which holds the keys, to other processes of its user, to debuggers and to core dumps. |
| `NO_COLOR` | No colours. |
";

/// The page.
pub(super) fn page() -> String {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let commands = all.get_subcommands().map(section);
    std::iter::once(BEFORE.to_owned()).chain(commands).collect::<Vec<_>>().join("\n")
}

fn section(command: &Command) -> String {
    let mut shown = command.clone().bin_name(format!("serin {}", command.get_name()));
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let about = if about.ends_with('.') { about } else { format!("{about}.") };
    let usage = shown.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let mut text = format!("## serin {}\n\n{about}\n\n```text\n{usage}\n```\n", command.get_name());
    let rows: Vec<String> = command.get_arguments().filter(|argument| argument.get_id() != "help").map(row).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n| Argument | Default | Meaning |\n|---|---|---|\n{}\n", rows.join("\n")));
    }
    if let Some(after) = command.get_after_long_help() {
        // Lines of a table or an example are short; a paragraph is one line.
        let lines: Vec<String> = after
            .to_string()
            .trim()
            .lines()
            .map(|line| if line.chars().count() > 120 { filled(line) } else { line.trim_end().to_owned() })
            .collect();
        text.push_str(&format!("\n```text\n{}\n```\n", lines.join("\n")));
    }
    text
}

fn row(argument: &Arg) -> String {
    let values: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes = argument.get_action().takes_values();
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("`-{short}`, `--{long}`"),
        (Some(long), None) if takes => format!("`--{long} {}`", values.join(" ")),
        (Some(long), None) => format!("`--{long}`"),
        _ => format!("`{}`", values.first().cloned().unwrap_or_else(|| argument.get_id().to_string().to_uppercase())),
    };
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let (help, told) = stated_default(&help.replace('\n', " ").replace('|', "\\|"));
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .filter(|value| takes && !value.is_empty())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let default = told.unwrap_or_else(|| defaults.join(", "));
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes)
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let words = if words.is_empty() { String::new() } else { format!(" One of {}.", words.join(", ")) };
    let variable =
        argument.get_env().map(|name| format!(" Variable: `{}`.", name.to_string_lossy())).unwrap_or_default();
    format!("| {name} | {default} | {}.{words}{variable} |", help.trim_end_matches('.'))
}

/// A help text without the default that it names in brackets at its end, and that default.
fn stated_default(help: &str) -> (String, Option<String>) {
    match help.split_once(" [default: ") {
        Some((before, after)) if after.trim_end_matches('.').ends_with(']') && after.matches(']').count() == 1 => {
            (before.to_owned(), Some(after.trim_end_matches(['.', ']']).to_owned()))
        }
        _ => (help.to_owned(), None),
    }
}

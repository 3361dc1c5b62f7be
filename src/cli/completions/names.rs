//! The part of a completion script that offers names of rollouts and providers, for bash, zsh and fish.
//!
//! Where a command takes a rollout, as an argument or with --rollout, or a provider with --provider, the script calls
//! `serin __complete rollouts` or `providers` with the words on the line. Which commands these are is read from the
//! command line's definition. Other shells get their script as it was generated.

use clap::Command;
use clap_complete::Shell;

/// Adds the names to a generated script.
pub(super) fn add(shell: Shell, command: &Command, script: String) -> String {
    match shell {
        Shell::Bash => script + &bash(command),
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + &fish(command),
        _ => script,
    }
}

/// An argument whose values are names, and what a script asks for to know them.
struct Named {
    argument: &'static str,
    names: &'static str,
}

const ROLLOUT: Named = Named { argument: "rollout", names: "rollouts" };
const PROVIDER: Named = Named { argument: "provider", names: "providers" };

/// The commands that take such a name: as an argument of its own, or with an option.
fn takers<'c>(command: &'c Command, named: &Named, positional: bool) -> Vec<&'c str> {
    let takes = |command: &&Command| {
        let mut arguments = command.get_arguments();
        arguments.any(|it| {
            it.get_id() == named.argument && it.is_positional() == positional && it.get_action().takes_values()
        })
    };
    command.get_subcommands().filter(takes).map(Command::get_name).collect()
}

fn bash(command: &Command) -> String {
    let words = takers(command, &ROLLOUT, true).join("|");
    let option = |named: &Named| {
        let (commands, option) = (takers(command, named, false).join("|"), named.argument);
        let names = named.names;
        format!(
            r#"    case "${{COMP_WORDS[1]}}" in
        {commands})
            if [[ $prev == --{option} ]]; then names={names}; COMPREPLY=(); fi ;;
    esac
"#
        )
    };
    let options = option(&ROLLOUT) + &option(&PROVIDER);
    // A word that stands for a name is no name.
    format!(
        r#"
_serin_with_names() {{
    _serin "$@"
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" word names="" kept=()
    for word in "${{COMPREPLY[@]}}"; do
        [[ $word == "["* || $word == "<"* ]] || kept+=("$word")
    done
    COMPREPLY=("${{kept[@]}}")
    case "${{COMP_WORDS[1]}}" in
        {words})
            if [[ $cur != -* && ($prev != -* || $prev == --json || $prev == --dry-run) ]]; then names=rollouts; fi ;;
    esac
{options}    if [[ $names ]]; then
        COMPREPLY+=($(compgen -W "$("${{COMP_WORDS[0]}}" __complete $names "${{COMP_WORDS[@]}}" 2>/dev/null)" -- "$cur"))
    fi
}}
complete -F _serin_with_names -o nosort -o bashdefault -o default serin 2>/dev/null || complete -F _serin_with_names -o bashdefault -o default serin
"#
    )
}

/// What takes a name completes by `_default` in a generated script.
fn zsh(script: &str) -> String {
    const NAMES: &str = r#"
_serin_rollouts() {
    local -a names
    names=(${(f)"$(serin __complete rollouts $words 2>/dev/null)"})
    compadd -a names
}

_serin_providers() {
    local -a names
    names=(${(f)"$(serin __complete providers $words 2>/dev/null)"})
    compadd -a names
}
"#;
    let with_names = |line: &str| {
        let rollout = line.starts_with("'::rollout ") || line.starts_with("':rollout ") || is_option(line, &ROLLOUT);
        if rollout {
            line.replace(":_default'", ":_serin_rollouts'")
        } else if is_option(line, &PROVIDER) {
            line.replace(":_default'", ":_serin_providers'")
        } else {
            line.to_owned()
        }
    };
    let mut lines: Vec<String> = script.lines().map(with_names).collect();
    // The functions have to be there before the script's last lines call `_serin`.
    let at = lines.iter().position(|line| line.starts_with("_serin() {")).unwrap_or(lines.len());
    lines.insert(at, NAMES.trim_end().to_owned() + "\n");
    lines.join("\n") + "\n"
}

/// Whether a line describes this option: `'(--watch)*--provider=[...`, with the options that it excludes before it.
fn is_option(line: &str, named: &Named) -> bool {
    let rest = line.strip_prefix('\'').unwrap_or_default();
    let rest = if rest.starts_with('(') { rest.split_once(')').map_or("", |(_, rest)| rest) } else { rest };
    let name = rest.strip_prefix('*').unwrap_or(rest).strip_prefix("--");
    name.and_then(|name| name.strip_prefix(named.argument)).is_some_and(|rest| rest.starts_with("=["))
}

fn fish(command: &Command) -> String {
    let names = |named: &Named| format!("(serin __complete {} (commandline -opc) 2>/dev/null)", named.names);
    let positional = takers(command, &ROLLOUT, true).into_iter().map(|name| {
        let names = names(&ROLLOUT);
        format!("complete -c serin -n \"__fish_serin_using_subcommand {name}\" -f -a \"{names}\"\n")
    });
    let options = [ROLLOUT, PROVIDER].map(|named| {
        let line = |name: &str| {
            let (option, names) = (named.argument, names(&named));
            format!("complete -c serin -n \"__fish_serin_using_subcommand {name}\" -l {option} -x -a \"{names}\"\n")
        };
        takers(command, &named, false).into_iter().map(line).collect::<String>()
    });
    positional.chain(options).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_command_that_takes_a_rollout_is_known() {
        let command = Cli::command();
        let takers = [takers(&command, &ROLLOUT, true), takers(&command, &ROLLOUT, false)];
        for expected in ["rollback", "resume", "pause", "promote", "why", "history"] {
            assert!(takers[0].contains(&expected), "{expected} is not in {takers:?}");
        }
        assert!(takers[1].contains(&"bucket"), "{takers:?}");
    }

    #[test]
    fn an_option_that_takes_no_name_offers_none() {
        // `serin demo --provider` runs one.
        let command = Cli::command();
        let takers = takers(&command, &PROVIDER, false);
        assert!(takers.contains(&"check") && takers.contains(&"status") && !takers.contains(&"demo"), "{takers:?}");
    }

    #[test]
    fn the_scripts_call_for_names() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = super::super::script(shell, &mut Cli::command());
            assert!(script.contains("__complete rollouts") || script.contains("names=rollouts"), "{shell}");
            assert!(script.contains("__complete providers") || script.contains("names=providers"), "{shell}");
        }
        let zsh = super::super::script(Shell::Zsh, &mut Cli::command());
        assert!(zsh.matches(":_serin_rollouts'").count() >= 7, "{zsh}");
        assert!(zsh.matches(":_serin_providers'").count() >= 2, "{zsh}");
    }
}

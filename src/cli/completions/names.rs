//! The part of a completion script that offers names of rollouts, for bash, zsh and fish.
//!
//! Where a command takes a rollout, as an argument or with --rollout, the script calls `serin __complete rollouts` with
//! the words on the line. Which commands these are is read from the command line's definition. Other shells get their
//! script as it was generated.

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

/// The commands that take a rollout: as an argument of its own, or with an option.
fn takers(command: &Command, positional: bool) -> Vec<&str> {
    let takes = |command: &&Command| {
        command.get_arguments().any(|it| it.get_id() == "rollout" && it.is_positional() == positional)
    };
    command.get_subcommands().filter(takes).map(Command::get_name).collect()
}

fn bash(command: &Command) -> String {
    let (words, options) = (takers(command, true).join("|"), takers(command, false).join("|"));
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
            if [[ $cur != -* && ($prev != -* || $prev == --json || $prev == --dry-run) ]]; then names=1; fi ;;
    esac
    case "${{COMP_WORDS[1]}}" in
        {options})
            if [[ $prev == --rollout ]]; then names=1; COMPREPLY=(); fi ;;
    esac
    if [[ $names ]]; then
        COMPREPLY+=($(compgen -W "$("${{COMP_WORDS[0]}}" __complete rollouts "${{COMP_WORDS[@]}}" 2>/dev/null)" -- "$cur"))
    fi
}}
complete -F _serin_with_names -o nosort -o bashdefault -o default serin 2>/dev/null || complete -F _serin_with_names -o bashdefault -o default serin
"#
    )
}

/// What takes a rollout completes by `_default` in a generated script.
fn zsh(script: &str) -> String {
    const NAMES: &str = r#"
_serin_rollouts() {
    local -a names
    names=(${(f)"$(serin __complete rollouts $words 2>/dev/null)"})
    compadd -a names
}
"#;
    let with_names = |line: &str| {
        let takes =
            line.starts_with("'::rollout ") || line.starts_with("':rollout ") || line.starts_with("'--rollout=");
        if takes { line.replace(":_default'", ":_serin_rollouts'") } else { line.to_owned() }
    };
    let mut lines: Vec<String> = script.lines().map(with_names).collect();
    // The function has to be there before the script's last lines call `_serin`.
    let at = lines.iter().position(|line| line.starts_with("_serin() {")).unwrap_or(lines.len());
    lines.insert(at, NAMES.trim_end().to_owned() + "\n");
    lines.join("\n") + "\n"
}

fn fish(command: &Command) -> String {
    let names = "(serin __complete rollouts (commandline -opc) 2>/dev/null)";
    let positional = takers(command, true)
        .into_iter()
        .map(|name| format!("complete -c serin -n \"__fish_serin_using_subcommand {name}\" -f -a \"{names}\"\n"));
    let options = takers(command, false).into_iter().map(|name| {
        format!("complete -c serin -n \"__fish_serin_using_subcommand {name}\" -l rollout -x -a \"{names}\"\n")
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
        let takers = [takers(&command, true), takers(&command, false)];
        for expected in ["rollback", "resume", "pause", "promote", "why", "history"] {
            assert!(takers[0].contains(&expected), "{expected} is not in {takers:?}");
        }
        assert!(takers[1].contains(&"bucket"), "{takers:?}");
    }

    #[test]
    fn the_scripts_call_for_names() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = super::super::script(shell, &mut Cli::command());
            assert!(script.contains("__complete rollouts"), "{shell}");
        }
        let zsh = super::super::script(Shell::Zsh, &mut Cli::command());
        assert!(zsh.matches(":_serin_rollouts'").count() >= 7, "{zsh}");
    }
}

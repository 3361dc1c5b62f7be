//! `serin __complete rollouts WORD...`, and the same with `providers`: the names that a completion script offers.
//!
//! Called by the scripts of `serin completions` at each TAB, with the words on the line, whose --admin, --flags and
//! --state it respects, and for `check` its file. Asks the running sidecars for a short time, else reads flags.yaml.
//! Prints a name a line, and nothing at all where something is wrong: an error would land in the user's command line.
//! Not a command of its own, so that no help and no manual has it.

use std::path::Path;
use std::time::Duration;

use super::api_call::by_any;
use super::locate::{AdminEndpoint, LocateArgs, Located};
use super::output;
use crate::app::api::StatusReply;
use crate::app::offline;

/// The first word of such a call.
const WORD: &str = "__complete";
/// A user waits for it.
const PATIENCE: Duration = Duration::from_millis(300);

/// Answers a completion script; `false`: the arguments are another command's.
#[must_use]
pub fn answer(arguments: impl IntoIterator<Item = String>) -> bool {
    let mut words = arguments.into_iter().skip(1);
    if words.next().as_deref() != Some(WORD) {
        return false;
    }
    let wanted = words.next();
    let line: Vec<String> = words.collect();
    let mut names = match wanted.as_deref() {
        Some("rollouts") => rollouts(&reach(&line)),
        Some("providers") => providers(&line),
        _ => Vec::new(),
    };
    names.sort();
    names.dedup();
    output::print(&names.into_iter().map(|name| name + "\n").collect::<String>());
    true
}

/// Which sidecar the words choose; the variables of the environment are for those that do not.
fn reach(words: &[String]) -> LocateArgs {
    let value = |option: &str, variable: &str| {
        let after = words.iter().skip_while(|word| *word != option).nth(1).cloned();
        let joined = words.iter().find_map(|word| word.strip_prefix(option)?.strip_prefix('=').map(str::to_owned));
        after.or(joined).or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
    };
    LocateArgs {
        admin: value("--admin", "SERIN_ADMIN"),
        flags: value("--flags", "SERIN_FLAGS").map(Into::into),
        state: value("--state", "SERIN_STATE").map(Into::into),
    }
}

fn rollouts(reach: &LocateArgs) -> Vec<String> {
    match reach.find() {
        Ok(Located::Running(targets)) => {
            replies(&targets).into_iter().flat_map(|reply| reply.rollouts).map(|rollout| rollout.name).collect()
        }
        Ok(Located::Nothing { flags, .. }) => offline::rollouts_of(&flags).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// `check` reads a file, which stands on its line; the other commands ask who runs.
fn providers(line: &[String]) -> Vec<String> {
    let reach = reach(line);
    if line.iter().any(|word| word == "check") {
        let named = line.iter().map(Path::new).filter(|path| path.is_file());
        let usual = reach.flags.as_deref().unwrap_or(Path::new("flags.yaml"));
        return named.chain([usual]).find_map(offline::providers_of).unwrap_or_default();
    }
    match reach.find() {
        Ok(Located::Running(targets)) => {
            replies(&targets).into_iter().flat_map(|reply| reply.providers).map(|provider| provider.name).collect()
        }
        Ok(Located::Nothing { flags, .. }) => offline::providers_of(&flags).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn replies(targets: &[AdminEndpoint]) -> Vec<StatusReply> {
    let asked = targets
        .iter()
        .map(|target| by_any::<StatusReply>(&target.vias, &http::Method::GET, "/api/v1/status", None, PATIENCE));
    asked.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_calls_of_a_script_are_answered() {
        assert!(!answer(words("serin rollback chat")));
        assert!(!answer(words("serin")));
        assert!(answer(words("serin __complete nothing")));
    }

    #[test]
    fn the_words_on_the_line_choose_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("flags.yaml");
        let text = "providers:\n  a: { base_url: http://a.test/v1 }\n  b: { base_url: http://b.test/v1 }\n\
                    rollouts: [{ name: chat, stable: a, canary: b, percent: 0 }]\n";
        std::fs::write(&file, format!("state: {}\n{text}", dir.path().join("state").display())).unwrap();
        for line in
            [format!("serin rollback --flags {}", file.display()), format!("serin resume --flags={}", file.display())]
        {
            assert_eq!(rollouts(&reach(&words(&line))), ["chat"]);
        }
        for line in [
            format!("serin check --probe {} --provider", file.display()),
            format!("serin status --flags {} --provider", file.display()),
        ] {
            assert_eq!(providers(&words(&line)), ["a", "b"], "{line}");
        }
        std::fs::write(&file, "rollouts: [").unwrap();
        assert_eq!(rollouts(&reach(&words(&format!("serin --flags {}", file.display())))), Vec::<String>::new());
    }
}

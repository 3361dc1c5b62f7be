//! The first flags.yaml of a process: the file, or the copy that was good last.
//!
//! A file that is broken at start must not keep an application from its provider, so the last good copy stands in and
//! every surface says so. `--strict` turns this off, for those whose orchestrator keeps the old process instead.

use std::path::Path;
use std::sync::Arc;

use super::start::StartError;
use crate::control::FirstFlags;
use crate::decide::policy::{Fixed, Policy};
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, FlagsError, Reading, render};
use crate::state::inbox::FlagsRead;

/// What the process starts with.
#[derive(Debug)]
pub(super) struct First {
    pub(super) policy: Arc<Policy>,
    pub(super) flags: FirstFlags,
    /// The content that the watcher need not report.
    pub(super) known: u64,
}

/// Chooses between the file and the last good copy.
pub(super) fn choose(
    path: &Path,
    reading: Reading,
    last_good: Option<&str>,
    environment: &Environment,
    strict: bool,
) -> Result<First, StartError> {
    let known = reading.hash;
    let errors = match reading.result {
        Ok(_) => {
            let read = told(reading);
            return match &read.result {
                Ok(policy) => Ok(First {
                    policy: Arc::clone(policy),
                    flags: FirstFlags { read, from_last_good: false, errors: Vec::new() },
                    known,
                }),
                Err(errors) => Err(StartError::Flags { text: errors.join("\n") }),
            };
        }
        Err(errors) => errors,
    };
    let file = path.display().to_string();
    let refused = |why: &str| StartError::Flags { text: format!("{}\n{why}", render(&errors, &file).trim_end()) };
    if strict {
        return Err(refused("not started: --strict takes no earlier copy"));
    }
    let Some(last_good) = last_good else {
        return Err(refused("not started: there is no earlier good copy to start with"));
    };
    let Compiled { policy, warnings, shown, .. } = compile(last_good, environment)
        .map_err(|_| refused("not started: the earlier good copy is not accepted by this version either"))?;
    let errors = errors.iter().map(ToString::to_string).collect();
    let read = FlagsRead {
        result: Ok(Arc::clone(&policy)),
        text: last_good.into(),
        shown,
        warnings,
        hash: known,
        modified: reading.modified,
    };
    Ok(First { policy, flags: FirstFlags { read, from_last_good: true, errors }, known })
}

/// A reading as control takes it.
pub(super) fn told(reading: Reading) -> FlagsRead {
    let Reading { result, text, hash, modified, .. } = reading;
    let texts = |errors: Vec<FlagsError>| errors.iter().map(ToString::to_string).collect();
    match result {
        Ok(Compiled { policy, warnings, shown, .. }) => {
            FlagsRead { result: Ok(policy), text, shown, warnings, hash, modified }
        }
        Err(errors) => {
            FlagsRead { result: Err(texts(errors)), text, shown: "".into(), warnings: Vec::new(), hash, modified }
        }
    }
}

/// What a new version asks for that takes a restart, one sentence each.
pub(super) fn not_taken(started: &Fixed, wanted: &Fixed) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut compare = |key: &str, is: String, wants: String| {
        if is != wants {
            warnings.push(format!("`{key}` takes a restart: {is} stays in force, the file says {wants}"));
        }
    };
    fn or_default<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| "the default".to_owned(), |value| value.to_string())
    }
    let path = |state: &Fixed| or_default(state.state.as_ref().map(|path| path.display()));
    compare("listen", started.listen.to_string(), wanted.listen.to_string());
    compare("admin.listen", started.admin.to_string(), wanted.admin.to_string());
    compare("probe.listen", or_default(started.probe), or_default(wanted.probe));
    compare("state", path(started), path(wanted));
    compare("workers", or_default(started.workers), or_default(wanted.workers));
    warnings
}

/// Where a file that does not compile says that state lies, so that its last good copy is found all the same: the
/// value of a plain `state:` line at the left margin.
pub(super) fn state_hint(text: &str) -> Option<&str> {
    let value = text.lines().find_map(|line| line.strip_prefix("state:"))?;
    let value = value.split(" #").next()?.trim();
    let value = value.trim_matches(|quote| quote == '"' || quote == '\'');
    (!value.is_empty() && !value.contains(['$', '{', '#'])).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_state_line_is_found_in_a_broken_file() {
        assert_eq!(state_hint("listen: [\nstate: /var/lib/serin # here\n"), Some("/var/lib/serin"));
        assert_eq!(state_hint("state: \"/a b\"\n"), Some("/a b"));
        for none in ["", "  state: /nested", "state: ${DIR}", "state:", "statement: x"] {
            assert_eq!(state_hint(none), None, "{none}");
        }
    }

    #[test]
    fn what_takes_a_restart_is_told() {
        let started = Fixed {
            listen: "127.0.0.1:7171".parse().unwrap(),
            admin: "127.0.0.1:7172".parse().unwrap(),
            probe: None,
            state: None,
            workers: Some(2),
        };
        assert_eq!(not_taken(&started, &started), Vec::<String>::new());
        let wanted = Fixed {
            listen: "127.0.0.1:8000".parse().unwrap(),
            probe: Some("0.0.0.0:9".parse().unwrap()),
            state: Some("/s".into()),
            workers: None,
            ..started.clone()
        };
        assert_eq!(
            not_taken(&started, &wanted),
            [
                "`listen` takes a restart: 127.0.0.1:7171 stays in force, the file says 127.0.0.1:8000",
                "`probe.listen` takes a restart: the default stays in force, the file says 0.0.0.0:9",
                "`state` takes a restart: the default stays in force, the file says /s",
                "`workers` takes a restart: 2 stays in force, the file says the default",
            ]
        );
    }
}

//! The first flags.yaml of a process: the file, or the copy that was good last.
//!
//! A file that is broken at start must not keep an application from its provider, so the last good copy stands in and
//! every surface says so. The same holds for a file whose stable cannot be asked: started, it would serve nobody who is
//! not on the canary. `--strict` turns this off, for those whose orchestrator keeps the old process instead.

use std::path::Path;
use std::sync::Arc;

use super::start_error::StartError;
use crate::admin::plan::PlanReader;
use crate::control::FirstFlags;
use crate::decide::policy::Policy;
use crate::decide::unusable_stable::UnusableStable;
use crate::describe::unusable_stable::problem;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{self, Environment, FlagsError, LoadedFlags, render};
use crate::state::inbox::FlagsRead;

/// What the process starts with.
#[derive(Debug)]
pub(super) struct InitialFlags {
    pub(super) policy: Arc<Policy>,
    pub(super) flags: FirstFlags,
    /// The content that the watcher need not report.
    pub(super) known: u64,
}

/// Chooses between the file and the last good copy. `unserved`: whom a policy would leave without a provider.
pub(super) fn choose(
    path: &Path,
    flags_read: LoadedFlags,
    last_good: Option<&str>,
    environment: &Environment,
    strict: bool,
    unserved: impl Fn(&Policy) -> Vec<UnusableStable>,
) -> Result<InitialFlags, StartError> {
    let known = flags_read.hash;
    let errors = match &flags_read.result {
        Ok(compiled) => {
            let errors: Vec<_> = unserved(&compiled.policy).iter().map(|found| compiled.error_of(found)).collect();
            if errors.is_empty() {
                let policy = Arc::clone(&compiled.policy);
                let errors = Vec::new();
                let flags = FirstFlags { read: to_flags_read(flags_read), from_last_good: false, errors };
                return Ok(InitialFlags { policy, flags, known });
            }
            errors
        }
        Err(errors) => errors.clone(),
    };
    let file = path.display().to_string();
    let refused = |why: &str| StartError::Flags { text: format!("{}\n{why}", render(&errors, &file).trim_end()) };
    if strict {
        return Err(refused("not started: --strict uses no earlier copy"));
    }
    let Some(last_good) = last_good else {
        return Err(refused("not started: there is no earlier good copy to start with"));
    };
    let compiled = compile(last_good, environment)
        .map_err(|_| refused("not started: the earlier good copy is not accepted by this version either"))?;
    if let Some(found) = unserved(&compiled.policy).first() {
        let why = format!("not started: the earlier good copy would not serve users either: {}", problem(found));
        return Err(refused(&why));
    }
    let Compiled { policy, warnings, shown, .. } = compiled;
    let errors = errors.iter().map(FlagsError::without_source).collect();
    let read = FlagsRead {
        result: Ok(Arc::clone(&policy)),
        text: last_good.into(),
        shown,
        warnings,
        hash: known,
        modified: flags_read.modified,
    };
    Ok(InitialFlags { policy, flags: FirstFlags { read, from_last_good: true, errors }, known })
}

/// A reading as control takes it.
pub(super) fn to_flags_read(flags_read: LoadedFlags) -> FlagsRead {
    let LoadedFlags { result, text, hash, modified, .. } = flags_read;
    let placed = |errors: Vec<FlagsError>| errors.iter().map(FlagsError::without_source).collect();
    match result {
        Ok(Compiled { policy, warnings, shown, .. }) => {
            FlagsRead { result: Ok(policy), text, shown, warnings, hash, modified }
        }
        Err(errors) => {
            FlagsRead { result: Err(placed(errors)), text, shown: "".into(), warnings: Vec::new(), hash, modified }
        }
    }
}

/// Reads the files that plans are asked for, at the sockets of this environment, with the references of the file in
/// force and no others.
pub(super) fn plan_reader(environment: Environment) -> PlanReader {
    PlanReader::new(move |text, in_force| {
        to_flags_read(flags::read_text(text, &environment.limited_to_references_of(in_force)))
    })
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
}

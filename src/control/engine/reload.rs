//! A new version of flags.yaml: it is accepted as a whole, or rejected without any change.
//!
//! [`FlagsRead`] has the errors of the file itself. Here the file is compared with what
//! is in force: a canary that was rolled back cannot become a stable, and a reload cannot move users who are served to
//! a stable that cannot be used. An edit that needs a restart has no effect and causes a warning.

use std::path::PathBuf;
use std::sync::Arc;

use super::dispatch::Engine;
use super::unusable_stable::rollouts_without_stable;
use crate::control::now::Now;
use crate::decide::event::{Action, Actor, Reason};
use crate::decide::file_error::FileError;
use crate::decide::policy::{Fixed, Policy};
use crate::decide::rollout::state::{Identity, Phase};
use crate::decide::unusable_stable::UnusableStable;
use crate::decide::warning::{RolledBackStable, Warning};
use crate::describe::unusable_stable::{problem, remedy};
use crate::describe::warning;
use crate::state::inbox::FlagsRead;

impl Engine {
    /// A new version of flags.yaml was read: accepts it as a whole, or rejects it and reports why.
    pub fn flags_read(&mut self, read: FlagsRead, now: Now) {
        self.context.flags.modified = read.modified;
        let errors = match read.result {
            Ok(policy) => match self.rejection(&policy) {
                None => return self.accept(policy, read.text, read.shown, read.warnings, now),
                Some(rejection) => vec![rejection],
            },
            Err(errors) => errors,
        };
        self.context.flags.failures += 1;
        let reason = Reason::Refused { count: errors.len(), first: errors.first().cloned() };
        self.emit_process_event(Actor::Flags, Action::Refuse, reason, now);
        self.context.flags.errors = errors;
        self.report(now);
    }

    fn accept(&mut self, policy: Arc<Policy>, text: Arc<str>, shown: Arc<str>, mut warnings: Vec<String>, now: Now) {
        warnings.extend(fixed_edits(&self.policy.fixed, &policy.fixed).iter().map(warning::sentence));
        let policy = if policy.fixed == self.policy.fixed {
            policy
        } else {
            Arc::new(Policy { fixed: self.policy.fixed.clone(), ..Policy::clone(&policy) })
        };
        self.context.flags.generation += 1;
        self.context.flags.accepted_at = now.unix;
        self.context.flags.errors = Vec::new();
        self.context.flags.from_last_good = false;
        let before = std::mem::replace(&mut self.context.flags.warnings, warnings);
        self.context.flags.shown = shown;
        self.outbox.last_good = Some(text);
        for warning in self.context.flags.warnings.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!("flags: {warning}");
        }
        let generation = self.context.flags.generation;
        self.emit_process_event(Actor::Flags, Action::Reload, Reason::Accepted { generation }, now);
        self.apply_policy(policy, false, now);
        self.publish();
        self.report(now);
    }

    /// Why the policy cannot replace the current one. A canary that was rolled back must not become a stable.
    fn rejection(&self, policy: &Policy) -> Option<FileError> {
        for spec in &policy.rollouts {
            let stable = policy.provider(spec.stable).base_url.to_string();
            let old = self.policy.rollout(&spec.name).map(|old| self.policy.provider(old.stable).base_url.to_string());
            if old.as_ref() == Some(&stable) {
                continue;
            }
            let rolled_back = self.entries.iter().find_map(|entry| {
                let rollout = entry.rollout.as_ref().filter(|rollout| rollout.identity().canary == stable)?;
                let held = rollout.state().lock.is_some() || matches!(rollout.state().phase, Phase::RolledBack { .. });
                held.then_some(entry.spec.name.as_str())
            });
            if let Some(other) = rolled_back {
                let (rollout, other) = (spec.name.clone(), other.to_owned());
                return Some(FileError::whole(warning::refusal(&RolledBackStable { rollout, stable, other })));
            }
        }
        self.rejection_of_stables(policy)
    }

    /// Rejects a policy that moves users who are served now to a stable that cannot be used.
    fn rejection_of_stables(&self, policy: &Policy) -> Option<FileError> {
        let now: Vec<Option<String>> =
            self.without_stable(&self.policy).into_iter().map(|unserved| unserved.rollout).collect();
        let new = self.without_stable(policy).into_iter().find(|unserved| !now.contains(&unserved.rollout))?;
        let remedy = format!("{}; until then `serin rollback` still rolls users back", remedy(&new));
        let path = format!("providers.{}", new.provider);
        Some(FileError { path, problem: problem(&new), remedy, ..FileError::default() })
    }

    /// The rollouts of a policy whose stable cannot be used.
    fn without_stable(&self, policy: &Policy) -> Vec<UnusableStable> {
        rollouts_without_stable(policy, |identity: &Identity| {
            let mut rollouts = self.entries.iter().filter_map(|entry| entry.rollout.as_ref());
            let known = rollouts.find(|rollout| rollout.identity() == identity).map(|rollout| rollout.state());
            known.or_else(|| self.absent.get(identity))
        })
    }
}

fn fixed_edits(old: &Fixed, new: &Fixed) -> Vec<Warning> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let edits = [
        ("listen", Some(old.listen.to_string()), Some(new.listen.to_string())),
        ("admin.listen", Some(old.admin.to_string()), Some(new.admin.to_string())),
        ("probe.listen", old.probe.map(|at| at.to_string()), new.probe.map(|at| at.to_string())),
        ("state", path(&old.state), path(&new.state)),
        ("workers", old.workers.map(|count| count.to_string()), new.workers.map(|count| count.to_string())),
    ];
    let changed = edits.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(key, old, new)| Warning::FixedEdit { key, old, new }).collect()
}

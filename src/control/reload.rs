//! A new version of flags.yaml: taken whole, or refused, which changes nothing and says why.
//!
//! What a file as such may not say is refused by [`flags`](crate::state::inbox::FlagsRead); here it is held against what is
//! in force: a canary that was taken back is nobody's new stable, and nobody who is served is taken to a stable that cannot
//! be asked. What takes a restart stays as it was, with a warning.

use std::path::PathBuf;
use std::sync::Arc;

use super::engine::Engine;
use super::now::Now;
use super::unserved::unserved_by;
use crate::decide::event::{Action, Actor, Reason};
use crate::decide::file_error::FileError;
use crate::decide::policy::{Fixed, Policy};
use crate::decide::rollout::state::{Identity, Phase};
use crate::decide::unserved::Unserved;
use crate::decide::warning::{TakenBack, Warning};
use crate::describe::unserved::{problem, remedy};
use crate::describe::warning;
use crate::state::inbox::FlagsRead;

impl Engine {
    /// A new version of flags.yaml was read: accepts it whole, or changes nothing and says why.
    pub fn flags_read(&mut self, read: FlagsRead, now: Now) {
        self.context.flags.modified = read.modified;
        let refused = match read.result {
            Ok(policy) => match self.refusal(&policy) {
                None => return self.accept(policy, read.text, read.shown, read.warnings, now),
                Some(refusal) => vec![refusal],
            },
            Err(errors) => errors,
        };
        self.context.flags.failures += 1;
        let reason = Reason::Refused { count: refused.len(), first: refused.first().cloned() };
        self.emit_own(Actor::Flags, Action::Refuse, reason, now);
        self.context.flags.errors = refused;
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
        self.emit_own(Actor::Flags, Action::Reload, Reason::Accepted { generation }, now);
        self.adopt(policy, false, now);
        self.publish();
        self.report(now);
    }

    // A canary that was taken back must not come back as everybody's stable.
    fn refusal(&self, policy: &Policy) -> Option<FileError> {
        for rollout in &policy.rollouts {
            let stable = policy.provider(rollout.stable).base_url.to_string();
            let old =
                self.policy.rollout(&rollout.name).map(|old| self.policy.provider(old.stable).base_url.to_string());
            if old.as_ref() == Some(&stable) {
                continue;
            }
            let taken_back = self.rollouts.iter().find_map(|tracked| {
                let moving = tracked.moving.as_ref().filter(|moving| moving.identity().canary == stable)?;
                let held = moving.state().lock.is_some() || matches!(moving.state().phase, Phase::RolledBack { .. });
                held.then_some(tracked.rollout.name.as_str())
            });
            if let Some(other) = taken_back {
                let (rollout, other) = (rollout.name.clone(), other.to_owned());
                return Some(FileError::whole(warning::refusal(&TakenBack { rollout, stable, other })));
            }
        }
        self.brings_unserved(policy)
    }

    /// Why a reload is refused: it takes users of stable, who are served now, to one that cannot be asked.
    fn brings_unserved(&self, policy: &Policy) -> Option<FileError> {
        let now: Vec<Option<String>> =
            self.unserved(&self.policy).into_iter().map(|unserved| unserved.rollout).collect();
        let new = self.unserved(policy).into_iter().find(|unserved| !now.contains(&unserved.rollout))?;
        let remedy = format!("{}; until then `serin rollback` still rolls users back", remedy(&new));
        let path = format!("providers.{}", new.provider);
        Some(FileError { path, problem: problem(&new), remedy, ..FileError::default() })
    }

    fn unserved(&self, policy: &Policy) -> Vec<Unserved> {
        unserved_by(policy, |identity: &Identity| {
            let mut moving = self.rollouts.iter().filter_map(|tracked| tracked.moving.as_ref());
            let known = moving.find(|moving| moving.identity() == identity).map(|moving| moving.state());
            known.or_else(|| self.elsewhere.get(identity))
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

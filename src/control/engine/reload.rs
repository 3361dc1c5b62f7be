//! A new version of flags.yaml: it is accepted as a whole, or rejected without any change.
//!
//! [`FlagsRead`] has the errors of the file itself. Here the file is compared with what
//! is in force: a canary that was rolled back cannot become a stable, and a reload cannot move users who are served to
//! a stable that cannot be used. An edit that needs a restart has no effect and causes a warning.

use std::sync::Arc;

use super::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::{Action, Actor, Reason};
use crate::decide::file_error::FileError;
use crate::decide::plan::settings::fixed_edits;
use crate::decide::policy::Policy;
use crate::decide::reload_refusal::{ReloadRefusal, refusal};
use crate::decide::rollout::state::{Identity, RolloutState};
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
        let plan = self.plan(&policy, now);
        warnings.extend(fixed_edits(&self.policy.fixed, &policy.fixed).iter().map(warning::sentence));
        let listen_tls = self.listen_tls_after(&policy, now);
        let policy = if policy.fixed == self.policy.fixed && policy.listen_tls == listen_tls {
            policy
        } else {
            Arc::new(Policy { fixed: self.policy.fixed.clone(), listen_tls, ..Policy::clone(&policy) })
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
        let (generation, plan) = (self.context.flags.generation, Some(Box::new(plan)));
        self.emit_process_event(Actor::Flags, Action::Reload, Reason::Accepted { generation, plan }, now);
        self.apply_policy(policy, false, now);
        self.publish();
        self.report(now);
    }

    /// Why the policy cannot replace the current one.
    fn rejection(&self, policy: &Policy) -> Option<FileError> {
        Some(match refusal(&self.policy, policy, |identity| self.known_state(identity))? {
            ReloadRefusal::RolledBackStable(found) => FileError::whole(warning::refusal(&found)),
            ReloadRefusal::UnusableStable(found) => {
                let remedy = format!("{}; until then `serin rollback` still rolls users back", remedy(&found));
                let path = format!("providers.{}", found.provider);
                FileError { path, problem: problem(&found), remedy, ..FileError::default() }
            }
        })
    }

    /// What is known of a rollout, whether the file has it or not.
    pub(super) fn known_state(&self, identity: &Identity) -> Option<&RolloutState> {
        let mut rollouts = self.entries.iter().filter_map(|entry| entry.rollout.as_ref());
        let known = rollouts.find(|rollout| rollout.identity() == identity).map(|rollout| rollout.state());
        known.or_else(|| self.absent.get(identity))
    }
}

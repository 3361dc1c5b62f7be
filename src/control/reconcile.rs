//! A new flags.yaml meets what is known: which rollouts go on, which begin, and which files are refused.
//!
//! A rollout is the same over any edit that keeps its [`Identity`]; providers may be renamed. Its state stays known
//! while the file does not have it. A human's lock holds the rollout's name: another pair of providers under a locked
//! name stays locked. What is left to spend on repeats goes by the name as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::causes::FailedIn;
use super::engine::{Engine, Moving, Now, Tracked};
use super::lately::Lately;
use super::observe::Observer;
use super::outlasting::Outlasting;
use super::refusals::Findings;
use crate::decide::event::{Action, Reason};
use crate::decide::file_error::FileError;
use crate::decide::policy::{Canary, Fixed, Intent, Policy, Rollout};
use crate::decide::rollout::state::{Identity, Pause, Phase, RolloutState};
use crate::decide::rollout::step::Input;
use crate::decide::rollout::terms::terms;
use crate::state::inbox::FlagsRead;

impl Engine {
    /// A new version of flags.yaml was read: accepts it whole, or changes nothing and says why.
    pub fn flags_read(&mut self, read: FlagsRead, now: Now) {
        self.flags.modified = read.modified;
        let refused = match read.result {
            Ok(policy) => match self.refusal(&policy) {
                None => return self.accept(policy, read.text, read.shown, read.warnings, now),
                Some(refusal) => vec![refusal],
            },
            Err(errors) => errors,
        };
        self.flags.failures += 1;
        let reason = Reason::Refused { count: refused.len(), first: refused.first().cloned() };
        self.emit_own("flags", Action::Refuse, reason, now);
        self.flags.errors = refused;
        self.report(now);
    }

    fn accept(&mut self, policy: Arc<Policy>, text: Arc<str>, shown: Arc<str>, mut warnings: Vec<String>, now: Now) {
        warnings.extend(fixed_edits(&self.policy.fixed, &policy.fixed));
        let policy = if policy.fixed == self.policy.fixed {
            policy
        } else {
            Arc::new(Policy { fixed: self.policy.fixed.clone(), ..Policy::clone(&policy) })
        };
        self.flags.generation += 1;
        self.flags.accepted_at = now.unix;
        self.flags.errors = Vec::new();
        self.flags.from_last_good = false;
        let before = std::mem::replace(&mut self.flags.warnings, warnings);
        self.flags.shown = shown;
        self.outbox.last_good = Some(text);
        for warning in self.flags.warnings.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!("flags: {warning}");
        }
        let generation = self.flags.generation;
        self.emit_own("flags", Action::Reload, Reason::Accepted { generation }, now);
        self.reconcile(policy, false, now);
        self.publish();
        self.report(now);
    }

    /// Gives every rollout of the policy its state. `state_lost`: those that have none are not new but forgotten.
    pub(super) fn reconcile(&mut self, policy: Arc<Policy>, state_lost: bool, now: Now) {
        (0..self.rollouts.len()).for_each(|index| self.withdraw(index));
        let mut before: BTreeMap<Identity, Moving> = BTreeMap::new();
        let mut locks = BTreeMap::new();
        let mut budgets = BTreeMap::new();
        for Tracked { rollout, retry, moving, .. } in self.rollouts.drain(..) {
            budgets.insert(rollout.name.clone(), retry);
            let Some(moving) = moving else { continue };
            if let Some(lock) = &moving.state.lock {
                locks.insert(rollout.name.clone(), lock.clone());
            }
            before.insert(moving.identity.clone(), moving);
        }
        let mut fresh = Vec::new();
        for rollout in &policy.rollouts {
            let moving = rollout.canary.as_ref().map(|canary| {
                let identity = identity(&policy, rollout, canary);
                let provider = Arc::clone(policy.provider(canary.provider));
                let known = before.remove(&identity);
                // The file may have been edited while no process ran.
                let terms = terms(&canary.guard, &canary.ramp);
                let is_other = |state: &RolloutState| state.judged_by.is_some_and(|before| before != terms);
                match known {
                    Some(moving) => {
                        fresh.push(is_other(&moving.state));
                        let findings = moving.findings.kept(&provider, rollout);
                        Moving { canary: provider, findings, ..moving }
                    }
                    None => {
                        let kept = self.elsewhere.remove(&identity);
                        fresh.push(kept.as_ref().is_some_and(is_other));
                        let forgotten = state_lost && kept.is_none() && canary.percent == Intent::Auto;
                        let mut state = kept.unwrap_or_else(|| RolloutState::new(canary.attempt, now.unix));
                        // Nobody watched meanwhile.
                        state.judge.skip_time();
                        if forgotten {
                            state.paused = Some(forgotten_pause(now));
                        }
                        if state.lock.is_none() {
                            state.lock = locks.get(&rollout.name).cloned();
                        }
                        let observer = Observer::new(&state, &mut self.blocks, &canary.guard, now.mono);
                        let findings = Findings::new(&provider, rollout);
                        Moving {
                            identity,
                            canary: provider,
                            state,
                            proposed: None,
                            blocked: None,
                            observer,
                            counted_since: now.unix,
                            canary_dead: false,
                            stable_silent: false,
                            told: <[_; 2]>::default(),
                            findings,
                            failed_in: FailedIn::default(),
                            outlasting: Outlasting::default(),
                            lately: Lately::default(),
                        }
                    }
                }
            });
            if moving.is_none() {
                fresh.push(false);
            }
            let tracked = self.track(&policy, rollout, budgets.remove(&rollout.name), moving);
            self.rollouts.push(tracked);
        }
        self.elsewhere.extend(before.into_iter().map(|(identity, moving)| (identity, moving.state)));
        self.count_unsplit(&policy);
        self.providers.keep(&policy);
        self.policy = policy;
        for (index, fresh) in fresh.into_iter().enumerate() {
            self.refresh_block(index);
            // The step's own observer follows from the epoch; nothing else is to be done with what happened.
            let _ = self.happened(index, &Input::PolicyChanged { fresh }, now);
            self.apply_lock_file(index, now);
        }
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
                let moving = tracked.moving.as_ref().filter(|moving| moving.identity.canary == stable)?;
                let held = moving.state.lock.is_some() || matches!(moving.state.phase, Phase::RolledBack { .. });
                held.then_some(tracked.rollout.name.as_str())
            });
            if let Some(other) = taken_back {
                return Some(FileError::whole(format!(
                    "rollouts `{}`: its new stable {stable} is the canary of `{other}`, which was rolled back; \
                     `serin resume {other}` first if that provider is well again",
                    rollout.name
                )));
            }
        }
        self.brings_unserved(policy)
    }
}

pub(super) fn identity(policy: &Policy, rollout: &Rollout, canary: &Canary) -> Identity {
    Identity {
        rollout: rollout.name.clone(),
        stable: policy.provider(rollout.stable).base_url.to_string(),
        canary: policy.provider(canary.provider).base_url.to_string(),
        salt: rollout.salt.clone(),
    }
}

fn forgotten_pause(now: Now) -> Pause {
    let reason = "the earlier state could not be read, so nobody knows whether this canary was rolled back".to_owned();
    let (rules, found) = (Vec::new(), Vec::new());
    Pause { at: now.unix, actor: "serin".to_owned(), reason, regression: false, rules, found }
}

fn fixed_edits(old: &Fixed, new: &Fixed) -> Vec<String> {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let edits = [
        ("listen", Some(old.listen.to_string()), Some(new.listen.to_string())),
        ("admin.listen", Some(old.admin.to_string()), Some(new.admin.to_string())),
        ("probe.listen", old.probe.map(|at| at.to_string()), new.probe.map(|at| at.to_string())),
        ("state", path(&old.state), path(&new.state)),
        ("workers", old.workers.map(|count| count.to_string()), new.workers.map(|count| count.to_string())),
    ];
    let changed = edits.into_iter().filter(|(_, old, new)| old != new);
    let word = |value: Option<String>| value.unwrap_or_else(|| "the default".to_owned());
    changed
        .map(|(key, old, new)| {
            let (old, new) = (word(old), word(new));
            format!("`{key}` was changed from {old} to {new}, which takes a restart: {old} stays in force")
        })
        .collect()
}

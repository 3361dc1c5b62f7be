//! What is copied of a rollout's requests at present, and what its rehearsal has come to.
//!
//! Looks at the counts with every tick: takes up what the cores counted, begins and ends rounds of the rehearsal, and
//! says by what requests are copied from now on. What a round concludes is [`rehearsal`](crate::decide::comparison)'s
//! to decide. Invariant: nothing is copied while a rollout is taken back, at `percent: 0`, blocked, or wholly on the
//! canary.

use std::sync::Arc;

use super::{Rollout, RolloutConfig};
use crate::control::engine::context::ProcessContext;
use crate::control::now::Now;
use crate::decide::comparison::funnel::Funnel;
use crate::decide::comparison::mode::CopyMode;
use crate::decide::comparison::rehearsal::{RehearsalWait, RoundVerdict, Subject, waits_for};
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::policy::{Intent, Provider, Rehearse};
use crate::decide::rollout::state::{OverallPhase, Phase};
use crate::decide::units::{Percent, UnixMillis};
use crate::state::copies::{Copying, Purpose};
use crate::state::status::ComparisonStatus;

impl Rollout {
    /// By what requests are copied by what is in force; `None`: none is.
    pub(in crate::control::engine) fn copying(&self, context: &ProcessContext) -> Option<Copying> {
        match self.copy_mode(context) {
            CopyMode::Rehearsing => {
                let limits = self.config.canary.rehearse?.limits;
                let round = self.copies.gate.look(|record| record.rehearsal.round);
                let purpose = Purpose::Rehearsal { round };
                Some(Copying { gate: Arc::clone(&self.copies.gate), purpose, share: Percent::ALL, limits })
            }
            CopyMode::Comparing => {
                let compare = self.config.canary.compare?;
                Some(Copying {
                    gate: Arc::clone(&self.copies.gate),
                    purpose: Purpose::Comparison,
                    share: compare.share,
                    limits: compare.limits,
                })
            }
            _ => None,
        }
    }

    /// Whether requests are copied, and what for.
    fn copy_mode(&self, context: &ProcessContext) -> CopyMode {
        let (canary, effective) = (&self.config.canary, self.share_in_force(context));
        if canary.rehearse.is_none() && canary.compare.is_none() {
            return CopyMode::Off;
        }
        let taken_back =
            matches!(effective.phase, OverallPhase::Locked | OverallPhase::Blocked | OverallPhase::RolledBack);
        // `percent: 0` keeps everybody off the canary, whoever was there before.
        if taken_back || canary.percent == Intent::Pinned(Percent::ZERO) {
            return CopyMode::TakenBack;
        }
        if effective.percent == Percent::ALL {
            return CopyMode::NothingOnStable;
        }
        if self.rehearse(context).is_some() {
            let (under_way, passed) =
                self.copies.gate.look(|record| (record.rehearsal.is_under_way(), record.rehearsal.is_passed()));
            if under_way {
                return CopyMode::Rehearsing;
            }
            if !passed {
                return CopyMode::RehearsalFailed;
            }
        }
        if canary.compare.is_some() { CopyMode::Comparing } else { CopyMode::Off }
    }

    /// The rehearsal that is still to be passed; `None`: there is no ramp to begin, users have been on the canary, or
    /// the file asks for none. A ramp that follows the clock cannot remember that it was passed.
    fn rehearse(&self, context: &ProcessContext) -> Option<Rehearse> {
        if self.config.canary.percent != Intent::Auto {
            return None;
        }
        let is_before = self.state().phase == Phase::Probing && self.share_in_force(context).percent == Percent::ZERO;
        self.config.canary.rehearse.filter(|_| is_before && !self.view(context).by_clock)
    }

    /// What the first step waits for.
    pub(super) fn rehearsal_wait(&self, context: &ProcessContext, now: UnixMillis) -> Option<Arc<RehearsalWait>> {
        let rehearse = self.rehearse(context)?;
        let tolerated = self.config.canary.guard.max_error_rate;
        self.copies.gate.look(|record| waits_for(&record.rehearsal, rehearse.requests, tolerated, now)).map(Arc::new)
    }

    /// Time has passed. Returns whether what is copied is another by now, and an event if a round ended.
    pub(super) fn look_at_copies(&mut self, context: &ProcessContext, now: Now) -> (bool, Option<Event>) {
        if self.config.canary.rehearse.is_none() && self.config.canary.compare.is_none() && self.copies.last.is_none() {
            return (false, None);
        }
        self.take_counts(now.unix);
        let event = self.rehearse(context).and_then(|rehearse| self.look_at_rehearsal(rehearse, context, now));
        let copying = self.copying(context);
        let is_same = match (&copying, &self.copies.last) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        self.copies.last = copying;
        self.refresh_copies_report(context);
        (!is_same, event)
    }

    /// Takes up what the cores have counted.
    fn take_counts(&self, now: UnixMillis) {
        let Some(counts) = self.copies.gate.take_counts() else { return };
        let purpose = self.copies.last.as_ref().map_or(Purpose::Comparison, |copying| copying.purpose);
        let mut record = self.copies.gate.record();
        if counts.seen > 0 {
            record.rehearsal.seen_at = Some(now);
        }
        if let Some(tally) = record.tally(purpose) {
            let Funnel { seen, sampled, skipped, .. } = counts;
            tally.funnel.seen += seen;
            tally.funnel.sampled += sampled;
            skipped.into_iter().for_each(|(why, count)| *tally.funnel.skipped.entry(why).or_default() += count);
        }
    }

    fn look_at_rehearsal(&self, rehearse: Rehearse, context: &ProcessContext, now: Now) -> Option<Event> {
        let subject = Subject { attempt: self.state().attempt, asked: asked(&self.config.provider) };
        let tolerated = self.config.canary.guard.max_error_rate;
        let is_due = self.copies.gate.look(|record| {
            let compared = record.rehearsal.tally.funnel.compared;
            let ends = record.rehearsal.is_under_way() && compared >= u64::from(rehearse.requests);
            ends || record.rehearsal.is_due(subject, now.unix)
        });
        if !is_due {
            return None;
        }
        let mut record = self.copies.gate.record();
        record.rehearsal.begin_if_due(subject, now.unix);
        let RoundVerdict { blocking, compared, .. } =
            record.rehearsal.conclude(rehearse.requests, tolerated, now.unix)?.clone();
        drop(record);
        context.comparisons.write_soon();
        let RolloutConfig { spec, stable, provider, .. } = &self.config;
        let share = self.state().in_force;
        Some(Event {
            at: now.unix,
            rollout: Some(spec.name.clone()),
            actor: Actor::Serin,
            action: if blocking.is_empty() { Action::Rehearsed } else { Action::RehearsalFailed },
            reason: Reason::Rehearsed {
                canary: provider.name.clone(),
                stable: stable.name.clone(),
                compared,
                blocking,
            },
            from: share,
            to: share,
            generation: context.flags.generation,
        })
    }

    /// Brings what is told up to date.
    pub(super) fn refresh_copies_report(&mut self, context: &ProcessContext) {
        let (rehearse, compare) = (self.config.canary.rehearse, self.config.canary.compare);
        if rehearse.is_none() && compare.is_none() {
            self.copies.report = None;
            return;
        }
        let (version, mode) = (self.copies.gate.version(), self.copy_mode(context));
        let known = self.copies.report.as_ref();
        let tolerated = self.config.canary.guard.max_error_rate;
        let is_known = known.is_some_and(|(of, report)| {
            (*of, report.mode, report.tolerated) == (version, mode, tolerated)
                && (report.rehearse, report.compare) == (rehearse, compare)
        });
        if is_known {
            return;
        }
        let record = self.copies.gate.look(Clone::clone);
        let is_priced = !self.config.provider.prices.is_empty();
        let report = ComparisonStatus { mode, rehearse, compare, is_priced, tolerated, record };
        self.copies.report = Some((version, Arc::new(report)));
    }

    /// What is told of its copies; `None`: the file asks for none.
    pub(in crate::control) fn comparison(&self) -> Option<Arc<ComparisonStatus>> {
        self.copies.report.as_ref().map(|(_, report)| Arc::clone(report))
    }
}

/// A number for the way in which the file has a provider asked: another way is rehearsed anew. FNV-1a over what is
/// written; of keys it has no more than what is shown of them anyway.
fn asked(provider: &Provider) -> u64 {
    let keys: Vec<String> = provider.api_keys.iter().map(|key| key.tail()).collect();
    let headers: Vec<&String> = provider.set_headers.iter().map(|(name, _)| name).collect();
    let query: Vec<&String> = provider.query.iter().map(|(name, _)| name).collect();
    let Provider { base_url, auth, models, unmapped, fields, path, .. } = provider;
    let text =
        format!("{base_url} {auth:?} {models:?} {unmapped:?} {fields:?} {path:?} {keys:?} {headers:?} {query:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

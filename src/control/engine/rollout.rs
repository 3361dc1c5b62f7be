//! One rollout with a canary: inputs go in, effects come out.
//!
//! Owns everything that is known of the rollout: the committed state and its pending proposal ([`Committed`]), what is
//! observed of its requests ([`EvidenceCollector`]), what its canary rejects, and which alerts were sent. There are two
//! ways in. [`Rollout::apply`] takes an [`Input`], runs the state machine and returns [`Effects`]; only it changes the
//! state. [`Rollout::record`] takes a [`Signal`] and stores it; the next tick decides upon it. Knows no other rollout,
//! reads no clock and does no I/O. Invariant: the state changes by steps of the state machine only, and each step is
//! decided once.

mod copies;
mod tick;

use std::sync::Arc;

use super::availability::AvailabilityAlerts;
use super::committed::Committed;
use super::context::ProcessContext;
use super::copies_seen::CopiesSeen;
use super::effects::{Denied, Effects, InputResult};
use super::forecast::ForecastCache;
use super::input::{Input, Signal};
use crate::control::evidence::causes::RecentEpochs;
use crate::control::evidence::collector::EvidenceCollector;
use crate::control::evidence::rejections::CanaryRejections;
use crate::control::evidence::trace_buffer::TraceBuffer;
use crate::control::now::Now;
use crate::control::persist::checkpoint::Checkpoint;
use crate::control::persist::outbox::Proposal;
use crate::decide::cause::CauseCount;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::guard::trace::TraceLine;
use crate::decide::notification::Pair;
use crate::decide::policy::{self, Canary, Provider};
use crate::decide::rollback_ready::NotReady;
use crate::decide::rollout::context::{Blocked, Observation, RolloutContext, blocked};
use crate::decide::rollout::in_force::{EffectiveShare, in_force};
use crate::decide::rollout::state::{Identity, RolloutState};
use crate::decide::rollout::step::{Input as StepInput, Step, step as decide};
use crate::decide::units::{Millis, Percent, UnixMillis};
use crate::decide::verdict::Verdict;
use crate::describe::in_force as words;
use crate::describe::rollback_ready::reasons;
use crate::state::inbox::{Command, Rejection};
use crate::state::pause_masks::Attribution;
use crate::state::series_table::SeriesTable;
use crate::state::status::IncompatibilityStatus;

/// Between two lines of the log that say whether stable could take everybody back.
const READINESS_INTERVAL: Millis = Millis(600_000);

/// What the file configures for a rollout with a canary, and the series that count its requests.
#[derive(Debug)]
pub(in crate::control) struct RolloutConfig {
    pub(in crate::control) spec: Arc<policy::Rollout>,
    pub(in crate::control) canary: Canary,
    pub(in crate::control) stable: Arc<Provider>,
    /// The canary's provider.
    pub(in crate::control) provider: Arc<Provider>,
    pub(in crate::control) series: SeriesTable,
}

#[derive(Debug)]
pub(in crate::control) struct Rollout {
    identity: Identity,
    config: RolloutConfig,
    committed: Committed,
    // The reason as a sentence, as the history keeps it.
    blocked: Option<String>,
    collector: EvidenceCollector,
    // When the collector began to count.
    evidence_since: UnixMillis,
    availability: AvailabilityAlerts,
    rejections: CanaryRejections,
    recent_epochs: RecentEpochs,
    checkpoint: Checkpoint,
    forecast: ForecastCache,
    trace_buffer: TraceBuffer,
    // Why stable could not take everybody back.
    not_ready: Arc<[NotReady]>,
    // When the log was told last whether it could, and what.
    readiness_told: Option<(Millis, bool)>,
    copies: CopiesSeen,
}

impl Rollout {
    /// Continues from a state that was kept, or starts from a new one.
    pub(super) fn new(
        identity: Identity,
        config: RolloutConfig,
        state: RolloutState,
        context: &ProcessContext,
        now: Now,
    ) -> Rollout {
        let collector = EvidenceCollector::new(&state, &context.blocks, &config.canary.guard, now.mono);
        let rejections = CanaryRejections::new(&config.provider, &config.spec);
        let copies = CopiesSeen::new(context.comparisons.gate(&identity));
        Rollout {
            identity,
            config,
            committed: Committed::new(state),
            blocked: None,
            collector,
            evidence_since: now.unix,
            availability: AvailabilityAlerts::default(),
            rejections,
            recent_epochs: RecentEpochs::default(),
            checkpoint: Checkpoint::default(),
            forecast: ForecastCache::default(),
            trace_buffer: TraceBuffer::default(),
            not_ready: Arc::default(),
            readiness_told: None,
            copies,
        }
    }

    /// The same rollout under another version of the file.
    pub(super) fn with_config(self, config: RolloutConfig) -> Rollout {
        let rejections = self.rejections.retained(&config.provider, &config.spec);
        Rollout { config, rejections, ..self }
    }

    /// The key of its state in the store.
    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(in crate::control) const fn config(&self) -> &RolloutConfig {
        &self.config
    }

    /// What a notification says of it, given the attempt that it is about.
    pub(super) fn pair(&self, attempt: u32) -> Pair {
        let RolloutConfig { stable, provider, .. } = &self.config;
        Pair { stable: stable.name.clone(), canary: provider.name.clone(), attempt }
    }

    /// The state in force.
    pub(in crate::control) const fn state(&self) -> &RolloutState {
        self.committed.state()
    }

    /// The state in force, to be kept while the file does not have the rollout.
    pub(super) fn into_identity_and_state(self) -> (Identity, RolloutState) {
        (self.identity, self.committed.into_state())
    }

    /// The proposal that is being written.
    pub(in crate::control) const fn proposed(&self) -> Option<&Proposal> {
        self.committed.proposed()
    }

    pub(in crate::control) const fn collector(&self) -> &EvidenceCollector {
        &self.collector
    }

    /// What is observed up to now. Drops what has left the guard's window.
    pub(in crate::control) fn observation(&mut self, context: &ProcessContext, now: Now) -> Observation {
        self.refresh_copies_report(context);
        let (not_ready, rehearsal) = (Arc::clone(&self.not_ready), self.rehearsal_wait(context, now.unix));
        Observation { not_ready, rehearsal, ..self.collector.observation(now.mono) }
    }

    /// Why stable could not take everybody back; empty: it could.
    pub(in crate::control) const fn not_ready(&self) -> &Arc<[NotReady]> {
        &self.not_ready
    }

    /// The same, as it was found just now. Logged when it changes, at most once in ten minutes.
    pub(super) fn set_not_ready(&mut self, found: Vec<NotReady>, now: Millis) {
        let is_ready = found.is_empty();
        let is_rested = self.readiness_told.is_none_or(|(at, _)| now.since(at) >= READINESS_INTERVAL);
        let told = self.readiness_told.is_none_or(|(_, told)| told);
        if is_ready != told && is_rested && (is_ready || self.state().in_force > Percent::ZERO) {
            self.readiness_told = Some((now, is_ready));
            let (name, stable) = (&self.config.spec.name, &self.config.stable.name);
            if is_ready {
                tracing::info!(rollout = name, "stable {stable} could take everybody back");
            } else {
                tracing::warn!(rollout = name, "stable {stable} could not take everybody back: {}", reasons(&found));
            }
        }
        if *self.not_ready != *found {
            self.not_ready = found.into();
        }
    }

    /// Whether the canary has or had users, so that it may have made something that requests name.
    pub(super) fn has_had_users(&self) -> bool {
        let state = self.state();
        state.epoch > 1 || state.in_force > Percent::ZERO
    }

    /// When the collector began to count.
    pub(in crate::control) const fn evidence_since(&self) -> UnixMillis {
        self.evidence_since
    }

    /// Whether an operator moved what the canary keeps.
    pub(super) fn is_state_moved(&self) -> bool {
        self.state().state_moved
    }

    /// Whether the canary answers no request while stable is unreachable.
    pub(super) fn is_canary_dead(&self) -> bool {
        self.availability.is_canary_dead()
    }

    /// Requests that the canary rejects although stable accepts them.
    pub(in crate::control) fn incompatibilities(&self) -> Vec<IncompatibilityStatus> {
        self.rejections.incompatibilities()
    }

    /// The most common rejection as a sentence, cached until the next rejection.
    pub(in crate::control) fn most_common_rejection(&mut self) -> Option<Arc<str>> {
        self.rejections.most_common()
    }

    /// Why requests failed, stable's first.
    pub(in crate::control) fn causes(&self, now: Now) -> [Vec<CauseCount>; 2] {
        self.recent_epochs.causes(now)
    }

    /// How soon faults would be detected.
    pub(in crate::control) const fn forecast(&self) -> &ForecastCache {
        &self.forecast
    }

    /// The trace of the guard's ticks, oldest first.
    pub(super) fn trace(&self) -> Vec<TraceLine> {
        self.trace_buffer.lines()
    }

    /// Stores a signal for the next tick.
    pub(super) fn record(&mut self, signal: Signal<'_>, now: Millis) {
        match signal {
            Signal::Sample(sample) => self.collector.sample(sample, &self.config.canary.guard, now),
            Signal::SamplesDropped(lost) => self.collector.samples_dropped(lost, now),
            Signal::ProbeFinished(probe, result) => {
                if self.identity == probe.rollout && self.state().epoch == probe.epoch {
                    self.collector.probe_finished(probe.arm, result.clone(), now);
                }
            }
        }
    }

    /// Gives the guard a verdict; false: its user is paused.
    pub(super) fn verdict(&mut self, whose: Attribution, verdict: &Verdict, now: Millis) -> bool {
        self.collector.verdict(whose, verdict.good, verdict.weight, now)
    }

    /// Runs an input through the state machine. Requests that wait for an abandoned canary are released here.
    pub(super) fn apply(&mut self, input: Input<'_>, context: &ProcessContext, now: Now) -> Effects {
        let mut effects = self.effects_of(input, context, now);
        if let Some(rescue) = effects.withdraw_waiting.take() {
            self.collector.withdraw_waiting(rescue, now.mono);
        }
        effects
    }

    fn effects_of(&mut self, input: Input<'_>, context: &ProcessContext, now: Now) -> Effects {
        match input {
            Input::Tick { index, bypassed } => self.tick(index, bypassed, context, now),
            Input::Command(command) => self.run_command(command, context, now),
            Input::PolicyChanged { fresh } => {
                self.update_blocked(context);
                let mut effects = self.step(&StepInput::PolicyChanged { fresh }, context, now);
                // Whoever put the file in force publishes as well.
                effects.events.extend(self.look_at_copies(context, now).1);
                effects
            }
            Input::LockFound(lock) => self.step(&StepInput::LockFound(lock), context, now),
            Input::StateMoved => self.step(&StepInput::StateMoved, context, now),
            Input::Rejected(rejection) => self.add_rejection(rejection, context, now),
            Input::Written(proposals) => {
                let epoch = self.state().epoch;
                let Some(proposal) = self.own_proposal(proposals) else { return Effects::default() };
                let effects = self.committed.commit(proposal, &self.config.canary, now.unix);
                self.start_epoch_after(epoch, context, now);
                effects
            }
            Input::NotWritten(proposals) => {
                let own = self.own_proposal(proposals);
                own.map_or_else(Effects::default, |proposal| self.committed.abandon(proposal))
            }
            Input::Withdraw => Effects { state: self.committed.withdraw(), ..Effects::default() },
            Input::Drain => Effects { state: self.state_to_keep(now), ..Effects::default() },
        }
    }

    /// The pending proposal of this rollout among those of a batch.
    fn own_proposal<'p>(&self, proposals: &'p [(Identity, Proposal)]) -> Option<&'p Proposal> {
        let is_own = |(identity, proposal): &&(Identity, Proposal)| {
            *identity == self.identity && self.committed.proposed() == Some(proposal)
        };
        proposals.iter().find(is_own).map(|(_, proposal)| proposal)
    }

    /// The state with its evidence. `None` while a proposal is pending: only news is written over a proposal.
    fn state_to_keep(&mut self, now: Now) -> Option<RolloutState> {
        self.committed.set_pauses(self.collector.pauses_to_keep(now.mono));
        self.committed.proposed().is_none().then(|| self.state().clone())
    }

    fn step(&mut self, input: &StepInput, context: &ProcessContext, now: Now) -> Effects {
        let step = self.decide(input, context, now);
        self.apply_step(step, matches!(input, StepInput::Tick(_)), context, now)
    }

    fn decide(&self, input: &StepInput, context: &ProcessContext, now: Now) -> Step {
        let view = RolloutContext { writing: self.committed.proposed().is_some(), ..self.view(context) };
        decide(&view, self.state(), input, now.unix)
    }

    fn apply_step(&mut self, step: Step, by_time: bool, context: &ProcessContext, now: Now) -> Effects {
        let epoch = self.state().epoch;
        let effects = self.committed.apply(step, by_time, context.disk.was_ever_written());
        self.start_epoch_after(epoch, context, now);
        effects
    }

    /// A new epoch starts without evidence.
    fn start_epoch_after(&mut self, before: u64, context: &ProcessContext, now: Now) {
        let epoch = self.committed.state().epoch;
        if epoch != before {
            self.collector.start_epoch(epoch, &context.blocks, &self.config.canary.guard);
            self.evidence_since = now.unix;
        }
    }

    fn run_command(&mut self, command: &Command, context: &ProcessContext, now: Now) -> Effects {
        let step = self.command_step(command, context, now);
        match denied(&step, context) {
            Some(denied) => {
                let result = InputResult { denied: Some(denied), ..InputResult::default() };
                Effects { result, ..Effects::default() }
            }
            None => self.apply_step(step, false, context, now),
        }
    }

    /// The step that a command would be now, or why it would be denied. Changes nothing.
    pub(super) fn preview(&self, command: &Command, context: &ProcessContext, now: Now) -> Result<Step, Denied> {
        let step = self.command_step(command, context, now);
        denied(&step, context).map_or(Ok(step), Err)
    }

    fn command_step(&self, command: &Command, context: &ProcessContext, now: Now) -> Step {
        let Command { verb, actor, reason, .. } = command.clone();
        self.decide(&StepInput::Command { verb, actor, reason }, context, now)
    }

    fn add_rejection(&mut self, rejection: Rejection, context: &ProcessContext, now: Now) -> Effects {
        let RolloutConfig { spec, stable, provider, .. } = &self.config;
        if provider.name != rejection.provider {
            return Effects::default();
        }
        let new = self.rejections.add(rejection, now);
        let Some(IncompatibilityStatus { finding, status, .. }) = new else { return Effects::default() };
        let (canary, stable) = (provider.name.clone(), stable.name.clone());
        let share = self.committed.state().in_force;
        let event = Event {
            at: now.unix,
            rollout: Some(spec.name.clone()),
            actor: Actor::Serin,
            action: Action::Advise,
            reason: Reason::Refuses { finding: finding.clone(), canary, stable, status: *status },
            from: share,
            to: share,
            generation: context.flags.generation,
        };
        Effects { events: vec![event], ..Effects::default() }
    }

    fn update_blocked(&mut self, context: &ProcessContext) {
        let RolloutConfig { canary, stable, provider, .. } = &self.config;
        let unusable = provider.unusable.as_deref().map(|why| Blocked::Unusable { provider: &provider.name, why });
        let locks = || context.locks.block(&context.disk.dir, canary, stable, self.committed.state());
        let why = blocked(canary, unusable.or_else(locks), context.disk.never_writable());
        self.blocked = why.map(words::blocked);
    }

    /// The facts that the state machine decides from.
    pub(in crate::control) fn view<'a>(&'a self, context: &'a ProcessContext) -> RolloutContext<'a> {
        let canary = &self.config.canary;
        RolloutContext {
            name: &self.config.spec.name,
            canary,
            blocked: self.blocked.as_deref(),
            unwritable: context.disk.unwritable(),
            writing: false,
            by_clock: context.disk.never_writable().is_some() && canary.ramp.from.is_some(),
            generation: context.flags.generation,
        }
    }

    /// The percent in force and the rule that set it.
    pub(in crate::control) fn share_in_force(&self, context: &ProcessContext) -> EffectiveShare {
        in_force(&self.view(context), self.state())
    }
}

fn denied(step: &Step, context: &ProcessContext) -> Option<Denied> {
    let unwritable = || context.disk.unwritable().filter(|_| step.meanwhile.is_some());
    let refused = step.refused.clone().map(Denied::Refused);
    refused.or_else(|| unwritable().map(|error| Denied::Unwritable(error.to_owned())))
}

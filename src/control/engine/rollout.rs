//! One rollout with a canary: what happens to it in, what follows from it out.
//!
//! Owns all that is known of it: the state in force and what is proposed ([`Course`]), what is seen of its requests
//! ([`Observer`]), what its canary refuses, and what was told when; others read it. There are two ways in.
//! [`Rollout::take`] is for whatever is decided upon: it alone changes the state, and [`Effects`] says what is to be told,
//! written and published, since nothing is carried out here. [`Rollout::see`] is for what was seen: it is kept, nothing
//! follows, and the next look decides upon it. Besides, [`Rollout::due_probes`] notes which probes it gave away, and
//! [`Rollout::look_ahead`] keeps a forecast that nothing is decided from; what is read with time or in words is kept until
//! it is out of date. Knows of no other rollout, reads no clock and does no I/O. Invariant: its state changes by steps
//! only, each of which was decided once.

use std::sync::Arc;

use super::availability::{Names, Turns};
use super::committed::Course;
use super::context::Context;
use super::effects::{Answer, Denied, Effects};
use super::forecast::Foresight;
use crate::control::evidence::answer_stats;
use crate::control::evidence::causes::{KeptEpochs, of_canary};
use crate::control::evidence::observer::Observer;
use crate::control::evidence::rejections::Findings;
use crate::control::evidence::trace_buffer::Lately;
use crate::control::now::Now;
use crate::control::persist::checkpoint::Outlasting;
use crate::control::persist::outbox::Proposal;
use crate::decide::cause::CauseCount;
use crate::decide::event::{Action, Actor, Event, Reason};
use crate::decide::guard::trace::Line;
use crate::decide::policy::{self, Canary, Intent, Provider};
use crate::decide::rollout::in_force::{Ruling, in_force};
use crate::decide::rollout::outlook::asks_stable;
use crate::decide::rollout::state::{Identity, Lock, Phase, RolloutState};
use crate::decide::rollout::step::{Input as Happening, Step, step as decide};
use crate::decide::rollout::view::{Blocked, Observation, View, blocked};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::describe::in_force as words;
use crate::state::inbox::{Command, Refused};
use crate::state::samples::Sample;
use crate::state::series_table::SeriesTable;
use crate::state::status::FindingStatus;

/// What the file says of a rollout with a canary, and what its requests are counted by.
#[derive(Debug)]
pub(in crate::control) struct Asked {
    pub(in crate::control) rollout: Arc<policy::Rollout>,
    pub(in crate::control) canary: Canary,
    pub(in crate::control) stable: Arc<Provider>,
    /// The canary's.
    pub(in crate::control) provider: Arc<Provider>,
    pub(in crate::control) series: SeriesTable,
}

/// One rollout with a canary.
#[derive(Debug)]
pub(in crate::control) struct Rollout {
    identity: Identity,
    asked: Asked,
    course: Course,
    // In words, as the history keeps it.
    blocked: Option<String>,
    observer: Observer,
    // When what the observer counts began.
    counted_since: UnixMillis,
    turns: Turns,
    findings: Findings,
    kept_epochs: KeptEpochs,
    outlasting: Outlasting,
    foresight: Foresight,
    lately: Lately,
}

/// Something that happens to a rollout.
pub(in crate::control) enum Input<'a> {
    /// Time has passed. `place`: of the rollout in the file; `stepped_back`: how many requests stable's breaker ever kept from
    /// it, and whether it would keep one from it now.
    Look { place: usize, stepped_back: (u64, bool) },
    /// A human asks for something.
    Command(&'a Command),
    /// A file is in force. `fresh`: evidence begins afresh.
    PolicyChanged { fresh: bool },
    /// A lock was found as a file.
    LockFound(Lock),
    /// The canary refused a request.
    Refused(Refused),
    /// These proposals are on the disk, one of which may be its own.
    Landed(&'a [(Identity, Proposal)]),
    /// They could not be written.
    Lost(&'a [(Identity, Proposal)]),
    /// What it proposed is not waited for any longer.
    Withdraw,
    /// The process is stopping.
    Drain,
}

/// Something that was seen of a rollout's requests or of its providers.
pub(in crate::control) enum Seen<'a> {
    /// A core tells of a request.
    Sample(&'a Sample),
    /// So many samples found no room since the process began.
    Lost(u64),
    /// A probe was answered, or not. One that was asked for in another epoch says nothing.
    Probed(&'a Probe, &'a Result<(), String>),
}

/// A provider to be asked whether it lives.
#[derive(Debug)]
pub struct Probe {
    /// On behalf of this rollout.
    pub rollout: Identity,
    /// Which of its providers.
    pub arm: Arm,
    /// An answer that comes in another epoch is void.
    pub epoch: u64,
    /// The provider.
    pub provider: Arc<Provider>,
}

impl Rollout {
    /// Goes on from this state, which was kept or is new.
    pub(in crate::control) fn new(
        identity: Identity,
        asked: Asked,
        state: RolloutState,
        context: &Context,
        now: Now,
    ) -> Rollout {
        let observer = Observer::new(&state, &context.blocks, &asked.canary.guard, now.mono);
        let findings = Findings::new(&asked.provider, &asked.rollout);
        Rollout {
            identity,
            asked,
            course: Course::new(state),
            blocked: None,
            observer,
            counted_since: now.unix,
            turns: Turns::default(),
            findings,
            kept_epochs: KeptEpochs::default(),
            outlasting: Outlasting::default(),
            foresight: Foresight::default(),
            lately: Lately::default(),
        }
    }

    /// The same rollout under another file.
    pub(in crate::control) fn under(self, asked: Asked) -> Rollout {
        let findings = self.findings.kept(&asked.provider, &asked.rollout);
        Rollout { asked, findings, ..self }
    }

    /// Which rollout it is, wherever its state is kept.
    pub(in crate::control) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the file says of it.
    pub(in crate::control) const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What is in force.
    pub(in crate::control) const fn state(&self) -> &RolloutState {
        self.course.state()
    }

    /// What is in force, as it lasts when the file has the rollout no longer.
    pub(in crate::control) fn into_kept(self) -> (Identity, RolloutState) {
        (self.identity, self.course.into_state())
    }

    /// What is on its way to the disk.
    pub(in crate::control) const fn proposed(&self) -> Option<&Proposal> {
        self.course.proposed()
    }

    /// What is seen of its requests.
    pub(in crate::control) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// What was seen until now; what has left the guard's window by then is dropped.
    pub(in crate::control) fn seen(&mut self, now: Now) -> Observation {
        self.observer.seen(now.mono)
    }

    /// When what the observer counts began.
    pub(in crate::control) const fn counted_since(&self) -> UnixMillis {
        self.counted_since
    }

    /// Whether the canary answers nobody.
    pub(in crate::control) fn is_canary_dead(&self) -> bool {
        self.turns.canary_dead()
    }

    /// What the canary refuses although stable accepts it.
    pub(in crate::control) fn findings(&self) -> Vec<FindingStatus> {
        self.findings.report()
    }

    /// The commonest refusal in plain words, which are kept until there is another.
    pub(in crate::control) fn commonest_refusal(&mut self) -> Option<Arc<str>> {
        self.findings.commonest()
    }

    /// Why requests failed, stable's first.
    pub(in crate::control) fn causes(&self, now: Now) -> [Vec<CauseCount>; 2] {
        self.kept_epochs.causes(now)
    }

    /// How soon faults would be seen.
    pub(in crate::control) const fn foresight(&self) -> &Foresight {
        &self.foresight
    }

    /// What the guard saw lately, oldest first.
    pub(in crate::control) fn lately(&self) -> Vec<Line> {
        self.lately.lines()
    }

    /// Something was seen.
    pub(in crate::control) fn see(&mut self, seen: Seen<'_>, now: Millis) {
        match seen {
            Seen::Sample(sample) => self.observer.sample(sample, &self.asked.canary.guard, now),
            Seen::Lost(lost) => self.observer.lost(lost, now),
            Seen::Probed(probe, result) => {
                if self.identity == probe.rollout && self.state().epoch == probe.epoch {
                    self.observer.probed(probe.arm, result.clone(), now);
                }
            }
        }
    }

    /// Something happens: what follows from it. Whoever waits for a canary that is given up is let go here.
    pub(in crate::control) fn take(&mut self, input: Input<'_>, context: &Context, now: Now) -> Effects {
        let mut effects = self.decided(input, context, now);
        if let Some(rescue) = effects.rescue.take() {
            self.observer.withdraw(rescue, now.mono);
        }
        effects
    }

    fn decided(&mut self, input: Input<'_>, context: &Context, now: Now) -> Effects {
        match input {
            Input::Look { place, stepped_back } => self.look(place, stepped_back, context, now),
            Input::Command(command) => self.carry_out(command, context, now),
            Input::PolicyChanged { fresh } => {
                self.see_block(context);
                self.happens(&Happening::PolicyChanged { fresh }, context, now)
            }
            Input::LockFound(lock) => self.happens(&Happening::LockFound(lock), context, now),
            Input::Refused(refused) => self.refused(refused, context, now),
            Input::Landed(written) => {
                let epoch = self.state().epoch;
                let Some(proposal) = self.own(written) else { return Effects::default() };
                let effects = self.course.land(proposal, &self.asked.canary, now.unix);
                self.count_anew(epoch, context, now);
                effects
            }
            Input::Lost(unwritten) => {
                self.own(unwritten).map_or_else(Effects::default, |proposal| self.course.lose(proposal))
            }
            Input::Withdraw => Effects { state: self.course.withdraw(), ..Effects::default() },
            Input::Drain => Effects { state: self.evidence(now), ..Effects::default() },
        }
    }

    /// That which it waits for.
    fn own<'p>(&self, proposals: &'p [(Identity, Proposal)]) -> Option<&'p Proposal> {
        let is_own = |(identity, proposal): &&(Identity, Proposal)| {
            *identity == self.identity && self.course.proposed() == Some(proposal)
        };
        proposals.iter().find(is_own).map(|(_, proposal)| proposal)
    }

    fn look(&mut self, place: usize, stepped_back: (u64, bool), context: &Context, now: Now) -> Effects {
        self.see_block(context);
        let alone = self.state().in_force == Percent::ALL;
        let several = self.observer.has_several_sources();
        let mut seen = self.observer.look(&self.asked.canary.guard, alone, stepped_back, now.mono);
        let several_now = self.observer.has_several_sources();
        seen.refuses = self.commonest_refusal();
        let canary_turns = self.turns.see_canary(seen.canary_dead);
        let stable_turns = self.turns.see_stable(self.observer.stable_waits().is_some());
        if let Some(tick) = &seen.tick {
            self.kept_epochs.note(self.observer.evidence());
            seen.causes = of_canary(self.observer.evidence(), now);
            let totals = [Arm::Stable, Arm::Canary].map(|arm| answer_stats::totals(self.asked.series.own(arm)));
            self.observer.count_answers(tick.seconds, totals);
            self.lately.add(now.unix, self.course.state().in_force, tick, context.rollouts);
        }
        let mut effects = self.happens(&Happening::Tick(seen), context, now);
        effects.answer.publish |= canary_turns || several != several_now;
        let Asked { rollout, stable, provider, .. } = &self.asked;
        let names = Names { rollout: &rollout.name, canary: &provider.name, stable: &stable.name };
        if canary_turns {
            effects.notices.extend(self.turns.tell_of_canary(names, now));
        }
        if stable_turns {
            effects.notices.extend(self.turns.tell_of_stable(self.observer.stable_waits(), names, now));
        }
        if self.outlasting.is_due(place, now.mono) && self.course.proposed().is_none() {
            self.course.keep_pauses(self.observer.pauses(now.mono));
            if self.outlasting.has_gathered(&self.asked.canary, self.course.state()) {
                effects.state = Some(self.state().clone());
            }
        }
        effects
    }

    /// The state with what has gathered, unless a proposal is on its way, over which nothing is written but what is news.
    fn evidence(&mut self, now: Now) -> Option<RolloutState> {
        self.course.keep_pauses(self.observer.pauses(now.mono));
        self.course.proposed().is_none().then(|| self.state().clone())
    }

    fn happens(&mut self, happening: &Happening, context: &Context, now: Now) -> Effects {
        let step = self.decide(happening, context, now);
        self.follow(step, matches!(happening, Happening::Tick(_)), context, now)
    }

    fn decide(&self, happening: &Happening, context: &Context, now: Now) -> Step {
        let view = View { writing: self.course.proposed().is_some(), ..self.view(context) };
        decide(&view, self.state(), happening, now.unix)
    }

    fn follow(&mut self, step: Step, of_itself: bool, context: &Context, now: Now) -> Effects {
        let epoch = self.state().epoch;
        let effects = self.course.follow(step, of_itself, context.disk.remembers());
        self.count_anew(epoch, context, now);
        effects
    }

    /// A new epoch begins with no evidence.
    fn count_anew(&mut self, before: u64, context: &Context, now: Now) {
        let epoch = self.course.state().epoch;
        if epoch != before {
            self.observer.begin(epoch, &context.blocks, &self.asked.canary.guard);
            self.counted_since = now.unix;
        }
    }

    fn carry_out(&mut self, command: &Command, context: &Context, now: Now) -> Effects {
        let step = self.asked_for(command, context, now);
        match denied(&step, context) {
            Some(denied) => {
                let answer = Answer { denied: Some(denied), ..Answer::default() };
                Effects { answer, ..Effects::default() }
            }
            None => self.follow(step, false, context, now),
        }
    }

    /// Why a command would not be carried out now.
    pub(in crate::control) fn would_deny(&self, command: &Command, context: &Context, now: Now) -> Option<Denied> {
        denied(&self.asked_for(command, context, now), context)
    }

    fn asked_for(&self, command: &Command, context: &Context, now: Now) -> Step {
        let Command { verb, actor, reason, .. } = command.clone();
        self.decide(&Happening::Command { verb, actor, reason }, context, now)
    }

    fn refused(&mut self, refused: Refused, context: &Context, now: Now) -> Effects {
        let Asked { rollout, stable, provider, .. } = &self.asked;
        if provider.name != refused.provider {
            return Effects::default();
        }
        let known = self.findings.add(refused, now);
        let Some(FindingStatus { finding, status, .. }) = known else { return Effects::default() };
        let (canary, stable) = (provider.name.clone(), stable.name.clone());
        let share = self.course.state().in_force;
        let event = Event {
            at: now.unix,
            rollout: Some(rollout.name.clone()),
            actor: Actor::Serin,
            action: Action::Advise,
            reason: Reason::Refuses { finding: finding.clone(), canary, stable, status: *status },
            from: share,
            to: share,
            generation: context.flags.generation,
        };
        Effects { events: vec![event], ..Effects::default() }
    }

    fn see_block(&mut self, context: &Context) {
        let Asked { canary, stable, provider, .. } = &self.asked;
        let unusable = provider.unusable.as_deref().map(|why| Blocked::Unusable { provider: &provider.name, why });
        let locks = || context.locks.block(&context.disk.dir, canary, stable, self.course.state());
        let why = blocked(canary, unusable.or_else(locks), context.disk.never_writable());
        self.blocked = why.map(words::blocked);
    }

    /// What its steps are decided from.
    pub(in crate::control) fn view<'a>(&'a self, context: &'a Context) -> View<'a> {
        let canary = &self.asked.canary;
        View {
            name: &self.asked.rollout.name,
            canary,
            blocked: self.blocked.as_deref(),
            unwritable: context.disk.unwritable(),
            writing: false,
            by_clock: context.disk.never_writable().is_some() && canary.ramp.from.is_some(),
            generation: context.flags.generation,
        }
    }

    /// What is in force, whatever lies over the ramp.
    pub(in crate::control) fn ruling(&self, context: &Context) -> Ruling {
        in_force(&self.view(context), self.state())
    }

    /// Which probes should begin now; they count as begun.
    pub(in crate::control) fn due_probes(&mut self, context: &Context, now: Now) -> Vec<Probe> {
        let (state, auto) = (self.state(), self.asked.canary.percent == Intent::Auto);
        let begins = state.phase == Phase::Probing && auto && state.lock.is_none() && self.blocked.is_none();
        let asks = asks_stable(&self.view(context), state);
        let wanted = [(begins, Arm::Canary, &self.asked.provider), (asks, Arm::Stable, &self.asked.stable)];
        let mut due = Vec::new();
        for (wanted, arm, provider) in wanted {
            if wanted && self.observer.begin_probe(arm, now.mono) {
                let (rollout, epoch) = (self.identity.clone(), self.course.state().epoch);
                due.push(Probe { rollout, arm, epoch, provider: Arc::clone(provider) });
            }
        }
        due
    }

    /// Works out how soon faults would be seen.
    pub(in crate::control) fn look_ahead(&mut self, now: Now) {
        let (canary, state) = (&self.asked.canary, self.course.state());
        self.foresight.renew(canary, state, self.observer.traffic(), now.mono);
    }
}

fn denied(step: &Step, context: &Context) -> Option<Denied> {
    let unwritable = || context.disk.unwritable().filter(|_| step.meanwhile.is_some());
    let refused = step.refused.clone().map(Denied::Refused);
    refused.or_else(|| unwritable().map(|error| Denied::Unwritable(error.to_owned())))
}

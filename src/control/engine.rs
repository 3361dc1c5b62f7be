//! Control's mind, without a runtime: every rollout's state, and what follows from time, commands, files and locks.
//!
//! Does no I/O and reads no clock. It publishes snapshot and status, which are cells in memory, and leaves what must
//! be written in its [`Outbox`] for the shell around it. Everything that changes a rollout goes through
//! [`decide::rollout::step`](crate::decide::rollout::step::step) and is an event in the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::answered;
use super::causes::{FailedIn, of_canary};
use super::lately::Lately;
use super::lock_files::Unread;
use super::observe::{Blocks, Observer};
use super::outlasting::Outlasting;
use super::pauses::Pauses;
use super::providers::Providers;
use super::recent::Recents;
use super::refusals::Findings;
use super::report;
use super::sampling::Sampling;
use super::series::{Registry, SeriesFactory};
use super::serving::Serving;
use crate::decide::event::{Action, Event, Notice, Reason};
use crate::decide::policy::{Canary, Guard, Intent, Policy, Provider, Rollout, Secret};
use crate::decide::rollout::answer::{Note, Refusal};
use crate::decide::rollout::in_force::{Ruling, in_force};
use crate::decide::rollout::outlook::asks_stable;
use crate::decide::rollout::state::{Identity, Phase, RolloutState};
use crate::decide::rollout::step::{Input, Step, step as decide};
use crate::decide::rollout::view::{View, blocked};
use crate::decide::units::{Arm, Millis, Percent, UnixMillis};
use crate::describe::in_force as in_force_words;
use crate::state::counters::Series;
use crate::state::evidence::Evidence;
use crate::state::retry_budget::RetryBudget;
use crate::state::series_table::SeriesTable;
use crate::state::snapshot::{InForce, Shared, Snapshot};
use crate::state::status::{FlagsStatus, Status, StatusCell};
use crate::store::locks::LocksFound;

/// How many rollouts the history's first line names.
const MOST_TOLD: usize = 5;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For windows and pauses.
    pub mono: Millis,
    /// For what outlives the process.
    pub unix: UnixMillis,
}

/// What has to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The newest state of each rollout that changed. It takes the place of what was proposed for it before.
    pub states: BTreeMap<Identity, RolloutState>,
    /// What comes into force when it is written, and not before.
    pub proposals: BTreeMap<Identity, Proposal>,
    /// For the history, oldest first.
    pub events: Vec<Event>,
    /// A flags.yaml that was accepted.
    pub last_good: Option<Arc<str>>,
}

/// A step by which users follow: to be written first, so that nothing was ever in force that a restart forgets.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The state that comes into force.
    pub state: RolloutState,
    /// Its part of the history, oldest first; never empty.
    pub events: Vec<Event>,
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

/// One rollout or plain route of the file.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) rollout: Arc<Rollout>,
    pub(super) stable: Arc<Provider>,
    pub(super) series: SeriesTable,
    pub(super) retry: Arc<RetryBudget>,
    pub(super) moving: Option<Moving>,
}

impl Tracked {
    /// Requests at the canary now, whichever arm's they are.
    pub(super) fn open_on_canary(&self) -> u64 {
        self.rollout.canary.as_ref().map_or(0, |canary| self.series.in_flight_at(canary.provider))
    }
}

/// What moves.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) identity: Identity,
    pub(super) canary: Arc<Provider>,
    pub(super) state: RolloutState,
    pub(super) proposed: Option<Proposal>,
    pub(super) blocked: Option<String>,
    pub(super) observer: Observer,
    // When what the observer counts began.
    pub(super) counted_since: UnixMillis,
    // Whether the canary answers nobody while stable cannot be reached, whether stable answers nobody while the canary
    // does, and when each was told last.
    pub(super) canary_dead: bool,
    pub(super) stable_silent: bool,
    pub(super) told: [Option<Millis>; 2],
    pub(super) findings: Findings,
    // The last epoch in which attempts failed: stable's first.
    pub(super) failed_in: FailedIn,
    pub(super) outlasting: Outlasting,
    pub(super) lately: Lately,
}

/// What an engine begins with.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Begin {
    /// The first file in force.
    pub policy: Arc<Policy>,
    /// What is told of it; the generation is set here.
    pub flags: FlagsStatus,
    /// The file's text, to be kept as the last good one; `None`: it is that already.
    pub keep: Option<Arc<str>>,
    /// All states that were ever kept.
    pub states: Vec<(Identity, RolloutState)>,
    /// Whether an earlier state was there and is lost.
    pub state_lost: bool,
    /// What was found unusual at the start.
    pub notes: Vec<String>,
    /// Humans' locks, as files; or why they cannot be read.
    pub locks: Result<LocksFound, String>,
    /// The state directory.
    pub dir: String,
    /// Why it cannot be written.
    pub store_error: Option<String>,
    /// How many cores count.
    pub cores: usize,
    /// How many client connections the process can hold.
    pub most_connections: u32,
    /// How series are made.
    pub series: SeriesFactory,
}

/// Control's mind.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Engine {
    /// What the data plane reads.
    pub shared: Arc<Shared>,
    /// What the surfaces read.
    pub status: Arc<StatusCell>,
    /// What has to be written; the shell empties it.
    pub outbox: Outbox,
    pub(super) policy: Arc<Policy>,
    pub(super) rollouts: Vec<Tracked>,
    // Of rollouts that the file does not have now.
    pub(super) elsewhere: BTreeMap<Identity, RolloutState>,
    pub(super) locks: LocksFound,
    pub(super) locks_unread: Option<Unread>,
    pub(super) flags: FlagsStatus,
    pub(super) notes: Vec<String>,
    pub(super) series: Registry,
    pub(super) recent: Recents,
    pub(super) providers: Providers,
    pub(super) serving: Serving,
    pub(super) dir: String,
    pub(super) store_error: Option<String>,
    pub(super) draining: bool,
    pub(super) ever_written: bool,
    pub(super) most_connections: u32,
    pub(super) blocks: Blocks,
    pub(super) sampling: Sampling,
    // Of plain routes: nobody reads it.
    idle: Arc<Evidence>,
    unsplit: Box<[Arc<Series>]>,
    revision: u64,
}

impl Engine {
    /// Restores what was kept, reads the first file and the locks, and publishes the first snapshot.
    #[must_use]
    pub fn new(mut begin: Begin, now: Now) -> Engine {
        begin.notes.extend(stable_taken_back(&begin));
        let (locks, unread) = match begin.locks {
            Ok(locks) => (locks, None),
            Err(why) => (LocksFound::default(), Some(Unread { why, lasting: true })),
        };
        let Begin { policy, flags, states, dir, store_error, cores, most_connections, notes, .. } = begin;
        let mut blocks = Blocks::new(cores);
        let idle = blocks.make(0, &Guard::default(), &Pauses::default(), &Arc::default());
        let nothing = Snapshot {
            revision: 0,
            generation: 0,
            policy: Arc::clone(&policy),
            rollouts: Box::default(),
            unsplit: Box::default(),
            providers: Box::default(),
            draining: false,
        };
        let mut engine = Engine {
            shared: Arc::new(Shared::new(nothing, cores)),
            status: Arc::new(ArcSwap::from_pointee(report::nothing())),
            outbox: Outbox::default(),
            policy: Arc::clone(&policy),
            rollouts: Vec::new(),
            elsewhere: states.into_iter().collect(),
            locks,
            locks_unread: unread,
            flags: FlagsStatus { generation: 1, accepted_at: now.unix, ..flags },
            notes,
            series: Registry::new(begin.series, cores),
            recent: Recents::default(),
            providers: Providers::default(),
            serving: Serving::default(),
            dir,
            ever_written: store_error.is_none(),
            store_error,
            draining: false,
            most_connections,
            blocks,
            sampling: Sampling::default(),
            idle,
            unsplit: Box::default(),
            revision: 0,
        };
        engine.outbox.last_good = begin.keep;
        let unwritable = engine.store_error.iter().map(|error| unwritable(&engine.dir, error));
        let unread = engine.locks_notice();
        let texts = engine.notes.iter().map(|text| Notice::Text { text: text.clone() });
        for noticed in unwritable.chain(unread).chain(texts).collect::<Vec<_>>() {
            engine.notice(noticed, now);
        }
        engine.reconcile(policy, begin.state_lost, now);
        engine.emit_own("serin", Action::Start, engine.beginning(), now);
        // What it says is what the other events led to, and it is the first that a reader looks for.
        engine.outbox.events.rotate_right(1);
        engine.publish();
        engine.report(now);
        engine
    }

    fn beginning(&self) -> Reason {
        let told = |tracked: &Tracked| {
            let ruling = self.ruling(tracked)?;
            Some((tracked.rollout.name.clone(), ruling.percent, ruling.standing))
        };
        let mut rollouts: Vec<_> = self.rollouts.iter().filter_map(told).collect();
        let more = rollouts.len().saturating_sub(MOST_TOLD);
        rollouts.truncate(MOST_TOLD);
        Reason::Began { version: env!("CARGO_PKG_VERSION").to_owned(), dir: self.dir.clone(), rollouts, more }
    }

    /// Time has passed: looks at every rollout.
    pub fn tick(&mut self, now: Now) {
        let mut changed = false;
        self.take_samples(now);
        let count = self.rollouts.len();
        for index in 0..count {
            self.refresh_block(index);
            let tracked = &mut self.rollouts[index];
            let (Some(moving), Some(canary)) = (&mut tracked.moving, &tracked.rollout.canary) else { continue };
            let alone = moving.state.in_force == Percent::ALL;
            let diverted = self.providers.diverted(&tracked.stable, now.mono);
            let several = moving.observer.has_several_sources();
            let mut seen = moving.observer.look(&canary.guard, alone, diverted, now.mono);
            changed |= several != moving.observer.has_several_sources();
            seen.refuses = moving.findings.commonest();
            let turns = seen.canary_dead != moving.canary_dead;
            (moving.canary_dead, changed) = (seen.canary_dead, changed || turns);
            let silent = moving.observer.stable_waits().is_some();
            let stalls = std::mem::replace(&mut moving.stable_silent, silent) != silent;
            if seen.tick.is_some() {
                moving.failed_in.note(moving.observer.evidence());
                seen.causes = of_canary(moving.observer.evidence(), now);
            }
            if let Some(tick) = &seen.tick {
                let totals = [Arm::Stable, Arm::Canary].map(|arm| answered::totals(tracked.series.own(arm)));
                moving.observer.count_answers(tick.seconds, totals);
                moving.lately.add(now.unix, moving.state.in_force, tick, count);
            }
            changed |= self.happened(index, &Input::Tick(seen), now).is_some_and(|step| step.changed || step.rescues);
            if turns {
                self.tell_of_stand_in(index, now);
            }
            if stalls {
                self.tell_of_silent_stable(index, now);
            }
            self.keep_evidence(index, now);
        }
        if changed {
            self.publish();
        }
        self.forecast(now);
        self.watch_breakers(now);
        self.watch_serving();
        self.report(now);
    }

    /// The egress proxy that the file names.
    #[must_use]
    pub fn egress(&self) -> Option<Secret> {
        self.policy.egress.clone()
    }

    /// Which probes should begin now; they count as begun.
    pub fn due_probes(&mut self, now: Now) -> Vec<Probe> {
        let mut due = Vec::new();
        for index in 0..self.rollouts.len() {
            let tracked = &self.rollouts[index];
            let (Some(moving), Some(canary)) = (&tracked.moving, &tracked.rollout.canary) else { continue };
            let held = moving.state.lock.is_some() || moving.blocked.is_some();
            let begins = moving.state.phase == Phase::Probing && canary.percent == Intent::Auto && !held;
            let asks = asks_stable(&self.view(tracked, moving, canary), &moving.state);
            let tracked = &mut self.rollouts[index];
            let Some(moving) = &mut tracked.moving else { continue };
            let wanted = [(begins, Arm::Canary, &moving.canary), (asks, Arm::Stable, &tracked.stable)];
            for (wanted, arm, provider) in wanted {
                if wanted && moving.observer.begin_probe(arm, now.mono) {
                    let (rollout, epoch) = (moving.identity.clone(), moving.state.epoch);
                    due.push(Probe { rollout, arm, epoch, provider: Arc::clone(provider) });
                }
            }
        }
        due
    }

    /// What a probe said. It is acted upon with the next tick.
    pub fn probed(&mut self, probe: &Probe, result: Result<(), String>, now: Now) {
        let asked = self.rollouts.iter_mut().filter_map(|tracked| tracked.moving.as_mut());
        for moving in asked.filter(|moving| moving.identity == probe.rollout && moving.state.epoch == probe.epoch) {
            moving.observer.probed(probe.arm, result.clone(), now.mono);
        }
    }

    /// A batch was written, or why not. Of what was proposed in it, [`Engine::landed`] or [`Engine::lost`] is told.
    pub fn saved(&mut self, result: &Result<(), String>, now: Now) {
        self.ever_written |= result.is_ok();
        let (before, error) = (self.store_error.take(), result.as_ref().err().cloned());
        // Told at the first failure and at its end, however often and differently it fails between.
        match (&before, &error) {
            (None, Some(error)) => self.notice(unwritable(&self.dir, error), now),
            (Some(_), None) => self.notice(Notice::Writable { dir: self.dir.clone() }, now),
            _ => {}
        }
        let changed = before != error;
        self.store_error = error;
        if changed {
            self.report(now);
        }
    }

    /// The process is stopping.
    pub fn drain(&mut self, now: Now) {
        self.draining = true;
        (0..self.rollouts.len()).for_each(|index| self.write_evidence(index, now));
        self.publish();
        self.report(now);
    }

    pub(super) fn refresh_block(&mut self, index: usize) {
        let never_writable = self.store_error.clone().filter(|_| !self.ever_written);
        let tracked = &self.rollouts[index];
        let (Some(moving), Some(canary)) = (&tracked.moving, &tracked.rollout.canary) else { return };
        let unusable =
            moving.canary.unusable.as_ref().map(|why| format!("{} cannot be used: {why}", moving.canary.name));
        let why = unusable.or_else(|| self.blocked_by_locks(tracked, canary, &moving.state));
        let blocked = blocked(canary, why.as_deref(), never_writable.as_deref()).map(in_force_words::blocked);
        if let Some(moving) = &mut self.rollouts[index].moving {
            moving.blocked = blocked;
        }
    }

    pub(super) fn happened(&mut self, index: usize, input: &Input, now: Now) -> Option<Happened> {
        let tracked = &self.rollouts[index];
        let (moving, canary) = (tracked.moving.as_ref()?, tracked.rollout.canary.as_ref()?);
        let time_passed = matches!(input, Input::Tick(_));
        let view = View { writing: moving.proposed.is_some(), ..self.view(tracked, moving, canary) };
        let mut step = decide(&view, &moving.state, input, now.unix);
        let changed = step.next.is_news_to(&moving.state);
        let meanwhile = step.meanwhile.take().filter(|_| self.ever_written);
        let goes_on = meanwhile.is_some();
        // A proposal was made from a state, which whatever else happens makes an older one.
        if step.refused.is_none() && !(time_passed && (goes_on || !changed)) {
            self.withdraw(index);
        }
        if let Some(meanwhile) = meanwhile {
            self.propose(index, &step);
            self.put(index, *meanwhile, now);
            let Step { refused, notes, .. } = step;
            return Some(Happened { refused, notes, changed: false, rescues: false, proposed: true });
        }
        let Step { next, events, refused, notes, rescue, .. } = step;
        events.into_iter().for_each(|event| self.emit(event));
        self.put(index, next, now);
        let moving = self.rollouts[index].moving.as_ref()?;
        if let Some(rescue) = rescue {
            moving.observer.withdraw(rescue, now.mono);
        }
        if changed {
            self.outbox.states.insert(moving.identity.clone(), moving.state.clone());
        }
        Some(Happened { refused, notes, changed, rescues: rescue.is_some(), proposed: false })
    }

    pub(super) fn view<'a>(&'a self, tracked: &'a Tracked, moving: &'a Moving, canary: &'a Canary) -> View<'a> {
        View {
            name: &tracked.rollout.name,
            canary,
            blocked: moving.blocked.as_deref(),
            unwritable: self.unwritable(),
            writing: false,
            by_clock: self.store_error.is_some() && !self.ever_written && canary.ramp.from.is_some(),
            generation: self.flags.generation,
        }
    }

    pub(super) fn ruling(&self, tracked: &Tracked) -> Option<Ruling> {
        let (moving, canary) = (tracked.moving.as_ref()?, tracked.rollout.canary.as_ref()?);
        Some(in_force(&self.view(tracked, moving, canary), &moving.state))
    }

    /// Puts in force what the states say.
    pub(super) fn publish(&mut self) {
        self.revision += 1;
        let rollouts = self.rollouts.iter().map(|tracked| {
            let ruling = self.ruling(tracked);
            InForce {
                percent: ruling.as_ref().map_or(Percent::ZERO, |ruling| ruling.percent),
                closed: ruling.is_none_or(|ruling| ruling.closed),
                diverts: tracked.moving.as_ref().is_none_or(|moving| !moving.canary_dead),
                several_sources: tracked.moving.as_ref().is_some_and(|moving| moving.observer.has_several_sources()),
                evidence: Arc::clone(tracked.moving.as_ref().map_or(&self.idle, |moving| moving.observer.evidence())),
                series: tracked.series.clone(),
                retry: Arc::clone(&tracked.retry),
            }
        });
        self.shared.publish(Snapshot {
            revision: self.revision,
            generation: self.flags.generation,
            policy: Arc::clone(&self.policy),
            rollouts: rollouts.collect(),
            unsplit: self.unsplit.clone(),
            providers: self.providers.of(&self.policy),
            draining: self.draining,
        });
    }

    /// The revision in force.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Tells the surfaces.
    pub(super) fn report(&mut self, now: Now) {
        self.recent.look(&self.rollouts, &self.series, now.mono);
        let status: Status = report::report(self, now);
        self.status.store(Arc::new(status));
    }

    /// `retry`: what an earlier rollout of this name has left.
    pub(super) fn track(
        &mut self,
        policy: &Policy,
        rollout: &Arc<Rollout>,
        retry: Option<Arc<RetryBudget>>,
        moving: Option<Moving>,
    ) -> Tracked {
        let stable = Arc::clone(policy.provider(rollout.stable));
        let registry = &mut self.series;
        let series = SeriesTable::new(rollout, |arm, provider| {
            registry.of(&rollout.name, arm.as_str(), &policy.provider(provider).name)
        });
        let retry = retry.unwrap_or_else(|| Arc::new(RetryBudget::full(self.shared.cores())));
        Tracked { rollout: Arc::clone(rollout), stable, series, retry, moving }
    }

    pub(super) fn count_unsplit(&mut self, policy: &Policy) {
        self.unsplit = policy.providers.iter().map(|provider| self.series.of("none", "none", &provider.name)).collect();
    }
}

fn unwritable(dir: &str, error: &str) -> Notice {
    Notice::Unwritable { dir: dir.to_owned(), error: error.to_owned() }
}

// At the start there is no older file to stay with, so what a reload would refuse is said.
fn stable_taken_back(begin: &Begin) -> Vec<String> {
    let Begin { policy, states, .. } = begin;
    let taken_back = |url: &str| {
        let held = |state: &RolloutState| state.lock.is_some() || matches!(state.phase, Phase::RolledBack { .. });
        states.iter().find(|(identity, state)| identity.canary == url && held(state))
    };
    let warn = |rollout: &Arc<Rollout>| {
        let stable = policy.provider(rollout.stable).base_url.to_string();
        let (identity, _) = taken_back(&stable)?;
        let (name, other) = (&rollout.name, &identity.rollout);
        Some(format!("the stable of `{name}`, {stable}, is the canary of `{other}`, which was rolled back"))
    };
    policy.rollouts.iter().filter_map(warn).collect()
}

/// A step that was taken, or is proposed.
pub(super) struct Happened {
    pub(super) refused: Option<Refusal>,
    pub(super) notes: Vec<Note>,
    pub(super) changed: bool,
    // Whether somebody who waits has to look.
    pub(super) rescues: bool,
    pub(super) proposed: bool,
}

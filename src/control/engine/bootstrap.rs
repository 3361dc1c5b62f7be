//! How an engine begins: with what was kept, the first file and the locks, and a first snapshot of all of it.
//!
//! Restores and does not judge: at the start there is no older file to stay with, so what a reload would refuse is only
//! said. The history's first line says what the other events led to.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::context::Context;
use super::dispatch::Engine;
use super::entry::Tracked;
use super::providers::Providers;
use crate::control::evidence::blocks::Blocks;
use crate::control::evidence::sampling::Sampling;
use crate::control::evidence::user_pauses::Pauses;
use crate::control::now::Now;
use crate::control::persist::disk::Disk;
use crate::control::persist::locks::Locks;
use crate::control::persist::outbox::Outbox;
use crate::control::report::{self, Process};
use crate::control::series::{Registry, SeriesFactory};
use crate::decide::ephemeral::Ephemeral;
use crate::decide::event::{Action, Actor, Notice, Reason};
use crate::decide::policy::{Guard, Policy, Rollout};
use crate::decide::rollout::state::{Identity, Phase, RolloutState};
use crate::decide::warning::{TakenBack, Warning};
use crate::describe::warning::sentence;
use crate::state::snapshot::{Shared, Snapshot};
use crate::state::status::FlagsStatus;
use crate::store::locks::LocksFound;

/// How many rollouts the history's first line names.
const MOST_TOLD: usize = 5;

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
    /// Why it does not last, where that is known.
    pub ephemeral: Option<Ephemeral>,
    /// How many cores count.
    pub cores: usize,
    /// How many client connections the process can hold.
    pub most_connections: u32,
    /// How series are made.
    pub series: SeriesFactory,
}

impl Engine {
    /// Restores what was kept, reads the first file and the locks, and publishes the first snapshot.
    #[must_use]
    pub fn new(mut begin: Begin, now: Now) -> Engine {
        let taken_back = stable_taken_back(&begin);
        begin.notes.extend(taken_back.into_iter().map(|found| sentence(&Warning::StableTakenBack(found))));
        let Begin { policy, flags, states, dir, store_error, ephemeral, cores, most_connections, notes, .. } = begin;
        let blocks = Blocks::new(cores);
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
        let context = Context {
            flags: FlagsStatus { generation: 1, accepted_at: now.unix, ..flags },
            disk: Disk::new(dir, store_error, ephemeral),
            locks: Locks::new(begin.locks),
            blocks,
            rollouts: 0,
        };
        let mut engine = Engine {
            shared: Arc::new(Shared::new(nothing, cores)),
            status: Arc::new(ArcSwap::from_pointee(report::nothing())),
            outbox: Outbox { last_good: begin.keep, ..Outbox::default() },
            policy: Arc::clone(&policy),
            rollouts: Vec::new(),
            elsewhere: states.into_iter().collect(),
            context,
            process: Process { notes, most_connections, draining: false },
            series: Registry::new(begin.series, cores),
            providers: Providers::default(),
            sampling: Sampling::default(),
            idle,
            unsplit: Box::default(),
            revision: 0,
        };
        let Context { disk, locks, .. } = &engine.context;
        let texts = engine.process.notes.iter().map(|text| Notice::Text { text: text.clone() });
        let unusual: Vec<_> = disk.notice().into_iter().chain(locks.notice(&disk.dir)).chain(texts).collect();
        engine.notice(unusual, now);
        engine.adopt(policy, begin.state_lost, now);
        engine.emit_own(Actor::Serin, Action::Start, beginning(&engine), now);
        // What it says is what the other events led to, and it is the first that a reader looks for.
        engine.outbox.events.rotate_right(1);
        engine.publish();
        engine.report(now);
        engine
    }
}

fn beginning(engine: &Engine) -> Reason {
    let told = |tracked: &Tracked| {
        let ruling = tracked.moving.as_ref()?.ruling(&engine.context);
        Some((tracked.rollout.name.clone(), ruling.percent, ruling.standing))
    };
    let mut rollouts: Vec<_> = engine.rollouts.iter().filter_map(told).collect();
    let more = rollouts.len().saturating_sub(MOST_TOLD);
    rollouts.truncate(MOST_TOLD);
    let dir = engine.context.disk.dir.clone();
    Reason::Began { version: env!("CARGO_PKG_VERSION").to_owned(), dir, rollouts, more }
}

fn stable_taken_back(begin: &Begin) -> Vec<TakenBack> {
    let Begin { policy, states, .. } = begin;
    let taken_back = |url: &str| {
        let held = |state: &RolloutState| state.lock.is_some() || matches!(state.phase, Phase::RolledBack { .. });
        states.iter().find(|(identity, state)| identity.canary == url && held(state))
    };
    let warn = |rollout: &Arc<Rollout>| {
        let stable = policy.provider(rollout.stable).base_url.to_string();
        let (identity, _) = taken_back(&stable)?;
        Some(TakenBack { rollout: rollout.name.clone(), stable, other: identity.rollout.clone() })
    };
    policy.rollouts.iter().filter_map(warn).collect()
}

//! Starts an engine from the kept states, the first file and the lock files, and publishes the first snapshot.
//!
//! Restores and does not judge: at the start there is no older file to stay with, so a problem for which a reload would
//! be rejected is only a warning. Invariant: the first event of the history describes what the other events led to.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::comparisons::Comparisons;
use super::context::ProcessContext;
use super::digest_schedule::DigestSchedule;
use super::dispatch::Engine;
use super::entry::Entry;
use super::keys::Keys;
use super::limits::ClientLimits;
use super::providers::Providers;
use super::retirement_watch::RetirementWatch;
use super::stable_watch::StableWatch;
use crate::control::evidence::blocks::EvidenceBlocks;
use crate::control::evidence::judged_requests::JudgedRequests;
use crate::control::evidence::sampling::Sampling;
use crate::control::evidence::user_pauses::UserPauses;
use crate::control::incidents::Incidents;
use crate::control::notify::notifier::Notifier;
use crate::control::now::Now;
use crate::control::persist::disk::Disk;
use crate::control::persist::locks::Locks;
use crate::control::persist::outbox::Outbox;
use crate::control::recorder::Recorder;
use crate::control::report::{self, Process};
use crate::control::series::SeriesRegistry;
use crate::control::state_writer::StateWriter;
use crate::decide::ephemeral::Ephemeral;
use crate::decide::event::{Action, Actor, Alert, Reason};
use crate::decide::notification::QueuedNotification;
use crate::decide::policy::{Guard, Policy, Rollout};
use crate::decide::rollout::state::{Identity, Phase, RolloutState};
use crate::decide::warning::{RolledBackStable, Warning};
use crate::describe::warning::sentence;
use crate::state::snapshot::{Snapshot, SnapshotCell};
use crate::state::state_ids::{KeptStateIds, StateIds};
use crate::state::status::FlagsStatus;
use crate::store::locks::LocksFound;

/// How many rollouts the first event of the history names.
const MAX_NAMED: usize = 5;

/// What an engine starts from.
#[derive(Debug)]
pub struct Bootstrap {
    /// The first file in force.
    pub policy: Arc<Policy>,
    /// Its status. The generation is set here.
    pub flags: FlagsStatus,
    /// The text of the file, to keep as the last good one. `None`: it is kept already.
    pub keep: Option<Arc<str>>,
    /// All states in the store.
    pub states: Vec<(Identity, RolloutState)>,
    /// Notifications that an earlier process left.
    pub notifications: Vec<QueuedNotification>,
    /// The newest incident report of each rollout: the rollout's name and the report's id.
    pub incidents: Vec<(String, String)>,
    /// What was known of the providers' keys.
    pub keys: Option<String>,
    /// What was known of copies to canaries.
    pub copies: Option<String>,
    /// Which provider keeps what an id stands for.
    pub state_ids: KeptStateIds,
    /// Whether there was an earlier state that could not be read.
    pub state_lost: bool,
    /// Warnings found at the start.
    pub notes: Vec<String>,
    /// The lock files, or why they cannot be read.
    pub locks: Result<LocksFound, String>,
    /// The state directory.
    pub dir: String,
    /// Why the state directory cannot be written.
    pub store_error: Option<String>,
    /// Why the state directory does not outlast the process or the machine, if that is known.
    pub ephemeral: Option<Ephemeral>,
    /// The number of data-plane cores.
    pub cores: usize,
    /// The number of client connections that the process can hold.
    pub most_connections: u32,
}

impl Engine {
    /// Restores the kept states, applies the first file and the locks, and publishes the first snapshot.
    #[must_use]
    pub fn new(mut bootstrap: Bootstrap, now: Now) -> Engine {
        let warnings = stables_rolled_back(&bootstrap);
        bootstrap.notes.extend(warnings.into_iter().map(|found| sentence(&Warning::StableTakenBack(found))));
        let Bootstrap { policy, flags, states, dir, store_error, ephemeral, cores, most_connections, notes, .. } =
            bootstrap;
        let blocks = EvidenceBlocks::new(cores);
        let unused_evidence = blocks.create(0, &Guard::default(), &UserPauses::default(), &Arc::default());
        let empty = Snapshot {
            revision: 0,
            generation: 0,
            policy: Arc::clone(&policy),
            rollouts: Box::default(),
            unsplit: Box::default(),
            providers: Box::default(),
            keys: Box::default(),
            draining: false,
        };
        let context = ProcessContext {
            flags: FlagsStatus { generation: 1, accepted_at: now.unix, ..flags },
            disk: Disk::new(dir, store_error, ephemeral),
            locks: Locks::new(bootstrap.locks),
            blocks,
            comparisons: Comparisons::restored(bootstrap.copies.as_deref(), cores),
            rollouts: 0,
        };
        let mut shared = SnapshotCell::new(empty, cores);
        shared.state_ids = Arc::new(StateIds::restored(bootstrap.state_ids, policy.limits.state_ids));
        let mut engine = Engine {
            shared: Arc::new(shared),
            status: Arc::new(ArcSwap::from_pointee(report::empty())),
            outbox: Outbox { last_good: bootstrap.keep, ..Outbox::default() },
            policy: Arc::clone(&policy),
            entries: Vec::new(),
            absent: states.into_iter().collect(),
            context,
            process: Process { notes, most_connections, draining: false },
            series: SeriesRegistry::new(cores),
            providers: Providers::default(),
            client_limits: ClientLimits::default(),
            keys: Keys::restored(bootstrap.keys.as_deref(), now),
            sampling: Sampling::default(),
            judged: JudgedRequests::default(),
            unused_evidence,
            unsplit: Box::default(),
            notifier: Notifier::restored(bootstrap.notifications),
            incidents: Incidents::restored(bootstrap.incidents),
            digest: DigestSchedule::starting(now.unix),
            retirements: RetirementWatch::default(),
            stable_watch: StableWatch::default(),
            certificate_notice: None,
            revision: 0,
            recorder: Recorder::default(),
            state_writer: StateWriter::default(),
        };
        let ProcessContext { disk, locks, .. } = &engine.context;
        let texts = engine.process.notes.iter().map(|text| Alert::Text { text: text.clone() });
        let alerts: Vec<_> = disk.alert().into_iter().chain(locks.alert(&disk.dir)).chain(texts).collect();
        engine.emit_alerts(alerts, now);
        engine.apply_policy(policy, bootstrap.state_lost, now);
        engine.emit_process_event(Actor::Serin, Action::Start, start_reason(&engine), now);
        // It describes what the other events led to, and a reader expects it first.
        engine.outbox.events.rotate_right(1);
        engine.publish();
        engine.report(now);
        engine
    }
}

fn start_reason(engine: &Engine) -> Reason {
    let in_force_of = |entry: &Entry| {
        let effective = entry.rollout.as_ref()?.share_in_force(&engine.context);
        Some((entry.spec.name.clone(), effective.percent, effective.phase))
    };
    let mut rollouts: Vec<_> = engine.entries.iter().filter_map(in_force_of).collect();
    let more = rollouts.len().saturating_sub(MAX_NAMED);
    rollouts.truncate(MAX_NAMED);
    let dir = engine.context.disk.dir.clone();
    Reason::Began { version: env!("CARGO_PKG_VERSION").to_owned(), dir, rollouts, more }
}

fn stables_rolled_back(bootstrap: &Bootstrap) -> Vec<RolledBackStable> {
    let Bootstrap { policy, states, .. } = bootstrap;
    let rolled_back_canary = |url: &str| {
        let held = |state: &RolloutState| state.lock.is_some() || matches!(state.phase, Phase::RolledBack { .. });
        states.iter().find(|(identity, state)| identity.canary == url && held(state))
    };
    let warn = |rollout: &Arc<Rollout>| {
        let stable = policy.provider(rollout.stable).base_url.to_string();
        let (identity, _) = rolled_back_canary(&stable)?;
        Some(RolledBackStable { rollout: rollout.name.clone(), stable, other: identity.rollout.clone() })
    };
    policy.rollouts.iter().filter_map(warn).collect()
}

//! What is in force: one immutable value, swapped as a whole.
//!
//! Control is the only writer. A core keeps a [`SnapshotReader`] and takes the snapshot once per request; percent and
//! lock are read again at every dispatch. A change of what is in force is complete when every core has acknowledged it
//! ([`SnapshotCell::seen_by_all`]): after that no core dispatches by an older snapshot.

#[cfg(test)]
pub(crate) mod plain;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::access_log::AccessLogQueue;
use super::ambiguous_closes::AmbiguousCloses;
use super::copies::{CopyQueue, Copying};
use super::counters::{Core, Series};
use super::evidence::Evidence;
use super::history_feed::HistoryFeed;
use super::keys::KeyRing;
use super::provider::ProviderState;
use super::request_seal::RequestSeal;
use super::retry_budget::RetryBudget;
use super::series_table::SeriesTable;
use super::source_table::SourceTable;
use super::spans::SpanQueues;
use super::state_ids::StateIds;
use super::tls_failures::TlsFailures;
use crate::decide::policy::{Policy, Rollout};
use crate::decide::units::{Arm, Percent, ProviderId, RolloutId};

/// Everything that the data plane decides by.
#[derive(Debug)]
pub struct Snapshot {
    /// Rises with every publication; the fence between "before" and "after".
    pub revision: u64,
    /// Counts accepted versions of flags.yaml.
    pub generation: u64,
    /// The accepted file.
    pub policy: Arc<Policy>,
    /// By [`RolloutId`].
    pub rollouts: Box<[RolloutInForce]>,
    /// Counts of unsplit traffic, by [`ProviderId`].
    pub unsplit: Box<[Arc<Series>]>,
    /// What is known of each provider, by [`ProviderId`].
    pub providers: Box<[Arc<ProviderState>]>,
    /// What is known of each provider's keys, by [`ProviderId`].
    pub keys: Box<[Arc<KeyRing>]>,
    /// Whether the process is stopping: answers ask clients to close.
    pub draining: bool,
}

impl Snapshot {
    #[must_use]
    pub fn in_force(&self, id: RolloutId) -> &RolloutInForce {
        &self.rollouts[usize::from(id.0)]
    }

    /// The counts of a provider's unsplit traffic.
    #[must_use]
    pub fn unsplit(&self, id: ProviderId) -> &Arc<Series> {
        &self.unsplit[usize::from(id.0)]
    }

    /// What is known of a provider.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> &Arc<ProviderState> {
        &self.providers[usize::from(id.0)]
    }

    /// Whether a request that this rollout takes (`None`: none does) is not sent to this provider for what it keeps: an
    /// operator took that back with its users.
    #[must_use]
    pub fn is_state_moved(&self, matched: Option<RolloutId>, id: ProviderId) -> bool {
        let mut rollouts = self.rollouts_to(matched, id).peekable();
        rollouts.peek().is_some() && rollouts.all(|in_force| in_force.state_moved)
    }

    /// Whether this canary may be asked by such a request for what stable does not have.
    #[must_use]
    pub fn may_look_up(&self, matched: Option<RolloutId>, id: ProviderId) -> bool {
        self.rollouts_to(matched, id).any(|in_force| in_force.looks_up && !in_force.state_moved)
    }

    /// The rollouts that say what becomes of the state of a canary: the one that takes the request, else all of them.
    pub fn rollouts_to(&self, matched: Option<RolloutId>, id: ProviderId) -> impl Iterator<Item = &RolloutInForce> {
        let moves_to = move |rollout: &Arc<Rollout>| rollout.moves_to(id);
        let own = matched.filter(|id| self.policy.rollouts.get(usize::from(id.0)).is_some_and(moves_to));
        let rollouts = (0..=u16::MAX).zip(&self.rollouts).zip(&self.policy.rollouts);
        let of = move |number: u16| own.is_none_or(|own| own == RolloutId(number));
        let wanted = rollouts.filter(move |((number, _), rollout)| of(*number) && moves_to(rollout));
        wanted.map(|((_, in_force), _)| in_force)
    }

    /// What is known of a provider's keys.
    #[must_use]
    pub fn keys(&self, id: ProviderId) -> &KeyRing {
        &self.keys[usize::from(id.0)]
    }
}

#[derive(Clone, Debug)]
pub struct RolloutInForce {
    /// The share of users on the canary now.
    pub percent: Percent,
    /// Whether nothing but the bucket may choose the canary: locked, blocked, or taken back (`force` and pins yield).
    pub buckets_only: bool,
    /// Whether stable's requests go to the canary first while stable cannot be reached: not while the canary answers
    /// no request either.
    pub diverts: bool,
    /// Whether requests come from several sources: then callers are told apart by source, not by the users they name.
    pub several_sources: bool,
    /// What the guard sees.
    pub evidence: Arc<Evidence>,
    /// The metrics of everybody who may answer.
    pub series: SeriesTable,
    /// Whether an operator moved what the canary keeps: nobody is sent there for it.
    pub state_moved: bool,
    /// Whether the canary is asked for what stable does not have: not while it is blocked, nor before it had users.
    pub looks_up: bool,
    /// How often what was under way on the canary was ended: whoever is planned by this is not.
    pub cuts: u32,
    /// What may still be spent on repeats.
    pub retry: Arc<RetryBudget>,
    /// By what stable's requests are copied to the canary; `None`: none is.
    pub copies: Option<Box<Copying>>,
}

impl RolloutInForce {
    /// The counts of an arm's requests at a provider: its own, or another that answers instead.
    #[must_use]
    pub fn series(&self, arm: Arm, provider: ProviderId) -> &Arc<Series> {
        self.series.of(arm, provider)
    }

    /// Whether there are counts at this provider.
    #[must_use]
    pub fn has_series(&self, provider: ProviderId) -> bool {
        self.series.has(provider)
    }
}

/// The snapshot in force, and which cores have seen it.
#[derive(Debug)]
pub struct SnapshotCell {
    current: Arc<ArcSwap<Snapshot>>,
    seen: Box<[AtomicU64]>,
    published: tokio::sync::watch::Sender<u64>,
    /// Where requests come from.
    pub sources: Arc<SourceTable>,
    /// What verdicts on requests are found by.
    pub seal: Arc<RequestSeal>,
    /// Where their lines go.
    pub access_log: Arc<AccessLogQueue>,
    /// Where their spans go.
    pub spans: Arc<SpanQueues>,
    /// Clients that closed their side and could not be asked whether they have left.
    pub ambiguous_closes: Arc<AmbiguousCloses>,
    /// Connections over TLS that never became one.
    pub tls_failures: Arc<TlsFailures>,
    /// Which provider keeps what an id stands for.
    pub state_ids: Arc<StateIds>,
    /// What happens, for those who listen.
    pub history: HistoryFeed,
    /// Requests on their way to be copied.
    pub copies: Arc<CopyQueue>,
}

impl SnapshotCell {
    /// Starts with this snapshot, for this many cores.
    #[must_use]
    pub fn new(first: Snapshot, cores: usize) -> SnapshotCell {
        let revision = first.revision;
        SnapshotCell {
            current: Arc::new(ArcSwap::from_pointee(first)),
            seen: (0..cores).map(|_| AtomicU64::new(0)).collect(),
            published: tokio::sync::watch::Sender::new(revision),
            sources: Arc::default(),
            seal: Arc::default(),
            access_log: Arc::default(),
            spans: Arc::new(SpanQueues::new(cores)),
            ambiguous_closes: Arc::default(),
            tls_failures: Arc::default(),
            state_ids: Arc::default(),
            history: HistoryFeed::default(),
            copies: Arc::default(),
        }
    }

    /// How many cores read it.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.seen.len()
    }

    /// Control only: puts a snapshot in force and wakes every core's fence.
    pub fn publish(&self, next: Snapshot) {
        let revision = next.revision;
        self.current.store(Arc::new(next));
        self.published.send_replace(revision);
    }

    /// The snapshot in force, for those who are not on a request's path.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// A core's view of it.
    #[must_use]
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader { cache: arc_swap::Cache::new(Arc::clone(&self.current)) }
    }

    /// Told of every publication's revision.
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// A core acknowledges: all later dispatches use this revision or a newer one.
    pub fn acknowledge(&self, core: Core, revision: u64) {
        self.seen[usize::from(core.0)].fetch_max(revision, Ordering::Release);
    }

    /// Whether every core has acknowledged this revision.
    #[must_use]
    pub fn seen_by_all(&self, revision: u64) -> bool {
        self.seen.iter().all(|seen| seen.load(Ordering::Acquire) >= revision)
    }
}

/// A core's own view of the snapshot: reading it costs a comparison.
#[derive(Debug)]
pub struct SnapshotReader {
    cache: arc_swap::Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl SnapshotReader {
    /// The snapshot in force.
    pub fn load(&mut self) -> &Arc<Snapshot> {
        self.cache.load()
    }
}

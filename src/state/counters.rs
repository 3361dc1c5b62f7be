//! The counters of cores: monotonic, per core, never reset.
//!
//! A [`Series`] counts for the metrics and lives as long as its labels; the guard's counts are
//! [`evidence`](super::evidence). A core writes only its own cells, hence plain relaxed loads and stores; readers take
//! sums and differences. Invariant: `ended <= dispatched` for every cell once its requests have finished.

use std::sync::Arc;
use std::time::Duration;

use super::count::Count;
use super::exemplars::{Exemplar, ExemplarCell, Exemplars};
use super::latency::{Latency, LatencyCell};
use super::websocket_sessions::WebSocketSessions;
use crate::decide::finish_kind::FinishKind;
use crate::decide::outcome::Outcome;

/// Which core's cells: its index, below the number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core(pub u16);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesLabels {
    /// The rollout's name, or `none` for unsplit traffic.
    pub rollout: String,
    /// `stable`, `canary`, or `none` for unsplit traffic.
    pub arm: &'static str,
    /// The provider's name.
    pub provider: String,
}

/// What became of the requests and attempts with the same labels.
#[derive(Debug)]
pub struct Series {
    /// Whose they are.
    pub labels: SeriesLabels,
    cores: Box<[SeriesCell]>,
    durations: ExemplarCell,
    first_outputs: ExemplarCell,
    websockets: Arc<WebSocketSessions>,
}

// A cell to a cache line, so that cores do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct SeriesCell {
    requests: [Count; Outcome::ALL.len()],
    attempts: [Count; Outcome::ALL.len()],
    in_flight_began: Count,
    in_flight_ended: Count,
    came: Count,
    left: Count,
    anonymous: Count,
    unheld: Count,
    fallbacks: Count,
    last_resorts: Count,
    answers: [Count; FinishKind::ALL.len()],
    tokens: [Count; 3],
    duration: LatencyCell,
    first_output: LatencyCell,
}

impl Series {
    /// All zero, for this many cores.
    #[must_use]
    pub fn new(labels: SeriesLabels, cores: usize) -> Series {
        Series {
            labels,
            cores: (0..cores).map(|_| SeriesCell::default()).collect(),
            durations: ExemplarCell::default(),
            first_outputs: ExemplarCell::default(),
            websockets: Arc::default(),
        }
    }

    /// Its WebSocket sessions.
    #[must_use]
    pub fn websockets(&self) -> &Arc<WebSocketSessions> {
        &self.websockets
    }

    /// A request was dispatched.
    pub fn begin(&self, core: Core) {
        self.cores[usize::from(core.0)].in_flight_began.add_one();
    }

    /// A request that was begun at another provider is tried here now.
    pub fn enter(&self, core: Core) {
        self.cores[usize::from(core.0)].came.add_one();
    }

    /// A request that was begun or tried here goes on at another provider, and will not end here.
    pub fn leave(&self, core: Core) {
        self.cores[usize::from(core.0)].left.add_one();
    }

    /// A request that was first tried at the arm's own provider was answered here instead.
    pub fn count_fallback(&self, core: Core) {
        self.cores[usize::from(core.0)].fallbacks.add_one();
    }

    /// Requests that were first tried at the arm's own provider and answered here instead.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.cores.iter().map(|cell| cell.fallbacks.get()).sum()
    }

    /// A request that every candidate failed was answered with a text of the file.
    pub fn count_last_resort(&self, core: Core) {
        self.cores[usize::from(core.0)].last_resorts.add_one();
    }

    /// Requests that every candidate failed and that were answered with a text of the file.
    #[must_use]
    pub fn last_resorts(&self) -> u64 {
        self.cores.iter().map(|cell| cell.last_resorts.get()).sum()
    }

    /// An answer ended so.
    pub fn count_answer(&self, core: Core, finished: FinishKind) {
        self.cores[usize::from(core.0)].answers[finished as usize].add_one();
    }

    /// Answers that ended so, over all cores.
    #[must_use]
    pub fn answers(&self, finished: FinishKind) -> u64 {
        self.cores.iter().map(|cell| cell.answers[finished as usize].get()).sum()
    }

    /// An answer said what it was made of. `cached`: the part of the input that came from the provider's cache.
    pub fn count_tokens(&self, core: Core, input: u64, output: u64, cached: u64) {
        let [read, written, from_cache] = &self.cores[usize::from(core.0)].tokens;
        read.add(input);
        written.add(output);
        from_cache.add(cached);
    }

    /// Tokens read and written, as far as answers said so.
    #[must_use]
    pub fn tokens(&self) -> (u64, u64) {
        (self.sum_of_tokens(0), self.sum_of_tokens(1))
    }

    /// The part of the tokens read that came from the provider's cache.
    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.sum_of_tokens(2)
    }

    fn sum_of_tokens(&self, kind: usize) -> u64 {
        self.cores.iter().map(|cell| cell.tokens[kind].get()).sum()
    }

    /// The request that was just begun has no user id.
    pub fn count_anonymous(&self, core: Core) {
        self.cores[usize::from(core.0)].anonymous.add_one();
    }

    /// The request that was just begun has a JSON body that was not held.
    pub fn count_unbuffered(&self, core: Core) {
        self.cores[usize::from(core.0)].unheld.add_one();
    }

    /// Requests dispatched so far whose JSON body was not held.
    #[must_use]
    pub fn unbuffered(&self) -> u64 {
        self.cores.iter().map(|cell| cell.unheld.get()).sum()
    }

    /// Requests dispatched so far, and those among them without a user id.
    #[must_use]
    pub fn dispatched(&self) -> (u64, u64) {
        let all = self.cores.iter().map(|cell| cell.in_flight_began.get()).sum();
        (all, self.cores.iter().map(|cell| cell.anonymous.get()).sum())
    }

    /// An attempt came to its end. A request of one attempt is counted by [`Series::end`] besides.
    pub fn end_attempt(&self, core: Core, outcome: Outcome) {
        self.cores[usize::from(core.0)].attempts[outcome as usize].add_one();
    }

    /// A request came to its end.
    pub fn end(&self, core: Core, outcome: Outcome) {
        let cell = &self.cores[usize::from(core.0)];
        cell.requests[outcome as usize].add_one();
        cell.in_flight_ended.add_one();
    }

    /// A request that came to its end took so long since it arrived.
    pub fn took(&self, core: Core, time: Duration) {
        self.cores[usize::from(core.0)].duration.add(time);
    }

    /// The first byte of its answer's body came so long after it arrived.
    pub fn had_output(&self, core: Core, after: Duration) {
        self.cores[usize::from(core.0)].first_output.add(after);
    }

    /// A request whose trace is recorded took so long.
    pub fn keep_duration(&self, exemplar: Exemplar) {
        self.durations.keep(exemplar);
    }

    /// The first byte of its answer's body came so long after it arrived.
    pub fn keep_first_output(&self, exemplar: Exemplar) {
        self.first_outputs.keep(exemplar);
    }

    /// Requests whose traces are recorded, for [`Series::duration`] and [`Series::first_output`].
    #[must_use]
    pub fn exemplars(&self) -> [Exemplars; 2] {
        [self.durations.all(), self.first_outputs.all()]
    }

    /// How long requests took from their arrival to the end of their answers.
    #[must_use]
    pub fn duration(&self) -> Latency {
        Latency::of(self.cores.iter().map(|cell| &cell.duration))
    }

    /// How long they took to the first byte of the answer's body.
    #[must_use]
    pub fn first_output(&self) -> Latency {
        Latency::of(self.cores.iter().map(|cell| &cell.first_output))
    }

    /// Requests that ended so, over all cores.
    #[must_use]
    pub fn requests(&self, outcome: Outcome) -> u64 {
        self.cores.iter().map(|cell| cell.requests[outcome as usize].get()).sum()
    }

    /// Attempts that ended so, over all cores.
    #[must_use]
    pub fn attempts(&self, outcome: Outcome) -> u64 {
        self.cores.iter().map(|cell| cell.attempts[outcome as usize].get()).sum()
    }

    /// Requests that are here: dispatched, not ended, and not gone on to another provider.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let gone: u64 = self.cores.iter().map(|cell| cell.in_flight_ended.get() + cell.left.get()).sum();
        let came: u64 = self.cores.iter().map(|cell| cell.in_flight_began.get() + cell.came.get()).sum();
        came.saturating_sub(gone)
    }
}

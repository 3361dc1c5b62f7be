//! Whether the canary accepts requests and never answers, while stable answers.
//!
//! Applies the arithmetic of [`down`](super::down) to waiting times, at equal ages. A run is the requests sent to the
//! canary since the last one that it answered. Those without output for long enough are compared with stable's requests
//! of the same kind and the same seconds. A stall of both restarts the run until stable does better, so the rest of the
//! stall is no evidence. Long enough means the slow limit of stable's own times, and some seconds at least. Each kind
//! of request has a run of its own, and both together have one. Where stable has no traffic, its answers to probes are
//! used instead. Decides nothing where nothing is known of stable, or by the requests of one user among several.

mod run_counts;
mod stable;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::constants::Constants;
use super::down::DOWN;
use super::waiting::{ResponseKind, Wait, WaitEnd, WaitingRequests, age, second_of};
use crate::decide::units::{Arm, Millis, Slot};
use run_counts::RunCounts;
use stable::StableRuns;

/// The canary's requests without output: the run with the most evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SilentRun {
    /// Which requests; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ResponseKind>,
    /// The canary's requests without output.
    pub unanswered: f64,
    /// The same, each user's a few times at most: what is weighed.
    pub weighed: f64,
    /// Stable's of the same seconds that had output, or its answers to probes.
    pub stable_answered: f64,
    /// Stable's of the same seconds that had none, or probes that it did not answer.
    pub stable_unanswered: f64,
    /// For how long the first of the canary's has waited, in seconds.
    pub longest: f64,
    /// For how long the last of them has.
    pub shortest: f64,
    /// In nats.
    pub evidence: f64,
    /// Whether that is a canary that never answers.
    pub down: bool,
    /// Whether the requests that have waited for longer than slow answers take are enough by themselves: a report of a
    /// slow canary then adds that it answers nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    /// Whether stable's answers to probes stood in for its traffic.
    pub probed: bool,
    /// Whether stable answers nothing either, so that nothing is judged.
    pub shared: bool,
    /// How many users the requests belong to, of a few of them at most.
    #[serde(skip)]
    pub users: u32,
    /// Whether the first of them has waited for long enough to be held against stable.
    #[serde(skip)]
    pub waited_long_enough: bool,
}

impl SilentRun {
    /// What the waits of several sources come to together, each held against its own requests of stable.
    #[must_use]
    pub fn sum<'s>(constants: &Constants, parts: impl Iterator<Item = &'s SilentRun>) -> SilentRun {
        let mut parts = parts.filter(|part| part.unanswered > 0.0);
        let Some(first) = parts.next() else { return SilentRun::default() };
        let (mut sum, mut several) = (*first, false);
        for part in parts {
            match (sum.shared, part.shared) {
                // Of those who stall with stable nothing is known.
                (_, true) => {}
                (true, false) => sum = *part,
                (false, false) => {
                    sum = sum.plus(part);
                    several = true;
                }
            }
        }
        if several { sum.judged(constants) } else { sum }
    }

    fn plus(self, other: &SilentRun) -> SilentRun {
        SilentRun {
            kind: self.kind.filter(|kind| other.kind == Some(*kind)),
            unanswered: self.unanswered + other.unanswered,
            weighed: self.weighed + other.weighed,
            stable_answered: self.stable_answered + other.stable_answered,
            stable_unanswered: self.stable_unanswered + other.stable_unanswered,
            longest: self.longest.max(other.longest),
            shortest: self.shortest.min(other.shortest),
            evidence: self.evidence + other.evidence,
            early: self.early || other.early,
            probed: self.probed || other.probed,
            users: self.users + other.users,
            waited_long_enough: self.waited_long_enough || other.waited_long_enough,
            ..self
        }
    }

    /// Whether they are down by the sums of several sources.
    fn judged(self, constants: &Constants) -> SilentRun {
        let of_many = u64::from(self.users) >= constants.silent_users as u64;
        let enough = self.evidence >= constants.down_evidence
            && self.weighed >= constants.silent_requests
            && self.stable_answered >= constants.down_stable_successes;
        let spans = self.longest - self.shortest > constants.silent_span;
        let down = enough && if of_many { self.waited_long_enough } else { spans };
        SilentRun { down, early: enough && of_many && self.early, ..self }
    }

    /// What weighs more is worse: any that is down weighs more than any that is not.
    pub(super) fn weight(&self) -> f64 {
        match self {
            SilentRun { down: true, .. } => 2.0 * DOWN + self.evidence,
            SilentRun { early: true, .. } => DOWN + self.evidence,
            _ => self.evidence,
        }
    }

    /// Whether the canary answers no request while stable cannot be reached.
    #[must_use]
    pub fn is_down_during_failover(&self, constants: &Constants) -> bool {
        let least = constants.silent_least.duration().as_secs_f64() + constants.down_seconds;
        self.weighed >= constants.silent_requests && self.longest >= least
    }
}

/// What a run is: the requests of one kind, or of both.
const RUNS: [Option<ResponseKind>; 3] = [Some(ResponseKind::Streamed), Some(ResponseKind::Whole), None];

/// How many of stable's probes are remembered.
const MOST_PROBES: usize = 256;

/// Under which circumstances a length of time passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SilentInputs {
    /// Above which time a request of each kind is slow; `None`: nothing is known of stable.
    pub limits: [Option<Millis>; 2],
    /// Whether everybody is on the canary: then stable's answers to probes stand in for its traffic.
    pub alone: bool,
    /// Probes that stable answered since the last time, and those that it did not.
    pub probes: (u32, u32),
}

/// The runs, and the requests that they are made of.
#[derive(Clone, Debug, Default)]
pub struct SilentDetector {
    waiting: WaitingRequests,
    // By run: where it begins.
    since: [u32; 3],
    // By kind: up to where requests were counted as slow.
    passed: [u32; 2],
    // By kind: from when on a wait counts, when it was last looked at.
    patience: [Option<Millis>; 2],
    // By kind: how long a request that its client left without output has to have waited.
    long_enough: [Option<Millis>; 2],
    // By run: when an answer last moved its beginning.
    moved: [u32; 3],
    // The canary's last users, and when they were last seen; the latest first.
    users: VecDeque<(Option<Slot>, u32)>,
    probes: VecDeque<(u32, u32, u32)>,
    // What both stalled with, until a request has output again, and the second of the first such request.
    stalled: Option<(SilentRun, u32)>,
    stable: StableRuns,
}

impl SilentDetector {
    /// A request was sent.
    pub fn sent(&mut self, wait: Wait, arm: Arm, user: Option<Slot>, constants: &Constants) {
        self.waiting.sent(wait, arm, user);
        if arm == Arm::Canary {
            let known = user.and_then(|user| self.users.iter().position(|(other, _)| *other == Some(user)));
            if let Some(place) = known {
                self.users.remove(place);
            }
            self.users.push_front((user, wait.second));
            self.users.truncate(constants.silent_users);
        }
    }

    /// A request stopped waiting.
    pub fn end_wait(&mut self, wait: Wait, arm: Arm, user: Option<Slot>, how: WaitEnd, now: Millis) {
        let waited = self.long_enough[wait.kind as usize].is_some_and(|long| age(wait.second, now) >= long);
        // A stable that fails answers no request either.
        let counts = waited || (how == WaitEnd::Failed && arm == Arm::Stable);
        self.waiting.end_wait(wait, arm, user, how, counts);
        if how == WaitEnd::Answered {
            self.stalled = None;
        }
        if arm == Arm::Stable {
            self.stable.end_wait(wait, how);
        }
        if how == WaitEnd::Answered && arm == Arm::Canary {
            for (index, run) in RUNS.iter().enumerate() {
                if run.is_none_or(|kind| kind == wait.kind) && wait.second >= self.since[index] {
                    self.since[index] = wait.second.saturating_add(1);
                    self.moved[index] = second_of(now);
                }
            }
        }
    }

    /// Another share, or another try: what was sent before is no evidence.
    pub fn begin(&mut self, now: Millis) {
        let next = second_of(now).saturating_add(1);
        (self.since, self.passed) = ([next; 3], [next; 2]);
        self.stalled = None;
        self.stable.begin(next);
        self.probes.clear();
    }

    /// What was seen is not to be trusted: all of it is thrown away.
    pub fn forget(&mut self, now: Millis) {
        self.begin(now);
        self.waiting.forget(second_of(now).saturating_add(1));
    }

    /// Requests of this kind that have passed the slow limit since the last time are told, each once: with its arm and
    /// its user.
    pub fn take_late(
        &mut self,
        kind: ResponseKind,
        limit: Millis,
        now: Millis,
        mut tell: impl FnMut(Arm, Option<Slot>),
    ) {
        let passed = &mut self.passed[kind as usize];
        for cohort in self.waiting.from(*passed) {
            if age(cohort.second, now) < limit {
                break;
            }
            for arm in [Arm::Stable, Arm::Canary] {
                cohort.group(kind, arm).waiting_users().for_each(|user| tell(arm, user));
            }
        }
        // Whatever was sent in a second that has passed the limit.
        *passed = (*passed).max(second_of(Millis(now.0.saturating_sub(limit.0))));
    }

    /// Whether a request was reported as late already, or belongs to what is not evaluated.
    #[must_use]
    pub const fn was_late(&self, wait: Wait) -> bool {
        wait.second < self.passed[wait.kind as usize]
    }

    /// A length of time is over: what the runs have come to.
    pub fn evaluate(&mut self, constants: &Constants, measure: &SilentInputs, now: Millis) -> SilentRun {
        let second = second_of(now);
        self.patience = patience(constants, measure);
        // Clients need not wait for as long as it takes to be sure where stable has no traffic.
        let known = measure.limits.map(|limit| limit.map(|limit| limit.max(constants.silent_least)));
        self.long_enough = ResponseKind::ALL.map(|kind| known[kind as usize].or(self.patience[kind as usize]));
        if measure.probes.0 > 0 && measure.alone {
            // It answers again.
            self.stalled = None;
        }
        if measure.probes != (0, 0) {
            self.probes.push_back((second, measure.probes.0, measure.probes.1));
            if self.probes.len() > MOST_PROBES {
                self.probes.pop_front();
            }
        }
        let mut most = SilentRun::default();
        for index in 0..RUNS.len() {
            let silence = self.run(index, constants, measure, self.patience, now);
            if silence.stable_unanswered > 0.0 && silence.stable_unanswered >= silence.stable_answered {
                // Both stall. What stable makes up for first is no fault of the canary's.
                self.since[index] = second.saturating_add(1);
                let first = second.saturating_sub(second_of(millis(silence.longest)));
                let shared = SilentRun { evidence: 0.0, down: false, early: false, shared: true, ..silence };
                self.stalled.get_or_insert((shared, first));
            } else if (silence.down, silence.evidence) > (most.down, most.evidence) {
                most = silence;
            }
        }
        if !most.down && self.stalled.is_none() && !measure.alone {
            let early = (0..RUNS.len()).map(|index| self.run(index, constants, measure, measure.limits, now));
            let early = early.filter(|early| early.early).max_by(|one, other| one.evidence.total_cmp(&other.evidence));
            most = early.unwrap_or(most);
        }
        if let Some((shared, first)) = self.stalled.filter(|_| !most.down) {
            most = SilentRun { longest: seconds(age(first, now)) + 1.0, ..shared };
        }
        self.waiting.pass(second, ResponseKind::ALL.map(|kind| self.since[kind as usize]));
        most
    }

    /// One of the runs, as it is now.
    fn run(
        &self,
        index: usize,
        constants: &Constants,
        measure: &SilentInputs,
        patience: [Option<Millis>; 2],
        now: Millis,
    ) -> SilentRun {
        let (kind, since) = (RUNS[index], self.since[index]);
        let few = self.has_few_users(constants, now);
        let mut seen = RunCounts::default();
        for cohort in self.waiting.from(since) {
            for of in ResponseKind::ALL.into_iter().filter(|of| kind.is_none_or(|kind| kind == *of)) {
                // The requests of a single user take twice as long to count.
                let long = patience[of as usize].map(|long| if few { Millis(long.0 * 2) } else { long });
                if long.is_some_and(|long| age(cohort.second, now) >= long) {
                    seen.add(cohort, of, Arm::Canary);
                }
            }
        }
        if seen.unanswered == 0 {
            return SilentRun { kind, ..SilentRun::default() };
        }
        if measure.alone {
            let probes = self.probes.iter().filter(|(second, ..)| *second >= since);
            (seen.other_answered, seen.other_unanswered) =
                probes.fold((0, 0), |sum, (_, answered, failed)| (sum.0 + answered, sum.1 + failed));
        }
        let [unanswered, answered, without] =
            [seen.unanswered, seen.other_answered, seen.other_unanswered].map(f64::from);
        let rate = (without + 1.0) / (answered + without + 2.0);
        // One user is not many, where there are others.
        let most = if few { f64::INFINITY } else { (constants.silent_requests / constants.silent_users as f64).ceil() };
        let weighed = seen.weighed(most);
        // While one after the other has output, late as it may be, it is slow and not silent.
        let quiet = second_of(now).saturating_sub(self.moved[index]) >= seen.last - seen.first;
        let evidence = if quiet { weighed * -rate.max(constants.down_least_rate).ln() } else { 0.0 };
        let (waited, shortest) = (seconds(age(seen.first, now)), seconds(age(seen.last, now)));
        let of_many = !few && seen.users.len() >= constants.silent_users;
        let enough = evidence >= constants.down_evidence
            && weighed >= constants.silent_requests
            && answered >= constants.down_stable_successes;
        let long = if few {
            waited - shortest >= constants.silent_span
        } else {
            waited >= self.least(kind) + constants.down_seconds
        };
        SilentRun {
            kind,
            unanswered,
            weighed,
            stable_answered: answered,
            stable_unanswered: without,
            // Of a whole second the first may have been its first.
            longest: waited + 1.0,
            shortest,
            evidence,
            down: enough && long && (few || of_many),
            early: enough && of_many,
            probed: measure.alone,
            shared: false,
            users: u32::try_from(seen.users.len()).unwrap_or(u32::MAX),
            waited_long_enough: long,
        }
    }

    /// How long a wait is at least that counts, in seconds.
    fn least(&self, kind: Option<ResponseKind>) -> f64 {
        let of = |of: &ResponseKind| kind.is_none_or(|kind| kind == *of);
        let known = ResponseKind::ALL.into_iter().filter(of).filter_map(|of| self.patience[of as usize]);
        known.min().map_or(0.0, seconds)
    }

    /// Whether fewer users than it takes were lately on the canary.
    fn has_few_users(&self, constants: &Constants, now: Millis) -> bool {
        let lately = second_of(now).saturating_sub(constants.silent_lately);
        self.users.iter().filter(|(_, second)| *second >= lately).count() < constants.silent_users
    }

    #[must_use]
    pub const fn waiting(&self) -> &WaitingRequests {
        &self.waiting
    }
}

/// From when on a wait counts.
fn patience(constants: &Constants, measure: &SilentInputs) -> [Option<Millis>; 2] {
    let Constants { silent_least, silent_alone, .. } = constants;
    measure.limits.map(|limit| match (measure.alone, limit) {
        (false, limit) => limit.map(|limit| limit.max(*silent_least)),
        (true, limit) => Some(Millis(limit.unwrap_or_default().0.saturating_mul(3)).max(*silent_alone)),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is never negative")]
const fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1000.0) as u64)
}

fn seconds(time: Millis) -> f64 {
    time.duration().as_secs_f64()
}

#[cfg(test)]
mod tests;

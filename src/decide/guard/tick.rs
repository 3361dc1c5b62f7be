//! The guard's input for one length of time: counts of both arms, by aspect.
//!
//! Plain sums. Requests are counted when they are sent and events when they are seen, both without users who are paused
//! in that aspect; successes and refused connections include all users. Only requests whose arm the bucket chose are
//! counted, and only outcomes of requests that were sent in the present epoch: the caller makes sure of that. In the
//! aspect of feedback a request is a verdict, and counts by its weight. Counts are real numbers, so that expected counts
//! can be used as well as observed ones.

use super::aspect::{ASPECTS, Aspect};
use super::relative::EventCounts;
use super::silent::SilentRun;

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tick {
    /// How long, in seconds of the monotonic clock.
    pub seconds: f64,
    /// The old provider.
    pub stable: ArmTick,
    /// The new one.
    pub canary: ArmTick,
    /// Probes that stable answered, and those that it did not: they stand in for its traffic where it has none.
    pub stable_probes: (f64, f64),
    /// What the canary's requests without output had come to at its end.
    pub silence: SilentRun,
}

/// One arm's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArmTick {
    /// Requests sent, by [`Aspect`].
    pub requests: [f64; ASPECTS],
    /// Events seen, by [`Aspect`].
    pub events: [f64; ASPECTS],
    /// Answers that came to their end as they should.
    pub successes: f64,
    /// Connections that were not taken.
    pub connections_refused: f64,
    /// Requests that ended in a way that counts for or against the provider.
    pub answered: f64,
}

impl ArmTick {
    /// This many requests, of which this many failed; all were answered at once, and nobody gave a verdict.
    #[must_use]
    pub const fn plain(requests: f64, failures: f64) -> ArmTick {
        let mut events = [0.0; ASPECTS];
        events[Aspect::Failing as usize] = failures;
        let mut requests_by_aspect = [requests; ASPECTS];
        requests_by_aspect[Aspect::Feedback as usize] = 0.0;
        ArmTick {
            requests: requests_by_aspect,
            events,
            successes: requests - failures,
            connections_refused: 0.0,
            answered: requests,
        }
    }

    /// The counts of some other requests as well.
    pub fn add(&mut self, other: &ArmTick) {
        let sum = |sums: &mut [f64; ASPECTS], more: &[f64; ASPECTS]| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        sum(&mut self.requests, &other.requests);
        sum(&mut self.events, &other.events);
        self.successes += other.successes;
        self.connections_refused += other.connections_refused;
        self.answered += other.answered;
    }

    /// Requests sent, including those of most paused users: a user is paused in some aspects only.
    #[must_use]
    pub fn sent(&self) -> f64 {
        // Verdicts are no requests.
        let of_requests = Aspect::ALL.into_iter().filter(|aspect| *aspect != Aspect::Feedback);
        of_requests.map(|aspect| self.requests[aspect as usize]).fold(0.0, f64::max)
    }

    /// Failures of the provider.
    #[must_use]
    pub const fn failures(&self) -> f64 {
        self.events[Aspect::Failing as usize]
    }

    /// Requests that could have failed.
    #[must_use]
    pub const fn exposed(&self) -> f64 {
        self.requests[Aspect::Failing as usize]
    }
}

impl Tick {
    /// Both arms in one aspect.
    #[must_use]
    pub const fn event_counts(&self, aspect: Aspect) -> EventCounts {
        EventCounts {
            stable: self.stable.requests[aspect as usize],
            stable_events: self.stable.events[aspect as usize],
            canary: self.canary.requests[aspect as usize],
            canary_events: self.canary.events[aspect as usize],
        }
    }
}

/// Sums over several ticks, in one aspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EventSums {
    /// How long, in seconds.
    pub seconds: f64,
    /// Requests of stable.
    pub stable: f64,
    /// Events among them.
    pub stable_events: f64,
    /// Requests of the canary.
    pub canary: f64,
    /// Events among them.
    pub canary_events: f64,
}

impl EventSums {
    /// One tick more.
    pub fn add(&mut self, seconds: f64, seen: &EventCounts) {
        self.seconds += seconds;
        self.stable += seen.stable;
        self.stable_events += seen.stable_events;
        self.canary += seen.canary;
        self.canary_events += seen.canary_events;
    }

    /// Stable's rate; `None`: it had no request.
    #[must_use]
    pub fn stable_rate(&self) -> Option<f64> {
        (self.stable > 0.0).then(|| self.stable_events / self.stable)
    }
}

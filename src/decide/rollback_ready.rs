//! Whether stable could take everybody back now: its keys, its limits, whether it answers, and how quickly.
//!
//! While users are on the canary stable is idle, and nobody sees that its key was revoked or that its limit is too
//! small. Each obstacle is found by itself, so that all of them are said at once. Promotions to large shares wait for
//! none being left ([`promotion`](super::rollout::promotion)); a rollback never does. Reads no clock and counts
//! nothing. Invariant: what is not known is no obstacle.

use serde::{Deserialize, Serialize};

use super::policy::{RateLimit, WhenFull};
use super::series::histogram::Histogram;
use super::units::{Millis, Percent};

/// Promotions to larger shares than this wait until stable could take everybody back.
pub const FREE_UP_TO: Percent = match Percent::from_hundredths(5000) {
    Some(half) => half,
    None => Percent::ALL,
};
/// A stable that has answered nothing for so long may not answer at all.
const SILENT: Millis = Millis(600_000);
/// A stable is slow at this multiple of its usual median.
const SLOW: f64 = 3.0;
/// Before so many responses a median says nothing.
const LEAST_RESPONSES: u64 = 20;

/// What is known of a stable, and what everybody would send it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StableReadiness {
    /// Whether it is out of reach, or answers none of its requests.
    pub down: bool,
    /// Its own keys; without any it needs none.
    pub keys: KeyCounts,
    /// Its requests of the last minutes, and those of them that it answered with 429.
    pub throttled: (u64, u64),
    /// What all rollouts with this stable send now, to either arm.
    pub demand: Demand,
    /// What it is allowed.
    pub allowed: Allowed,
    /// For how long it has answered neither a request nor a probe; `None`: nobody has to ask it.
    pub silent: Option<Millis>,
    /// Its times to the first output: of the last minutes, and before.
    pub first_outputs: [Histogram; 2],
}

/// Keys by what can be done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    pub usable: usize,
    pub resting: usize,
    pub refused: usize,
}

/// What is sent, by the traffic of the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Requests a minute; `None`: not known yet.
    pub requests: Option<u64>,
    /// Tokens a minute, as far as responses tell of them.
    pub tokens: Option<u64>,
    /// Requests that are under way.
    pub in_flight: u64,
}

/// The limits of a provider; `None`: none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// A minute.
    pub requests: Option<Limit>,
    /// A minute.
    pub tokens: Option<Limit>,
    pub in_flight: Option<u64>,
}

/// A limit, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub most: u64,
    pub source: LimitSource,
}

/// Who says what a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// `rate_limit` of the file.
    File,
    /// The headers of the provider's responses.
    Headers,
}

impl LimitSource {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LimitSource::File => "file",
            LimitSource::Headers => "headers",
        }
    }
}

/// Why stable could not take everybody back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    Down,
    /// None of its keys is usable.
    Keys(KeyCounts),
    /// It answers so many of so many requests with 429.
    Throttled {
        throttled: u64,
        requests: u64,
    },
    /// It allows fewer requests a minute than are sent.
    Requests {
        limit: Limit,
        sent: u64,
    },
    /// The same of tokens.
    Tokens {
        limit: Limit,
        sent: u64,
    },
    /// The same of requests that are under way.
    InFlight {
        most: u64,
        open: u64,
    },
    /// It has answered nothing for so long.
    Silent(Millis),
    /// Its median time to the first output, as it was and as it is now.
    Slow {
        usual: Millis,
        now: Millis,
    },
}

impl NotReady {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            NotReady::Down => "down",
            NotReady::Keys(_) => "keys",
            NotReady::Throttled { .. } => "throttled",
            NotReady::Requests { .. } => "requests",
            NotReady::Tokens { .. } => "tokens",
            NotReady::InFlight { .. } => "in_flight",
            NotReady::Silent(_) => "silent",
            NotReady::Slow { .. } => "slow",
        }
    }
}

/// Everything that speaks against it; empty: it could.
#[must_use]
pub fn obstacles(stable: &StableReadiness) -> Vec<NotReady> {
    let StableReadiness { down, keys, throttled: (requests, throttled), demand, allowed, silent, first_outputs } =
        stable;
    let mut found = Vec::new();
    if *down {
        found.push(NotReady::Down);
    }
    if keys.usable == 0 && keys.resting + keys.refused > 0 {
        found.push(NotReady::Keys(*keys));
    }
    if *requests >= LEAST_RESPONSES && throttled * 10 > *requests {
        found.push(NotReady::Throttled { throttled: *throttled, requests: *requests });
    }
    let beyond = |limit: Option<Limit>, sent: Option<u64>| {
        let (limit, sent) = (limit?, sent?);
        (sent > limit.most).then_some((limit, sent))
    };
    if let Some((limit, sent)) = beyond(allowed.requests, demand.requests) {
        found.push(NotReady::Requests { limit, sent });
    }
    if let Some((limit, sent)) = beyond(allowed.tokens, demand.tokens) {
        found.push(NotReady::Tokens { limit, sent });
    }
    if let Some(most) = allowed.in_flight.filter(|most| demand.in_flight > *most) {
        found.push(NotReady::InFlight { most, open: demand.in_flight });
    }
    if let Some(silent) = silent.filter(|silent| *silent >= SILENT) {
        found.push(NotReady::Silent(silent));
    }
    found.extend(slow(first_outputs));
    found
}

fn slow([recent, before]: &[Histogram; 2]) -> Option<NotReady> {
    let median = |of: &Histogram| of.quantile(0.5).filter(|_| of.count() >= LEAST_RESPONSES);
    let (now, usual) = (median(recent)?, median(before)?);
    (now > SLOW * usual).then(|| NotReady::Slow { usual: millis(usual), now: millis(now) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time within the bounds of a histogram")]
const fn millis(millis: f64) -> Millis {
    Millis(millis as u64)
}

impl Demand {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Demand) -> Demand {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (known, None) | (None, known) => known,
        };
        Demand {
            requests: sum(self.requests, other.requests),
            tokens: sum(self.tokens, other.tokens),
            in_flight: self.in_flight.saturating_add(other.in_flight),
        }
    }
}

impl Allowed {
    /// What a provider is allowed: by the file, and by its headers, as they count for `accounts` of it.
    #[must_use]
    pub fn of(limit: Option<&RateLimit>, told: [Option<u64>; 2], accounts: u64) -> Allowed {
        // What is only observed turns nothing away.
        let limit = limit.filter(|limit| limit.when_full != WhenFull::Observe);
        let file = |most: Option<u64>| most.map(|most| Limit { most, source: LimitSource::File });
        let headers = |most: Option<u64>| {
            most.map(|most| Limit { most: most.saturating_mul(accounts.max(1)), source: LimitSource::Headers })
        };
        let least =
            |one: Option<Limit>, other: Option<Limit>| one.into_iter().chain(other).min_by_key(|limit| limit.most);
        let rate = |of: fn(&RateLimit) -> Option<super::limit::Rate>| limit.and_then(of).map(|rate| rate.per_minute());
        Allowed {
            requests: least(file(rate(|limit| limit.requests)), headers(told[0])),
            tokens: least(file(rate(|limit| limit.tokens)), headers(told[1])),
            in_flight: limit.and_then(|limit| limit.in_flight).map(u64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::limit::Rate;

    fn limited(when_full: WhenFull) -> RateLimit {
        RateLimit {
            requests: Some(Rate::new(600, 100)),
            tokens: None,
            in_flight: Some(64),
            when_full,
            wait: Millis(0),
            follow_headers: true,
        }
    }

    fn sending(requests: u64) -> Demand {
        Demand { requests: Some(requests), tokens: None, in_flight: 0 }
    }

    fn times(bucket: usize, count: u32) -> Histogram {
        let mut times = Histogram::default();
        times.0[bucket] = count;
        times
    }

    #[test]
    fn a_stable_of_which_nothing_is_known_is_ready() {
        assert_eq!(obstacles(&StableReadiness::default()), []);
        let unknown = StableReadiness { allowed: Allowed::of(None, [Some(1), Some(1)], 1), ..Default::default() };
        assert_eq!(obstacles(&unknown), [], "it is not known what is sent");
    }

    #[test]
    fn each_obstacle_is_found_and_all_of_them_at_once() {
        let keys = KeyCounts { usable: 0, resting: 1, refused: 1 };
        let worst = StableReadiness {
            down: true,
            keys,
            throttled: (20, 3),
            demand: Demand { requests: Some(2000), tokens: Some(9000), in_flight: 65 },
            allowed: Allowed::of(Some(&limited(WhenFull::Fallback)), [None, Some(4000)], 2),
            silent: Some(SILENT),
            first_outputs: [times(8, 20), times(4, 20)],
        };
        let file = Limit { most: 600, source: LimitSource::File };
        let headers = Limit { most: 8000, source: LimitSource::Headers };
        let slow = NotReady::Slow { usual: Millis(75), now: Millis(1500) };
        let expected = [
            NotReady::Down,
            NotReady::Keys(keys),
            NotReady::Throttled { throttled: 3, requests: 20 },
            NotReady::Requests { limit: file, sent: 2000 },
            NotReady::Tokens { limit: headers, sent: 9000 },
            NotReady::InFlight { most: 64, open: 65 },
            NotReady::Silent(SILENT),
            slow,
        ];
        assert_eq!(obstacles(&worst), expected);
    }

    #[test]
    fn what_just_fits_is_no_obstacle() {
        let allowed = Allowed::of(Some(&limited(WhenFull::Refuse)), [None; 2], 1);
        let with = |demand, keys, silent| StableReadiness { demand, keys, allowed, silent, ..Default::default() };
        let one = KeyCounts { usable: 1, refused: 5, ..KeyCounts::default() };
        assert_eq!(obstacles(&with(sending(600), one, Some(Millis(SILENT.0 - 1)))), []);
        assert_eq!(obstacles(&with(sending(601), one, None)).len(), 1);
        for throttled in [(19, 19), (20, 2), (0, 0)] {
            assert_eq!(obstacles(&StableReadiness { throttled, ..Default::default() }), []);
        }
        let few = |[recent, before]: [u32; 2]| StableReadiness {
            first_outputs: [times(8, recent), times(4, before)],
            ..StableReadiness::default()
        };
        assert_eq!((obstacles(&few([19, 100])), obstacles(&few([100, 19]))), (vec![], vec![]));
        assert_eq!(obstacles(&few([20, 20])).len(), 1);
    }

    #[test]
    fn the_smaller_limit_counts_and_one_that_is_only_observed_does_not() {
        let most = |limit: Option<&RateLimit>, told, accounts| {
            Allowed::of(limit, [told, None], accounts).requests.map(|limit| (limit.most, limit.source))
        };
        let (enforced, observed) = (limited(WhenFull::Wait), limited(WhenFull::Observe));
        assert_eq!(most(Some(&enforced), Some(500), 1), Some((500, LimitSource::Headers)));
        assert_eq!(most(Some(&enforced), Some(500), 2), Some((600, LimitSource::File)));
        assert_eq!(most(Some(&observed), None, 1), None);
        assert_eq!(most(Some(&observed), Some(50), 0), Some((50, LimitSource::Headers)));
        assert_eq!(Allowed::of(Some(&observed), [None; 2], 1).in_flight, None);
    }
}

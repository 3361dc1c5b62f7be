//! How full the limits of one provider or one client are: shared by all cores, and kept over reloads.
//!
//! One atomic for each limit, in a cache line of their own; a request that finds room touches nothing else. Only those
//! that wait share a [`queue`]. Holds no rule: [`decide::limit`](crate::decide::limit) computes each next word, by the
//! rates of the file in force. Invariants: what was taken and not used is given back; while somebody waits, nobody who
//! came later passes; and whoever gives something back wakes who waits longest.

pub mod queue;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use crate::decide::limit::{Rate, Take, estimate};
use crate::decide::policy::RateLimit;
use queue::Queue;

/// Arms and models whose mean output is kept; of those that fall into one place, the last.
const MEANS: usize = 64;

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    Requests,
    Tokens,
    InFlight,
}

/// What became of a request that a limit had no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Another candidate was asked.
    Other,
    /// It waited, and its turn came.
    Waited,
    /// Its turn did not come in time, and it was sent anyway.
    Sent,
    Refused,
    /// It was only counted.
    Observed,
}

/// A limit that has no room, and the moment at which it may have some, where time alone makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub kind: LimitKind,
    pub not_before: Option<u64>,
}

/// What a request asks of a limit. Times are nanoseconds of [`clock::nanos`](crate::clock::nanos).
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub now: u64,
    /// When it began to wait, or now.
    pub since: u64,
    /// The tokens that it reserves.
    pub tokens: u64,
    /// Whether it gives way while less than a fifth is left.
    pub yields: bool,
}

/// How full the limits are.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct LimitState {
    // The moments at which the buckets are full again.
    requests: AtomicU64,
    tokens: AtomicU64,
    in_flight: AtomicU32,
    sent: AtomicU64,
    /// The rates of requests and tokens in force, packed: what was taken by an earlier file is given back by them.
    rates: [AtomicU64; 2],
    /// What whoever looked last had no room for: those that wait, wait for it.
    awaited: AtomicU8,
    /// Those that wait for their turn.
    pub queue: Queue,
    turned: [[AtomicU64; Turned::ALL.len()]; LimitKind::ALL.len()],
    means: Means,
}

#[derive(Debug)]
struct Means([AtomicU64; MEANS]);

impl Default for Means {
    fn default() -> Means {
        Means([const { AtomicU64::new(0) }; MEANS])
    }
}

impl LimitState {
    /// Takes what a request needs, or nothing.
    pub fn take(&self, limit: &RateLimit, ask: Ask) -> Result<(), Full> {
        if self.queue.ahead(ask.yields) > 0 {
            return Err(self.behind_the_queue(limit, ask));
        }
        self.take_as_first(limit, ask)
    }

    /// The same for who waits longest.
    pub fn take_as_first(&self, limit: &RateLimit, ask: Ask) -> Result<(), Full> {
        // What is under way comes last, since only its end, and no time, says that there is room again.
        if let Err(not_before) = take(&self.requests, limit.requests, ask, 1) {
            return Err(self.full(LimitKind::Requests, not_before));
        }
        if let Err(not_before) = take(&self.tokens, limit.tokens, ask, ask.tokens) {
            give_back(&self.requests, limit.requests, 1);
            return Err(self.full(LimitKind::Tokens, not_before));
        }
        let most = limit.in_flight.map_or(u32::MAX, |most| if ask.yields { most - most / 5 } else { most });
        let enter = |open: u32| (open < most).then(|| open + 1);
        if self.in_flight.fetch_update(SeqCst, SeqCst, enter).is_err() {
            give_back(&self.requests, limit.requests, 1);
            give_back(&self.tokens, limit.tokens, ask.tokens);
            return Err(self.full(LimitKind::InFlight, None));
        }
        self.sent.fetch_add(1, Relaxed);
        Ok(())
    }

    fn full(&self, kind: LimitKind, not_before: Option<u64>) -> Full {
        self.awaited.store(kind as u8, Relaxed);
        Full { kind, not_before }
    }

    /// Takes it although there is no room.
    pub fn force(&self, limit: &RateLimit, ask: Ask) {
        self.in_flight.fetch_add(1, SeqCst);
        for (cell, rate, units) in [(&self.requests, limit.requests, 1), (&self.tokens, limit.tokens, ask.tokens)] {
            if let Some(rate) = rate {
                change(cell, |full_at| Some(rate.force(full_at, ask.now, rate.time_of(units))));
            }
        }
        self.sent.fetch_add(1, Relaxed);
    }

    /// A request that was let pass was not sent.
    pub fn give_back(&self, limit: &RateLimit, tokens: u64) {
        let [requests, of_tokens] = self.rates_in_force(limit);
        self.sent.fetch_sub(1, Relaxed);
        give_back(&self.requests, requests, 1);
        give_back(&self.tokens, of_tokens, tokens);
        self.leave();
    }

    /// A request that was sent is over; it took so many tokens more or less than it reserved.
    pub fn settle(&self, limit: &RateLimit, reserved: u64, took: u64) {
        let [_, rate] = self.rates_in_force(limit);
        if let Some(rate) = rate {
            if took > reserved {
                let more = rate.time_of(took - reserved);
                change(&self.tokens, |full_at| Some(full_at.saturating_add(more)));
            } else {
                give_back(&self.tokens, Some(rate), reserved - took);
            }
        }
        self.leave();
    }

    /// Of requests and of tokens. `limit`: as it was when the request was sent.
    fn rates_in_force(&self, limit: &RateLimit) -> [Option<Rate>; 2] {
        let [requests, tokens] = &self.rates;
        let now = |cell: &AtomicU64, before: Option<Rate>| {
            before.map(|before| Rate::unpack(cell.load(Relaxed)).unwrap_or(before))
        };
        [now(requests, limit.requests), now(tokens, limit.tokens)]
    }

    fn leave(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
        self.queue.wake_first();
    }

    /// The provider says that no more than so many requests and tokens are left.
    pub fn follow(&self, limit: &RateLimit, now: u64, left: [Option<u64>; 2]) {
        for ((cell, rate), left) in
            [(&self.requests, limit.requests), (&self.tokens, limit.tokens)].into_iter().zip(left)
        {
            if let (Some(rate), Some(left)) = (rate, left) {
                change(cell, |full_at| Some(rate.lower_to(full_at, now, left)));
            }
        }
    }

    /// The provider wants nothing before this moment.
    pub fn close_until(&self, limit: &RateLimit, opens_at: u64) {
        for (cell, rate) in [(&self.requests, limit.requests), (&self.tokens, limit.tokens)] {
            if let Some(rate) = rate {
                change(cell, |full_at| Some(rate.close_until(full_at, opens_at)));
            }
        }
    }

    /// Control only: these rates are in force.
    pub fn put_in_force(&self, limit: &RateLimit) {
        for (cell, rate) in self.rates.iter().zip([limit.requests, limit.tokens]) {
            cell.store(rate.map_or(0, Rate::pack), Relaxed);
        }
    }

    /// Control only: the file has other rates now. What was used stays used.
    pub fn adopt(&self, before: &RateLimit, after: &RateLimit, now: u64) {
        let cells = [(&self.requests, before.requests, after.requests), (&self.tokens, before.tokens, after.tokens)];
        for (cell, before, after) in cells {
            if let (Some(before), Some(after)) = (before, after) {
                change(cell, |full_at| Some(after.rescaled_from(before, full_at, now)));
            }
        }
        self.put_in_force(after);
        self.queue.wake_first();
    }

    /// The same for a client's requests.
    pub fn adopt_rate(&self, before: Rate, after: Rate, now: u64) {
        change(&self.requests, |full_at| Some(after.rescaled_from(before, full_at, now)));
    }

    /// Whether less than a fifth is left of anything.
    #[must_use]
    pub fn is_low(&self, limit: &RateLimit, now: u64) -> bool {
        let low = |cell: &AtomicU64, rate: Option<Rate>| rate.is_some_and(|rate| rate.is_low(cell.load(Relaxed), now));
        let crowded = |most: u32| u64::from(self.in_flight.load(Relaxed)) * 5 > u64::from(most) * 4;
        low(&self.requests, limit.requests) || low(&self.tokens, limit.tokens) || limit.in_flight.is_some_and(crowded)
    }

    /// Those that wait come first: there is no room for what they wait for.
    fn behind_the_queue(&self, limit: &RateLimit, ask: Ask) -> Full {
        let awaited = self.awaited.load(Relaxed);
        let kind = LimitKind::ALL.into_iter().find(|kind| *kind as u8 == awaited).unwrap_or(LimitKind::Requests);
        let rate = limit.requests.filter(|_| kind == LimitKind::Requests);
        let ahead = u64::from(self.queue.ahead(ask.yields)) + 1;
        Full { kind, not_before: rate.map(|rate| ask.now.saturating_add(rate.time_of(ahead))) }
    }

    /// Counts what became of a request that a limit had no room for.
    pub fn count(&self, kind: LimitKind, turned: Turned) {
        self.turned[kind as usize][turned as usize].fetch_add(1, Relaxed);
    }

    /// How many requests a limit had no room for, by what became of them.
    #[must_use]
    pub fn turned(&self, kind: LimitKind, turned: Turned) -> u64 {
        self.turned[kind as usize][turned as usize].load(Relaxed)
    }

    /// Requests that were let pass since the start.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Requests and tokens that are left now.
    #[must_use]
    pub fn left(&self, limit: &RateLimit, now: u64) -> [Option<u64>; 2] {
        let left = |cell: &AtomicU64, rate: Option<Rate>| Some(rate?.left(cell.load(Relaxed), now));
        [left(&self.requests, limit.requests), left(&self.tokens, limit.tokens)]
    }

    /// The mean output of an arm and a model.
    #[must_use]
    pub fn mean_output(&self, key: u32) -> Option<u64> {
        estimate::mean(self.means.0[key as usize % MEANS].load(Relaxed), key)
    }

    /// An answer of an arm and a model had so many tokens. Of two at once, one may count for nothing.
    pub fn learn_output(&self, key: u32, output: u64) {
        let place = &self.means.0[key as usize % MEANS];
        place.store(estimate::learn(place.load(Relaxed), key, output), Relaxed);
    }
}

/// One request of a client; the moment before which it is too many.
pub fn take_of_client(state: &LimitState, rate: Rate, now: u64) -> Result<(), u64> {
    let ask = Ask { now, since: now, tokens: 0, yields: false };
    take(&state.requests, Some(rate), ask, 1).map_err(|not_before| not_before.unwrap_or(now))?;
    state.sent.fetch_add(1, Relaxed);
    Ok(())
}

/// How many requests of a client may pass at once now.
#[must_use]
pub fn left_of_client(state: &LimitState, rate: Rate, now: u64) -> u64 {
    rate.left(state.requests.load(Relaxed), now)
}

fn take(cell: &AtomicU64, rate: Option<Rate>, ask: Ask, units: u64) -> Result<(), Option<u64>> {
    let Some(rate) = rate else { return Ok(()) };
    let cost = if units == 1 { rate.one() } else { rate.time_of(units) };
    let mut full_at = cell.load(Relaxed);
    loop {
        match rate.take(full_at, ask.now, ask.since, cost, ask.yields) {
            Take::NotBefore(at) => return Err(Some(at)),
            Take::Yes(next) => match cell.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            },
        }
    }
}

fn give_back(cell: &AtomicU64, rate: Option<Rate>, units: u64) {
    if let Some(rate) = rate {
        change(cell, |full_at| Some(full_at.saturating_sub(rate.time_of(units))));
    }
}

fn change(cell: &AtomicU64, next: impl Fn(u64) -> Option<u64>) {
    // There is always a next word.
    let _ = cell.fetch_update(Relaxed, Relaxed, next);
}

impl LimitKind {
    pub const ALL: [LimitKind; 3] = [LimitKind::Requests, LimitKind::Tokens, LimitKind::InFlight];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LimitKind::Requests => "requests",
            LimitKind::Tokens => "tokens",
            LimitKind::InFlight => "in_flight",
        }
    }
}

impl Turned {
    pub const ALL: [Turned; 5] = [Turned::Other, Turned::Waited, Turned::Sent, Turned::Refused, Turned::Observed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Turned::Other => "other",
            Turned::Waited => "waited",
            Turned::Sent => "sent_anyway",
            Turned::Refused => "refused",
            Turned::Observed => "observed",
        }
    }
}

//! What a key means when the file does not name it.
//!
//! The schema, `serin schema --defaults` and the compiler read the same constants, so that none of them can tell
//! another story. A default that is computed (from the host, from another key) is none of these: it stands where its
//! key is compiled.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::decide::endpoint;
use crate::decide::fallback::MOST_OTHERS;
use crate::decide::policy::{Guard, SlowRule};
use crate::decide::units::{Millis, Percent};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const KIB: u32 = 1024;
const MIB: u64 = 1024 * 1024;

/// Entries of a list or a map that the file may have; more are a mistake, not a configuration.
pub(super) const MOST_ENTRIES: usize = 1000;
/// The same for user ids.
pub(super) const MOST_IDS: usize = 100_000;

const fn percent(whole: u16) -> Percent {
    match Percent::from_hundredths(whole * 100) {
        Some(percent) => percent,
        None => Percent::ALL,
    }
}

pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7171);
pub(super) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7172);
pub(super) const MOUNT: &str = "/v1";
pub(super) const DRAIN: Millis = Millis(10 * MINUTE);

pub(super) const HEADER_BYTES: u32 = 64 * KIB;
pub(super) const HEADER_TIME: Millis = Millis(10 * SECOND);
pub(super) const IDLE: Millis = Millis(10 * MINUTE);
/// The acceptor stays below the process's own limit of open files besides.
pub(super) const CONNECTIONS: u32 = 8_192;
pub(super) const REPLAY_BODY: u64 = 8 * MIB;
/// A body is held until its answer has begun, so one client must not hold all that there is.
pub(super) const MOST_REPLAY_BODY: u64 = 64 * MIB;
pub(super) const REPLAY_MEMORY: u64 = 256 * MIB;
pub(super) const ACCESS_LOG_PER_SECOND: u32 = 1000;
pub(super) const ACCESS_LOG_BYTES: u64 = 100 * MIB;

pub(super) const CONNECT: Millis = Millis(5 * SECOND);
pub(super) const HEADERS: Millis = Millis(10 * MINUTE);
pub(super) const STREAM_HEADERS: Millis = Millis(MINUTE);
pub(super) const FIRST_OUTPUT: Millis = Millis(10 * MINUTE);
pub(super) const PROVIDER_IDLE: Millis = Millis(5 * MINUTE);
/// As many as there may be clients: by default the provider's side never holds a client up.
pub(super) const MAX_CONNECTIONS: u32 = CONNECTIONS;
/// Where a name has moved, most others follow it within minutes as well.
pub(super) const MAX_CONNECTION_AGE: Millis = Millis(5 * MINUTE);
pub(super) const BREAKER_FAILURES: u32 = 5;
pub(super) const BREAKER_OPEN_FOR: Millis = Millis(15 * SECOND);
pub(super) const PROBE_PATH: &str = "/models";
/// What `set_fields` of one provider may add to every request, in bytes of JSON.
pub(super) const MOST_SET: usize = 64 * 1024;
/// How deep a field may lie that a rule names.
pub(super) const DEEPEST_FIELD: usize = 16;

/// The endpoints that generate. Two embedding models in one index would corrupt it silently, hence not all paths.
pub(super) const ENDPOINTS: [&str; 4] = endpoint::GENERATING;
pub(super) const USER: [&str; 5] =
    ["header:x-user-id", "body:safety_identifier", "body:user", "body:metadata.user_id", "body:prompt_cache_key"];

pub(super) const START: Percent = percent(10);
pub(super) const STEP: Percent = percent(15);
pub(super) const EVERY: Millis = Millis(DAY);
pub(super) const MAX: Percent = Percent::ALL;
pub(super) const ROLLBACK_TO: Percent = Percent::ZERO;
pub(super) const ATTEMPT: u32 = 1;
/// Providers that `fallback` may name.
pub(super) const MOST_FALLBACKS: usize = MOST_OTHERS;
pub(super) const GIVE_UP_AFTER: Millis = Millis(30 * SECOND);
pub(super) const HOLD: Millis = Millis(5 * SECOND);
pub(super) const RETRY_ATTEMPTS: u32 = 2;
pub(super) const MOST_ATTEMPTS: u32 = 10;
pub(super) const RETRY_BUDGET: Percent = percent(10);
pub(super) const RETRY_BACKOFF: &str = "500ms..8s";

/// The guard that judges where the file says nothing about it: the rule's own numbers.
pub(super) fn guard() -> Guard {
    Guard::default()
}

/// The same of slow answers.
pub(super) fn slow() -> SlowRule {
    SlowRule::default()
}

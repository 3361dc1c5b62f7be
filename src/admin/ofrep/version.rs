//! The version of the flags: a text that changes exactly when some context may get another value.
//!
//! Made of what flags are evaluated by: the flags themselves, the shares, pins and salts of the rollouts that they
//! follow, and which of them have begun or ended. It is the same in every process of this version of Serin with the
//! same file and shares, so a restart alone announces nothing. Computed once for each publication, however many listen.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::decide::units::{RolloutId, UnixMillis};
use crate::state::snapshot::Snapshot;

/// The version that was computed last, and of which publication.
#[derive(Debug, Default)]
pub struct FlagVersions {
    last: Mutex<Option<(u64, FlagVersion)>>,
}

/// A version and how long it holds, if nothing is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FlagVersion {
    pub(super) id: String,
    /// From when.
    since: UnixMillis,
    /// Until a flag begins or ends; `None`: none will.
    pub(super) until: Option<UnixMillis>,
}

impl FlagVersions {
    /// The version at this moment.
    pub(super) fn at(&self, snapshot: &Snapshot, now: UnixMillis) -> FlagVersion {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, version)) = &*last
            && *revision == snapshot.revision
            && now >= version.since
            && version.until.is_none_or(|until| now < until)
        {
            return version.clone();
        }
        let version = compute(snapshot, now);
        *last = Some((snapshot.revision, version.clone()));
        version
    }
}

fn compute(snapshot: &Snapshot, now: UnixMillis) -> FlagVersion {
    let policy = &snapshot.policy;
    let mut text = Hashed(DefaultHasher::new());
    // Writing into a hasher cannot fail.
    let _ = write!(text, "{:?}", policy.flags);
    let followed: BTreeSet<u16> = policy.flags.values().filter_map(|flag| flag.follows()).map(|id| id.0).collect();
    for index in followed {
        let Some(rollout) = policy.rollouts.get(usize::from(index)) else { continue };
        let in_force = snapshot.in_force(RolloutId(index));
        let share = (in_force.percent, in_force.buckets_only);
        let _ = write!(text, "{:?}", (&rollout.name, &rollout.salt, &rollout.pins, share));
    }
    let moments = || policy.flags.values().flat_map(|flag| [flag.from, flag.until]).flatten();
    for moment in moments() {
        let _ = write!(text, "{}", now >= moment);
    }
    let until = moments().filter(|moment| now < *moment).min();
    FlagVersion { id: format!("{:016x}", text.0.finish()), since: now, until }
}

struct Hashed(DefaultHasher);

impl fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

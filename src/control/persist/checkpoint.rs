//! When what the guard knows is written, so that a restart goes on with the same try.
//!
//! Every action writes the whole state with it. Between two actions evidence gathers, and is written once a minute and
//! when the process begins to stop: a crash loses a minute of it at most. Rollouts take turns, in some groups a minute and
//! not one by one, since each group is a write of its own to the disk; one in which nothing has gathered is left out.
//! Writes nothing itself.

use crate::decide::policy::Canary;
use crate::decide::rollout::retry::waits_before_retry;
use crate::decide::rollout::state::RolloutState;
use crate::decide::units::Millis;

/// Between two writings of a rollout's evidence.
const BETWEEN: u64 = 60_000;
/// In how many groups all of them are written in that time.
const GROUPS: usize = 12;

/// When a rollout's evidence was written last, and as what.
#[derive(Debug, Default)]
pub(in crate::control) struct Outlasting {
    due: Option<Millis>,
    written: Option<Box<RolloutState>>,
}

/// When a rollout of this place in the file is written first.
const fn first(place: usize, now: Millis) -> Millis {
    Millis(now.0 + BETWEEN - (place % GROUPS) as u64 * (BETWEEN / GROUPS as u64))
}

impl Outlasting {
    /// Whether the time of a rollout of this place in the file has come. If so, it comes again a minute later.
    pub(in crate::control) fn is_due(&mut self, place: usize, now: Millis) -> bool {
        let due = self.due.get_or_insert_with(|| first(place, now));
        if now < *due {
            return false;
        }
        due.0 += (now.since(*due).0 / BETWEEN + 1) * BETWEEN;
        true
    }

    /// Whether anything has gathered since the last time.
    pub(in crate::control) fn has_gathered(&mut self, canary: &Canary, state: &RolloutState) -> bool {
        let mut gathered = state.clone();
        if !waits_before_retry(canary, &gathered) {
            // Time passes for those who wait for nothing as well, and is nothing to remember.
            gathered.waited = Millis(0);
        }
        let news = self.written.as_deref() != Some(&gathered);
        if news {
            self.written = Some(Box::new(gathered));
        }
        news
    }
}

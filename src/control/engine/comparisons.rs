//! What is known of the copies of every rollout, kept over reloads and restarts.
//!
//! A rollout finds its [`CopyGate`] by its identity, also when the file had left it out for a while. Writes the records
//! now and then, and at once when a round of a rehearsal has ended. Decides nothing. Invariant: what is kept is
//! bounded, and has no text of a request or an answer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::control::now::Now;
use crate::decide::rollout::state::Identity;
use crate::decide::units::Millis;
use crate::state::copies::gate::{CopyGate, CopyRecord};

/// Between two writes.
const WRITE_INTERVAL: Millis = Millis(5000);
/// Rollouts of which the records are kept.
const MOST_KEPT: usize = 256;

/// All records.
#[derive(Debug, Default)]
pub(in crate::control) struct Comparisons {
    gates: RefCell<BTreeMap<Identity, Arc<CopyGate>>>,
    /// How many cores count.
    cores: usize,
    written: u64,
    tried_at: Millis,
    /// Whether something is to be written at once.
    urgent: Cell<bool>,
}

/// A record as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    of: Identity,
    record: CopyRecord,
}

impl Comparisons {
    /// From what was kept. What cannot be read is counted anew.
    pub(super) fn restored(text: Option<&str>, cores: usize) -> Comparisons {
        let kept: Vec<serde_json::Value> = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let readable = kept.into_iter().take(MOST_KEPT).filter_map(|kept| serde_json::from_value(kept).ok());
        let gates = readable.map(|Kept { of, record }| (of, Arc::new(CopyGate::restored(record, cores))));
        Comparisons { gates: RefCell::new(gates.collect()), cores, ..Comparisons::default() }
    }

    /// The gate of a rollout.
    pub(super) fn gate(&self, identity: &Identity) -> Arc<CopyGate> {
        let mut gates = self.gates.borrow_mut();
        if gates.len() >= MOST_KEPT && !gates.contains_key(identity) {
            // Gates that nobody else holds are of rollouts that the file does not have.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let new = || Arc::new(CopyGate::restored(CopyRecord::default(), self.cores));
        Arc::clone(gates.entry(identity.clone()).or_insert_with(new))
    }

    /// The next write is not to wait.
    pub(super) fn write_soon(&self) {
        self.urgent.set(true);
    }

    /// The records, if they have to be written. `last`: whether this is the last chance.
    pub(super) fn take_due(&mut self, now: Now, last: bool) -> Option<Arc<str>> {
        let gates = self.gates.borrow();
        let version: u64 = gates.values().map(|gate| gate.version()).sum();
        let is_due = last || self.urgent.get() || now.mono.since(self.tried_at) >= WRITE_INTERVAL;
        if version == self.written || !is_due {
            return None;
        }
        self.urgent.set(false);
        (self.written, self.tried_at) = (version, now.mono);
        let kept = |(of, gate): (&Identity, &Arc<CopyGate>)| {
            let record = gate.look(CopyRecord::clone);
            (record != CopyRecord::default()).then(|| Kept { of: of.clone(), record })
        };
        let all: Vec<Kept> = gates.iter().filter_map(kept).collect();
        // Plain names and numbers: serialising them cannot fail.
        serde_json::to_string(&all).ok().map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::comparison::defect::Defect;
    use crate::decide::units::UnixMillis;

    fn at(second: u64) -> Now {
        Now { mono: Millis(second * 1000), unix: UnixMillis(second * 1000) }
    }

    #[test]
    fn counts_outlive_a_restart_and_are_written_when_they_changed() {
        let of = Identity { rollout: "chat".into(), stable: "a".into(), canary: "b".into(), salt: String::new() };
        let mut comparisons = Comparisons::restored(None, 1);
        assert!(comparisons.take_due(at(10), false).is_none());
        let gate = comparisons.gate(&of);
        gate.record().rehearsal.tally.add_defect(Defect::Quota);
        let text = comparisons.take_due(at(20), false).unwrap();
        assert!(comparisons.take_due(at(30), true).is_none(), "nothing is new");
        gate.record().rehearsal.tally.add_defect(Defect::Quota);
        assert!(comparisons.take_due(at(24), false).is_none(), "too soon");
        comparisons.write_soon();
        assert!(comparisons.take_due(at(24), false).is_some());
        let restored = Comparisons::restored(Some(&text), 1);
        assert_eq!(restored.gate(&of).look(|record| record.rehearsal.tally.funnel.compared), 1);
        let broken = Comparisons::restored(Some(&format!("[{{}}, {}", &text[1..])), 1);
        assert_eq!(broken.gate(&of).look(|record| record.rehearsal.tally.funnel.compared), 1);
    }
}

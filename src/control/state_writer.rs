//! Hands what was learned of ids over to be written: behind the requests, some at a time.
//!
//! A batch is small, so that a decision never waits long behind one, and the next is taken when the last has been
//! written. Keeps a copy of what is being written, to give it back when that fails. Invariant: one batch is under way
//! at a time.

use super::now::Now;
use crate::decide::units::Millis;
use crate::state::state_ids::{StateChanges, StateIds};

/// So many are written together: some milliseconds of a disk.
const AT_A_TIME: usize = 250;
/// Fewer wait so long for others, and all of them so long after a failure.
const EVERY: Millis = Millis(1000);

#[derive(Debug, Default)]
pub(in crate::control) struct StateWriter {
    writing: Option<StateChanges>,
    not_before: Millis,
    closing: bool,
}

impl StateWriter {
    /// What is to be written now.
    pub(in crate::control) fn take_due(&mut self, ids: &StateIds, now: Now) -> Option<StateChanges> {
        let waiting = ids.waiting();
        let is_due = now.mono >= self.not_before || self.closing;
        if self.writing.is_some() || waiting == 0 || !is_due {
            return None;
        }
        self.not_before = if waiting > AT_A_TIME { now.mono } else { Millis(now.mono.0 + EVERY.0) };
        let most = if self.closing { usize::MAX } else { AT_A_TIME };
        let changes = ids.take_changes(most);
        self.writing = Some(changes.clone());
        Some(changes)
    }

    pub(in crate::control) const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// They were written, or not: then they are tried again.
    pub(in crate::control) fn finished(&mut self, is_written: bool, ids: &StateIds, now: Now) {
        let Some(changes) = self.writing.take() else { return };
        if !is_written {
            self.not_before = Millis(now.mono.0 + EVERY.0);
            ids.give_back(changes);
        }
    }

    /// The process is about to end: all that is left is to be written.
    pub(in crate::control) fn close(&mut self) {
        self.closing = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::units::UnixMillis;

    fn at(mono: u64) -> Now {
        Now { mono: Millis(mono), unix: UnixMillis(mono) }
    }

    fn learn(ids: &StateIds, from: usize, to: usize) {
        let owner = ids.owner("new", "https://x.test/v1").unwrap();
        (from..to).for_each(|number| ids.learn(ids.key(&number.to_string()), owner, UnixMillis(0)));
    }

    #[test]
    fn what_is_learned_is_written_in_small_batches_one_after_the_other() {
        let (ids, mut writer) = (StateIds::default(), StateWriter::default());
        assert!(writer.take_due(&ids, at(0)).is_none());
        learn(&ids, 0, 700);
        let length = |changes: Option<StateChanges>| changes.map(|changes| changes.changes.len());
        assert_eq!(length(writer.take_due(&ids, at(0))), Some(250));
        assert!(writer.is_writing() && writer.take_due(&ids, at(5000)).is_none(), "one at a time");
        writer.finished(true, &ids, at(2));
        assert_eq!(length(writer.take_due(&ids, at(2))), Some(250), "at once, as many wait");
        writer.finished(false, &ids, at(3));
        assert!(writer.take_due(&ids, at(3)).is_none(), "a disk that fails is given time");
        assert_eq!((length(writer.take_due(&ids, at(1003))), ids.waiting()), (Some(250), 200));
        writer.finished(true, &ids, at(1004));
        assert_eq!(length(writer.take_due(&ids, at(1004))), Some(200));
        writer.finished(true, &ids, at(1005));
        learn(&ids, 700, 701);
        assert!(writer.take_due(&ids, at(1100)).is_none(), "a few wait for others");
        assert_eq!(length(writer.take_due(&ids, at(2004))), Some(1));
        writer.finished(true, &ids, at(2005));
        learn(&ids, 701, 2500);
        writer.close();
        assert_eq!(length(writer.take_due(&ids, at(2006))), Some(1799));
    }
}

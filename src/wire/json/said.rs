//! What one event, or one whole answer, says, whatever its dialect.
//!
//! Owns the facts that the readers of a dialect fill in, and which choices have appeared and ended. Reads nothing
//! itself. Invariant: what was not read is not claimed.

use crate::wire::finish::Finish;
use crate::wire::usage::Counts;

/// What one event, or one whole answer, says.
#[derive(Default)]
pub(in crate::wire) struct Said<'a> {
    /// It holds real output.
    pub(in crate::wire) output: bool,
    /// It says that the provider failed: JSON for [`read_complaint`](crate::wire::complaint::read_complaint).
    pub(in crate::wire) error: Option<&'a [u8]>,
    /// It has nothing by which the dialect is known: somebody else's language.
    pub(in crate::wire) foreign: bool,
    /// It has what a whole answer of the dialect has.
    pub(in crate::wire) shaped: bool,
    /// It is the end of its answer.
    pub(in crate::wire) terminal: bool,
    /// Why it ended, where it says so.
    pub(in crate::wire) finish: Option<Finish>,
    pub(in crate::wire) counts: Counts,
    pub(in crate::wire) choices: Choices,
    pub(in crate::wire) sequence: Option<u64>,
}

/// Which choices have appeared and which have ended, a bit each; those beyond the last bit share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::wire) struct Choices {
    appeared: u128,
    ended: u128,
}

impl Choices {
    pub(in crate::wire) fn add(&mut self, later: Choices) {
        self.appeared |= later.appeared;
        self.ended |= later.ended;
    }

    /// Whether there are any and all have ended.
    pub(in crate::wire) const fn all_ended(self) -> bool {
        self.appeared != 0 && self.appeared == self.ended
    }

    pub(in crate::wire) const fn any_ended(self) -> bool {
        self.ended != 0
    }

    /// Takes every choice as ended: what was too long to read may have said so.
    pub(in crate::wire) fn end_all(&mut self) {
        self.appeared |= 1;
        self.ended = self.appeared;
    }

    pub(super) fn note(&mut self, index: u32, ended: bool) {
        let bit = 1 << index.min(u128::BITS - 1);
        self.appeared |= bit;
        if ended {
            self.ended |= bit;
        }
    }

    pub(super) const fn has(self, index: u32) -> bool {
        index < u128::BITS && self.appeared & (1 << index) != 0
    }
}

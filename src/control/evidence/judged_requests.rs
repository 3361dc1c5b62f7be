//! Which requests the application has given a verdict on.
//!
//! Remembers the last 65,536 of them, about three megabytes: a verdict that comes again after that many others counts
//! again, and then for its user, who is paused. Decides nothing. Invariant: a number is remembered once.

use std::collections::{HashSet, VecDeque};

const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(in crate::control) struct JudgedRequests {
    known: HashSet<u64>,
    oldest_first: VecDeque<u64>,
}

impl JudgedRequests {
    /// Notes a verdict on the request with this number; false: there was one before.
    pub(in crate::control) fn add(&mut self, number: u64) -> bool {
        if !self.known.insert(number) {
            return false;
        }
        self.oldest_first.push_back(number);
        if self.oldest_first.len() > MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_judged_once_and_memory_is_bounded() {
        let mut judged = JudgedRequests::default();
        assert!(judged.add(7) && !judged.add(7));
        assert_eq!((0..200_000).filter(|number| judged.add(*number)).count(), 199_999);
        assert_eq!((judged.known.len(), judged.oldest_first.len()), (MOST, MOST));
        assert!(!judged.add(199_999) && judged.add(7), "the oldest are forgotten");
    }
}

//! The number that a request is known by in answers and in the access log.
//!
//! Sixteen hexadecimal digits: where a core began, by chance, and how many requests it has had since, mixed so that two of
//! them look nothing alike. Owns no meaning: nothing is told from one. Invariant: a core gives none twice, and two cores
//! or processes hardly ever the same.

use std::cell::Cell;
use std::fmt;

use http::HeaderValue;

/// An odd number, so that all of its multiples are different.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// As a header's value.
    pub(crate) fn header(self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 16];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where a core's come from.
#[derive(Debug)]
pub(crate) struct RequestIds(Cell<u64>);

impl RequestIds {
    /// Beginning anywhere.
    pub(crate) fn new(begin: u64) -> RequestIds {
        RequestIds(Cell::new(begin))
    }

    /// The next one.
    pub(crate) fn next(&self) -> RequestId {
        let next = self.0.get().wrapping_add(STEP);
        self.0.set(next);
        RequestId(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_reads_the_same_everywhere() {
        let ids = RequestIds::new(7);
        let given: Vec<RequestId> = (0..1000).map(|_| ids.next()).collect();
        for id in &given {
            assert_eq!(id.header(), id.to_string());
            assert_eq!(id.to_string().len(), 16);
        }
        let mut sorted: Vec<String> = given.iter().map(RequestId::to_string).collect();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 1000);
        assert_eq!(RequestId(0x0123).to_string(), "0000000000000123");
    }
}

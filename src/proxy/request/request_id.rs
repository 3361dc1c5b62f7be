//! The number that a request is known by in answers and in the access log.
//!
//! Sixteen hexadecimal digits: where a core began, by chance, and how many requests it has had since, mixed so that two
//! of them look nothing alike. Owns no meaning: nothing is read from an id. Invariant: a core gives none twice, and two
//! cores or processes hardly ever the same.

use std::cell::{Cell, RefCell};
use std::fmt;

use bytes::{BufMut as _, BytesMut};
use http::HeaderValue;

/// Digits of one.
const LENGTH: usize = 16;
/// How many texts share a piece of memory.
const AT_ONCE: usize = 64;
/// An odd number, so that all of its multiples are different.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where a core's come from.
#[derive(Debug)]
pub(crate) struct RequestIds {
    last: Cell<u64>,
    // Room for the next texts: many share one piece of memory.
    room: RefCell<BytesMut>,
}

impl RequestIds {
    /// Beginning anywhere.
    pub(crate) fn new(begin: u64) -> RequestIds {
        RequestIds { last: Cell::new(begin), room: RefCell::default() }
    }

    pub(crate) fn next(&self) -> RequestId {
        let next = self.last.get().wrapping_add(STEP);
        self.last.set(next);
        RequestId(next)
    }

    /// One as a header's value.
    pub(crate) fn header(&self, RequestId(number): RequestId) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; LENGTH];
        for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        let mut room = self.room.borrow_mut();
        if room.capacity() < LENGTH {
            *room = BytesMut::with_capacity(AT_ONCE * LENGTH);
        }
        room.put_slice(&text);
        HeaderValue::from_maybe_shared(room.split().freeze()).unwrap_or_else(|_| HeaderValue::from_static("-"))
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
            assert_eq!(ids.header(*id), id.to_string());
            assert_eq!(id.to_string().len(), 16);
        }
        let mut sorted: Vec<String> = given.iter().map(RequestId::to_string).collect();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 1000);
        assert_eq!(RequestId(0x0123).to_string(), "0000000000000123");
    }
}

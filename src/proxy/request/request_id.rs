//! The number that a request is known by in answers and in the access log.
//!
//! Sixteen hexadecimal digits: where a core began, by chance, and how many requests it has had since, mixed so that two
//! of them look nothing alike. Where the file has verdicts of the application compared, sixteen more follow for a
//! request that is split: what a verdict on it is charged to, sealed by [`request_seal`](crate::state::request_seal).
//! Owns the number and the text. Invariant: a core gives none twice, and two cores or processes hardly ever the same.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::num::NonZeroU64;

use bytes::{BufMut as _, BytesMut};
use http::HeaderValue;

use crate::decide::route::Plan;
use crate::state::pause_masks::Attribution;
use crate::state::request_seal::{DIGITS, RequestSeal, SealedRequest};
use crate::state::snapshot::Snapshot;

/// How many texts share a piece of memory.
const AT_ONCE: usize = 64;
/// An odd number, so that all of its multiples are different.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    number: u64,
    sealed: Option<NonZeroU64>,
}

impl RequestId {
    /// Of a request that no client sent.
    pub(super) const NONE: RequestId = RequestId::of(0);

    const fn of(number: u64) -> RequestId {
        RequestId { number, sealed: None }
    }

    /// The same with what a verdict is charged to, if the plan splits the request.
    pub(super) fn sealed(self, seal: &RequestSeal, snapshot: &Snapshot, plan: &Plan) -> RequestId {
        let sealed = plan.rollout.zip(plan.arm).and_then(|(rollout, arm)| {
            let whose = Attribution { arm, source: plan.source, slot: plan.slot };
            let block = snapshot.in_force(rollout).evidence.id;
            seal.seal(self.number, SealedRequest::new(block, whose, plan.counted))
        });
        RequestId { sealed, ..self }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.number)?;
        self.sealed.map_or(Ok(()), |sealed| write!(f, "{sealed:016x}"))
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
        RequestId::of(next)
    }

    /// One as a header's value.
    pub(crate) fn header(&self, RequestId { number, sealed }: RequestId) -> HeaderValue {
        let mut room = self.room.borrow_mut();
        if room.capacity() < DIGITS.1 {
            *room = BytesMut::with_capacity((AT_ONCE + 1) * DIGITS.0);
        }
        room.put_slice(&digits(number));
        if let Some(sealed) = sealed {
            room.put_slice(&digits(sealed.get()));
        }
        HeaderValue::from_maybe_shared(room.split().freeze()).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

fn digits(number: u64) -> [u8; DIGITS.0] {
    const DIGITS_OF_HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0_u8; DIGITS.0];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS_OF_HEX[usize::from(byte >> 4)];
        pair[1] = DIGITS_OF_HEX[usize::from(byte & 0xf)];
    }
    text
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
            let sealed = RequestId { sealed: NonZeroU64::new(id.number), ..*id };
            assert_eq!(ids.header(sealed), sealed.to_string());
            assert_eq!(sealed.to_string(), format!("{id}{id}"));
        }
        let mut sorted: Vec<String> = given.iter().map(RequestId::to_string).collect();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 1000);
        assert_eq!(RequestId::of(0x0123).to_string(), "0000000000000123");
    }
}

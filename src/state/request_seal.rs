//! The second half of a request's id: what a verdict on the request is charged to, sealed.
//!
//! An id has to bring its arm, user and epoch back with it, since nothing is kept of a request. They are 39 bits,
//! encrypted by a mask that depends on the first half, and followed by a tag of 25 bits; mask and tag are one block of
//! AES each under a key that this process drew when it started. So an id tells its reader nothing, and of ids that were
//! made up, changed, or given by another process one in 33 million is taken, for a request that most likely never was.
//! Owns the layout and the key. Keeps no request. Invariant: what was sealed under a number comes back under it alone.

use std::fmt;
use std::num::NonZeroU64;

use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

use super::pause_masks::Attribution;
use crate::decide::guard::sources::SourceGroup;
use crate::decide::units::{Arm, Slot};

/// The digits of an id without the sealed half, and of one with it.
pub const DIGITS: (usize, usize) = (16, 32);
/// So many low bits of the number of an evidence block are in an id.
const BLOCK_BITS: u32 = 20;
const SLOT_BITS: u32 = 13;
const TAG_BITS: u32 = 25;
const TAG: u64 = (1 << TAG_BITS) - 1;

/// What is known of a request by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedRequest {
    /// The low bits of the number of the evidence block that was in force: of a rollout, at a share.
    block: u32,
    /// For whom it counts.
    pub whose: Attribution,
    /// Whether a bucket chose its arm, so that it is evidence.
    pub counted: bool,
}

impl SealedRequest {
    /// Of a request that was planned while this evidence block was in force.
    #[must_use]
    pub const fn new(block: u64, whose: Attribution, counted: bool) -> SealedRequest {
        SealedRequest { block: low_bits(block), whose, counted }
    }

    /// Whether it was planned while this evidence block was in force, as far as an id tells.
    #[must_use]
    pub const fn is_of(&self, block: u64) -> bool {
        self.block == low_bits(block)
    }

    fn to_bits(self) -> u64 {
        let Attribution { arm, source, slot } = self.whose;
        let mut bits = u64::from(self.block);
        bits = bits << SLOT_BITS | slot.map_or(0, |slot| u64::from(u16::from(slot)));
        bits = bits << 1 | u64::from(slot.is_some());
        bits = bits << 3 | source.index() as u64;
        bits = bits << 1 | arm as u64;
        bits << 1 | u64::from(self.counted)
    }

    #[expect(clippy::cast_possible_truncation, reason = "each part has as many bits as it is taken from")]
    fn from_bits(bits: u64) -> SealedRequest {
        let part = |from: u32, count: u32| bits >> from & ((1 << count) - 1);
        let slot = (part(5, 1) == 1).then(|| Slot::of(part(6, SLOT_BITS) as u16));
        let arm = if part(1, 1) == 0 { Arm::Stable } else { Arm::Canary };
        let whose = Attribution { arm, source: SourceGroup::of(part(2, 3) as u8), slot };
        SealedRequest { block: part(6 + SLOT_BITS, BLOCK_BITS) as u32, whose, counted: part(0, 1) == 1 }
    }
}

const fn low_bits(block: u64) -> u32 {
    (block & ((1 << BLOCK_BITS) - 1)) as u32
}

/// Why an id says nothing about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdProblem {
    /// It is no id.
    Malformed,
    /// It has no sealed half: its request was not split, or came before any rollout had `guard.feedback`.
    Unsealed,
    /// This process did not make it.
    Foreign,
}

/// The key of this process.
pub struct RequestSeal(Option<HeaderProtectionKey>);

impl fmt::Debug for RequestSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestSeal")
    }
}

impl Default for RequestSeal {
    /// With a key by chance. Where the system gives none, ids have no sealed half.
    fn default() -> RequestSeal {
        let mut key = [0; 16];
        let drawn = SystemRandom::new().fill(&mut key);
        RequestSeal(drawn.ok().and_then(|()| HeaderProtectionKey::new(&AES_128, &key).ok()))
    }
}

impl RequestSeal {
    /// The second half of the id with this number. A number is given once.
    #[must_use]
    pub fn seal(&self, number: u64, request: SealedRequest) -> Option<NonZeroU64> {
        let bits = request.to_bits();
        let (mask, tag) = (self.block(number, 0, Use::Mask)?, self.block(number, bits, Use::Tag)?);
        NonZeroU64::new((bits ^ mask >> 1) << TAG_BITS | tag & TAG)
    }

    /// What was sealed.
    fn open(&self, number: u64, sealed: u64) -> Option<SealedRequest> {
        let bits = sealed >> TAG_BITS ^ self.block(number, 0, Use::Mask)? >> 1;
        let tag = self.block(number, bits, Use::Tag)?;
        bool::from((tag & TAG).ct_eq(&(sealed & TAG))).then(|| SealedRequest::from_bits(bits))
    }

    /// The number of a request, and what is known of it.
    pub fn read(&self, id: &str) -> Result<(u64, SealedRequest), IdProblem> {
        let is_hex = id.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex || (id.len() != DIGITS.0 && id.len() != DIGITS.1) {
            return Err(IdProblem::Malformed);
        }
        let half = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| IdProblem::Malformed);
        let (number, sealed) = id.split_at(DIGITS.0);
        if sealed.is_empty() {
            return Err(IdProblem::Unsealed);
        }
        let number = half(number)?;
        self.open(number, half(sealed)?).map(|request| (number, request)).ok_or(IdProblem::Foreign)
    }

    /// Forty bits.
    fn block(&self, number: u64, bits: u64, purpose: Use) -> Option<u64> {
        let mut sample = [0; 16];
        sample[..8].copy_from_slice(&number.to_be_bytes());
        sample[8..].copy_from_slice(&bits.to_be_bytes());
        // The bits are 39 at most.
        sample[8] = purpose as u8;
        let mask = self.0.as_ref()?.new_mask(&sample).ok()?;
        Some(mask.into_iter().fold(0, |all, byte| all << 8 | u64::from(byte)))
    }
}

#[derive(Clone, Copy)]
enum Use {
    Mask = 1,
    Tag = 2,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = SealedRequest> {
        let slots = [None, Some(Slot::of(0)), Some(Slot::of(8191))];
        [Arm::Stable, Arm::Canary].into_iter().flat_map(move |arm| {
            slots.into_iter().flat_map(move |slot| {
                SourceGroup::ALL.into_iter().flat_map(move |source| {
                    let whose = Attribution { arm, source, slot };
                    [(1, true), (1_048_575, false), (1_048_576, true)]
                        .map(|(block, counted)| SealedRequest::new(block, whose, counted))
                })
            })
        })
    }

    fn id(seal: &RequestSeal, number: u64, request: SealedRequest) -> String {
        format!("{number:016x}{:016x}", seal.seal(number, request).unwrap())
    }

    #[test]
    fn what_was_sealed_comes_back() {
        let seal = RequestSeal::default();
        for (number, request) in (u64::MAX - 10..=u64::MAX).chain(0..).zip(all()) {
            let id = id(&seal, number, request);
            assert_eq!(seal.read(&id), Ok((number, request)), "{id}");
            assert_eq!(seal.read(&id.to_uppercase()), Ok((number, request)));
        }
        let request = SealedRequest::new(8193, (Arm::Stable, None).into(), true);
        assert!(request.is_of(8193) && !request.is_of(1));
    }

    #[test]
    fn nothing_that_was_changed_or_made_elsewhere_is_taken() {
        let (seal, other) = (RequestSeal::default(), RequestSeal::default());
        let request = SealedRequest::new(7, (Arm::Canary, Some(Slot::of(9))).into(), true);
        let given = id(&seal, 42, request);
        assert_eq!(other.read(&given), Err(IdProblem::Foreign));
        for place in 0..DIGITS.1 {
            let mut changed = given.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(seal.read(str::from_utf8(&changed).unwrap()), Err(IdProblem::Foreign), "digit {place}");
        }
        // The sealed half of one request says nothing with the number of another.
        let moved = format!("{:016x}{}", 43, &given[16..]);
        assert_eq!(seal.read(&moved), Err(IdProblem::Foreign));
        assert_eq!(seal.read(&given[..16]), Err(IdProblem::Unsealed));
        for id in ["", "0", "+00000000000002a", "zz", &given[..31], &format!("{given}0"), "äääääääää"] {
            assert_eq!(seal.read(id), Err(IdProblem::Malformed), "{id}");
        }
    }

    #[test]
    fn an_id_shows_nothing_of_what_it_seals() {
        let seal = RequestSeal::default();
        let request = SealedRequest::new(7, (Arm::Canary, Some(Slot::of(9))).into(), true);
        let sealed: std::collections::BTreeSet<u64> =
            (0..1000).map(|number| seal.seal(number, request).unwrap().get() >> TAG_BITS).collect();
        assert!(sealed.len() > 990, "the same for many requests: {}", sealed.len());
    }
}

//! Points as bytes, for the store: a few dozen bytes for a busy one, and about twenty for an idle one.
//!
//! Owns the form, whose first byte is its version. Numbers are LEB128; of a histogram only the buckets that are not empty
//! are written. Refuses what it did not write: bytes that are damaged give no points, and never others. Invariant: what
//! is decoded equals what was encoded.

use super::histogram::{BUCKETS, Histogram};
use super::{ArmPoint, Point, Points, Step};
use crate::decide::units::{Percent, UnixMillis};

const VERSION: u8 = 1;
/// What a point has besides its share and its counts.
const INTENT: u64 = 1;
const EVIDENCE: u64 = 2;
/// A block has a point for each second of ten at most.
const MOST_POINTS: u64 = 600;

/// Points of this step that begin at `start` or later.
#[must_use]
pub fn encode(start: UnixMillis, step: Step, points: &Points) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    put(&mut bytes, points.len() as u64);
    for (at, point) in points {
        put(&mut bytes, at.0.saturating_sub(start.0) / step.millis());
        let intent = if point.intent.is_some() { INTENT } else { 0 };
        let evidence = if point.evidence.is_some() { EVIDENCE } else { 0 };
        put(&mut bytes, intent | evidence);
        put(&mut bytes, point.percent.hundredths().into());
        if let Some(intent) = point.intent {
            put(&mut bytes, intent.hundredths().into());
        }
        if let Some(evidence) = point.evidence {
            bytes.extend(evidence.to_le_bytes());
        }
        for arm in &point.arms {
            put(&mut bytes, arm.requests.into());
            put(&mut bytes, arm.failures.into());
            for histogram in [&arm.first_output, &arm.duration] {
                let filled = || (0_u64..).zip(histogram.0).filter(|(_, count)| *count > 0);
                put(&mut bytes, filled().count() as u64);
                for (bucket, count) in filled() {
                    put(&mut bytes, bucket);
                    put(&mut bytes, count.into());
                }
            }
        }
    }
    bytes
}

/// What [`encode`] wrote; `None`: it did not write this.
#[must_use]
pub fn decode(start: UnixMillis, step: Step, bytes: &[u8]) -> Option<Points> {
    let (version, mut rest) = bytes.split_first()?;
    let rest = &mut rest;
    let count = take(rest)?;
    if *version != VERSION || count > MOST_POINTS {
        return None;
    }
    let mut points = Points::new();
    for _ in 0..count {
        let at = start.0.checked_add(take(rest)?.checked_mul(step.millis())?)?;
        let parts = take(rest)?;
        let percent = percent(rest)?;
        let intent = if parts & INTENT > 0 { Some(self::percent(rest)?) } else { None };
        let evidence = if parts & EVIDENCE > 0 { Some(real(rest)?) } else { None };
        let arms = [arm(rest)?, arm(rest)?];
        points.insert(UnixMillis(at), Point { percent, intent, evidence, arms });
    }
    rest.is_empty().then_some(points)
}

fn arm(rest: &mut &[u8]) -> Option<ArmPoint> {
    let (requests, failures) = (count(rest)?, count(rest)?);
    Some(ArmPoint { requests, failures, first_output: histogram(rest)?, duration: histogram(rest)? })
}

fn histogram(rest: &mut &[u8]) -> Option<Histogram> {
    let mut counts = [0; BUCKETS];
    for _ in 0..take(rest)? {
        // In this order: of an assignment the right side comes first.
        let bucket = usize::try_from(take(rest)?).ok()?;
        *counts.get_mut(bucket)? = count(rest)?;
    }
    Some(Histogram(counts))
}

fn percent(rest: &mut &[u8]) -> Option<Percent> {
    Percent::from_hundredths(u16::try_from(take(rest)?).ok()?)
}

fn count(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(rest)?).ok()
}

fn real(rest: &mut &[u8]) -> Option<f64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(f64::from_le_bytes(*number))
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

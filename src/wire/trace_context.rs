//! W3C Trace Context: the ids of traces and spans, and the `traceparent` header.
//!
//! Reads a header as the recommendation wants it read: a version that is not known yet is taken by its first four
//! fields, and whatever is malformed is no context at all. Writes version 00. Makes no ids. Invariant: an id is never
//! all zeros, which the recommendation calls invalid.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// Length of a `traceparent` of version 00.
pub const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
pub const SAMPLED: u8 = 1;
/// The flags that have a meaning: sampled, and whether the trace id is random.
const KNOWN_FLAGS: u8 = 3;
/// The longest `tracestate` that is kept, in bytes.
const LONGEST_STATE: usize = 512;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// The id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// Of a random number; zero, which is no id, becomes one.
    #[must_use]
    pub fn new(number: u128) -> TraceId {
        TraceId(NonZeroU128::new(number).unwrap_or(NonZeroU128::MIN))
    }

    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    /// Of a random number; zero, which is no id, becomes one.
    #[must_use]
    pub fn new(number: u64) -> SpanId {
        SpanId(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a `traceparent` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace: TraceId,
    /// The span of whoever sends it.
    pub span: SpanId,
    /// The flags of version 00.
    pub flags: u8,
}

impl TraceParent {
    /// Reads a header's value; `None`: it is no valid one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<TraceParent> {
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|at| head[*at] == b'-');
        let (version, flags) = (hex(&head[..2])?, hex(&head[53..])?);
        // Version 00 ends here; a later one may go on with another field. Version ff does not exist.
        let ends = rest.is_empty() || (version > 0 && rest[0] == b'-');
        if !dashes || !ends || version == 0xff {
            return None;
        }
        Some(TraceParent {
            trace: TraceId(NonZeroU128::new(hex(&head[3..35])?)?),
            span: SpanId(NonZeroU64::new(u64::try_from(hex(&head[36..52])?).ok()?)?),
            flags: u8::try_from(flags).ok()? & KNOWN_FLAGS,
        })
    }

    /// The header's value.
    #[must_use]
    pub fn write(self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags & KNOWN_FLAGS)
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Lower-case digits, as the recommendation has them.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(digit))
    })
}

/// What the lines of `tracestate` say together; `None`: nothing, nothing readable, or more than is kept.
#[must_use]
pub fn state<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut state = String::new();
    for line in lines {
        let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t']);
        if line.is_empty() {
            continue;
        }
        if !line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t')
            || state.len() + line.len() >= LONGEST_STATE
        {
            return None;
        }
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(line);
    }
    (!state.is_empty()).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written() {
        let parent = TraceParent::read(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.write(), GOOD);
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((parent.span.to_bytes()[1], parent.is_sampled()), (0xf0, true));
        let unsampled = TraceParent::read(GOOD.replace("b7-01", "b7-00").as_bytes()).unwrap();
        assert!(!unsampled.is_sampled());
        // Flags without a meaning are not passed on.
        assert_eq!(TraceParent::read(GOOD.replace("b7-01", "b7-ff").as_bytes()).unwrap().flags, 3);
    }

    #[test]
    fn a_later_version_is_read_by_what_is_known_of_it() {
        for good in ["cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &format!("01{}-what", &GOOD[2..])] {
            assert_eq!(TraceParent::read(good.as_bytes()).unwrap().write(), GOOD, "{good}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            &format!(" {GOOD}"),
            &format!("01{}x", &GOOD[2..]),
            &format!("ff{}", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replace("4bf9", "4bg9"),
            &zero_trace,
            &zero_span,
        ] {
            assert_eq!(TraceParent::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(TraceParent::read(&[0xff; 55]), None);
    }

    #[test]
    fn states_are_joined_and_bounded() {
        let of = |lines: &[&str]| state(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(of(&["a=1", " b=2,c=3 ", ""]).as_deref(), Some("a=1,b=2,c=3"));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["a=\u{1}"]), None);
        assert_eq!(of(&[&"a".repeat(512)]), None);
        assert!(of(&[&"a".repeat(511)]).is_some());
    }

    #[test]
    fn an_id_is_never_zero() {
        assert_eq!(TraceId::new(0).to_bytes()[15], 1);
        assert_eq!(SpanId::new(0).to_bytes()[7], 1);
    }
}

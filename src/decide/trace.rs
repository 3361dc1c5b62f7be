//! Whether a request is traced, and as what.
//!
//! A request that comes with a trace is recorded if its sender records it; one without begins a trace, and a share of
//! those is recorded. Chance is a parameter, and so are the new ids. Invariant: a trace is recorded whole or not at
//! all, as far as Serin decides.

use super::units::Percent;
pub use crate::wire::trace_context::{SAMPLED, SpanId, TraceId, TraceParent, state};

/// One request's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    /// The request's own span.
    pub span: SpanId,
    /// The span of the client, if the request came with a trace.
    pub parent: Option<SpanId>,
    /// The flags of its trace.
    pub flags: u8,
}

impl TraceContext {
    /// Of a request that came with this header. `new`: ids for what it does not have; `draw`: chance, 0 to 9999.
    #[must_use]
    pub fn of(came: Option<TraceParent>, new: (TraceId, SpanId), sample: Percent, draw: u16) -> TraceContext {
        let (trace, span) = new;
        match came {
            Some(TraceParent { trace, span: parent, flags }) => {
                TraceContext { trace, span, parent: Some(parent), flags }
            }
            None => {
                let flags = if draw < sample.hundredths() { SAMPLED } else { 0 };
                TraceContext { trace, span, parent: None, flags }
            }
        }
    }

    /// Whether its spans are recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What a provider is told, in the name of this span.
    #[must_use]
    pub const fn from_span(self, span: SpanId) -> TraceParent {
        TraceParent { trace: self.trace, span, flags: self.flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> (TraceId, SpanId) {
        (TraceId::new(7), SpanId::new(8))
    }

    fn percent(hundredths: u16) -> Percent {
        Percent::from_hundredths(hundredths).unwrap()
    }

    #[test]
    fn the_sender_decides_where_there_is_one() {
        for (flags, sampled) in [(SAMPLED, true), (0, false), (3, true), (2, false)] {
            let came = TraceParent { trace: TraceId::new(1), span: SpanId::new(2), flags };
            for share in [Percent::ZERO, Percent::ALL] {
                let context = TraceContext::of(Some(came), new(), share, 5000);
                assert_eq!((context.trace, context.parent), (TraceId::new(1), Some(SpanId::new(2))));
                assert_eq!((context.span, context.is_sampled()), (SpanId::new(8), sampled));
            }
        }
    }

    #[test]
    fn a_share_of_the_others_is_recorded() {
        let sampled = |share, draw| TraceContext::of(None, new(), percent(share), draw).is_sampled();
        assert_eq!([sampled(0, 0), sampled(1, 0), sampled(1, 1), sampled(10_000, 9999)], [false, true, false, true]);
        let context = TraceContext::of(None, new(), Percent::ALL, 0);
        assert_eq!((context.trace, context.parent), (TraceId::new(7), None));
        assert_eq!(
            context.from_span(SpanId::new(9)).write(),
            "00-00000000000000000000000000000007-0000000000000009-01"
        );
    }
}

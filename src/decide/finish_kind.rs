//! How an answer ended when its status is good: the only definition of empty, cut and filtered answers.
//!
//! Owns the kinds, which metrics and status report, and which of them the guard compares. The finish reason comes
//! first: an answer that reached its limit before any output is cut, not empty. Does not decide whether an answer is a
//! failure; [`outcome`](super::outcome) does. Invariant: an answer that broke off, reported an error or has a status
//! other than 2xx is none of these.

use super::guard::aspect::Aspect;
use super::outcome::{BodyEnd, Ending};
use crate::wire::finish::Finish;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishKind {
    /// It said all it had to say.
    Stop,
    /// It asks for a tool.
    ToolCalls,
    /// At a limit of its length.
    Length,
    /// A content filter or a refusal ended it, or took its place.
    Filtered,
    /// Without any output, and without a reason for that.
    Empty,
    /// For another reason, or for none that it gave.
    Other,
}

impl FinishKind {
    /// All of them, in the order of their cells.
    pub const ALL: [FinishKind; 6] = [
        FinishKind::Stop,
        FinishKind::ToolCalls,
        FinishKind::Length,
        FinishKind::Filtered,
        FinishKind::Empty,
        FinishKind::Other,
    ];

    /// The label `finish` of the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FinishKind::Stop => "stop",
            FinishKind::ToolCalls => "tool_calls",
            FinishKind::Length => "length",
            FinishKind::Filtered => "filtered",
            FinishKind::Empty => "empty",
            FinishKind::Other => "other",
        }
    }

    /// Of an attempt that ended so and gave this reason; `None`: it is no answer.
    #[must_use]
    pub const fn of(ending: Ending, reason: Option<Finish>) -> Option<FinishKind> {
        let Ending::Answered { status: 200..=299, body, .. } = ending else { return None };
        Some(match (body, reason) {
            (BodyEnd::Filtered, _) | (BodyEnd::Complete | BodyEnd::Empty, Some(Finish::Filtered)) => {
                FinishKind::Filtered
            }
            (BodyEnd::Complete | BodyEnd::Empty, Some(Finish::Length)) => FinishKind::Length,
            (BodyEnd::Empty, _) => FinishKind::Empty,
            (BodyEnd::Complete, Some(Finish::Stop)) => FinishKind::Stop,
            (BodyEnd::Complete, Some(Finish::ToolCalls)) => FinishKind::ToolCalls,
            (BodyEnd::Complete, _) => FinishKind::Other,
            _ => return None,
        })
    }

    /// In what the guard compares such answers; `None`: it does not.
    #[must_use]
    pub const fn aspect(self) -> Option<Aspect> {
        match self {
            FinishKind::Length => Some(Aspect::Length),
            FinishKind::Filtered => Some(Aspect::Filtered),
            FinishKind::Empty => Some(Aspect::Empty),
            FinishKind::Stop | FinishKind::ToolCalls | FinishKind::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::ErrorClass;

    fn of(status: u16, body: BodyEnd, reason: Option<Finish>) -> Option<&'static str> {
        let ending = Ending::Answered { status, grounds: ErrorClass::default(), body };
        FinishKind::of(ending, reason).map(FinishKind::as_str)
    }

    #[test]
    fn the_reason_comes_first_and_what_has_none_is_other_or_empty() {
        let reasons = [Finish::Stop, Finish::ToolCalls, Finish::Other, Finish::Length, Finish::Filtered];
        let complete = reasons.map(|reason| of(200, BodyEnd::Complete, Some(reason)).unwrap());
        assert_eq!(complete, ["stop", "tool_calls", "other", "length", "filtered"]);
        let empty = reasons.map(|reason| of(200, BodyEnd::Empty, Some(reason)).unwrap());
        assert_eq!(empty, ["empty", "empty", "empty", "length", "filtered"]);
        let unsaid = [BodyEnd::Complete, BodyEnd::Empty, BodyEnd::Filtered].map(|body| of(201, body, None).unwrap());
        assert_eq!(unsaid, ["other", "empty", "filtered"]);
    }

    #[test]
    fn what_failed_is_no_answer() {
        for body in [BodyEnd::ErrorEvent, BodyEnd::Early, BodyEnd::NoOutput, BodyEnd::Silent] {
            assert_eq!(of(200, body, Some(Finish::Length)), None, "{body:?}");
        }
        assert_eq!([302, 400, 500].map(|status| of(status, BodyEnd::Complete, None)), [None; 3]);
        assert_eq!(FinishKind::of(Ending::ClientLeft, Some(Finish::Length)), None);
        let compared = FinishKind::ALL.iter().filter_map(|finished| finished.aspect());
        assert_eq!(compared.collect::<Vec<_>>(), [Aspect::Length, Aspect::Filtered, Aspect::Empty]);
    }
}

//! Why a copy has no good answer, although stable answered the same request well.
//!
//! In terms of what an operator can mend: a key, a model, a parameter, a length, or the provider itself. A defect is no
//! evidence for the guard, since no user met it. Invariant: two failures of the same kind are the same defect, so that
//! their number is bounded.

use serde::{Deserialize, Serialize};

use crate::decide::incompatibility::Incompatibility;
use crate::decide::outcome::{BodyEnd, Ending, Outcome, is_about_the_request};
use crate::wire::complaint::Complaint;

/// What went wrong with a copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "defect", rename_all = "snake_case")]
pub enum Defect {
    /// The provider does not take the key.
    Key { status: u16 },
    /// The quota behind the key is spent.
    Quota,
    /// It refuses the request: a parameter, the model, its length, the endpoint.
    Refused { finding: Incompatibility },
    /// What it answers is no answer of the API, or holds nothing.
    Malformed,
    /// It answered with an error of its own.
    Server { status: u16 },
    /// No connection could be made.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// Its answer broke off, or had an error in it.
    BrokenOff,
}

impl Defect {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Defect::Key { .. } => "key",
            Defect::Quota => "quota",
            Defect::Refused { finding: Incompatibility::Parameter(_) } => "parameter",
            Defect::Refused { finding: Incompatibility::Model(_) } => "model",
            Defect::Refused { finding: Incompatibility::ContextLength } => "context_length",
            Defect::Refused { finding: Incompatibility::Endpoint(_) } => "endpoint",
            Defect::Refused { finding: Incompatibility::Other { .. } } => "refused",
            Defect::Malformed => "malformed",
            Defect::Server { .. } => "server",
            Defect::Unreachable => "unreachable",
            Defect::TimedOut => "timed_out",
            Defect::BrokenOff => "broken_off",
        }
    }

    /// All words of [`Defect::as_str`].
    pub const WORDS: [&'static str; 12] = [
        "key",
        "quota",
        "parameter",
        "model",
        "context_length",
        "endpoint",
        "refused",
        "malformed",
        "server",
        "unreachable",
        "timed_out",
        "broken_off",
    ];

    /// Whether the provider may have generated something all the same, and so has it paid for.
    #[must_use]
    pub const fn may_be_billed(&self) -> bool {
        matches!(self, Defect::Malformed | Defect::TimedOut | Defect::BrokenOff)
    }

    /// Whether it comes by chance as well, so that a few of them are tolerated.
    #[must_use]
    pub const fn is_by_chance(&self) -> bool {
        matches!(
            self,
            Defect::Server { .. }
                | Defect::Unreachable
                | Defect::TimedOut
                | Defect::BrokenOff
                | Defect::Malformed
                | Defect::Quota
        ) || self.is_passing_refusal()
    }

    /// Whether it is refused with a status that says nothing about the request: 409, 423, 425 and the like.
    const fn is_passing_refusal(&self) -> bool {
        match self {
            Defect::Refused { finding: Incompatibility::Other { status, .. } } => !is_about_the_request(*status),
            _ => false,
        }
    }
}

/// How a copy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyEnd {
    Good,
    /// Its content filter took offence, which is a matter of what was asked.
    Filtered,
    /// Its answer is longer than what is held, or takes longer than a copy may.
    TooLong,
    /// It was asked too often, which says nothing about the canary.
    Throttled,
    /// There was no connection to send it by, which says nothing about the canary.
    Unsent,
    /// It says nothing about the canary: Serin ended it.
    Ended,
    Defect(Defect),
}

/// What an ending is for a comparison. `model` as the application wrote it, `path` below the mount.
#[must_use]
pub fn judge(
    (ending, outcome): (Ending, Outcome),
    said: Option<&Complaint>,
    model: Option<&str>,
    path: &str,
) -> CopyEnd {
    let status = match ending {
        Ending::Answered { status, .. } => status,
        _ => 0,
    };
    if ending.is_by_policy() || matches!(ending, Ending::Answered { body: BodyEnd::Filtered, .. }) {
        return CopyEnd::Filtered;
    }
    CopyEnd::Defect(match outcome {
        Outcome::Ok => return CopyEnd::Good,
        Outcome::Throttled => return CopyEnd::Throttled,
        Outcome::ClientGone | Outcome::SerinError => return CopyEnd::Ended,
        Outcome::Auth => Defect::Key { status },
        Outcome::Quota => Defect::Quota,
        Outcome::Unsupported | Outcome::ClientError => {
            Defect::Refused { finding: Incompatibility::of(status, said, model, path) }
        }
        Outcome::Malformed | Outcome::Empty => Defect::Malformed,
        Outcome::ServerError => Defect::Server { status },
        Outcome::Connect => Defect::Unreachable,
        Outcome::Timeout | Outcome::Stalled => Defect::TimedOut,
        Outcome::Reset | Outcome::StreamError | Outcome::Truncated => Defect::BrokenOff,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::{ErrorClass, classify};

    fn judged(status: u16, grounds: ErrorClass, body: BodyEnd) -> CopyEnd {
        let ending = Ending::Answered { status, grounds, body };
        judge((ending, classify(ending, true)), None, Some("m"), "chat/completions")
    }

    #[test]
    fn a_content_filter_is_no_defect() {
        assert_eq!(judged(400, ErrorClass::ContentFilter, BodyEnd::Complete), CopyEnd::Filtered);
        assert_eq!(judged(200, ErrorClass::Other, BodyEnd::Filtered), CopyEnd::Filtered);
    }

    #[test]
    fn a_refusal_that_passes_comes_by_chance_and_one_of_the_request_does_not() {
        for (status, by_chance) in
            [(400, false), (403, false), (404, false), (409, true), (422, false), (423, true), (425, true)]
        {
            let CopyEnd::Defect(defect) = judged(status, ErrorClass::Other, BodyEnd::Complete) else { panic!() };
            assert_eq!(defect.is_by_chance(), by_chance, "{status}: {defect:?}");
        }
    }
}

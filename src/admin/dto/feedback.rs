//! What became of verdicts, as the API says it.
//!
//! One entry for each verdict, in the order in which they were sent, and the sums. `status` is for programs, `reason`
//! for people. An entry never repeats an id or a user.

use serde::{Deserialize, Serialize};

use crate::decide::verdict::VerdictResult;
use crate::describe::verdict::reason;

/// `POST /api/v1/feedback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackReply {
    /// Verdicts that were counted, in the evidence or in the metrics only.
    pub accepted: usize,
    /// Verdicts on requests of an earlier share: counted in the metrics only.
    pub late: usize,
    /// Verdicts on requests that were judged before.
    pub duplicate: usize,
    /// Verdicts that could not be charged to anything.
    pub unknown: usize,
    pub results: Vec<FeedbackResult>,
}

/// What became of one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackResult {
    /// `accepted`, `late`, `duplicate` or `unknown`.
    pub status: String,
    /// Whether it is evidence for the guard.
    pub evidence: bool,
    /// The rollout that it was counted for.
    pub rollout: Option<String>,
    /// `stable` or `canary`.
    pub arm: Option<String>,
    /// Why it is not evidence.
    pub reason: Option<String>,
}

impl From<Vec<VerdictResult>> for FeedbackReply {
    fn from(results: Vec<VerdictResult>) -> FeedbackReply {
        let mut reply = FeedbackReply::default();
        for result in results {
            let (status, sum) = match &result {
                VerdictResult::Accepted { .. } => ("accepted", &mut reply.accepted),
                VerdictResult::Late { .. } => ("late", &mut reply.late),
                VerdictResult::Duplicate => ("duplicate", &mut reply.duplicate),
                VerdictResult::Unknown(_) => ("unknown", &mut reply.unknown),
            };
            *sum += 1;
            let charged = match &result {
                VerdictResult::Accepted { rollout, arm, .. } | VerdictResult::Late { rollout, arm } => {
                    Some((rollout.clone(), arm.as_str().to_owned()))
                }
                _ => None,
            };
            let (rollout, arm) = charged.unzip();
            let reason = reason(&result);
            reply.results.push(FeedbackResult {
                status: status.to_owned(),
                evidence: reason.is_none(),
                rollout,
                arm,
                reason,
            });
        }
        reply
    }
}

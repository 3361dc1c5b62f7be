//! Sentences for what became of a verdict of the application.
//!
//! Each says why a verdict was not counted and what to send instead. Pure, from typed values. No sentence quotes an id
//! or a user.

use crate::decide::verdict::{NoEvidence, NotCharged, VerdictResult};

/// Why it was not counted as evidence, or not at all; `None`: it was.
#[must_use]
pub fn reason(result: &VerdictResult) -> Option<String> {
    Some(match result {
        VerdictResult::Accepted { evidence: Ok(()), .. } => return None,
        VerdictResult::Accepted { rollout, evidence: Err(why), .. } => {
            format!("counted in the metrics only: {}", no_evidence(rollout, *why))
        }
        VerdictResult::Late { .. } => {
            "counted in the metrics only: the request was sent at an earlier share, or before the guard began anew"
                .to_owned()
        }
        VerdictResult::Duplicate => "there was a verdict on this request before; the first one counts".to_owned(),
        VerdictResult::Unknown(why) => not_charged(why),
    })
}

fn no_evidence(rollout: &str, why: NoEvidence) -> String {
    match why {
        NoEvidence::NotCompared => {
            format!("rollout `{rollout}` does not compare verdicts; set `guard.feedback` in flags.yaml")
        }
        NoEvidence::NoBucket => {
            "no bucket chose the arm (a pinned or forced user, a request without a user id, or one \
                                 that is bound to a provider)"
                .to_owned()
        }
        NoEvidence::CanaryOff => "no user is on the canary".to_owned(),
        NoEvidence::NoWeight => "its weight is 0".to_owned(),
        NoEvidence::Paused => "this user has given a verdict recently; each user counts once in a while".to_owned(),
        NoEvidence::SeveralSources => {
            "requests come from several clients, and a user id does not say from which; send \
                                       `request_id`"
                .to_owned()
        }
    }
}

fn not_charged(why: &NotCharged) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match why {
        NotCharged::Malformed => {
            "this is not a request id; send the value of the response header x-serin-request-id, 32 hexadecimal digits"
                .to_owned()
        }
        NotCharged::Unsealed => "this request was not split, or was sent before `guard.feedback` was set; only ids of \
                                 32 digits can be judged"
            .to_owned(),
        NotCharged::Off => {
            "no rollout of flags.yaml has `guard.feedback`, so request ids cannot be judged; set it, or \
                            send `user`"
                .to_owned()
        }
        NotCharged::Foreign => {
            "this process did not issue the id: it is of another process, or of one before the last restart".to_owned()
        }
        NotCharged::Gone => {
            "the rollout of this request has ended, or its share has changed more than 16 times since".to_owned()
        }
        NotCharged::OtherRollout { is } => format!("the request belongs to rollout `{is}`; omit `rollout`, or name it"),
        NotCharged::NoRollout { name, known } => {
            format!("there is no rollout `{name}` with a canary; there are: {}", list(known))
        }
        NotCharged::WhichRollout { known } if known.is_empty() => "flags.yaml has no rollout with a canary".to_owned(),
        NotCharged::WhichRollout { known } => {
            format!("several rollouts have a canary; name one in `rollout`: {}", list(known))
        }
        NotCharged::NoUser => {
            "the user id is empty, or a stand-in such as \"anonymous\"; send the id that requests carry".to_owned()
        }
    }
}

//! What the answers of both arms mean for a rollout: which endpoints users would lose on the canary.
//!
//! Judges and words; asks nobody. Only what is certain is a failure: an endpoint that stable has and the canary has
//! not, a stable that has none of those that are split, an arm that refuses its key, redirects or answers with
//! something else than its API. What could not be found out, or is no endpoint of one of the arms, is a note: the guard
//! still stands behind it.

use serde_json::{Value, json};

use super::probe_line::ProbeLine;
use crate::app::{ComparedEndpoint, Redirect, Reply};
use crate::decide::policy::{Policy, Rollout};
use crate::decide::probe::Severity;

/// How an endpoint stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndpointStatus {
    /// Nothing to say against it.
    Good,
    /// To be known.
    Note,
    /// Users on the canary would see errors.
    Fails,
}

/// An endpoint of a rollout, judged.
pub(super) struct CheckedEndpoint<'a> {
    asked: &'a ComparedEndpoint,
    rollout: &'a Rollout,
    stable: &'a str,
    canary: &'a str,
    status: EndpointStatus,
    /// Why, without the endpoint's name: endpoints with the same reason are told together.
    reason: String,
}

/// Judges every endpoint that was asked for.
pub(super) fn check_endpoints<'a>(policy: &'a Policy, all: &'a [ComparedEndpoint]) -> Vec<CheckedEndpoint<'a>> {
    all.iter()
        .filter_map(|asked| {
            let rollout = policy.rollouts.get(asked.rollout)?;
            let stable = policy.provider(rollout.stable).name.as_str();
            let canary = policy.provider(rollout.canary.as_ref()?.provider).name.as_str();
            let of_rollout = |other: &&ComparedEndpoint| other.rollout == asked.rollout;
            let nothing = || all.iter().filter(of_rollout).all(|other| matches!(other.stable, Reply::Absent(_)));
            let (status_text, reason) = match &asked.stable {
                Reply::Absent(status) if nothing() => {
                    (EndpointStatus::Fails, format!("{stable} has none of the split endpoints ({status})"))
                }
                Reply::Refused(status, why) if asked.stable.refuses_key() => {
                    (EndpointStatus::Fails, format!("{stable} answers {status}: {why}"))
                }
                _ => compare(asked, stable, canary),
            };
            Some(CheckedEndpoint { asked, rollout, stable, canary, status: status_text, reason })
        })
        .collect()
}

fn compare(asked: &ComparedEndpoint, stable: &str, canary: &str) -> (EndpointStatus, String) {
    let arms = [(stable, &asked.stable), (canary, &asked.canary)];
    let mistaken: Vec<String> = arms.iter().filter_map(|(name, reply)| mistaken(name, reply)).collect();
    if !mistaken.is_empty() {
        let lines = mistaken.join("; ");
        // Users have nothing to lose where one of the two has no such endpoint.
        return match arms.iter().find(|(_, reply)| matches!(reply, Reply::Absent(_))) {
            Some((other, _)) => (EndpointStatus::Note, format!("{lines}; {other} does not have it")),
            None => (EndpointStatus::Fails, lines),
        };
    }
    match (&asked.stable, &asked.canary) {
        (Reply::Absent(_), Reply::Absent(_)) => (EndpointStatus::Note, format!("neither {stable} nor {canary} has")),
        (Reply::Speaks(_), Reply::Absent(status)) => {
            (EndpointStatus::Fails, format!("{canary} does not have it ({status}), and {stable} does"))
        }
        (stable_reply, Reply::Absent(status)) => {
            let why = why_unknown(stable_reply);
            (
                EndpointStatus::Note,
                format!("{canary} does not have it ({status}); it is not known whether {stable} does: {why}"),
            )
        }
        (Reply::Absent(_), Reply::Refused(status, why)) => {
            (EndpointStatus::Note, format!("{canary} answers {status}: {why}"))
        }
        (_, Reply::Refused(status, why)) => (EndpointStatus::Fails, format!("{canary} answers {status}: {why}")),
        (_, Reply::Unclear(why)) => (EndpointStatus::Note, format!("it is not known whether {canary} has it: {why}")),
        (_, Reply::Speaks(_)) => (EndpointStatus::Good, format!("{canary} has")),
        (_, Reply::Other(status, _) | Reply::Redirected(status, _)) => {
            (EndpointStatus::Fails, format!("{canary} answers {status}"))
        }
    }
}

/// What is wrong with an address where something listens that is not the provider's API.
fn mistaken(name: &str, reply: &Reply) -> Option<String> {
    match reply {
        Reply::Other(status, what) => Some(format!("{name} answers {status} with no response of its API: {what}")),
        Reply::Redirected(status, Redirect { base_url: Some(_), .. }) => Some(format!("{name} redirects ({status})")),
        Reply::Redirected(status, Redirect { to: Some(to), .. }) => {
            Some(format!("{name} redirects ({status}) to {to}"))
        }
        Reply::Redirected(status, _) => Some(format!("{name} redirects ({status}) without a location")),
        Reply::Speaks(_) | Reply::Absent(_) | Reply::Refused(..) | Reply::Unclear(_) => None,
    }
}

/// What mends such an address.
fn mended(name: &str, reply: &Reply) -> Option<String> {
    match reply {
        Reply::Redirected(_, Redirect { base_url: Some(base_url), .. }) => {
            Some(format!("write `base_url: {base_url}` for {name}"))
        }
        Reply::Other(..) | Reply::Redirected(..) => Some(format!("check the `base_url` of {name}")),
        Reply::Refused(..) if reply.refuses_key() => Some(format!("check the `api_keys` and the `auth` of {name}")),
        Reply::Speaks(_) | Reply::Absent(_) | Reply::Refused(..) | Reply::Unclear(_) => None,
    }
}

fn why_unknown(reply: &Reply) -> String {
    match reply {
        Reply::Refused(status, why) => format!("{status}, {why}"),
        Reply::Unclear(why) => why.clone(),
        Reply::Speaks(status) | Reply::Absent(status) | Reply::Other(status, _) | Reply::Redirected(status, _) => {
            status.to_string()
        }
    }
}

/// A line for each rollout and reason.
pub(super) fn lines(judged: &[CheckedEndpoint<'_>]) -> Vec<ProbeLine> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    let mut lines = Vec::new();
    for one in judged {
        let key = (one.asked.rollout, one.reason.as_str());
        if found.contains(&key) {
            continue;
        }
        found.push(key);
        let same = judged.iter().filter(|other| (other.asked.rollout, other.reason.as_str()) == key);
        let endpoints = same.map(|other| other.asked.endpoint.as_str()).collect::<Vec<_>>().join(", ");
        let CheckedEndpoint { rollout, reason, asked, .. } = one;
        let text = match (one.status, &asked.canary) {
            (EndpointStatus::Good, _) => format!("probe: {}: {reason} {endpoints}", rollout.name),
            (EndpointStatus::Note, Reply::Absent(_)) if matches!(asked.stable, Reply::Absent(_)) => {
                format!("probe: {}: {reason} {endpoints}", rollout.name)
            }
            (EndpointStatus::Note, Reply::Absent(_)) if mended(one.stable, &asked.stable).is_none() => {
                let remedy = kept(one, judged);
                format!("probe: {}: {endpoints}: {reason}; if the application uses it, {remedy}", rollout.name)
            }
            (EndpointStatus::Note, _) => format!("probe: {}: {endpoints}: {reason}", rollout.name),
            (EndpointStatus::Fails, _) => match remedy(one, judged) {
                Some(remedy) => format!("probe: {} FAILS at {endpoints}: {reason}; {remedy}", rollout.name),
                None => format!("probe: {} FAILS at {endpoints}: {reason}", rollout.name),
            },
        };
        let severity = if one.status == EndpointStatus::Fails { Severity::Failure } else { Severity::Fact };
        lines.push(ProbeLine { severity, text });
    }
    lines
}

/// What to do about it, where that is known.
fn remedy(of: &CheckedEndpoint<'_>, judged: &[CheckedEndpoint<'_>]) -> Option<String> {
    if of.status == EndpointStatus::Fails && matches!(of.asked.stable, Reply::Absent(_)) {
        return Some(format!("check the `base_url` of {}: no split endpoint is below it", of.stable));
    }
    let mended = [mended(of.stable, &of.asked.stable), mended(of.canary, &of.asked.canary)];
    let mended: Vec<String> = mended.into_iter().flatten().collect();
    if !mended.is_empty() {
        return Some(mended.join(", and "));
    }
    matches!(of.asked.canary, Reply::Absent(_)).then(|| kept(of, judged))
}

/// What to do about endpoints that the canary has not.
fn kept(of: &CheckedEndpoint<'_>, judged: &[CheckedEndpoint<'_>]) -> String {
    let absent = |endpoint: &str| {
        let mut same = judged.iter().filter(|other| other.asked.rollout == of.asked.rollout);
        same.any(|other| other.asked.endpoint == endpoint && matches!(other.asked.canary, Reply::Absent(_)))
    };
    let kept = of.rollout.matches.endpoints.iter().map(String::as_str).filter(|endpoint| !absent(endpoint));
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() {
        return format!("check the `base_url` of {}: no split endpoint is below it", of.canary);
    }
    format!(
        "keep it on {} with `match: {{ endpoints: [{}] }}`, or choose another `base_url` for {}",
        of.stable,
        kept.join(", "),
        of.canary
    )
}

/// The same for programs.
pub(super) fn json(judged: &[CheckedEndpoint<'_>]) -> Vec<Value> {
    judged
        .iter()
        .map(|one| {
            let status_text = match one.status {
                EndpointStatus::Good => "good",
                EndpointStatus::Note => "note",
                EndpointStatus::Fails => "failed",
            };
            let nobodys = matches!((&one.asked.stable, &one.asked.canary), (Reply::Absent(_), Reply::Absent(_)));
            let remedy = if one.status == EndpointStatus::Good || nobodys { None } else { remedy(one, judged) };
            json!({
                "rollout": one.rollout.name,
                "endpoint": one.asked.endpoint,
                "standing": status_text,
                "detail": one.reason,
                "remedy": remedy,
                "stable": side(one.stable, &one.asked.stable),
                "canary": side(one.canary, &one.asked.canary),
            })
        })
        .collect()
}

fn side(provider: &str, reply: &Reply) -> Value {
    let (speaks, status, detail) = match reply {
        Reply::Speaks(status) => (Some(true), Some(*status), None),
        Reply::Absent(status) => (Some(false), Some(*status), None),
        Reply::Other(status, what) => (Some(false), Some(*status), Some(what.as_str())),
        Reply::Redirected(status, redirect) => (Some(false), Some(*status), redirect.to.as_deref()),
        Reply::Refused(status, why) => (None, Some(*status), Some(*why)),
        Reply::Unclear(why) => (None, None, Some(why.as_str())),
    };
    json!({"provider": provider, "speaks": speaks, "status": status, "detail": detail})
}

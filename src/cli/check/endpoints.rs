//! What the answers of both arms mean for a rollout: which endpoints users would lose on the canary.
//!
//! Judges and words; asks nobody. Only what is certain is a failure: an endpoint that stable has and the canary has not,
//! or a canary that lets nobody in. What could not be found out is a note, since the guard still stands behind it.

use serde_json::{Value, json};

use crate::app::{Asked, Reply};
use crate::decide::policy::{Policy, Rollout};

/// How an endpoint stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing to say against it.
    Good,
    /// To be known.
    Note,
    /// Users on the canary would see errors.
    Fails,
}

/// An endpoint of a rollout, judged.
pub(super) struct Judged<'a> {
    asked: &'a Asked,
    rollout: &'a Rollout,
    stable: &'a str,
    canary: &'a str,
    standing: Standing,
    /// Why, without the endpoint's name: endpoints with the same reason are told together.
    reason: String,
}

/// Judges every endpoint that was asked for.
pub(super) fn judge<'a>(policy: &'a Policy, asked: &'a [Asked]) -> Vec<Judged<'a>> {
    asked
        .iter()
        .filter_map(|asked| {
            let rollout = policy.rollouts.get(asked.rollout)?;
            let stable = policy.provider(rollout.stable).name.as_str();
            let canary = policy.provider(rollout.canary.as_ref()?.provider).name.as_str();
            let (standing, reason) = standing(asked, stable, canary);
            Some(Judged { asked, rollout, stable, canary, standing, reason })
        })
        .collect()
}

fn standing(asked: &Asked, stable: &str, canary: &str) -> (Standing, String) {
    match (&asked.stable, &asked.canary) {
        (Reply::Absent(_), Reply::Absent(_)) => (Standing::Note, format!("neither {stable} nor {canary} speaks")),
        (Reply::Speaks(_), Reply::Absent(status)) => {
            (Standing::Fails, format!("{canary} does not speak it ({status}), and {stable} does"))
        }
        (stable_reply, Reply::Absent(status)) => {
            let why = why_unknown(stable_reply);
            (
                Standing::Note,
                format!("{canary} does not speak it ({status}); whether {stable} does is not known: {why}"),
            )
        }
        (Reply::Absent(_), Reply::Refused(status, why)) => {
            (Standing::Note, format!("{canary} answers {status}: {why}"))
        }
        (_, Reply::Refused(status, why)) => (Standing::Fails, format!("{canary} answers {status}: {why}")),
        (_, Reply::Unclear(why)) => (Standing::Note, format!("whether {canary} speaks it is not known: {why}")),
        (_, Reply::Speaks(_)) => (Standing::Good, format!("{canary} speaks")),
    }
}

fn why_unknown(reply: &Reply) -> String {
    match reply {
        Reply::Refused(status, why) => format!("{status}, {why}"),
        Reply::Unclear(why) => why.clone(),
        Reply::Speaks(status) | Reply::Absent(status) => status.to_string(),
    }
}

/// Whether one of them fails.
pub(super) fn any_fails(judged: &[Judged<'_>]) -> bool {
    judged.iter().any(|judged| judged.standing == Standing::Fails)
}

/// A line for each rollout and reason.
pub(super) fn lines(judged: &[Judged<'_>]) -> Vec<String> {
    let mut told: Vec<(usize, &str)> = Vec::new();
    let mut lines = Vec::new();
    for one in judged {
        let key = (one.asked.rollout, one.reason.as_str());
        if told.contains(&key) {
            continue;
        }
        told.push(key);
        let same = judged.iter().filter(|other| (other.asked.rollout, other.reason.as_str()) == key);
        let endpoints = same.map(|other| other.asked.endpoint.as_str()).collect::<Vec<_>>().join(", ");
        let Judged { rollout, reason, asked, .. } = one;
        lines.push(match (one.standing, &asked.canary) {
            (Standing::Good, _) => format!("probe: {}: {reason} {endpoints}", rollout.name),
            (Standing::Note, Reply::Absent(_)) if matches!(asked.stable, Reply::Absent(_)) => {
                format!("probe: {}: {reason} {endpoints}", rollout.name)
            }
            (Standing::Note, Reply::Absent(_)) => {
                let remedy = remedy(one, judged);
                format!("probe: {}: {endpoints}: {reason}; if the application uses it, {remedy}", rollout.name)
            }
            (Standing::Note, _) => format!("probe: {}: {endpoints}: {reason}", rollout.name),
            (Standing::Fails, Reply::Absent(_)) => {
                format!("probe: {} FAILS at {endpoints}: {reason}; {}", rollout.name, remedy(one, judged))
            }
            (Standing::Fails, _) => format!("probe: {} FAILS at {endpoints}: {reason}", rollout.name),
        });
    }
    lines
}

/// What to do about endpoints that the canary has not.
fn remedy(of: &Judged<'_>, judged: &[Judged<'_>]) -> String {
    let absent = |endpoint: &str| {
        let mut same = judged.iter().filter(|other| other.asked.rollout == of.asked.rollout);
        same.any(|other| other.asked.endpoint == endpoint && matches!(other.asked.canary, Reply::Absent(_)))
    };
    let kept = of.rollout.matches.endpoints.iter().map(String::as_str).filter(|endpoint| !absent(endpoint));
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() {
        return format!("check the `base_url` of {}: nothing that is split lies below it", of.canary);
    }
    format!(
        "keep it on {} with `match: {{ endpoints: [{}] }}`, or choose another `base_url` for {}",
        of.stable,
        kept.join(", "),
        of.canary
    )
}

/// The same for programs.
pub(super) fn json(judged: &[Judged<'_>]) -> Vec<Value> {
    judged
        .iter()
        .map(|one| {
            let standing = match one.standing {
                Standing::Good => "good",
                Standing::Note => "note",
                Standing::Fails => "failed",
            };
            let fails_for_want = one.standing != Standing::Good
                && matches!(one.asked.canary, Reply::Absent(_))
                && !matches!(one.asked.stable, Reply::Absent(_));
            json!({
                "rollout": one.rollout.name,
                "endpoint": one.asked.endpoint,
                "standing": standing,
                "detail": one.reason,
                "remedy": fails_for_want.then(|| remedy(one, judged)),
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
        Reply::Refused(status, why) => (None, Some(*status), Some(*why)),
        Reply::Unclear(why) => (None, None, Some(why.as_str())),
    };
    json!({"provider": provider, "speaks": speaks, "status": status, "detail": detail})
}

//! A policy in a few lines that say what will happen, for people and for programs.
//!
//! Tells what the file means after defaults and matching, not what it says: a reviewer sees who goes where without
//! knowing the defaults. Shows how many keys there are and never a key.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::decide::guard::aspect::Aspect;
use crate::decide::policy::{Auth, Canary, Flag, Guard, Intent, OnExcess, OnRegression, Policy, Provider, Rollout};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::Percent;
use crate::describe;

/// For people. `masked`: how many keys there are is not known.
pub(super) fn text(policy: &Policy, masked: bool) -> String {
    let mut text = String::new();
    let fixed = &policy.fixed;
    let mount = if policy.mount.is_empty() { "/" } else { &policy.mount };
    let _ = writeln!(text, "listen     {}, the app's base URL is http://{}{mount}", fixed.listen, fixed.listen);
    if let Some(listen_tls) = fixed.listen_tls {
        let _ = writeln!(text, "listen_tls {listen_tls}{}", valid_until(policy));
    }
    let _ = writeln!(text, "admin      {}", fixed.admin);
    if let Some(probe) = fixed.probe {
        let _ = writeln!(text, "probe      {probe}");
    }
    text.push_str("providers\n");
    let width = policy.providers.iter().map(|provider| provider.name.len()).max().unwrap_or(0);
    for provider in &policy.providers {
        let tags = if provider.tags.is_empty() { String::new() } else { format!("; tags {}", listed(&provider.tags)) };
        let credentials = credentials(provider, masked);
        let _ = writeln!(text, "  {:width$}  {}, {credentials}{tags}", provider.name, provider.base_url);
    }
    if !policy.rollouts.is_empty() {
        text.push_str("rollouts\n");
    }
    for rollout in &policy.rollouts {
        rollout_text(&mut text, rollout, policy);
    }
    let _ = match policy.unmatched.provider() {
        Some(id) => writeln!(text, "otherwise  {}, unsplit", policy.provider(id).name),
        None => writeln!(text, "otherwise  404"),
    };
    if !policy.flags.is_empty() {
        text.push_str("flags\n");
    }
    for (name, flag) in &policy.flags {
        let _ = writeln!(text, "  {name}: {}", describe::flag::summary(policy, flag));
    }
    text
}

/// How long the certificate is valid, where it was read.
fn valid_until(policy: &Policy) -> String {
    let certificate = policy.listen_tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let date = certificate.map(|certificate| describe::certificate::date(certificate.not_after));
    date.map(|date| format!(", its certificate is valid until {date}")).unwrap_or_default()
}

fn listed(tags: &BTreeSet<String>) -> String {
    tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn credentials(provider: &Provider, masked: bool) -> String {
    let keys = provider.api_keys.len();
    let how = match &provider.auth {
        Auth::Bearer => "as bearer".to_owned(),
        Auth::Header(name) => format!("in {name}"),
        Auth::Query(name) => format!("in ?{name}="),
        Auth::None => "never sent".to_owned(),
    };
    match (&provider.unusable, keys) {
        (Some(reason), _) => format!("NOT USABLE: {reason}"),
        (None, 0) => "the app's own credentials (as stable only)".to_owned(),
        (None, _) if masked => format!("its own keys {how}"),
        (None, 1) => format!("1 key {how}"),
        (None, keys) => format!("{keys} keys {how}"),
    }
}

fn rollout_text(text: &mut String, rollout: &Rollout, policy: &Policy) {
    let stable = &policy.provider(rollout.stable).name;
    let Some(canary) = &rollout.canary else {
        let _ = writeln!(text, "  {}: {stable}, unsplit ({})", rollout.name, takes(rollout));
        return;
    };
    let to = &policy.provider(canary.provider).name;
    let _ = writeln!(text, "  {}: from {stable} to {to} ({})", rollout.name, takes(rollout));
    let _ = match canary.percent {
        Intent::Auto => writeln!(
            text,
            "    ramp   {}; {} at the first, {} at each further one",
            stages(canary),
            canary.ramp.hold_start,
            canary.ramp.every
        ),
        Intent::Pinned(percent) => writeln!(text, "    pinned at {percent}"),
    };
    for (index, sentence) in guarded(canary).iter().enumerate() {
        let _ = writeln!(text, "    {:5}  {sentence}", if index == 0 { "guard" } else { "" });
    }
}

/// What the guard does, a sentence for each occasion.
fn guarded(canary: &Canary) -> Vec<String> {
    let Guard { false_alarm, tolerated_ratio, ignore_below, slow, ceiling, .. } = canary.guard;
    let Guard { max_error_rate, min_requests, client_errors, window, .. } = canary.guard;
    let back = canary.rollback_to;
    let again = canary.try_again_after.map_or_else(String::new, |after| format!(", retried after {after}"));
    let follows = match canary.on_regression {
        OnRegression::Rollback => format!("back to {back}{again}"),
        OnRegression::Hold => "the ramp is paused, no user is moved".to_owned(),
        OnRegression::StepBack => {
            format!("one stage back; if it is down, or after three steps back, to {back}{again}")
        }
    };
    let slow = slow.map_or_else(String::new, |slow| format!(", or {} times its slow responses", slow.tolerated_ratio));
    let mut sentences = vec![
        format!("above {tolerated_ratio} times stable's failures and {ignore_below}{slow}: {follows}"),
        format!("false alarms: a probability of at most {false_alarm}"),
    ];
    if let Some(ceiling) = ceiling {
        let text = format!(
            "above {ceiling} failures within {window}, if worse than stable at all: the same, in addition to that \
             probability"
        );
        sentences.push(text);
    }
    match client_errors {
        OnExcess::Hold => sentences.push("more refused requests than stable: the ramp is paused".to_owned()),
        OnExcess::Rollback => sentences.push("more refused requests than stable: as for failures".to_owned()),
        OnExcess::Ignore => {}
    }
    for (follows, text) in [(OnExcess::Hold, "the ramp is paused"), (OnExcess::Rollback, "as for failures")] {
        let kinds = Aspect::OF_ANSWERS.into_iter().filter(|aspect| canary.guard.follows(*aspect) == follows);
        let kinds: Vec<&str> = kinds.map(of_answers).collect();
        if let Some((last, others)) = kinds.split_last() {
            let ratio = canary.guard.constants.answers_ratio;
            let (others, and) = (others.join(", "), if others.is_empty() { "" } else { " and " });
            sentences.push(format!("above {ratio} times stable's {others}{and}{last} responses: {text}"));
        }
    }
    if let Some(feedback) = canary.guard.feedback {
        let then = match feedback.then {
            OnExcess::Rollback => "as for failures",
            _ => "the ramp is paused",
        };
        sentences.push(format!("above {} times stable's share of bad verdicts: {then}", feedback.tolerated_ratio));
    }
    if canary.percent == Intent::Auto {
        let text = format!(
            "promoted from {min_requests} answered requests on, while failures stay below {max_error_rate} or twice stable's"
        );
        sentences.push(text);
        if let Some(limit) = canary.guard.max_first_output {
            sentences.push(format!("promoted only while the canary's median first output is at most {limit}"));
        }
    }
    sentences
}

const fn of_answers(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Empty => "empty",
        Aspect::Length => "cut",
        Aspect::Filtered => "filtered",
        _ => "slowly streamed",
    }
}

fn takes(rollout: &Rollout) -> String {
    let matches = &rollout.matches;
    let mut parts = vec![match &matches.path {
        Some(path) => path.0.clone(),
        None => matches.endpoints.join(", "),
    }];
    parts.extend(matches.model.iter().map(|model| format!("model {}", model.0)));
    parts.extend(matches.headers.iter().map(|(name, value)| format!("{name}: {}", value.0)));
    if !rollout.require.is_empty() {
        parts.push(format!("only to providers with {}", listed(&rollout.require)));
    }
    parts.join("; ")
}

/// More stages than fit a line are left out in the middle.
const SHOWN: usize = 12;

fn stages(canary: &Canary) -> String {
    let stages: Vec<String> = canary.ramp.stages.iter().map(Percent::to_string).collect();
    match stages.as_slice() {
        [head @ .., last] if stages.len() > SHOWN => format!("{} -> ... -> {last}", head[..SHOWN - 2].join(" -> ")),
        stages => stages.join(" -> "),
    }
}

/// For programs.
pub(super) fn json(policy: &Policy) -> Value {
    let providers: Vec<Value> = policy
        .providers
        .iter()
        .map(|provider| {
            json!({
                "name": provider.name,
                "base_url": provider.base_url.to_string(),
                "own_keys": !provider.api_keys.is_empty(),
                "unusable": provider.unusable,
                "tags": provider.tags,
            })
        })
        .collect();
    let rollouts: Vec<Value> = policy
        .rollouts
        .iter()
        .map(|rollout| {
            let canary = rollout.canary.as_ref();
            json!({
                "name": rollout.name,
                "stable": policy.provider(rollout.stable).name,
                "canary": canary.map(|canary| &policy.provider(canary.provider).name),
                "require": rollout.require,
                "percent": canary.map(|canary| match canary.percent {
                    Intent::Auto => "auto".to_owned(),
                    Intent::Pinned(percent) => percent.to_string(),
                }),
                "ramp": canary.map(|canary| canary.ramp.stages.iter().map(Percent::to_string).collect::<Vec<_>>()),
                "on_regression": canary.map(|canary| match canary.on_regression {
                    OnRegression::Rollback => "rollback",
                    OnRegression::Hold => "hold",
                    OnRegression::StepBack => "step_back",
                }),
                "rollback_to": canary.map(|canary| canary.rollback_to.to_string()),
                "try_again_after": canary.and_then(|canary| canary.try_again_after).map(|after| after.to_string()),
                "guard": canary.map(|canary| self::guard(&canary.guard)),
            })
        })
        .collect();
    json!({
        "listen": policy.fixed.listen.to_string(),
        "listen_tls": policy.fixed.listen_tls.map(|address| json!({
            "listen": address.to_string(),
            "certificate_expires_at": policy
                .listen_tls
                .as_ref()
                .and_then(|tls| tls.certificate.as_ref())
                .map(|certificate| Timestamp(certificate.not_after)),
        })),
        "admin": policy.fixed.admin.to_string(),
        "probe": policy.fixed.probe.map(|probe| probe.to_string()),
        "mount": policy.mount,
        "providers": providers,
        "rollouts": rollouts,
        "flags": policy.flags.iter().map(|(name, flag)| (name.clone(), self::flag(policy, flag))).collect::<serde_json::Map<_, _>>(),
    })
}

fn flag(policy: &Policy, flag: &Flag) -> Value {
    let follows = flag.follows().and_then(|id| policy.rollouts.get(usize::from(id.0))).map(|rollout| &rollout.name);
    let variants = flag.variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>();
    let summary = describe::flag::summary(policy, flag);
    json!({"type": flag.flag_type.as_str(), "variants": variants, "follows": follows, "summary": summary})
}

/// The words and numbers of the file; null where there is none.
fn guard(guard: &Guard) -> Value {
    let counts = |failure: bool| if failure { "failure" } else { "ignore" };
    json!({
        "false_alarm": guard.false_alarm.to_string(),
        "tolerated_ratio": guard.tolerated_ratio,
        "ignore_below": guard.ignore_below.to_string(),
        "patience": guard.patience,
        "max_error_rate": guard.max_error_rate.to_string(),
        "max_first_output": guard.max_first_output.map(|limit| limit.to_string()),
        "min_requests": guard.min_requests,
        "done_below": guard.done_below.to_string(),
        "slow": guard.slow.map(|slow| json!({
            "quantile": slow.quantile,
            "tolerance": slow.tolerance,
            "tolerated_ratio": slow.tolerated_ratio,
        })),
        "client_errors": guard.client_errors.as_str(),
        "answers": {
            "empty": guard.answers.empty.as_str(),
            "length": guard.answers.length.as_str(),
            "filtered": guard.answers.filtered.as_str(),
            "pace": guard.answers.pace.as_str(),
        },
        "feedback": guard.feedback.map(|feedback| json!({
            "tolerated_ratio": feedback.tolerated_ratio,
            "then": feedback.then.as_str(),
        })),
        "ceiling": guard.ceiling.map(|ceiling| ceiling.to_string()),
        "window": guard.window.to_string(),
        "throttled": counts(guard.counting.throttled),
        "empty": counts(guard.counting.empty),
    })
}

//! The rollouts: who moves where, how users are told apart, and whose arm is fixed.
//!
//! One rollout at a time, with names resolved to the places of providers in the policy; what distant keys do to each
//! other is looked at in `rules`. A rollout with an error is still returned, half filled, so that the later rules find
//! theirs in the same go: the errors keep it from ever being used.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::decide::policy::{Anonymous, Canary, Force, Intent, Match, Pattern, Rollout, UserSource};
use crate::decide::units::{Arm, Percent, ProviderId};

use super::super::place::At;
use super::super::scalar::{Wrong, name, rate, some_length_or_never, wrong};
use super::super::{keys, mask, url};
use super::findings::{Findings, Named};
use super::names::{NEED_CANARY, provider_named};
use super::recovery::{self, Recovery};
use super::{copies, guard, ramp, tags};

/// All rollouts, in the file's order.
pub(super) fn all(
    root: &At,
    providers: &[&str],
    mount: &str,
    reached: SocketAddr,
    findings: &mut Findings<'_>,
) -> Vec<Rollout> {
    let mut rollouts: Vec<Rollout> = Vec::new();
    for (index, at) in root.key("rollouts").items().iter().enumerate() {
        let mut rollout = rollout(at, providers, mount, reached, findings);
        if rollout.name.is_empty() && at.key("name").fits() && !findings.resolves() {
            // Its name is a reference, which nobody follows here.
            rollout.name = format!("rollout-{}", index + 1);
        }
        if !rollout.name.is_empty()
            && let Some(first) = rollouts.iter().position(|other| other.name == rollout.name)
        {
            let remedy = "give each rollout its own name: state, metrics and commands use it";
            findings.error(
                &at.key("name"),
                format!("a second rollout named `{}`; the first is rollouts[{first}]", rollout.name),
                remedy,
            );
        }
        rollouts.push(rollout);
    }
    rollouts
}

fn rollout(at: &At, providers: &[&str], mount: &str, reached: SocketAddr, findings: &mut Findings<'_>) -> Rollout {
    let named = |text: &str| provider_named(providers, text);
    let stable = findings.named(&at.key("stable"), Named::Provider, named);
    let canary = findings.named(&at.key("canary"), Named::Provider, named);
    if stable.is_some() && stable == canary {
        findings.error(
            &at.key("canary"),
            "stable and canary are the same provider",
            "name two, or remove `canary` for a plain route",
        );
    }
    if !at.has("canary") {
        refuse_canary_keys(at, findings);
    }
    let Recovery { fallback, fallback_4xx, give_up_after, hold, retry, stream_mode } =
        recovery::recovery(at, providers, stable, findings);
    Rollout {
        name: findings.given(&at.key("name"), name).unwrap_or_default(),
        matches: matches(&at.key("match"), mount, findings),
        stable: stable.unwrap_or(ProviderId(0)),
        canary: at.has("canary").then(|| self::canary(canary.unwrap_or(ProviderId(0)), at, findings)),
        user: user(&at.key("user"), findings),
        anonymous: findings.choice(
            &at.key("anonymous"),
            "is not a policy for requests without a user",
            &[("conversation", Anonymous::Conversation), ("random", Anonymous::Random), ("stable", Anonymous::Stable)],
        ),
        salt: findings.value(&at.key("salt"), |text| Ok(text.to_owned())),
        pins: pins(at, findings),
        force: force(&at.key("force"), reached, findings),
        fallback,
        fallback_4xx,
        give_up_after,
        hold,
        retry,
        stream_mode,
        last_resort: recovery::last_resort(at, findings),
        require: tags::tags(&at.key("require"), findings),
    }
}

/// Such keys mean nothing without a canary, and whoever wrote them expects a split. The first one stands for all.
fn refuse_canary_keys(at: &At, findings: &mut Findings<'_>) {
    let mut keys: Vec<&str> = NEED_CANARY.into_iter().filter(|key| at.has(key)).collect();
    keys.sort_by_key(|key| at.key(key).name().spot());
    if at.has_unknown_key() {
        return;
    }
    let Some(first) = keys.first() else { return };
    let names = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let (have, them) = if keys.len() == 1 { ("has", names.as_str()) } else { ("have", "these") };
    findings.error(
        &at.key(first).name(),
        format!("{names} {have} no meaning without a `canary`"),
        format!("name the `canary`, or remove {them} for a plain route"),
    );
}

fn canary(provider: ProviderId, at: &At, findings: &mut Findings<'_>) -> Canary {
    if !at.has("percent") && !at.has_unknown_key() {
        findings.error(
            at,
            "`percent` is missing",
            "add `percent: auto` for the ramp, `percent: 10%` for a fixed share, or `percent: 0` to begin with no user",
        );
    }
    let intent = |text: &str| match text {
        "auto" => Ok(Intent::Auto),
        text => rate(text).map(Intent::Pinned).map_err(|error| match error {
            Wrong { problem, .. } if problem == "is not a share" => Wrong {
                problem: "is neither `auto` nor a share".to_owned(),
                remedy: "write `auto`, or a share such as `25%`".to_owned(),
            },
            error => error,
        }),
    };
    let percent = findings.given(&at.key("percent"), intent).unwrap_or(Intent::Pinned(Percent::ZERO));
    let ramp = ramp::ramp(&at.key("ramp"), findings);
    if let Intent::Pinned(share) = percent
        && share > ramp.max
    {
        findings.warn(&at.key("percent"), format!("{share} is never reached: `ramp.max` is {}", ramp.max));
    }
    let rollback_to = findings.value(&at.key("rollback_to"), rate);
    if rollback_to >= ramp.max {
        findings.error(
            &at.key("rollback_to"),
            format!("a rollback to {rollback_to} moves no user: `ramp.max` is {}", ramp.max),
            "lower it; 0 moves all users to stable",
        );
    }
    let on_regression = guard::on_regression(&at.key("on_regression"), findings);
    let try_again_after = findings.value(&at.key("try_again_after"), some_length_or_never);
    guard::warn_without_rollback(on_regression, try_again_after, at, findings);
    Canary {
        provider,
        percent,
        ramp,
        guard: guard::guard(&at.key("guard"), findings),
        on_regression,
        rollback_to,
        try_again_after,
        attempt: findings.whole(&at.key("attempt")),
        rehearse: copies::rehearse(&at.key("rehearse"), findings),
        compare: copies::compare(&at.key("compare"), findings),
    }
}

fn matches(at: &At, mount: &str, findings: &mut Findings<'_>) -> Match {
    let below = mount.trim_start_matches('/');
    let endpoint = |text: &str| {
        let segments: Vec<&str> = text.split('/').filter(|segment| !segment.is_empty()).collect();
        let bare = segments.join("/");
        let bare = bare.as_str();
        if bare.is_empty() || bare.contains(['?', '#', ' ']) {
            return wrong("is not an endpoint", "write a path below the mount, such as `chat/completions`");
        }
        if bare.contains('*') {
            return wrong(
                "has a `*`, which is not supported in endpoints",
                "use `path` for patterns, such as `path: \"/chat/*\"`",
            );
        }
        match bare.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !below.is_empty() => {
                wrong("begins with the mount", format!("endpoints are relative to it: write `{rest}`"))
            }
            _ => Ok(bare.to_owned()),
        }
    };
    let given = at.key("endpoints");
    if given.fits() && given.texts().is_empty() {
        findings.error(&given, "the list of endpoints is empty", "name one, or remove `endpoints` for the default");
    }
    let endpoints = if given.fits() {
        given.items().iter().filter_map(|at| findings.given(at, endpoint)).collect()
    } else {
        given.texts_or_default().into_iter().map(str::to_owned).collect()
    };
    if at.has("endpoints") && at.has("path") {
        findings.error(&at.key("path"), "`path` and `endpoints` contradict each other", "keep one of the two");
    }
    let pattern = |text: &str| {
        if text.trim().is_empty() {
            wrong("is blank", "write a text; `*` matches any characters")
        } else {
            Ok(Pattern(text.to_owned()))
        }
    };
    let path = |text: &str| {
        if text.starts_with(['/', '*']) {
            return Ok(Pattern(text.to_owned()));
        }
        wrong("is not a path", "begin it with a slash, such as `/chat/*`; it is relative to the mount")
    };
    let mut headers = BTreeMap::new();
    for (given, at) in at.key("header").named() {
        match url::header(given) {
            Ok(name) => {
                if let Some(value) = findings.given(&at, pattern)
                    && headers.insert(name, value).is_some()
                {
                    findings.error(
                        &at.name(),
                        "this header is written twice; upper and lower case are the same",
                        "keep one of the two",
                    );
                }
            }
            Err(Wrong { problem, remedy }) => {
                findings.error(&at.name(), format!("`{}` {problem}", mask::short(given)), remedy);
            }
        }
    }
    Match {
        endpoints,
        model: findings.given(&at.key("model"), pattern),
        headers,
        path: findings.given(&at.key("path"), path),
    }
}

fn user(at: &At, findings: &mut Findings<'_>) -> Vec<UserSource> {
    let usual = || keys::USER.iter().filter_map(|text| source(text).ok()).collect();
    if !at.fits() {
        return usual();
    }
    if at.texts().is_empty() {
        findings.error(at, "the list of sources is empty", "name one, such as `header:x-user-id`, or remove `user`");
    }
    let sources: Vec<UserSource> = at.items().iter().filter_map(|at| findings.given(at, source)).collect();
    // Where references lead nowhere, they are all that is there.
    if sources.is_empty() && !findings.resolves() { usual() } else { sources }
}

/// Where a user id may be found: `header:x-user-id`, `body:metadata.user_id`.
pub(super) fn source(text: &str) -> Result<UserSource, Wrong> {
    const EXAMPLE: &str = "write `header:NAME`, `cookie:NAME`, `query:NAME` or `body:path.to.field`";
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b";,=&\"".contains(&byte));
    match text.split_once(':') {
        Some(("header", name)) => Ok(UserSource::Header(url::header(name)?)),
        Some(("cookie", name)) if plain(name) => Ok(UserSource::Cookie(name.to_owned())),
        Some(("query", name)) if plain(name) => Ok(UserSource::Query(name.to_owned())),
        Some(("body", path)) if path.split('.').all(|part| !part.is_empty() && !part.contains(char::is_whitespace)) => {
            Ok(UserSource::Body(path.split('.').map(str::to_owned).collect()))
        }
        _ => wrong("is not a source of a user id", EXAMPLE),
    }
}

/// `exclude` and `pin_users` as one map. A list may have tens of thousands of ids: places are made for errors only.
fn pins(at: &At, findings: &mut Findings<'_>) -> BTreeMap<String, Arm> {
    let mut pins: BTreeMap<String, Arm> = BTreeMap::new();
    let mut pin = |id: &str, arm: Arm, at: &dyn Fn() -> At, findings: &mut Findings<'_>| {
        let id = if id.contains("${") {
            match findings.given(&at(), |text| Ok(text.to_owned())) {
                Some(id) => id,
                None => return,
            }
        } else {
            id.to_owned()
        };
        if id.trim().is_empty() {
            findings.error(&at(), "a blank user id", "remove it: a request without an id is never pinned");
        } else if pins.insert(id, arm).is_some_and(|other| other != arm) {
            findings.error(&at(), "this user is pinned to both arms", "keep it under one of `exclude` and `pin_users`");
        }
    };
    let (exclude, pinned) = (at.key("exclude"), at.key("pin_users"));
    for (index, id) in exclude.texts().into_iter().enumerate() {
        pin(id, Arm::Stable, &|| exclude.item(index), findings);
    }
    for (index, id) in pinned.texts().into_iter().enumerate() {
        pin(id, Arm::Canary, &|| pinned.item(index), findings);
    }
    for entry in pinned.entries() {
        let (id, place) = (entry.key.as_str(), || pinned.key(&entry.key));
        match entry.value.text() {
            Some("canary") => pin(id, Arm::Canary, &place, findings),
            Some("stable") => pin(id, Arm::Stable, &place, findings),
            Some(other) => {
                let problem = format!("`{}` is not an arm", mask::short(other));
                findings.error(&place(), problem, "write `canary` or `stable`");
            }
            None => {}
        }
    }
    pins
}

fn force(at: &At, reached: SocketAddr, findings: &mut Findings<'_>) -> Option<Force> {
    let header = findings.given(&at.key("header"), url::header);
    let token = findings.token(&at.key("token"), reached);
    Some(Force { header: header?, token: token? })
}

//! The rollouts: who moves where, how users are told apart, and whose arm is fixed.
//!
//! One rollout at a time, with names resolved to the places of providers in the policy; what distant keys do to each
//! other is looked at in `rules`. A rollout with an error is still returned, half filled, so that the later rules find
//! theirs in the same go: the errors keep it from ever being used.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::decide::policy::{Anonymous, Canary, Force, Intent, Match, Pattern, Rollout, UserSource};
use crate::decide::units::{Arm, Percent, ProviderId};

use super::super::kinds::Pins;
use super::super::place::At;
use super::super::scalar::{Wrong, name, rate, whole, wrong};
use super::super::{defaults, mask, raw, suggest, url};
use super::findings::{Findings, Named};
use super::provider::never_or_some_time;
use super::recovery::{self, Recovery};
use super::{guard, ramp};

fn text<S: AsRef<str>>(given: &Option<S>) -> Option<&str> {
    given.as_ref().map(AsRef::as_ref)
}

/// The provider of this name.
pub(super) fn provider_named(names: &[&str], name: &str) -> Result<ProviderId, Wrong> {
    let index = names.iter().position(|known| *known == name).and_then(|index| u16::try_from(index).ok());
    index.map_or_else(|| wrong("is not a provider", there_are("provider", name, names)), |index| Ok(ProviderId(index)))
}

/// What could be written in the place of an unknown name.
pub(super) fn there_are(what: &str, written: &str, known: &[&str]) -> String {
    let known: Vec<&str> = known.iter().copied().filter(|name| !name.is_empty()).collect();
    match suggest::nearest(written, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("there is no {what} yet: add it, or remove this"),
        None => {
            let mut shown = known;
            shown.dedup();
            shown.truncate(10);
            format!("name one of the {what}s: {}", shown.join(", "))
        }
    }
}

/// All rollouts, in the file's order.
pub(super) fn all(
    raws: &[raw::Rollout],
    root: &At,
    providers: &[&str],
    mount: &str,
    reached: SocketAddr,
    findings: &mut Findings<'_>,
) -> Vec<Rollout> {
    let list = root.key("rollouts");
    let mut rollouts: Vec<Rollout> = Vec::new();
    for (index, raw) in raws.iter().enumerate() {
        let at = list.item(index);
        let mut rollout = rollout(raw, &at, providers, mount, reached, findings);
        if rollout.name.is_empty() && raw.name.is_some() && !findings.resolves() {
            // Its name is a reference, which nobody follows here.
            rollout.name = format!("rollout-{}", index + 1);
        }
        if !rollout.name.is_empty()
            && let Some(first) = rollouts.iter().position(|other| other.name == rollout.name)
        {
            let remedy = "give each rollout its own name: state, metrics and commands go by it";
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

fn rollout(
    raw: &raw::Rollout,
    at: &At,
    providers: &[&str],
    mount: &str,
    reached: SocketAddr,
    findings: &mut Findings<'_>,
) -> Rollout {
    let named = |text: &str| provider_named(providers, text);
    let stable = findings.named(&at.key("stable"), text(&raw.stable), Named::Provider, named);
    let canary = findings.named(&at.key("canary"), text(&raw.canary), Named::Provider, named);
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
        recovery::recovery(raw, at, providers, stable, findings);
    Rollout {
        name: findings.value(&at.key("name"), text(&raw.name), String::new(), name),
        matches: matches(raw.matches.as_ref(), &at.key("match"), mount, findings),
        stable: stable.unwrap_or(ProviderId(0)),
        canary: at.has("canary").then(|| self::canary(raw, canary.unwrap_or(ProviderId(0)), at, findings)),
        user: user(raw, at, findings),
        anonymous: findings.value(
            &at.key("anonymous"),
            text(&raw.anonymous),
            Anonymous::Conversation,
            |text| match text {
                "conversation" => Ok(Anonymous::Conversation),
                "random" => Ok(Anonymous::Random),
                "stable" => Ok(Anonymous::Stable),
                _ => wrong("is no policy for requests without a user", "write `conversation`, `random` or `stable`"),
            },
        ),
        salt: findings.value(&at.key("salt"), text(&raw.salt), String::new(), |text| Ok(text.to_owned())),
        pins: pins(raw, at, findings),
        force: force(raw.force.as_ref(), &at.key("force"), reached, findings),
        fallback,
        fallback_4xx,
        give_up_after,
        hold,
        retry,
        stream_mode,
    }
}

/// Keys that say how users get to the canary.
const NEED_CANARY: [&str; 12] = [
    "percent",
    "ramp",
    "guard",
    "on_regression",
    "rollback_to",
    "try_again_after",
    "attempt",
    "force",
    "pin_users",
    "exclude",
    "fallback_4xx",
    "give_up_after",
];

/// Whether a rollout without a canary was to have one: what it lacks is told of it.
pub(super) fn wants_canary(at: &At, findings: &Findings<'_>) -> bool {
    findings.is_puzzling(at) || NEED_CANARY.iter().any(|key| at.has(key))
}

/// Such keys mean nothing without a canary, and whoever wrote them expects a split. The first one stands for all.
fn refuse_canary_keys(at: &At, findings: &mut Findings<'_>) {
    let mut keys: Vec<&str> = NEED_CANARY.into_iter().filter(|key| at.has(key)).collect();
    keys.sort_by_key(|key| at.key(key).name().spot());
    if findings.is_puzzling(at) {
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

fn canary(raw: &raw::Rollout, provider: ProviderId, at: &At, findings: &mut Findings<'_>) -> Canary {
    if !at.has("percent") && !findings.is_puzzling(at) {
        findings.error(
            at,
            "`percent` is missing",
            "add `percent: auto` for the ramp, `percent: 10%` for a fixed share, or `percent: 0` to begin with nobody",
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
    let percent = raw.percent.as_ref().map(|text| text.0.as_str());
    let percent = findings.value(&at.key("percent"), percent, Intent::Pinned(Percent::ZERO), intent);
    let ramp = ramp::ramp(raw.ramp.as_ref(), &at.key("ramp"), findings);
    if let Intent::Pinned(share) = percent
        && share > ramp.max
    {
        findings.warn(&at.key("percent"), format!("{share} never comes into force: `ramp.max` is {}", ramp.max));
    }
    let rollback_to = raw.rollback_to.as_ref().map(|text| text.0.as_str());
    let rollback_to = findings.value(&at.key("rollback_to"), rollback_to, defaults::ROLLBACK_TO, rate);
    if rollback_to >= ramp.max {
        findings.error(
            &at.key("rollback_to"),
            format!("a rollback to {rollback_to} takes nothing back: `ramp.max` is {}", ramp.max),
            "lower it; 0 takes everybody back",
        );
    }
    let on_regression = guard::on_regression(raw.on_regression.as_ref(), &at.key("on_regression"), findings);
    let try_again_after =
        findings.value(&at.key("try_again_after"), text(&raw.try_again_after), None, never_or_some_time);
    guard::nobody_is_rolled_back(on_regression, try_again_after, at, findings);
    Canary {
        provider,
        percent,
        ramp,
        guard: guard::guard(raw.guard.as_ref(), &at.key("guard"), findings),
        on_regression,
        rollback_to,
        try_again_after,
        attempt: findings.value(
            &at.key("attempt"),
            raw.attempt.as_ref().map(|text| text.0.as_str()),
            defaults::ATTEMPT,
            |text| whole(text, 1, 1_000_000),
        ),
    }
}

fn matches(raw: Option<&raw::Match>, at: &At, mount: &str, findings: &mut Findings<'_>) -> Match {
    let none = raw::Match::default();
    let raw = raw.unwrap_or(&none);
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
                "has a `*`, which endpoints do not read",
                "use `path` for patterns, such as `path: \"/chat/*\"`",
            );
        }
        match bare.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !below.is_empty() => {
                wrong("begins with the mount", format!("endpoints lie below it: write `{rest}`"))
            }
            _ => Ok(bare.to_owned()),
        }
    };
    let endpoints = match &raw.endpoints {
        None => defaults::ENDPOINTS.map(str::to_owned).to_vec(),
        Some(texts) => {
            let at = at.key("endpoints");
            if texts.0.is_empty() {
                findings.error(
                    &at,
                    "the list of endpoints is empty",
                    "name one, or remove `endpoints` for those that generate",
                );
            }
            let one = |(index, text): (usize, &String)| findings.given(&at.item(index), Some(text), endpoint);
            texts.0.iter().enumerate().filter_map(one).collect()
        }
    };
    if at.has("endpoints") && at.has("path") {
        findings.error(&at.key("path"), "`path` and `endpoints` contradict each other", "keep one of the two");
    }
    let pattern = |text: &str| {
        if text.trim().is_empty() {
            wrong("is blank", "write a text; `*` stands for any run of characters")
        } else {
            Ok(Pattern(text.to_owned()))
        }
    };
    let path = |text: &str| {
        if text.starts_with(['/', '*']) {
            return Ok(Pattern(text.to_owned()));
        }
        wrong("is not a path", "begin it with a slash, such as `/chat/*`; it lies below the mount")
    };
    let mut headers = BTreeMap::new();
    for (given, value) in raw.header.iter().flat_map(|entries| &entries.0) {
        let at = at.key("header").key(given);
        match url::header(given) {
            Ok(name) => {
                if let Some(value) = findings.given(&at, Some(&value.0), pattern)
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
        model: findings.given(&at.key("model"), text(&raw.model), pattern),
        headers,
        path: findings.given(&at.key("path"), text(&raw.path), path),
    }
}

fn user(raw: &raw::Rollout, at: &At, findings: &mut Findings<'_>) -> Vec<UserSource> {
    let at = at.key("user");
    let usual = defaults::USER.map(str::to_owned).to_vec();
    let given = raw.user.as_ref().map_or(&usual, |texts| &texts.0);
    if given.is_empty() {
        findings.error(&at, "the list of sources is empty", "name one, such as `header:x-user-id`, or remove `user`");
    }
    let one = |(index, text): (usize, &String)| findings.given(&at.item(index), Some(text), source);
    let sources: Vec<UserSource> = given.iter().enumerate().filter_map(one).collect();
    if sources.is_empty() && !findings.resolves() {
        // They are references, which nobody follows here.
        return defaults::USER.iter().filter_map(|text| source(text).ok()).collect();
    }
    sources
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
        _ => wrong("is no place for a user id", EXAMPLE),
    }
}

/// `exclude` and `pin_users` as one map. A list may have tens of thousands of ids: places are made for errors only.
fn pins(raw: &raw::Rollout, at: &At, findings: &mut Findings<'_>) -> BTreeMap<String, Arm> {
    let mut pins: BTreeMap<String, Arm> = BTreeMap::new();
    let mut pin = |id: &str, arm: Arm, at: &dyn Fn() -> At, findings: &mut Findings<'_>| {
        let id = if id.contains("${") {
            match findings.given(&at(), Some(id), |text| Ok(text.to_owned())) {
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
    for (index, id) in raw.exclude.iter().flatten().enumerate() {
        pin(&id.0, Arm::Stable, &|| at.key("exclude").item(index), findings);
    }
    match &raw.pin_users {
        None => {}
        Some(Pins::Canary(ids)) => {
            for (index, id) in ids.iter().enumerate() {
                pin(&id.0, Arm::Canary, &|| at.key("pin_users").item(index), findings);
            }
        }
        Some(Pins::Arms(entries)) => {
            for (id, arm) in &entries.0 {
                let place = || at.key("pin_users").key(id);
                match arm.0.as_str() {
                    "canary" => pin(id, Arm::Canary, &place, findings),
                    "stable" => pin(id, Arm::Stable, &place, findings),
                    other => {
                        let problem = format!("`{}` is no arm", mask::short(other));
                        findings.error(&place(), problem, "write `canary` or `stable`");
                    }
                }
            }
        }
    }
    pins
}

fn force(raw: Option<&raw::Force>, at: &At, reached: SocketAddr, findings: &mut Findings<'_>) -> Option<Force> {
    let raw = raw?;
    let header = findings.given(&at.key("header"), text(&raw.header), url::header);
    let token = text(&raw.token).and_then(|given| findings.token(&at.key("token"), given, reached));
    Some(Force { header: header?, token: token? })
}

//! Edited keys that move no user by themselves: of a rollout, of a provider, of the process.
//!
//! Names the keys and shows no value, since a value may be a secret. Two values are equal if they print alike; secrets,
//! which print as nothing, are compared by their text. Decides nothing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use super::ProviderEdit;
use crate::decide::policy::{Client, Fixed, Policy, Provider, Rollout, Secret};
use crate::decide::warning::Warning;

/// Edited flags that are named one by one.
const MOST_FLAGS: usize = 5;

fn edits<const N: usize>(pairs: [(&str, bool); N]) -> Vec<String> {
    pairs.into_iter().filter(|(_, edited)| *edited).map(|(key, _)| key.to_owned()).collect()
}

fn differs<T: Debug + ?Sized>(old: &T, new: &T) -> bool {
    format!("{old:?}") != format!("{new:?}")
}

/// The edited keys of a rollout, but for those that name its providers and its share.
pub(super) fn rollout_edits(old: &Rollout, new: &Rollout) -> Vec<String> {
    let (old_canary, new_canary) = (old.canary.as_ref(), new.canary.as_ref());
    let both = old_canary.zip(new_canary);
    let force =
        |rollout: &Rollout| rollout.force.as_ref().map(|force| (force.header.clone(), force.token.reveal().to_owned()));
    edits([
        ("match", differs(&old.matches, &new.matches)),
        ("user", differs(&old.user, &new.user)),
        ("anonymous", old.anonymous != new.anonymous),
        ("salt", old.salt != new.salt),
        ("pin_users or exclude", old.pins != new.pins),
        ("force", force(old) != force(new)),
        ("fallback", differs(&(&old.fallback, old.fallback_4xx), &(&new.fallback, new.fallback_4xx))),
        ("give_up_after", old.give_up_after != new.give_up_after),
        ("hold", old.hold != new.hold),
        ("retry", differs(&old.retry, &new.retry)),
        ("stream_mode", old.stream_mode != new.stream_mode),
        ("last_resort", old.last_resort != new.last_resort),
        ("require", old.require != new.require),
        ("percent", both.is_some_and(|(old, new)| old.percent != new.percent)),
        ("ramp", both.is_some_and(|(old, new)| old.ramp != new.ramp)),
        ("guard", both.is_some_and(|(old, new)| differs(&old.guard, &new.guard))),
        ("on_regression", both.is_some_and(|(old, new)| differs(&old.on_regression, &new.on_regression))),
        ("rollback_to", both.is_some_and(|(old, new)| old.rollback_to != new.rollback_to)),
        ("try_again_after", both.is_some_and(|(old, new)| old.try_again_after != new.try_again_after)),
        ("attempt", both.is_some_and(|(old, new)| old.attempt != new.attempt)),
    ])
}

/// Providers of both policies that are edited.
pub(super) fn provider_edits(old: &Policy, new: &Policy) -> Vec<ProviderEdit> {
    let edited = |new: &Provider| {
        let old = old.providers.iter().find(|old| old.name == new.name)?;
        let keys = keys_of_provider(old, new);
        (!keys.is_empty()).then(|| ProviderEdit { provider: new.name.clone(), keys })
    };
    new.providers.iter().filter_map(|provider| edited(provider)).collect()
}

fn keys_of_provider(old: &Provider, new: &Provider) -> Vec<String> {
    let revealed = |pairs: &[(String, Secret)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned())).collect()
    };
    edits([
        ("base_url", old.base_url != new.base_url),
        ("api_keys", old.api_keys != new.api_keys || old.holds_keys != new.holds_keys),
        ("keys", old.keys != new.keys),
        ("auth", old.auth != new.auth),
        ("query", revealed(&old.query) != revealed(&new.query)),
        ("timeouts", old.timeouts != new.timeouts),
        ("models", old.models != new.models),
        ("unmapped", old.unmapped != new.unmapped),
        ("fields", differs(&old.fields, &new.fields)),
        ("path", old.path != new.path),
        ("done_marker", differs(&old.done_marker, &new.done_marker)),
        ("breaker", differs(&old.breaker, &new.breaker)),
        ("rate_limit", old.rate_limit != new.rate_limit),
        ("set_headers", revealed(&old.set_headers) != revealed(&new.set_headers)),
        ("forward_headers", old.forward_headers != new.forward_headers),
        ("http2", old.http2 != new.http2),
        ("tls", old.tls != new.tls),
        ("max_connections", old.max_connections != new.max_connections),
        ("max_connection_age", old.max_connection_age != new.max_connection_age),
        ("websocket", old.ping_every != new.ping_every),
        ("probe_path", old.probe_path != new.probe_path),
        ("retires", old.retires != new.retires),
        ("tags", old.tags != new.tags),
    ])
}

/// Edited keys outside of providers and rollouts.
pub(super) fn other_edits(old: &Policy, new: &Policy) -> Vec<String> {
    let clients = |policy: &Policy| -> Vec<_> {
        let client = |client: &Client| (client.name.clone(), client.key.reveal().to_owned(), client.rate_limit);
        policy.clients.iter().map(client).collect()
    };
    let tokens = |policy: &Policy| -> Vec<(String, String, String)> {
        let token = |token: &crate::decide::policy::Token| {
            (token.name.clone(), token.token.reveal().to_owned(), format!("{:?}", token.may))
        };
        policy.tokens.iter().map(token).collect()
    };
    let tls = |policy: &Policy| policy.listen_tls.as_ref().map(|tls| (tls.cert_file.clone(), tls.key_file.clone()));
    let unmatched = |policy: &Policy| policy.unmatched.provider().map(|id| policy.provider(id).base_url.to_string());
    let mut edited = flag_edits(old, new);
    edited.extend(edits([
        ("listen_tls", tls(old) != tls(new)),
        ("mount", old.mount != new.mount),
        ("unmatched", unmatched(old) != unmatched(new)),
        ("clients", clients(old) != clients(new) || old.open != new.open),
        ("admin.tokens", tokens(old) != tokens(new)),
        ("limits", differs(&old.limits, &new.limits)),
        ("drain", old.drain != new.drain),
        ("proxy", old.egress != new.egress),
        ("response_headers", old.response_headers != new.response_headers),
        ("access_log", differs(&old.access_log, &new.access_log)),
        ("admin.cors", old.cors != new.cors),
        ("admin.url", old.admin_url != new.admin_url),
        ("notify", old.notify != new.notify),
        ("otlp", old.otlp != new.otlp),
    ]));
    edited
}

/// Flags that are new, edited or removed, by their keys; `flags` alone where they are many.
fn flag_edits(old: &Policy, new: &Policy) -> Vec<String> {
    let names: BTreeSet<&String> = old.flags.keys().chain(new.flags.keys()).collect();
    let edited = names.into_iter().filter(|name| differs(&old.flags.get(*name), &new.flags.get(*name)));
    let edited: Vec<String> = edited.map(|name| format!("flags.{name}")).collect();
    if edited.len() > MOST_FLAGS { vec!["flags".to_owned()] } else { edited }
}

/// Edits that need a restart.
#[must_use]
pub fn fixed_edits(old: &Fixed, new: &Fixed) -> Vec<Warning> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let edits = [
        ("listen", Some(old.listen.to_string()), Some(new.listen.to_string())),
        ("listen_tls.listen", old.listen_tls.map(|at| at.to_string()), new.listen_tls.map(|at| at.to_string())),
        ("admin.listen", Some(old.admin.to_string()), Some(new.admin.to_string())),
        ("probe.listen", old.probe.map(|at| at.to_string()), new.probe.map(|at| at.to_string())),
        ("state", path(&old.state), path(&new.state)),
        ("workers", old.workers.map(|count| count.to_string()), new.workers.map(|count| count.to_string())),
    ];
    let changed = edits.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(key, old, new)| Warning::FixedEdit { key: key.into(), old, new }).collect()
}

//! A provider's keys: those that can be used, the account of each, and how they are used.
//!
//! A reference to a file with several lines is as many keys. Says what is doubtful about keys although nothing is wrong
//! with the file: a key that two hosts are sent, one that is listed twice, several of one account, the wrong kind of key
//! for a host. Invariant: no key is in a sentence.

use crate::decide::policy::{KeyOrder, KeyRules, Provider, Secret};

use super::super::mask;
use super::super::memory::SecretId;
use super::super::place::At;
use super::super::scalar::{name, some_length, some_length_or_never};
use super::findings::Findings;
use super::key_format;
use super::secrets::{Resolved, lines};

/// Between the name of a key's account and the key, which is one line, where both are kept as one text.
const SEPARATOR: char = '\n';

/// The keys of a provider that can be used, and their rules. None of those named: the provider is unusable; some: that
/// is worth a warning. `wanting`: where to say so; `None`: they are not sent.
pub(super) fn all(
    provider: &At,
    place: &SecretId,
    wanting: Option<&mut Option<String>>,
    findings: &mut Findings<'_>,
) -> (Vec<Secret>, KeyRules) {
    let at = provider.key("api_keys");
    let (keys, accounts): (Vec<Secret>, Vec<_>) = keys(&at, place, wanting, findings).into_iter().unzip();
    let rules = rules(provider, accounts, findings);
    if findings.resolves() {
        warn_of_repeated_keys(&at, &keys, findings);
        note_one_account(&at, &rules, findings);
    }
    (keys, rules)
}

fn rules(provider: &At, accounts: Vec<Option<String>>, findings: &mut Findings<'_>) -> KeyRules {
    let at = provider.key("keys");
    if at.has_entries() && !provider.has("api_keys") {
        findings.warn(&at.name(), "there are no `api_keys` that this could be about: it changes nothing");
    }
    KeyRules {
        order: findings.choice(
            &at.key("use"),
            "is not a way to use keys",
            &[("first", KeyOrder::First), ("spread", KeyOrder::Spread)],
        ),
        rotate_every: findings.value(&at.key("rotate_every"), some_length_or_never),
        cool_down: findings.value(&at.key("cool_down"), some_length),
        warn_after: findings.value(&at.key("warn_after"), some_length_or_never),
        accounts,
    }
}

fn keys(
    at: &At,
    place: &SecretId,
    wanting: Option<&mut Option<String>>,
    findings: &mut Findings<'_>,
) -> Vec<(Secret, Option<String>)> {
    if !at.fits() {
        return Vec::new();
    }
    let mut keys: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    let mut unresolved = false;
    let given = at.items();
    for at in &given {
        let account = findings.given(&at.key("account"), name).unwrap_or_default();
        let at = if at.node().is_some_and(|node| node.text().is_some()) { at.clone() } else { at.key("key") };
        match findings.secret(&at, lines) {
            Resolved::To(texts) => keys.extend(texts.into_iter().map(|key| format!("{account}{SEPARATOR}{key}"))),
            Resolved::Unset(wrong) => missing.push((at, wrong.problem)),
            Resolved::Unresolved => unresolved = true,
        }
    }
    if given.is_empty() {
        findings.error(
            at,
            "the list of keys is empty",
            "name a key, or remove `api_keys`: the application's own pass through",
        );
    }
    let reason = missing.first().filter(|_| !unresolved).map(|(_, reason)| reason.clone());
    let found = keys.len();
    let place = SecretId { key: "api_keys".to_owned(), ..place.clone() };
    let mut keys = findings.or_last_in(at, place, keys, reason.as_deref());
    if let Some(unusable) = wanting {
        for (at, reason) in missing.into_iter().filter(|_| found > 0 || keys.is_empty()) {
            let then = if keys.is_empty() { "the provider cannot be used" } else { "the other keys are used" };
            findings.warn(&at, format!("{reason}: {then}"));
        }
        if keys.is_empty() {
            *unusable = reason;
        }
    }
    if unresolved && keys.is_empty() {
        keys.push(format!("{SEPARATOR}{}", mask::MASK));
    }
    let apart = keys.iter().map(|key| key.split_once(SEPARATOR).unwrap_or(("", key)));
    apart
        .map(|(account, key)| (Secret::new(key.to_owned()), (!account.is_empty()).then(|| account.to_owned())))
        .collect()
}

fn warn_of_repeated_keys(at: &At, keys: &[Secret], findings: &mut Findings<'_>) {
    for (index, key) in keys.iter().enumerate() {
        if let Some(first) = keys[..index].iter().position(|other| other == key) {
            let (key, first) = (index + 1, first + 1);
            findings.warn(at, format!("key {key} is the same as key {first}: it is no other key to go on with"));
        }
    }
}

fn note_one_account(at: &At, rules: &KeyRules, findings: &mut Findings<'_>) {
    if let [Some(first), others @ ..] = rules.accounts.as_slice()
        && !others.is_empty()
        && others.iter().all(|other| other.as_ref() == Some(first))
    {
        let count = rules.accounts.len();
        findings.note(
            at,
            format!(
                "the {count} keys belong to one account, whose limits they share: they are spares, and no more capacity"
            ),
        );
    }
}

/// Warns of keys that are not of the kind that a host gives out.
pub(super) fn warn_of_formats(at: &At, host: &str, keys: &[Secret], findings: &mut Findings<'_>) {
    if !findings.resolves() {
        return;
    }
    for (index, key) in keys.iter().enumerate() {
        if let Some(problem) = key_format::problem(host, key.reveal()) {
            findings.warn(at, format!("key {} {problem}", index + 1));
        }
    }
}

/// Warns of a key that is sent to two hosts: one of them is not to know it.
pub(super) fn warn_of_shared_keys(at: &At, providers: &[Provider], findings: &mut Findings<'_>) {
    if !findings.resolves() {
        return;
    }
    for (index, provider) in providers.iter().enumerate() {
        let host = &provider.base_url.host;
        let elsewhere = providers[..index].iter().filter(|other| other.base_url.host != *host);
        let shared = |other: &&Provider| provider.api_keys.iter().any(|key| other.api_keys.contains(key));
        if let Some(other) = elsewhere.clone().find(shared) {
            let problem = format!(
                "a key of {0} is here as well, so that {host} is sent a key of {1}: give each provider its own",
                other.name, other.base_url.host
            );
            findings.warn(&at.key(&provider.name).key("api_keys"), problem);
        }
    }
}

//! Tags of providers, and the tags that a rollout requires of everybody who may see its requests.
//!
//! A rollout with `require` may name no provider that lacks a tag: not as stable, canary or fallback. Requests that no
//! rollout takes (files, stored responses and the like of the same application) go to `unmatched`, so that one must
//! have the tags as well. Invariant: a policy in which a request of such a rollout could reach a provider without the
//! tags is never made, so nobody behind the compiler has to look at tags.

use std::collections::BTreeSet;

use crate::decide::policy::{Fallback, Policy, Provider, Rollout};
use crate::decide::suggest;
use crate::decide::units::ProviderId;

use super::super::place::At;
use super::super::scalar::{Wrong, name, wrong};
use super::findings::Findings;

/// The tags that stand at a place, of a provider or required.
pub(super) fn tags(at: &At, findings: &mut Findings<'_>) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    if at.fits() && at.texts().is_empty() {
        findings.error(at, "the list of tags is empty", "name one, such as `eu`, or remove this");
    }
    for at in at.items() {
        if let Some(tag) = findings.given(&at, tag)
            && !tags.insert(tag)
        {
            findings.error(&at, "this tag is named twice", "name it once");
        }
    }
    tags
}

fn tag(text: &str) -> Result<String, Wrong> {
    match name(text) {
        Ok(tag) => Ok(tag),
        Err(Wrong { remedy, .. }) => wrong("is not a tag", remedy),
    }
}

/// Refuses a file by which a request of a rollout with `require` could go to a provider without its tags.
pub(super) fn check(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    let known: Vec<bool> = policy.providers.iter().map(|provider| are_known(provider, root)).collect();
    for (index, rollout) in policy.rollouts.iter().enumerate().filter(|(_, rollout)| !rollout.require.is_empty()) {
        let at = root.key("rollouts").item(index);
        let required = Required { policy, rollout, known: &known };
        if required.unknown_tags(&at.key("require"), findings) {
            continue;
        }
        required.of(rollout.stable, &at.key("stable"), "stable", findings);
        if let Some(canary) = &rollout.canary {
            required.of(canary.provider, &at.key("canary"), "canary", findings);
        }
        if let Fallback::List(list) = &rollout.fallback {
            for id in list.iter().filter(|id| !rollout.moves_to(**id) && **id != rollout.stable) {
                let named = |at: &At| at.text() == Some(policy.provider(*id).name.as_str());
                let item = at.key("fallback").items().into_iter().find(named);
                required.of(*id, &item.unwrap_or_else(|| at.key("fallback")), "fallback", findings);
            }
        }
        required.of_unmatched(&at, root, findings);
    }
}

/// Whether all tags of a provider were read: a wrong one is told of itself, and a reference is not followed everywhere.
fn are_known(provider: &Provider, root: &At) -> bool {
    root.key("providers").key(&provider.name).key("tags").items().len() == provider.tags.len()
}

/// What a rollout requires.
struct Required<'a> {
    policy: &'a Policy,
    rollout: &'a Rollout,
    /// Whether the tags of each provider are known.
    known: &'a [bool],
}

impl Required<'_> {
    /// The first required tag that a provider lacks.
    fn lacks(&self, id: ProviderId) -> Option<&str> {
        let provider = self.policy.providers.get(usize::from(id.0))?;
        let known = self.known.get(usize::from(id.0)).copied().unwrap_or_default();
        self.rollout.require.iter().find(|tag| known && !provider.tags.contains(*tag)).map(String::as_str)
    }

    /// Tags that no provider has, which says more than that each of them lacks it.
    fn unknown_tags(&self, at: &At, findings: &mut Findings<'_>) -> bool {
        if self.known.contains(&false) {
            return false;
        }
        let all: BTreeSet<&str> =
            self.policy.providers.iter().flat_map(|provider| provider.tags.iter().map(String::as_str)).collect();
        let mut unknown = false;
        for tag in self.rollout.require.iter().filter(|tag| !all.contains(tag.as_str())) {
            let place = at.items().into_iter().find(|at| at.text() == Some(tag)).unwrap_or_else(|| at.clone());
            let remedy = match suggest::nearest(tag, all.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add `tags: [{tag}]` to the providers that have it, or remove it"),
            };
            findings.error(&place, format!("no provider has the tag `{tag}`"), remedy);
            unknown = true;
        }
        unknown
    }

    /// Provider `id`, which stands at `at`.
    fn of(&self, id: ProviderId, at: &At, role: &str, findings: &mut Findings<'_>) {
        let Some(tag) = self.lacks(id).filter(|_| at.fits()) else { return };
        let provider = &self.policy.provider(id).name;
        let other = self.others().find(|name| *name != provider);
        let remedy = match (role, other) {
            ("fallback", _) => format!("remove it, or add `{tag}` to `providers.{provider}.tags` if it is true of it"),
            (_, Some(other)) => format!(
                "name one that has all tags, such as `{other}`, or add `{tag}` to `providers.{provider}.tags` if it is \
                 true of it"
            ),
            (_, None) => format!("add `{tag}` to `providers.{provider}.tags` if it is true of it, or name another one"),
        };
        let problem =
            format!("`{provider}` lacks the tag `{tag}`, which `require` asks of every provider of a rollout");
        findings.error(at, problem, remedy);
    }

    /// Requests that no rollout takes may be of the same users: what they stored, their files.
    fn of_unmatched(&self, at: &At, root: &At, findings: &mut Findings<'_>) {
        let Some(id) = self.policy.unmatched.provider() else { return };
        // What is wrong with stable is told of it.
        let Some(tag) = self.lacks(id).filter(|_| id != self.rollout.stable || root.has("unmatched")) else { return };
        let name = &self.rollout.name;
        let provider = &self.policy.provider(id).name;
        let place = if root.has("unmatched") { root.key("unmatched") } else { at.key("require") };
        let problem = format!(
            "requests that no rollout takes go to `{provider}`, which lacks the tag `{tag}` that `{name}` requires: files \
             and stored responses of its users would go there"
        );
        let remedy = match self.others().next() {
            Some(other) => format!("write `unmatched: {other}` or `unmatched: reject`"),
            None => "write `unmatched: reject`".to_owned(),
        };
        findings.error(&place, problem, remedy);
    }

    /// Providers that have all tags.
    fn others(&self) -> impl Iterator<Item = &str> {
        let has = |provider: &&std::sync::Arc<Provider>| self.rollout.require.is_subset(&provider.tags);
        self.policy.providers.iter().filter(has).map(|provider| provider.name.as_str())
    }
}

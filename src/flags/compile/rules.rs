//! Rules between keys that stand far apart: ports, who may spend the keys, embeddings, rollouts that get no request.
//!
//! Runs over a policy whose parts are already judged one by one, and adds findings only: nothing is changed here. An
//! error keeps people from harm that they would not see (strangers who spend keys, a corrupted index); what is merely
//! odd is a warning.

use std::net::SocketAddr;

use crate::decide::exposure::{BoundAddresses, ExposedPort, exposures};
use crate::decide::policy::{Fallback, Intent, Match, PathPart, Policy, Rollout, Unmatched, UserSource};
use crate::decide::units::{Percent, ProviderId};
use crate::describe::exposure::{problem, remedy};

use super::super::keys;
use super::super::place::At;
use super::findings::Findings;
use super::{copies, rollout};

/// Looks at the whole.
pub(super) fn check(policy: &Policy, reached: BoundAddresses, root: &At, findings: &mut Findings<'_>) {
    ports(policy, root, findings);
    exposure(policy, reached, root, findings);
    embeddings(policy, root, findings);
    unreachable(policy, root, findings);
    keyless_canaries(policy, root, findings);
    one_path_for_all(policy, root, findings);
    fallbacks_of_an_index(policy, root, findings);
    unmatched(policy, root, findings);
    hidden_ids(policy, root, findings);
    copies::without_effect(policy, root, findings);
}

/// Verdicts name requests by the ids in response headers.
fn hidden_ids(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    if !policy.response_headers && policy.seals_request_ids() {
        let problem =
            "responses do not carry `x-serin-request-id`, so verdicts for `guard.feedback` can only name a user";
        findings.warn(&root.key("response_headers"), problem);
    }
}

/// The file does not state that a rollout's stable takes the other requests, so an unusable one is at most a warning.
fn unmatched(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    let Unmatched::Usual(id) = policy.unmatched else { return };
    if policy.rollouts.is_empty() {
        return;
    }
    let Some(provider) = policy.providers.get(usize::from(id.0)) else { return };
    if let Some(reason) = &provider.unusable {
        let problem = format!(
            "requests that match no rollout go to `{}`, which cannot be used: {reason}; name another provider, or \
             `reject`",
            provider.name
        );
        findings.warn(&root.key("unmatched"), problem);
    }
}

fn ports(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    let mut listeners: Vec<(&str, SocketAddr, At)> = vec![
        ("listen", policy.fixed.listen, root.key("listen")),
        ("admin.listen", policy.fixed.admin, root.key("admin").key("listen")),
    ];
    if let Some(listen_tls) = policy.fixed.listen_tls {
        listeners.push(("listen_tls.listen", listen_tls, root.key("listen_tls").key("listen")));
    }
    if let Some(probe) = policy.fixed.probe {
        listeners.push(("probe.listen", probe, root.key("probe").key("listen")));
    }
    for (index, (_, address, at)) in listeners.iter().enumerate() {
        for (other, taken, _) in &listeners[..index] {
            let same_ip = address.ip() == taken.ip() || address.ip().is_unspecified() || taken.ip().is_unspecified();
            if address.port() != 0 && address.port() == taken.port() && same_ip {
                let remedy = "give each listener its own port";
                findings.error(at, format!("port {} is already taken by `{other}`", address.port()), remedy);
            }
        }
    }
}

/// Whoever reaches the proxy port spends the keys, and whoever reaches the operators' port moves the traffic.
fn exposure(policy: &Policy, reached: BoundAddresses, root: &At, findings: &mut Findings<'_>) {
    let clients = root.key("clients");
    if clients.fits() && clients.items().is_empty() {
        findings.error(&clients, "the list of clients is empty", "name one, or remove `clients`");
    }
    let at = |place: ExposedPort| match place {
        ExposedPort::Listen => root.key("listen"),
        ExposedPort::ListenTls => root.key("listen_tls").key("listen"),
        ExposedPort::Admin => root.key("admin").key("listen"),
    };
    let now = exposures(policy, reached);
    for exposure in &now {
        let asked = match exposure.place {
            ExposedPort::Listen | ExposedPort::ListenTls => root.has("clients"),
            ExposedPort::Admin => root.key("admin").has("tokens"),
        };
        // What is wrong with them is told of them.
        if !asked || findings.errors.is_empty() {
            findings.error(&at(exposure.place), problem(exposure), remedy(exposure));
        }
    }
    let in_file =
        BoundAddresses { listen: policy.fixed.listen, listen_tls: policy.fixed.listen_tls, admin: policy.fixed.admin };
    for exposure in exposures(policy, in_file) {
        if now.iter().all(|now| now.place != exposure.place) {
            let problem = problem(&exposure);
            findings.warn(
                &at(exposure.place),
                format!("if the next start binds its socket there, {problem}: the start would be refused"),
            );
        }
    }
}

/// Two embedding models in one index corrupt it silently, so an index must not be split by users.
fn embeddings(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    let usual: Vec<UserSource> = keys::USER.iter().filter_map(|text| rollout::source(text).ok()).collect();
    for (index, rollout) in policy.rollouts.iter().enumerate() {
        let Some(canary) = &rollout.canary else { continue };
        let split = match canary.percent {
            Intent::Auto => true,
            Intent::Pinned(share) => {
                let share = share.min(canary.ramp.max);
                share != Percent::ZERO && share != Percent::ALL
            }
        };
        // An earlier rollout that takes all embeddings leaves none to this one.
        let earlier = policy.rollouts[..index].iter().any(|other| {
            takes_embeddings(&other.matches) && other.matches.model.is_none() && other.matches.headers.is_empty()
        });
        let by_index = rollout.user.iter().all(|source| !usual.contains(source));
        if split && takes_embeddings(&rollout.matches) && !earlier && !by_index {
            let at = root.key("rollouts").item(index);
            let at = if at.has("percent") { at.key("percent") } else { at };
            findings.error(
                &at,
                "embeddings are split by user: two models in one vector index corrupt it silently",
                "write `percent: 0` or `percent: 100%`, or let `user` name what identifies the index, such as \
                 `user: header:x-index`",
            );
        }
    }
}

/// An index must not be filled by two models, so no other provider ever answers for embeddings.
fn fallbacks_of_an_index(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (index, rollout) in policy.rollouts.iter().enumerate() {
        let at = root.key("rollouts").item(index);
        let alone = rollout.matches.path.is_none() && rollout.matches.endpoints == ["embeddings"];
        if alone && at.has("fallback") && rollout.fallback != Fallback::Nobody {
            let problem = "this changes nothing: embeddings never fall back, since two models in one index corrupt it";
            findings.warn(&at.key("fallback"), problem);
        }
    }
}

fn takes_embeddings(matches: &Match) -> bool {
    match &matches.path {
        Some(pattern) => pattern.fits(b"/embeddings"),
        None => matches.endpoints.iter().any(|endpoint| endpoint == "embeddings"),
    }
}

fn unreachable(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (index, rollout) in policy.rollouts.iter().enumerate() {
        if let Some(first) = policy.rollouts[..index].iter().find(|other| covers(other, rollout)) {
            findings.warn(
                &root.key("rollouts").item(index),
                format!(
                    "`{}` never gets a request: `{}` above matches the same requests; put the narrower one first",
                    rollout.name, first.name
                ),
            );
        }
    }
}

/// Whether one rollout takes everything that another would.
fn covers(first: &Rollout, other: &Rollout) -> bool {
    let (first, other) = (&first.matches, &other.matches);
    let paths = match (&first.path, &other.path) {
        (Some(first), Some(other)) => first == other || matches!(first.0.as_str(), "*" | "/*"),
        (Some(first), None) => matches!(first.0.as_str(), "*" | "/*"),
        (None, None) => other.endpoints.iter().all(|endpoint| first.endpoints.contains(endpoint)),
        (None, Some(_)) => false,
    };
    let model = first.model.as_ref().is_none_or(|model| Some(model) == other.model.as_ref());
    let headers = first.headers.iter().all(|(name, pattern)| other.headers.get(name) == Some(pattern));
    paths && model && headers
}

/// The application's own credentials go to stable only: another provider on the internet without keys refuses all.
fn keyless_canaries(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    let mut reported: Vec<&str> = Vec::new();
    for (id, role) in policy.rollouts.iter().flat_map(|rollout| without_client_credentials(rollout)) {
        let Some(provider) = policy.providers.get(usize::from(id.0)) else { continue };
        let keys = root.key("providers").key(&provider.name).key("api_keys").fits();
        let own = !provider.set_headers.is_empty()
            || !provider.query.is_empty()
            || !provider.forward_headers.is_empty()
            || provider.tls.cert_file.is_some();
        let outside = provider.base_url.https && provider.base_url.host != "unresolved.invalid";
        if outside && !keys && !own && !reported.contains(&provider.name.as_str()) {
            reported.push(&provider.name);
            findings.warn(
                &root.key("providers").key(&provider.name),
                format!(
                    "a {role} without `api_keys`: its requests carry no credentials, since the application's go to \
                     stable only"
                ),
            );
        }
    }
}

/// Who serves this rollout without ever seeing the application's credentials.
fn without_client_credentials(rollout: &Rollout) -> impl Iterator<Item = (ProviderId, &'static str)> {
    let others = match &rollout.fallback {
        Fallback::List(list) => list.as_slice(),
        Fallback::OtherArm | Fallback::Nobody => &[],
    };
    let canary = rollout.canary.iter().map(|canary| (canary.provider, "canary"));
    canary.chain(others.iter().filter(|id| **id != rollout.stable).map(|id| (*id, "fallback")))
}

/// A template without `{rest}` sends requests of several paths to a single one.
fn one_path_for_all(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (index, provider) in policy.providers.iter().enumerate() {
        let Some(template) = &provider.path else { continue };
        let is = |id: ProviderId| usize::from(id.0) == index;
        let narrow = |rollout: &Rollout| rollout.matches.path.is_none() && rollout.matches.endpoints.len() == 1;
        let takes_many = policy.unmatched.provider().is_some_and(is)
            || policy.rollouts.iter().any(|rollout| {
                !narrow(rollout) && (is(rollout.stable) || without_client_credentials(rollout).any(|(id, _)| is(id)))
            });
        if takes_many && !template.0.contains(&PathPart::Rest) {
            findings.warn(
                &root.key("providers").key(&provider.name).key("path"),
                "without `{rest}` requests of every path end at this one: add it, or let only one of \
                 `match.endpoints` come here",
            );
        }
    }
}

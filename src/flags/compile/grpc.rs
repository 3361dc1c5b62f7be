//! What stands in the way of gRPC, as far as a file shows that calls of gRPC are meant.
//!
//! A pattern of paths such as `/pkg.Service/*`, or a match of the content type, shows it. Owns the warnings: such calls
//! need HTTP/2 to every provider, and come at the path's beginning. Refuses nothing, since a pattern may mean something
//! else. Invariant: a rollout of an HTTP API is never warned of.

use super::super::place::At;
use super::findings::Findings;
use crate::decide::policy::{Policy, Rollout};
use crate::decide::units::ProviderId;

/// Warns of rollouts whose calls could not be carried.
pub(super) fn check(policy: &Policy, root: &At, findings: &mut Findings<'_>) {
    for (rollout, at) in policy.rollouts.iter().zip(root.key("rollouts").items()) {
        let at = at.key("match");
        let path = rollout.matches.path.as_ref().is_some_and(|pattern| is_of_service(&pattern.0));
        if !path && !names_grpc(rollout) {
            continue;
        }
        let canary = rollout.canary.as_ref().map(|canary| canary.provider);
        for id in [Some(rollout.stable), canary].into_iter().flatten() {
            warn_of_http1(policy, id, &at, findings);
        }
        if !policy.mount.is_empty() {
            findings.warn(
                &at,
                format!(
                    "this looks like gRPC, whose clients call `/package.Service/Method` and not below `{}`: write \
                     `mount: /`",
                    policy.mount
                ),
            );
        }
    }
}

fn warn_of_http1(policy: &Policy, id: ProviderId, at: &At, findings: &mut Findings<'_>) {
    let provider = policy.provider(id);
    if !provider.may_use_http2() {
        findings.warn(
            at,
            format!(
                "this looks like gRPC, and provider `{}` is asked by HTTP/1.1, which cannot carry it: write `http2: \
                 prior_knowledge` for it, or `http2: auto` with an https:// base_url",
                provider.name
            ),
        );
    }
}

/// Whether a pattern is of the methods of a service: `/package.Service/*`, `/package.Service/Method`.
fn is_of_service(pattern: &str) -> bool {
    let Some((service, method)) = pattern.strip_prefix('/').and_then(|rest| rest.split_once('/')) else { return false };
    let Some((package, name)) = service.rsplit_once('.') else { return false };
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'*'));
    let is_service = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '*');
    is_service && !package.is_empty() && is_name(package) && is_name(name) && is_name(method) && !method.is_empty()
}

fn names_grpc(rollout: &Rollout) -> bool {
    rollout.matches.headers.get("content-type").is_some_and(|pattern| pattern.0.starts_with("application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_from_a_path_of_an_http_api() {
        for service in ["/pkg.Echo/*", "/holysheep.v1.AIAssistant/Chat", "/pkg.*/*", "/pkg.Echo/Get*"] {
            assert!(is_of_service(service), "{service}");
        }
        for other in
            ["/chat/*", "*", "/*", "/v1.0/models", "/openai/deployments/*/chat/completions", "/a.B", "/.B/c", "/a.B/"]
        {
            assert!(!is_of_service(other), "{other}");
        }
    }
}

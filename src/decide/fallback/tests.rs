//! Who else may answer, for each of what decides it.

use super::*;
use crate::decide::state_at::Bound;
use crate::decide::units::RolloutId;
use crate::flags::Environment;
use crate::flags::compile::compile;

const CHAT: &str = "/chat/completions";
const NAMES: [&str; 4] = ["old", "new", "third", "keyless"];

/// What one case differs in from a request of an open rollout, planned for stable, whose model everybody knows.
struct Case {
    fallback: &'static str,
    planned: &'static str,
    reason: RouteReason,
    share: Option<(u16, bool)>,
    path: &'static str,
    model: Option<&'static str>,
    bound: Bound,
    unusable: Option<&'static str>,
}

const USUAL: Case = Case {
    fallback: "[third, keyless, new, old]",
    planned: "old",
    reason: RouteReason::Bucket,
    share: Some((5000, false)),
    path: CHAT,
    model: Some("gpt-4"),
    bound: Bound::No,
    unusable: None,
};

fn asked(case: &Case) -> Vec<&'static str> {
    let text = format!(
        "providers:\n  old: {{ base_url: http://a.test/v1, models: {{ gpt-3: o3 }}, unmapped: stable }}\n  \
         new: {{ base_url: http://b.test/v1, models: {{ gpt-4: n4 }}, unmapped: stable }}\n  \
         third: {{ base_url: http://c.test/v1, models: {{ gpt-4: t4 }} }}\n  \
         keyless: {{ base_url: http://d.test/v1, unmapped: stable }}\n\
         rollouts: [{{ name: chat, stable: old, canary: new, percent: 50%, fallback: {} }}]\n",
        case.fallback
    );
    let mut policy = Policy::clone(&compile(&text, &Environment::without_secrets()).unwrap().policy);
    for provider in policy.providers.iter_mut().filter(|provider| case.unusable == Some(provider.name.as_str())) {
        std::sync::Arc::make_mut(provider).unusable = Some("it has no key".to_owned());
    }
    let id = |name: &str| policy.providers.iter().zip(0..).find(|(provider, _)| provider.name == name).unwrap().1;
    let plan = Plan {
        rollout: Some(RolloutId(0)),
        matched: Some(RolloutId(0)),
        arm: None,
        provider: ProviderId(id(case.planned)),
        default_provider: ProviderId(id("old")),
        reason: case.reason,
        counted: false,
        slot: None,
        bucket: None,
        user_hash: None,
        source: crate::decide::guard::sources::SourceGroup::default(),
        anonymous: false,
        bound: case.bound,
    };
    let share = case.share.map(|(percent, closed)| RouteShare {
        percent: Percent::from_hundredths(percent).unwrap(),
        buckets_only: closed,
    });
    let others = fallback_candidates(&policy, &plan, share, case.path, case.model);
    for name in NAMES {
        assert_eq!(others.has(ProviderId(id(name))), others.clone().any(|other| other == ProviderId(id(name))));
    }
    assert_eq!(others.is_empty(), others.clone().next().is_none());
    others.map(|other| NAMES.into_iter().find(|name| id(name) == other.0).unwrap()).collect()
}

#[test]
fn who_else_may_answer() {
    let all = ["third", "keyless", "new"];
    assert_eq!(asked(&USUAL), all);
    assert_eq!(asked(&Case { planned: "new", ..USUAL }), ["third", "keyless", "old"], "stable, whatever the model is");
    assert_eq!(asked(&Case { model: Some("gpt-5"), ..USUAL }), ["third", "keyless"], "the canary has no such model");
    assert_eq!(asked(&Case { model: None, ..USUAL }), ["third", "keyless"]);
    assert_eq!(asked(&Case { fallback: "false", ..USUAL }), [""; 0]);
    assert_eq!(asked(&Case { path: "/embeddings", ..USUAL }), [""; 0], "vectors of two models do not mix");
}

#[test]
fn a_stable_that_cannot_be_asked_is_no_reason_to_use_the_canary() {
    let unusable = |name: &'static str| Case { unusable: Some(name), ..USUAL };
    assert_eq!(asked(&unusable("old")), ["third", "keyless"]);
    assert_eq!(asked(&Case { fallback: "true", ..unusable("old") }), [""; 0]);
    assert_eq!(asked(&Case { planned: "new", ..unusable("new") }), ["third", "keyless", "old"]);
    assert_eq!(asked(&unusable("third")), ["keyless", "new"]);
}

#[test]
fn the_other_arm_is_the_default() {
    assert_eq!(asked(&Case { fallback: "true", ..USUAL }), ["new"]);
    assert_eq!(asked(&Case { fallback: "true", planned: "new", ..USUAL }), ["old"]);
    assert_eq!(asked(&Case { fallback: "true", model: None, ..USUAL }), [""; 0]);
}

#[test]
fn nobody_else_has_the_state_that_a_request_names() {
    for (bound, planned, fallback) in
        [(Bound::Unknown, "old", USUAL.fallback), (Bound::Unknown, "old", "true"), (Bound::Known, "new", "true")]
    {
        assert_eq!(asked(&Case { bound, planned, fallback, ..USUAL }), [""; 0]);
    }
}

#[test]
fn a_canary_that_is_closed_answers_for_nobody() {
    for share in [None, Some((0, false)), Some((5000, true))] {
        assert_eq!(asked(&Case { share, ..USUAL }), ["third", "keyless"], "{share:?}");
    }
    assert_eq!(
        asked(&Case { reason: RouteReason::Unheld, ..USUAL }),
        ["third", "keyless"],
        "its body could not be read"
    );
}

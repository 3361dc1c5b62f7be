use http::HeaderMap;

use super::*;
use crate::decide::fallback::fallback_candidates;
use crate::decide::route::{Facts, Purpose, RouteShare, plan};
use crate::decide::units::{Percent, RolloutId};
use crate::flags::Environment;
use crate::flags::compile::compile;

const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
const THIRD: ProviderId = ProviderId(2);
const PLAIN: ProviderId = ProviderId(3);

fn policy(chat: &str) -> Policy {
    let text = format!(
        "providers:\n  old: {{ base_url: http://a.test/v1, tags: [eu] }}\n  new: {{ base_url: http://b.test/v1, tags: [eu] }}\n  \
         third: {{ base_url: http://c.test/v1 }}\n  plain: {{ base_url: http://d.test/v1, tags: [eu] }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, {chat} }}\n  \
         - {{ name: other, match: {{ endpoints: [embeddings] }}, stable: old, canary: third, percent: 0% }}\n  \
         - {{ name: route, match: {{ path: /route }}, stable: plain }}\n"
    );
    Policy::clone(&compile(&text, &Environment::without_secrets()).unwrap().policy)
}

fn planned(policy: &Policy, percent: u16, path: &str, state: StateAt) -> Plan {
    let headers = HeaderMap::new();
    let purpose = if path == "/responses" || path == "/route" { Purpose::Generate } else { Purpose::Other };
    let facts = Facts { purpose, path, query: None, headers: &headers, body: None, bytes: None, state };
    let share = RouteShare { percent: Percent::from_hundredths(percent).unwrap(), buckets_only: percent == 0 };
    plan(policy, |_| share, &facts, || 0).unwrap()
}

/// Provider, whether the rollout `chat` has it, arm, and whether it counts.
fn went(plan: &Plan) -> (ProviderId, bool, Option<Arm>, Bound) {
    assert!(!plan.counted && plan.slot.is_none() && plan.bucket.is_none(), "no evidence");
    assert_eq!((plan.reason, plan.reason.as_str()), (RouteReason::State, "state"));
    (plan.provider, plan.rollout == Some(RolloutId(0)), plan.arm, plan.bound)
}

#[test]
fn state_is_asked_for_where_it_is_at_any_percent() {
    let policy = policy("percent: 10%");
    for percent in [0, 1000, 10_000] {
        let at = |state| went(&planned(&policy, percent, "/responses", state));
        assert_eq!(at(StateAt::Provider(NEW)), (NEW, true, Some(Arm::Canary), Bound::Known));
        assert_eq!(at(StateAt::Provider(OLD)), (OLD, true, Some(Arm::Stable), Bound::Known));
        assert_eq!(at(StateAt::Provider(THIRD)), (THIRD, false, None, Bound::Known), "of neither arm");
        assert_eq!(at(StateAt::Unknown), (OLD, true, Some(Arm::Stable), Bound::Unknown));
        let by_path = |state| went(&planned(&policy, percent, "/responses/resp_1", state));
        assert_eq!(by_path(StateAt::Provider(NEW)), (NEW, false, None, Bound::Known), "no rollout has this path");
        assert_eq!(by_path(StateAt::Unknown), (OLD, false, None, Bound::Unknown));
    }
    assert_eq!(planned(&policy, 10_000, "/responses", StateAt::Nowhere).reason, RouteReason::Everybody);
}

#[test]
fn the_credentials_of_a_client_are_meant_for_stable_wherever_its_state_is() {
    let policy = policy("percent: 10%");
    for path in ["/responses", "/responses/resp_1"] {
        for state in [StateAt::Nowhere, StateAt::Unknown, StateAt::Provider(NEW), StateAt::Provider(THIRD)] {
            assert_eq!(planned(&policy, 5000, path, state).default_provider, OLD, "{path} {state:?}");
        }
    }
    assert_eq!(planned(&policy, 0, "/route", StateAt::Provider(NEW)).default_provider, PLAIN);
}

#[test]
fn a_plain_route_goes_on_as_it_would_unless_somebody_else_has_the_state() {
    let policy = policy("percent: 10%");
    let plan = planned(&policy, 0, "/route", StateAt::Unknown);
    assert_eq!((plan.provider, plan.reason, plan.bound), (PLAIN, RouteReason::PlainRoute, Bound::No));
    assert_eq!(went(&planned(&policy, 0, "/route", StateAt::Provider(NEW))), (NEW, false, None, Bound::Known));
}

#[test]
fn a_required_tag_holds_for_state_too() {
    let policy = policy("percent: 10%, require: [eu]");
    let at = |state| went(&planned(&policy, 1000, "/responses", state));
    assert_eq!(at(StateAt::Provider(NEW)).0, NEW);
    assert_eq!(at(StateAt::Provider(THIRD)), (OLD, true, Some(Arm::Stable), Bound::Unknown));
    let plan = planned(&policy, 1000, "/responses", StateAt::Unknown);
    assert_eq!(other_owners(&policy, &plan).collect::<Vec<_>>(), [NEW]);
}

#[test]
fn the_canaries_of_stable_may_keep_what_it_does_not_have() {
    let mut policy = policy("percent: 10%");
    let plan = planned(&policy, 0, "/responses/resp_1", StateAt::Unknown);
    assert_eq!(other_owners(&policy, &plan).collect::<Vec<_>>(), [NEW, THIRD]);
    assert!(fallback_candidates(&policy, &plan, None, "/responses/resp_1", None).is_empty());
    std::sync::Arc::make_mut(&mut policy.providers[1]).unusable = Some("no key".to_owned());
    assert_eq!(other_owners(&policy, &plan).collect::<Vec<_>>(), [THIRD]);
}

//! A plan against the real split, before and after the edit.

use crate::decide::state_at::StateAt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderMap;
use proptest::prelude::*;

use super::compare::plan;
use super::projected::Situation;
use super::*;
use crate::decide::bucket::bucket;
use crate::decide::policy::plain::{self, percent};
use crate::decide::policy::{Canary, Intent, Match, Policy, Rollout, Unmatched, UserSource};
use crate::decide::rollout::identity::identity;
use crate::decide::rollout::state::{Identity, Lock, Phase, RolloutState};
use crate::decide::route::{self, Facts, Purpose, RouteShare};
use crate::decide::units::{Arm, ProviderId, RolloutId, UnixMillis};

const ENDPOINTS: [&str; 3] = ["chat/completions", "embeddings", "messages"];
const NAMES: [&str; 3] = ["chat", "embed", "other"];

fn situation(policy: &Policy, states: Vec<(Identity, RolloutState)>) -> Situation<'_> {
    Situation {
        policy,
        states: states.into_iter().collect(),
        locks: BTreeMap::new(),
        locks_unread: None,
        never_writable: None,
        is_live: true,
        now: UnixMillis(1_000_000),
    }
}

fn providers() -> Vec<crate::decide::policy::Provider> {
    ["a", "b", "c"].map(plain::provider).to_vec()
}

#[derive(Clone, Debug)]
struct Made {
    endpoints: Vec<bool>,
    stable: u16,
    canary: Option<u16>,
    share: u16,
    salt: bool,
    pins: Vec<Option<Arm>>,
}

fn made() -> impl Strategy<Value = Made> {
    let arm = prop_oneof![3 => Just(None), 1 => Just(Some(Arm::Stable)), 1 => Just(Some(Arm::Canary))];
    let share = prop_oneof![Just(0), Just(1), Just(1050), Just(2500), Just(5000), Just(9999), Just(10_000)];
    (
        prop::collection::vec(any::<bool>(), 3),
        0u16..3,
        prop_oneof![1 => Just(None), 4 => (0u16..3).prop_map(Some)],
        share,
        any::<bool>(),
        prop::collection::vec(arm, 4),
    )
        .prop_map(|(endpoints, stable, canary, share, salt, pins)| Made {
            endpoints,
            stable,
            canary,
            share,
            salt,
            pins,
        })
}

fn policy_of(rollouts: &[(usize, Made)], unmatched: Option<u16>) -> Policy {
    let rollout = |(name, made): &(usize, Made)| {
        let endpoints = ENDPOINTS.iter().zip(&made.endpoints).filter(|(_, taken)| **taken);
        let matches = Match {
            endpoints: endpoints.map(|(endpoint, _)| (*endpoint).to_owned()).collect(),
            model: None,
            headers: BTreeMap::new(),
            path: None,
        };
        let share = Percent::from_hundredths(made.share).unwrap();
        let canary = made.canary.filter(|canary| *canary != made.stable).map(|canary| Canary {
            provider: ProviderId(canary),
            percent: Intent::Pinned(share),
            ..plain::canary()
        });
        let pins = made.pins.iter().enumerate().filter_map(|(user, arm)| Some((format!("u{user}"), (*arm)?)));
        Rollout {
            matches,
            canary,
            stable: ProviderId(made.stable),
            salt: if made.salt { "x".to_owned() } else { String::new() },
            pins: pins.collect(),
            user: vec![UserSource::Header("x-user-id".to_owned())],
            ..plain::rollout(NAMES[*name])
        }
    };
    let mut names = BTreeSet::new();
    let unique = rollouts.iter().filter(|(name, _)| names.insert(*name)).map(rollout).collect();
    let mut policy = plain::policy(providers(), unique);
    policy.unmatched = unmatched.map_or(Unmatched::Reject, |id| Unmatched::Provider(ProviderId(id)));
    policy
}

fn policies() -> impl Strategy<Value = Policy> {
    (prop::collection::vec((0usize..3, made()), 0..4), prop::option::of(0u16..3))
        .prop_map(|(rollouts, unmatched)| policy_of(&rollouts, unmatched))
}

/// The rollout and the provider of a request, by the function that routes it.
fn routed(policy: &Policy, endpoint: &str, user: &str) -> (Option<String>, Option<String>) {
    let mut headers = HeaderMap::new();
    headers.insert("x-user-id", user.parse().unwrap());
    let path = format!("/{endpoint}");
    let facts = Facts {
        purpose: Purpose::Generate,
        path: &path,
        query: None,
        headers: &headers,
        body: None,
        bytes: None,
        state: StateAt::Nowhere,
    };
    let share = |id: RolloutId| {
        let percent = match &policy.rollouts[usize::from(id.0)].canary {
            Some(Canary { percent: Intent::Pinned(percent), .. }) => *percent,
            _ => Percent::ZERO,
        };
        RouteShare { percent, buckets_only: percent == Percent::ZERO }
    };
    match route::plan(policy, share, &facts, || 0) {
        Err(_) => (None, None),
        Ok(found) => {
            let rollout = found.rollout.map(|id| policy.rollouts[usize::from(id.0)].name.clone());
            (rollout, Some(policy.provider(found.provider).name.clone()))
        }
    }
}

/// The salt of a rollout that has users on both arms.
fn salt_of(policy: &Policy, rollout: Option<&String>) -> Option<String> {
    let rollout = policy.rollout(rollout?)?;
    let splits = |canary: &Canary| match canary.percent {
        Intent::Pinned(percent) => percent != Percent::ZERO && percent != Percent::ALL,
        Intent::Auto => false,
    };
    rollout.canary.as_ref().is_some_and(splits).then(|| rollout.salt.clone())
}

fn pins_of(policy: &Policy, rollout: Option<&String>, user: &str) -> bool {
    rollout.and_then(|name| policy.rollout(name)).is_some_and(|it| it.canary.is_some() && it.pins.contains_key(user))
}

/// What the plan says of a user whose requests these rollouts take; `None`: shares only.
fn said(
    plan: &Plan,
    takers: (Option<&str>, Option<&str>),
    salt: &str,
    user: &str,
) -> Option<Option<(Option<String>, Option<String>)>> {
    let entry =
        plan.rollouts.iter().find(|entry| (entry.before.rollout.as_deref(), entry.after.rollout.as_deref()) == takers);
    let Some(entry) = entry else { return Some(None) };
    if !entry.users.rehashed.is_empty() {
        return None;
    }
    let bucket = bucket(salt, user.as_bytes()).0;
    let range = entry.users.buckets.iter().find(|range| (range.first..=range.last).contains(&bucket));
    Some(range.map(|range| (range.from.clone(), range.to.clone())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Salt, share, pins, providers, endpoints, order, rollouts that come, go and change places: all at once.
    #[test]
    fn exactly_those_move_whose_provider_differs(old in policies(), new in policies()) {
        let plan = plan(&situation(&old, Vec::new()), &new);
        prop_assert_eq!(&plan.refused, &None);
        for endpoint in ENDPOINTS {
            let (before, _) = routed(&old, endpoint, "anybody");
            let (after, _) = routed(&new, endpoint, "anybody");
            let takers = (before.as_deref(), after.as_deref());
            let mut pinned: BTreeMap<(Option<String>, Option<String>), usize> = BTreeMap::new();
            // Of two salts the one of a real split: where both sides split, the plan names shares only.
            let salt = salt_of(&old, before.as_ref()).or_else(|| salt_of(&new, after.as_ref())).unwrap_or_default();
            for user in (0..40).map(|number| format!("u{number}")) {
                let (was, will) = (routed(&old, endpoint, &user).1, routed(&new, endpoint, &user).1);
                let real = (was != will).then(|| (was.clone(), will.clone()));
                if pins_of(&old, before.as_ref(), &user) || pins_of(&new, after.as_ref(), &user) {
                    if was != will {
                        *pinned.entry((was, will)).or_default() += 1;
                    }
                    continue;
                }
                if let Some(claim) = said(&plan, takers, &salt, &user) {
                    prop_assert_eq!(claim, real, "{} {}, and the plan is {:#?}", endpoint, user, plan);
                }
            }
            let entry = plan.rollouts.iter().find(|entry| {
                (entry.before.rollout.as_deref(), entry.after.rollout.as_deref()) == takers
            });
            let counted = entry.map(|entry| entry.users.pinned.clone()).unwrap_or_default();
            let counted: BTreeMap<_, _> = counted.into_iter().map(|it| ((it.from, it.to), it.users)).collect();
            prop_assert_eq!(counted, pinned);
        }
    }

    #[test]
    fn the_same_file_does_nothing(policy in policies()) {
        let plan = plan(&situation(&policy, Vec::new()), &policy);
        prop_assert!(plan.is_empty() && !plan.moves_anybody(), "{:#?}", plan);
    }
}

proptest! {
    // Each is two thousand users, twice.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Where every user gets another bucket, the shares that are named are those of the real users.
    #[test]
    fn a_new_salt_moves_the_shares_that_are_named(before in 0u16..=10_000, after in 0u16..=10_000) {
        let with = |share: u16, salt: bool| {
            let made = Made { endpoints: vec![true; 3], stable: 0, canary: Some(1), share, salt, pins: Vec::new() };
            policy_of(&[(0, made)], None)
        };
        let (old, new) = (with(before, false), with(after, true));
        let plan = plan(&situation(&old, Vec::new()), &new);
        let users = (0..2000).map(|number| format!("user-{number}"));
        let moved = users.filter(|user| routed(&old, ENDPOINTS[0], user).1 != routed(&new, ENDPOINTS[0], user).1);
        #[expect(clippy::cast_precision_loss, reason = "2000 users")]
        let real = moved.count() as f64 / 2000.0;
        let said = plan.rollouts.first().map_or(0.0, |entry| entry.users.share());
        prop_assert!((real - said).abs() < 0.06, "{} really, {} by the plan", real, said);
    }
}

fn one(edit: impl FnOnce(&mut Rollout)) -> Policy {
    let matches = Match { endpoints: vec!["chat/completions".to_owned()], ..plain::rollout("").matches };
    let canary =
        Canary { ramp: plain::ramp(&[10, 25, 50, 100], crate::decide::units::Millis(1000)), ..plain::canary() };
    let mut rollout = Rollout { canary: Some(canary), matches, ..plain::rollout("chat") };
    edit(&mut rollout);
    plain::policy(providers(), vec![rollout])
}

fn at(policy: &Policy, share: u16, edit: impl FnOnce(&mut RolloutState)) -> Vec<(Identity, RolloutState)> {
    let rollout = &policy.rollouts[0];
    let identity = identity(policy, rollout, rollout.canary.as_ref().unwrap());
    let (percent, new) = (percent(share), RolloutState::new(1, UnixMillis(0)));
    let mut state = RolloutState { phase: Phase::Ramping, percent, in_force: percent, ..new };
    edit(&mut state);
    vec![(identity, state)]
}

fn ranges(plan: &Plan) -> Vec<(u16, u16, &str, &str)> {
    let all = plan.rollouts.iter().flat_map(|entry| &entry.users.buckets);
    all.map(|it| (it.first, it.last, it.from.as_deref().unwrap_or("-"), it.to.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn an_edit_of_guard_or_ramp_moves_nobody_and_begins_fresh_evidence() {
    let old = one(|_| {});
    let rules = |policy: &Policy| {
        let canary = policy.rollouts[0].canary.as_ref().unwrap();
        crate::decide::rollout::rules_fingerprint::rules_fingerprint(&canary.guard, &canary.ramp)
    };
    let states = at(&old, 25, |state| state.judged_by = Some(rules(&old)));
    let new = one(|rollout| rollout.canary.as_mut().unwrap().guard.min_requests = 7);
    let found = plan(&situation(&old, states.clone()), &new);
    assert!(!found.moves_anybody());
    assert_eq!(
        (&found.rollouts[0].begins[..], &found.rollouts[0].edited[..]),
        (&[Begins::Evidence][..], &["guard".to_owned()][..])
    );
    let capped = one(|rollout| rollout.canary.as_mut().unwrap().ramp.max = percent(10));
    assert_eq!(ranges(&plan(&situation(&old, states), &capped)), [(1000, 2499, "b", "a")]);
}

#[test]
fn another_canary_is_another_rollout_at_0_and_a_swap_keeps_users_where_they_are() {
    let old = one(|_| {});
    let states = at(&old, 25, |_| {});
    let other = one(|rollout| rollout.canary.as_mut().unwrap().provider = ProviderId(2));
    let found = plan(&situation(&old, states.clone()), &other);
    assert_eq!(ranges(&found), [(0, 2499, "b", "a")]);
    assert_eq!(found.rollouts[0].begins, [Begins::Rollout]);
    let swapped = one(|rollout| {
        rollout.stable = ProviderId(1);
        let canary = rollout.canary.as_mut().unwrap();
        (canary.provider, canary.percent) = (ProviderId(0), Intent::Pinned(percent(75)));
    });
    assert_eq!(ranges(&plan(&situation(&old, states), &swapped)), [(0, 2499, "b", "a"), (7500, 9999, "a", "b")]);
}

#[test]
fn a_lock_goes_with_the_name_and_an_edit_of_percent_moves_nobody() {
    let old = one(|_| {});
    let lock = Lock { to: Percent::ZERO, at: UnixMillis(1), actor: "ana".into(), reason: String::new() };
    let states = at(&old, 25, |state| (state.lock, state.in_force) = (Some(lock), Percent::ZERO));
    let pinned = |provider: u16| {
        one(|rollout| {
            let canary = rollout.canary.as_mut().unwrap();
            (canary.provider, canary.percent) = (ProviderId(provider), Intent::Pinned(percent(50)));
        })
    };
    let found = plan(&situation(&old, states.clone()), &pinned(1));
    assert!(!found.moves_anybody() && found.rollouts[0].after.percent == Some(Percent::ZERO), "{found:#?}");
    let found = plan(&situation(&old, states.clone()), &pinned(2));
    assert!(!found.moves_anybody());
    assert_eq!(found.rollouts[0].begins, [Begins::Rollout, Begins::LockKept]);
    let stable = one(|rollout| (rollout.stable, rollout.canary) = (ProviderId(1), None));
    let refused = plan(&situation(&old, states), &stable);
    assert!(matches!(refused.refused, Some(ReloadRefusal::RolledBackStable(_))) && !refused.moves_anybody());
}

#[test]
fn a_share_that_is_not_known_is_assumed_where_most_users_would_move() {
    let old = one(|_| {});
    let pinned = one(|rollout| rollout.canary.as_mut().unwrap().percent = Intent::Pinned(percent(25)));
    let unknown = |new: &Policy| plan(&Situation { is_live: false, ..situation(&old, Vec::new()) }, new);
    let found = unknown(&pinned);
    assert_eq!(found.rollouts[0].assumed, Some(percent(100)));
    assert_eq!(ranges(&found), [(2500, 9999, "b", "a")]);
    let guard = one(|rollout| rollout.canary.as_mut().unwrap().guard.min_requests = 7);
    let found = unknown(&guard);
    assert!(!found.moves_anybody() && found.rollouts[0].begins == [Begins::Evidence], "{found:#?}");
    assert_eq!((found.rollouts[0].before.percent, found.rollouts[0].after.percent), (None, None));
    assert!(unknown(&old).is_empty());
}

#[test]
fn requests_of_a_narrower_match_go_elsewhere_and_are_named() {
    let two = |endpoints: &[&str]| {
        one(|rollout| {
            rollout.matches.endpoints = endpoints.iter().map(|it| (*it).to_owned()).collect();
            rollout.canary.as_mut().unwrap().percent = Intent::Pinned(percent(25));
        })
    };
    let mut new = two(&["chat/completions"]);
    new.unmatched = Unmatched::Provider(ProviderId(2));
    let mut old = two(&["chat/completions", "messages"]);
    old.unmatched = Unmatched::Provider(ProviderId(2));
    let found = plan(&situation(&old, Vec::new()), &new);
    assert_eq!(ranges(&found), [(0, 2499, "b", "c"), (2500, 9999, "a", "c")]);
    let gone = found.rollouts.iter().find(|entry| entry.after.rollout.is_none()).unwrap();
    assert_eq!(gone.requests.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["messages"]);
}

#[test]
fn a_plan_comes_back_from_the_disk_as_it_was() {
    let old = one(|_| {});
    let other = one(|rollout| (rollout.salt, rollout.stable) = ("x".to_owned(), ProviderId(2)));
    let mut found = plan(&situation(&old, at(&old, 25, |_| {})), &other);
    found.restart = vec![Warning::FixedEdit { key: "listen".into(), old: Some("a".into()), new: None }];
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), found);
}

#[test]
fn what_is_compared_is_bounded() {
    let many = |percent: u16| {
        let rollouts = (0..MOST_ENTRIES + 5).map(|number| {
            let mut rollout = Arc::unwrap_or_clone(Arc::clone(&one(|_| {}).rollouts[0]));
            rollout.name = format!("r{number}");
            rollout.matches.endpoints = vec![format!("e{number}")];
            rollout.canary.as_mut().unwrap().percent = Intent::Pinned(plain::percent(percent));
            rollout
        });
        plain::policy(providers(), rollouts.collect())
    };
    let found = plan(&situation(&many(10), Vec::new()), &many(20));
    assert_eq!((found.rollouts.len(), found.more), (MOST_ENTRIES, 5));
}

#[test]
fn edited_flags_are_named_and_many_of_them_are_counted_as_one() {
    let with = |names: &[&str]| {
        let mut policy = one(|_| {});
        policy.flags = names.iter().map(|name| ((*name).to_owned(), plain::following(0))).collect();
        policy
    };
    let mut edited = with(&["a", "b", "c"]);
    edited.flags.get_mut("b").unwrap().off = true;
    let settings = |old: &Policy, new: &Policy| plan(&situation(old, Vec::new()), new).settings;
    assert_eq!(settings(&with(&["a", "b", "d"]), &edited), ["flags.b", "flags.c", "flags.d"]);
    assert_eq!(settings(&with(&["a", "b"]), &with(&["a", "b"])), [""; 0]);
    assert_eq!(settings(&with(&[]), &with(&["a", "b", "c", "d", "e", "f"])), ["flags"]);
}

//! The split against what Python says: buckets, and a table of requests with the arm that each must get.
//!
//! The tables lie in golden/split, by generate.py there, which knows the rules and not this code. A case with a `bucket` is
//! planned twice, at that share and a hundredth above, so it passes only if exactly the expected bytes were hashed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../src/decide/policy/plain.rs"]
mod plain;

use std::cell::Cell;
use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde::Deserialize;
use serin::cli::bucket::Split;
use serin::decide::bucket::{bucket, bucket_and_slot};
use serin::decide::policy::*;
use serin::decide::route::{Facts, Plan, Purpose, Rejected, RouteReason, RouteShare, arm_of_user, plan, wanted_fields};
use serin::decide::units::{Arm, Percent, ProviderId, RolloutId, UnixMillis};
use serin::decide::{flag, state_at::StateAt};
use serin::wire::body::{Peek, peek};

const PROVIDERS: [&str; 3] = ["old", "new", "third"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Buckets {
    vectors: Vec<Vector>,
    crowds: Vec<Crowd>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    salt: String,
    user: Vec<(String, usize)>,
    bucket: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crowd {
    salt: String,
    checksum: u64,
    canary: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    requests: Vec<Case>,
    flags: Vec<FlagCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rollouts: Vec<RolloutCase>,
    unmatched: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, String>,
    unmapped: Option<String>,
    draw: Option<u16>,
    request: Request,
    bucket: Option<u16>,
    /// What the slot was hashed of where no bucket chose, its salt first; absent: there is none.
    told_by: Option<String>,
    reason: Option<String>,
    expect: Option<Expected>,
    rejected: Option<String>,
    refused: Option<String>,
    unread: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RolloutCase {
    name: String,
    endpoints: Vec<String>,
    path: Option<String>,
    model: Option<String>,
    headers: BTreeMap<String, String>,
    stable: String,
    canary: Option<String>,
    user: Vec<String>,
    anonymous: String,
    salt: String,
    pins: BTreeMap<String, Arm>,
    force: Option<ForceCase>,
    percent: u16,
    closed: bool,
}

impl Default for RolloutCase {
    fn default() -> RolloutCase {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RolloutCase {
            name: "chat".to_owned(),
            endpoints: texts(&["chat/completions", "completions", "responses", "messages"]),
            path: None,
            model: None,
            headers: BTreeMap::new(),
            stable: "old".to_owned(),
            canary: Some("new".to_owned()),
            user: texts(&[
                "header:x-user-id",
                "body:safety_identifier",
                "body:user",
                "body:metadata.user_id",
                "body:prompt_cache_key",
            ]),
            anonymous: "conversation".to_owned(),
            salt: String::new(),
            pins: BTreeMap::new(),
            force: None,
            percent: 5_000,
            closed: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceCase {
    header: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: Option<String>,
    #[serde(default)]
    upgrade: bool,
    path: Option<String>,
    query: Option<String>,
    #[serde(default)]
    headers: Vec<(String, HeaderCase)>,
    body: Option<Vec<(String, usize)>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderCase {
    Text(String),
    Long(Vec<(String, usize)>),
    Bytes { hex: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rollout: Option<String>,
    arm: Option<Arm>,
    provider: String,
    reason: String,
    counted: bool,
    anonymous: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlagCase {
    rollout: RolloutCase,
    key: Option<String>,
    value: Option<bool>,
    reason: Option<String>,
    error: Option<String>,
}

fn long(parts: &[(String, usize)]) -> String {
    parts.iter().map(|(text, times)| text.repeat(*times)).collect()
}

fn share(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

fn provider_id(name: &str) -> ProviderId {
    let index = PROVIDERS.iter().position(|known| *known == name).unwrap();
    ProviderId(u16::try_from(index).unwrap())
}

fn provider(name: &str, models: BTreeMap<String, String>, unmapped: Unmapped) -> Provider {
    Provider { models, unmapped, ..plain::provider(name) }
}

fn canary(provider: &str, percent: u16) -> Canary {
    Canary { provider: provider_id(provider), percent: Intent::Pinned(share(percent)), ..plain::canary() }
}

fn source(text: &str) -> UserSource {
    match text.split_once(':').unwrap() {
        ("header", name) => UserSource::Header(name.to_owned()),
        ("cookie", name) => UserSource::Cookie(name.to_owned()),
        ("query", name) => UserSource::Query(name.to_owned()),
        ("body", path) => UserSource::Body(path.split('.').map(str::to_owned).collect()),
        (kind, _) => panic!("no such source: {kind}"),
    }
}

fn rollout(case: &RolloutCase) -> Rollout {
    let pattern = |text: &String| Pattern(text.clone());
    Rollout {
        matches: Match {
            endpoints: case.endpoints.clone(),
            model: case.model.as_ref().map(pattern),
            headers: case.headers.iter().map(|(name, text)| (name.clone(), pattern(text))).collect(),
            path: case.path.as_ref().map(pattern),
        },
        stable: provider_id(&case.stable),
        canary: case.canary.as_ref().map(|provider| canary(provider, case.percent)),
        user: case.user.iter().map(|text| source(text)).collect(),
        anonymous: match case.anonymous.as_str() {
            "conversation" => Anonymous::Conversation,
            "random" => Anonymous::Random,
            "stable" => Anonymous::Stable,
            other => panic!("no such policy: {other}"),
        },
        salt: case.salt.clone(),
        pins: case.pins.clone(),
        force: case
            .force
            .as_ref()
            .map(|force| Force { header: force.header.clone(), token: Secret::new(force.token.clone()) }),
        ..plain::rollout(&case.name)
    }
}

fn policy(rollouts: &[RolloutCase], unmatched: &str, providers: Vec<Provider>) -> Policy {
    let unmatched = match unmatched {
        "reject" => Unmatched::Reject,
        name => Unmatched::Provider(provider_id(name)),
    };
    Policy { unmatched, ..plain::policy(providers, rollouts.iter().map(rollout).collect()) }
}

fn headers(case: &[(String, HeaderCase)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in case {
        let bytes = match value {
            HeaderCase::Text(text) => text.clone().into_bytes(),
            HeaderCase::Long(parts) => long(parts).into_bytes(),
            HeaderCase::Bytes { hex } => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
        };
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(&bytes).unwrap());
    }
    headers
}

/// What became of a case, in the words of the table.
fn planned(case: &Case, percent: Option<u16>) -> Result<Plan, String> {
    let usual = [RolloutCase::default()];
    let rollouts = if case.rollouts.is_empty() { &usual } else { case.rollouts.as_slice() };
    let unmapped = match case.unmapped.as_deref() {
        Some("stable") => Unmapped::Stable,
        _ => Unmapped::Pass,
    };
    let providers = vec![
        provider("old", BTreeMap::new(), Unmapped::Pass),
        provider("new", case.models.clone(), unmapped),
        provider("third", BTreeMap::new(), Unmapped::Pass),
    ];
    let policy = policy(rollouts, case.unmatched.as_deref().unwrap_or("old"), providers);
    let in_force = |id: RolloutId| {
        let rollout = &rollouts[usize::from(id.0)];
        RouteShare { percent: share(percent.unwrap_or(rollout.percent)), buckets_only: rollout.closed }
    };
    let headers = headers(&case.request.headers);
    let wanted = wanted_fields(&policy);
    let body = case.request.body.as_ref().map(|parts| long(parts));
    let peeked = match &body {
        Some(body) => Some(peek(body.as_bytes(), &wanted).map_err(|error| error.to_string())?),
        None => None,
    };
    let bound = peeked.as_ref().is_some_and(Peek::is_state_bearing);
    let method: Method = case.request.method.as_deref().unwrap_or("POST").parse().unwrap();
    let facts = Facts {
        purpose: Purpose::of(&method, case.request.upgrade),
        path: case.request.path.as_deref().unwrap_or("/chat/completions"),
        query: case.request.query.as_deref(),
        headers: &headers,
        body: peeked.as_ref(),
        bytes: body.as_deref().map(str::as_bytes),
        state: [StateAt::Nowhere, StateAt::Unknown][usize::from(bound)],
    };
    let drew = Cell::new(false);
    let draw = || {
        drew.set(true);
        case.draw.unwrap_or_else(|| panic!("{}: chance was asked", case.name))
    };
    let planned = plan(&policy, in_force, &facts, draw).map_err(|rejected: Rejected| rejected.to_string())?;
    assert_eq!(drew.get(), planned.reason == RouteReason::Drawn, "{}", case.name);
    match (&case.told_by, planned.reason) {
        (Some(text), _) => assert_eq!(planned.slot, Some(bucket_and_slot("", text.as_bytes()).slot), "{}", case.name),
        (None, RouteReason::Bucket | RouteReason::Conversation) => assert!(planned.slot.is_some(), "{}", case.name),
        (None, _) => assert_eq!(planned.slot, None, "{}", case.name),
    }
    if planned.arm == Some(Arm::Canary) {
        let back = planned.back_on_stable(&policy, RouteReason::Unmapped);
        let stable = rollouts[usize::from(planned.rollout.unwrap().0)].stable.as_str();
        assert_eq!((back.arm, back.provider, back.counted), (Some(Arm::Stable), provider_id(stable), false));
    }
    Ok(planned)
}

fn check(case: &Case) {
    let name = &case.name;
    if let Some(bucket) = case.bucket {
        let at = planned(case, Some(bucket)).unwrap();
        let above = planned(case, Some(bucket + 1)).unwrap();
        assert_eq!((at.arm, above.arm), (Some(Arm::Stable), Some(Arm::Canary)), "{name}: another bucket than {bucket}");
        assert_eq!((at.provider, above.provider), (provider_id("old"), provider_id("new")), "{name}");
        let reason = case.reason.as_deref().unwrap_or("bucket");
        assert_eq!((at.reason.as_str(), above.reason.as_str()), (reason, reason), "{name}");
        assert!(at.counted && above.counted, "{name}");
        assert_eq!(at.anonymous, reason != "bucket", "{name}");
    } else if let Some(expected) = &case.expect {
        let plan = planned(case, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let usual = RolloutCase::default();
        let named = |id: RolloutId| case.rollouts.get(usize::from(id.0)).unwrap_or(&usual).name.as_str();
        assert_eq!(plan.rollout.map(named), expected.rollout.as_deref(), "{name}");
        assert_eq!(plan.arm, expected.arm, "{name}");
        assert_eq!(plan.provider, provider_id(&expected.provider), "{name}");
        assert_eq!(plan.reason.as_str(), expected.reason, "{name}");
        assert_eq!((plan.counted, plan.anonymous), (expected.counted, expected.anonymous), "{name}");
    } else {
        let unread = case.unread.as_ref().map(|why| format!("the request body is not a JSON object: {why}"));
        let message = case.rejected.clone().or_else(|| case.refused.clone()).or(unread);
        assert_eq!(planned(case, None).unwrap_err(), message.unwrap(), "{name}");
    }
}

#[test]
fn every_request_goes_where_the_table_says() {
    let cases: Cases = serde_json::from_str(include_str!("golden/split/cases.json")).unwrap();
    assert!(cases.requests.len() > 150, "the table was cut short");
    cases.requests.iter().for_each(check);
}

fn of_key(key: Option<&str>) -> Attributes {
    key.map(|key| (flag::TARGETING_KEY.to_owned(), key.into())).into_iter().collect()
}

const ON: FlagValue = FlagValue::Boolean(true);

#[test]
fn a_flag_says_what_the_split_does() {
    let cases: Cases = serde_json::from_str(include_str!("golden/split/cases.json")).unwrap();
    let flag = plain::following(0);
    // Of a rollout that is not there the reader of the file tells.
    for case in cases.flags.iter().filter(|case| case.rollout.name == "chat") {
        let policy = policy(std::slice::from_ref(&case.rollout), "old", PROVIDERS.map(plain::provider).to_vec());
        let in_force = |_| RouteShare { percent: share(case.rollout.percent), buckets_only: case.rollout.closed };
        let result = flag::evaluate(&policy, &flag, in_force, &of_key(case.key.as_deref()), UnixMillis(0))
            .map(|found| (found.variant.value == ON, found.reason().as_str()));
        let expected = match (&case.error, case.value, case.reason.as_deref()) {
            (Some(error), _, _) => Err(error.clone()),
            (None, Some(value), Some(reason)) => Ok((value, reason)),
            _ => panic!("a case without an outcome"),
        };
        let user = case.key.as_deref().unwrap_or("nobody");
        assert_eq!(result.map_err(|error| error.to_string()), expected, "{user} at {}", case.rollout.percent);
    }
}

#[test]
fn the_command_takes_a_rollouts_split_from_the_file() {
    let case = |name: &str, canary: Option<&str>| RolloutCase {
        name: name.to_owned(),
        canary: canary.map(str::to_owned),
        salt: "s".to_owned(),
        pins: BTreeMap::from([("vip".to_owned(), Arm::Stable)]),
        ..RolloutCase::default()
    };
    let policy = policy(&[case("chat", Some("new")), case("plain", None)], "old", Vec::new());
    let expected = Split {
        salt: "s".to_owned(),
        percent: Some(share(5_000)),
        pins: BTreeMap::from([("vip".to_owned(), Arm::Stable)]),
        buckets_only: false,
    };
    assert_eq!(Split::of_rollout(&policy, "chat").unwrap(), expected);
    let error = |name: &str| Split::of_rollout(&policy, name).unwrap_err().to_string();
    assert_eq!(error("caht"), "there is no rollout named `caht`; there are: chat, plain");
    assert_eq!(error("plain"), "rollout `plain` is a plain route without a canary; it splits no users");
}

#[test]
fn every_bucket_is_what_python_computes() {
    let buckets: Buckets = serde_json::from_str(include_str!("golden/split/buckets.json")).unwrap();
    for vector in &buckets.vectors {
        let user = long(&vector.user);
        assert_eq!(bucket(&vector.salt, user.as_bytes()).0, vector.bucket, "{:?} + {:?}", vector.salt, vector.user);
    }
}

#[test]
fn a_crowd_of_100_000_splits_as_python_splits_it() {
    let buckets: Buckets = serde_json::from_str(include_str!("golden/split/buckets.json")).unwrap();
    for crowd in &buckets.crowds {
        let found: Vec<_> = (0..100_000).map(|n| bucket(&crowd.salt, format!("user-{n}").as_bytes())).collect();
        let sum = (1u64..).zip(&found).fold(0u64, |sum, (n, bucket)| sum.wrapping_add(n * u64::from(bucket.0)));
        assert_eq!(sum, crowd.checksum);
        for (percent, expected) in &crowd.canary {
            let percent = share(percent.parse().unwrap());
            assert_eq!(found.iter().filter(|bucket| bucket.is_below(percent)).count(), *expected, "{percent}");
        }
    }
}

proptest! {
    #[test]
    fn raising_the_share_only_moves_users_to_the_canary(user in "[a-c]{1,3}|.{1,20}", low in 0u16..=10_000, high in 0u16..=10_000) {
        let pins = BTreeMap::from([("a".to_owned(), Arm::Stable), ("b".to_owned(), Arm::Canary)]);
        let arm = |percent| {
            let share = RouteShare { percent: share(percent), buckets_only: false };
            arm_of_user("s", &pins, share, Some(user.as_bytes())).unwrap().0
        };
        prop_assert_eq!(arm(low), arm(low));
        prop_assert!(arm(low.min(high)) == Arm::Stable || arm(low.max(high)) == Arm::Canary);
    }

    #[test]
    fn a_flag_is_true_for_exactly_the_users_on_the_canary(user in "[a-c]{1,2}|[!-~]{1,20}", percent in 0u16..=10_000, closed: bool) {
        let case = RolloutCase {
            anonymous: "stable".to_owned(),
            pins: BTreeMap::from([("a".to_owned(), Arm::Stable), ("b".to_owned(), Arm::Canary)]),
            ..RolloutCase::default()
        };
        let providers = PROVIDERS.map(|name| provider(name, BTreeMap::new(), Unmapped::Pass));
        let policy = policy(&[case], "old", providers.to_vec());
        let in_force = |_| RouteShare { percent: share(percent), buckets_only: closed };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-user-id"), user.parse::<HeaderValue>().unwrap())]);
        let (purpose, state) = (Purpose::Generate, StateAt::Nowhere);
        let facts = Facts { purpose, path: "/responses", query: None, headers: &headers, body: None, bytes: None, state };
        let planned = plan(&policy, in_force, &facts, || 0).unwrap();
        let flag = plain::following(0);
        match flag::evaluate(&policy, &flag, in_force, &of_key(Some(&user)), UnixMillis(0)) {
            Ok(found) => prop_assert_eq!(found.variant.value == ON, planned.arm == Some(Arm::Canary)),
            Err(_) => prop_assert_eq!(planned.reason, RouteReason::Anonymous),
        }
    }
}

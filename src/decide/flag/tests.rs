//! What a flag serves to whom, and that a split does what it promises.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decide::policy::{Comparison, Condition, FlagRule, FlagType, FlagValue, Scalar, plain};
use crate::decide::units::ProviderId;

fn attributes(context: Value) -> Attributes {
    match context {
        Value::Object(context) => context,
        _ => Attributes::new(),
    }
}

fn percent(hundredths: u16) -> Percent {
    Percent::from_hundredths(hundredths).unwrap()
}

/// Three texts, `a`, `b` and `c`; `c` for whom no rule serves.
fn flag(rules: Vec<FlagRule>) -> Flag {
    let variant = |name: &str| Variant { name: name.to_owned(), value: FlagValue::String(name.to_uppercase()) };
    Flag {
        flag_type: FlagType::String,
        variants: ["a", "b", "c"].map(variant).into(),
        rules,
        otherwise: Serve::Variant(VariantId(2)),
        off_variant: VariantId(1),
        salt: "f".to_owned(),
        ..plain::following(0)
    }
}

fn rule(condition: Option<Condition>, serve: Serve) -> FlagRule {
    FlagRule { condition, serve }
}

fn when(name: &str, comparisons: Vec<Comparison>) -> Condition {
    Condition::Attribute { name: name.to_owned(), comparisons }
}

fn is(value: Scalar) -> Comparison {
    Comparison::In(vec![value])
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

/// Variant and reason of a flag that follows nothing.
fn found(flag: &Flag, context: Value, now: u64) -> Result<(String, &'static str), FlagError> {
    let policy = plain::policy(Vec::new(), Vec::new());
    let share = |_| RouteShare { percent: Percent::ZERO, buckets_only: false };
    let evaluation = evaluate(&policy, flag, share, &attributes(context), UnixMillis(now))?;
    Ok((evaluation.variant.name.clone(), evaluation.reason().as_str()))
}

fn holds(condition: Condition, context: Value) -> bool {
    let flag = flag(vec![rule(Some(condition), Serve::Variant(VariantId(0)))]);
    found(&flag, context, 0).unwrap().0 == "a"
}

#[test]
fn the_first_rule_that_holds_serves() {
    let pro = || Some(when("plan", vec![is(text("pro"))]));
    let halves = Serve::Split(vec![(percent(5000), VariantId(0)), (Percent::ALL, VariantId(1))]);
    let ruled = flag(vec![
        rule(pro(), Serve::Variant(VariantId(0))),
        rule(pro(), Serve::Variant(VariantId(1))),
        rule(Some(when("beta", vec![is(Scalar::Boolean(true))])), halves.clone()),
    ]);
    assert_eq!(found(&ruled, json!({"plan": "pro"}), 0), Ok(("a".into(), "TARGETING_MATCH")));
    assert_eq!(found(&ruled, json!({"plan": "free"}), 0), Ok(("c".into(), "UNKNOWN")));
    // md5("fuser-3") lies in bucket 4240, md5("fuser-1") in 9212.
    assert_eq!(found(&ruled, json!({"beta": true, "targetingKey": "user-3"}), 0), Ok(("a".into(), "SPLIT")));
    assert_eq!(found(&ruled, json!({"beta": true, "targetingKey": "user-1"}), 0), Ok(("b".into(), "SPLIT")));
    assert_eq!(found(&ruled, json!({"beta": true}), 0), Err(FlagError::SplitNeedsUser));
    assert_eq!(found(&ruled, json!({"beta": true, "targetingKey": "anonymous"}), 0), Err(FlagError::SplitNeedsUser));
    assert_eq!(found(&flag(Vec::new()), json!({}), 0), Ok(("c".into(), "STATIC")));
    assert_eq!(found(&flag(vec![rule(None, halves)]), json!({"targetingKey": "user-1"}), 0).unwrap().1, "SPLIT");
}

#[test]
fn a_flag_that_is_off_or_out_of_its_time_serves_its_off_variant() {
    let off = ("b".to_owned(), "DISABLED");
    assert_eq!(found(&Flag { off: true, ..flag(Vec::new()) }, json!({}), 0), Ok(off.clone()));
    let timed = Flag { from: Some(UnixMillis(10)), until: Some(UnixMillis(20)), ..flag(Vec::new()) };
    assert_eq!([9, 20].map(|now| found(&timed, json!({}), now)), [Ok(off.clone()), Ok(off)]);
    assert_eq!([10, 19].map(|now| found(&timed, json!({}), now).unwrap().1), ["STATIC", "STATIC"]);
    // It needs no user where it would need one otherwise.
    let split = Serve::Split(vec![(Percent::ALL, VariantId(0))]);
    assert!(found(&Flag { off: true, otherwise: split, ..flag(Vec::new()) }, json!({}), 0).is_ok());
}

#[test]
fn types_are_compared_strictly_and_what_is_missing_holds_never() {
    let five = || when("n", vec![is(Scalar::Number(5.0))]);
    assert!(holds(five(), json!({"n": 5})) && holds(five(), json!({"n": 5.0})));
    for other in [json!({"n": "5"}), json!({"n": true}), json!({"n": [5]}), json!({"n": null}), json!({})] {
        assert!(!holds(five(), other.clone()), "{other}");
        assert!(holds(Condition::Not(Box::new(five())), other));
    }
    assert!(!holds(when("n", vec![is(text("5"))]), json!({"n": 5})));
    assert!(!holds(when("n", vec![is(Scalar::Boolean(true))]), json!({"n": 1})));
    for comparison in
        [Comparison::Below(9.0), Comparison::AtMost(9.0), Comparison::Above(1.0), Comparison::AtLeast(1.0)]
    {
        assert!(holds(when("n", vec![comparison.clone()]), json!({"n": 5})));
        assert!(!holds(when("n", vec![comparison]), json!({"n": "5"})));
    }
}

#[test]
fn bounds_are_inside_where_they_say_so() {
    let at = |comparison: Comparison| holds(when("n", vec![comparison]), json!({"n": 5}));
    assert_eq!([Comparison::Below(5.0), Comparison::AtMost(5.0)].map(at), [false, true]);
    let at = |comparison: Comparison| holds(when("n", vec![comparison]), json!({"n": 5}));
    assert_eq!([Comparison::Above(5.0), Comparison::AtLeast(5.0)].map(at), [false, true]);
    let at = |comparison: Comparison| holds(when("t", vec![comparison]), json!({"t": "1970-01-01T00:00:01Z"}));
    assert_eq!([Comparison::Before(UnixMillis(1000)), Comparison::Before(UnixMillis(1001))].map(at), [false, true]);
    let at = |comparison: Comparison| holds(when("t", vec![comparison]), json!({"t": 1}));
    assert_eq!([Comparison::After(UnixMillis(1000)), Comparison::After(UnixMillis(999))].map(at), [false, true]);
}

#[test]
fn texts_are_compared_at_their_ends_and_all_comparisons_must_pass() {
    let mail = |ends: &[&str]| Comparison::EndsWith(ends.iter().map(|end| (*end).to_owned()).collect());
    let starts = Comparison::StartsWith(vec!["qa-".to_owned()]);
    let both = when("targetingKey", vec![starts, mail(&["@a.test", "@b.test"])]);
    assert!(holds(both.clone(), json!({"targetingKey": "qa-1@b.test"})));
    assert!(!holds(both.clone(), json!({"targetingKey": "qa-1@c.test"})));
    assert!(!holds(both, json!({"targetingKey": "1@b.test"})));
}

#[test]
fn dots_lead_into_objects_unless_the_name_itself_has_them() {
    let pro = || when("account.plan.name", vec![is(text("pro"))]);
    assert!(holds(pro(), json!({"account": {"plan": {"name": "pro"}}})));
    assert!(holds(pro(), json!({"account.plan.name": "pro", "account": 1})));
    assert!(!holds(pro(), json!({"account": {"plan": "pro"}})));
}

#[test]
fn all_any_and_not_combine() {
    let (yes, no) = (|| when("a", vec![is(text("x"))]), || when("b", vec![is(text("x"))]));
    let context = || json!({"a": "x"});
    assert!(
        !holds(Condition::All(vec![yes(), no()]), context()) && holds(Condition::All(vec![yes(), yes()]), context())
    );
    assert!(holds(Condition::Any(vec![no(), yes()]), context()) && !holds(Condition::Any(vec![no(), no()]), context()));
    assert!(!holds(Condition::Any(Vec::new()), context()));
}

fn shares() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(0u16..=10_000, 0..3).prop_map(|mut ends| {
        ends.sort_unstable();
        ends.push(10_000);
        ends
    })
}

fn split_of(ends: &[u16]) -> Flag {
    let ends = (0..).zip(ends).map(|(index, end)| (percent(*end), VariantId(index))).collect();
    Flag { otherwise: Serve::Split(ends), ..flag(Vec::new()) }
}

proptest! {
    #[test]
    fn everybody_is_served_by_the_share_that_holds_the_bucket(user in "[!-~]{6,20}", ends in shares()) {
        let (name, _) = found(&split_of(&ends), json!({"targetingKey": user}), 0).unwrap();
        let bucket = bucket("f", user.as_bytes()).0;
        let index = ends.iter().position(|end| bucket < *end).unwrap();
        prop_assert_eq!(name, ["a", "b", "c"][index]);
    }

    #[test]
    fn raising_the_first_share_only_adds_users_to_it(user in "[!-~]{6,20}", low in 0u16..=10_000, high in 0u16..=10_000) {
        let first = |end| found(&split_of(&[end, 10_000]), json!({"targetingKey": user}), 0).unwrap().0 == "a";
        prop_assert!(!first(low.min(high)) || first(low.max(high)));
    }

    #[test]
    fn a_flag_follows_its_rollout_for_every_user(user in "[a-c]{1,2}|[!-~]{1,20}", share in 0u16..=10_000, closed: bool) {
        let pins = [("a".to_owned(), Arm::Stable), ("b".to_owned(), Arm::Canary)].into();
        let canary = Some(crate::decide::policy::Canary { provider: ProviderId(1), ..plain::canary() });
        let rollout = crate::decide::policy::Rollout { pins, canary, ..plain::rollout("chat") };
        let policy = plain::policy(vec![plain::provider("old"), plain::provider("new")], vec![rollout]);
        let in_force = RouteShare { percent: percent(share), buckets_only: closed };
        let flag = Flag {
            otherwise: Serve::Follow { rollout: RolloutId(0), canary: VariantId(0), stable: VariantId(1) },
            ..flag(Vec::new())
        };
        let context = attributes(json!({"targetingKey": user}));
        let arm = arm_of_user("", &policy.rollouts[0].pins, in_force, Some(user.as_bytes()).filter(|id| !is_placeholder(id)));
        match evaluate(&policy, &flag, |_| in_force, &context, UnixMillis(0)) {
            Ok(found) => prop_assert_eq!(found.variant.name == "a", arm.unwrap().0 == Arm::Canary),
            Err(error) => {
                prop_assert_eq!(arm, None);
                prop_assert_eq!(error, FlagError::RolloutNeedsUser { rollout: "chat".to_owned() });
            }
        }
    }
}

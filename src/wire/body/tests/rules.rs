//! Field rules against a plain reading of them, rule by rule on a tree, and what they must leave alone.

use super::*;

/// JSON with its members in order, all of them, and everything but objects as it was written.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Raw(String),
    Object(Members),
}

type Members = Vec<(String, Tree)>;

struct InOrder;

impl<'de> serde::de::Visitor<'de> for InOrder {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &serde_json::value::RawValue>()? {
            members.push((key, tree(value.get())));
        }
        Ok(members)
    }
}

fn tree(raw: &str) -> Tree {
    use serde::de::Deserializer;
    if raw.trim_start().starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(raw);
        let members = json.deserialize_map(InOrder).unwrap();
        json.end().unwrap();
        Tree::Object(members)
    } else {
        Tree::Raw(raw.to_owned())
    }
}

impl Tree {
    /// Calls with the members of every object that this path leads to.
    fn each(&mut self, path: &[String], change: &mut dyn FnMut(&mut Members)) {
        let Tree::Object(members) = self else { return };
        match path.split_first() {
            None => change(members),
            Some((first, rest)) => {
                members.iter_mut().filter(|(key, _)| key == first).for_each(|(_, value)| value.each(rest, change));
            }
        }
    }

    fn set(&mut self, path: &[String], value: &str) {
        let Tree::Object(members) = self else { return };
        let (first, rest) = path.split_first().unwrap();
        if members.iter().all(|(key, _)| key != first) {
            members.push((first.clone(), Tree::Object(Vec::new())));
        }
        if rest.is_empty() {
            leave_last(members, first).1 = tree(value);
        } else {
            members.iter_mut().filter(|(key, _)| key == first).for_each(|(_, below)| below.set(rest, value));
        }
    }

    fn apply(&mut self, rules: &FieldRules) {
        for (path, new) in &rules.rename {
            let (old, parents) = path.split_last().unwrap();
            self.each(parents, &mut |members| {
                let has = |members: &[(String, Tree)], key: &String| members.iter().any(|(known, _)| known == key);
                if old == new || !has(members, old) {
                } else if has(members, new) {
                    members.retain(|(key, _)| key != old);
                } else {
                    leave_last(members, old).0.clone_from(new);
                }
            });
        }
        for path in &rules.drop {
            let (last, parents) = path.split_last().unwrap();
            self.each(parents, &mut |members| members.retain(|(key, _)| key != last));
        }
        for (path, value) in &rules.set {
            self.set(path, value);
        }
        for (path, most) in &rules.max {
            let (last, parents) = path.split_last().unwrap();
            self.each(parents, &mut |members| {
                for (_, value) in members.iter_mut().filter(|(key, _)| key == last) {
                    let Tree::Raw(raw) = value else { continue };
                    if matches!(serde_json::from_str(raw), Ok(Value::Number(number)) if number.as_f64().unwrap() > *most) {
                        *raw = most.to_string();
                    }
                }
            });
        }
    }
}

fn leave_last<'m>(members: &'m mut Members, key: &str) -> &'m mut (String, Tree) {
    while members.iter().filter(|(known, _)| known == key).count() > 1 {
        let first = members.iter().position(|(known, _)| known == key).unwrap();
        members.remove(first);
    }
    members.iter_mut().find(|(known, _)| known == key).unwrap()
}

const KEYS: [&str; 6] = ["a", "b", "c", "é", "a\"b\\c", ""];

/// Few keys, so that they often meet, and several of one.
fn crowded() -> impl Strategy<Value = Vec<(String, Json)>> {
    let plain = prop_oneof![
        prop_oneof![Just(Value::Null), (-9..9_i64).prop_map(Value::from), (-9.0..9.0).prop_map(Value::from)]
            .prop_map(Json::Plain),
        "[a\"\\\\{},:é]{0,4}".prop_map(Json::Text),
    ];
    let members = |inner: BoxedStrategy<Json>| {
        let key = proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
        proptest::collection::vec((key, inner), 0..7)
    };
    let json = plain.prop_recursive(3, 40, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            3 => members(inner.boxed()).prop_map(Json::Object),
        ]
    });
    members(json.boxed())
}

fn rules() -> impl Strategy<Value = FieldRules> {
    fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<(Vec<String>, T)>> {
        let key = proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
        proptest::collection::vec((proptest::collection::vec(key, 1..4), of), 0..4)
    }
    let value =
        proptest::sample::select(vec!["7", "\"s\"", "null", "{\"a\":{\"b\": 8.5},\"c\" :9}", "[{\"a\":1}]", "{ }"]);
    (
        some(proptest::sample::select(KEYS.to_vec()).prop_map(str::to_owned)),
        some(Just(())),
        some(value.prop_map(str::to_owned)),
        some((-9..9_i8).prop_map(|most| f64::from(most) / 2.0)),
    )
        .prop_map(|(rename, drop, set, max)| FieldRules {
            rename,
            drop: drop.into_iter().map(|(path, ())| path).collect(),
            set,
            max,
        })
}

fn after(body: &str, rules: &FieldRules) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let wanted = Wanted::new([], false);
    String::from_utf8(rewrite(&body, &peek(&body, &wanted).unwrap(), None, rules).to_vec()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn rules_do_what_they_say(body in crowded(), dice in proptest::collection::vec(any::<u8>(), 1..40), rules in rules()) {
        let body = written(&body, &dice);
        let mut expected = tree(&body);
        expected.apply(&rules);
        let after = after(&body, &rules);
        prop_assert_eq!(tree(&after), expected, "{} became {}", body, after);
    }

    #[test]
    fn what_no_rule_names_stays_byte_for_byte(
        members in proptest::collection::vec(crowded(), 3),
        dice in proptest::collection::vec(any::<u8>(), 1..40),
        mut rules in rules(),
    ) {
        let paths = rules.rename.iter_mut().map(|(path, _)| path).chain(&mut rules.drop);
        let paths = paths.chain(rules.set.iter_mut().map(|(path, _)| path)).chain(rules.max.iter_mut().map(|(path, _)| path));
        for path in paths {
            path.insert(0, "named".to_owned());
        }
        let [before, named, behind] = [0, 1, 2].map(|n| written(&members[n], &dice));
        let (before, behind) = (format!("\n{{ \"a\" :{before}, \"n\\u0061med\"\t: "), format!(" ,\"a\":{behind}\r\n}} "));
        let after = after(&format!("{before}{named}{behind}"), &rules);
        prop_assert!(after.starts_with(before.trim_end()) && after.ends_with(behind.trim_start()), "{}", after);
    }

    #[test]
    fn no_bytes_make_rules_panic(text in "[{}\\[\\]\":,\\\\a-c0-9 ]{0,60}", garbage: Vec<u8>, rules in rules()) {
        let steps = super::apply_rules::steps(None, &rules);
        let _ = super::apply_rules::rewritten(&garbage, &steps);
        let _ = super::apply_rules::rewritten(text.as_bytes(), &steps);
        let _ = super::apply_rules::rewritten(format!("{{\"a\":{text}").as_bytes(), &steps);
    }
}

fn dropping(paths: &[&str]) -> FieldRules {
    FieldRules { drop: paths.iter().map(|text| path(text)).collect(), ..FieldRules::default() }
}

#[test]
fn a_body_to_which_nothing_applies_is_not_copied() {
    let body = Bytes::from_static(br#"{"model":"gpt-4","a":{"b":1}}"#);
    let wanted = Wanted::new([], false);
    let peeked = peek(&body, &wanted).unwrap();
    let one = |path: &str, value: &str| vec![(self::path(path), value.to_owned())];
    for rules in [
        FieldRules::default(),
        dropping(&["x", "a.x", "a.b.c", "model.x"]),
        FieldRules { rename: one("x", "y"), ..FieldRules::default() },
        FieldRules { rename: one("a.b", "b"), ..FieldRules::default() },
        FieldRules { set: one("a.b", "1"), ..FieldRules::default() },
        FieldRules { set: one("model.x", "1"), ..FieldRules::default() },
        FieldRules {
            max: vec![(path("a.b"), 1.0), (path("model"), 0.0), (path("a"), f64::NAN)],
            ..FieldRules::default()
        },
    ] {
        for model in [None, Some("gpt-4")] {
            assert_eq!(rewrite(&body, &peeked, model, &rules).as_ptr(), body.as_ptr(), "{rules:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_neither_stop_the_rules_nor_change() {
    let body = Bytes::from_static(b"{\"a\":\"\xff\",\"\xfe\":\"\xff\\\"\" , \"b\":[\"\xfd\"]}");
    let wanted = Wanted::new([], false);
    let after = rewrite(&body, &peek(&body, &wanted).unwrap(), None, &dropping(&["a", "b"]));
    assert_eq!(&after[..], b"{\"\xfe\":\"\xff\\\"\"}");
}

#[test]
fn many_members_of_one_key_cost_no_more_than_their_number() {
    let body = format!("{{{}\"b\":1}}", "\"a\":{\"a\":1},".repeat(200_000));
    assert_eq!(after(&body, &dropping(&["a"])), r#"{"b":1}"#);
    assert_eq!(after(&body, &dropping(&["a.a"])), body.replace("{\"a\":1}", "{}"));
}

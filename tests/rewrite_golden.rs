//! Field rules against what Python says: bodies, rules, and every byte of what must come out.
//!
//! The table lies in golden/rewrite and is written by generate.py there, which knows the rules and not this code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use serde::Deserialize;

use serin::wire::body::{FieldRules, Wanted, peek, rewrite};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    body: String,
    model: Option<String>,
    rules: Rules,
    expect: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    rename: Vec<(Vec<String>, String)>,
    drop: Vec<Vec<String>>,
    set: Vec<(Vec<String>, String)>,
    max: Vec<(Vec<String>, f64)>,
}

fn rewritten(body: &Bytes, model: Option<&str>, rules: &Rules) -> Bytes {
    let Rules { rename, drop, set, max } = rules.clone();
    let wanted = Wanted::new([], true);
    rewrite(body, &peek(body, &wanted).unwrap(), model, &FieldRules { rename, drop, set, max })
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("golden/rewrite/cases.json")).unwrap()
}

#[test]
fn every_byte_is_as_python_says() {
    let cases = cases();
    assert!(cases.len() >= 200);
    for (index, Case { body, model, rules, expect }) in cases.into_iter().enumerate() {
        let before = Bytes::from(body.clone());
        let after = rewritten(&before, model.as_deref(), &rules);
        assert_eq!(String::from_utf8_lossy(&after), expect, "case {index}: {body}");
        if body == expect {
            assert_eq!(after.as_ptr(), before.as_ptr(), "case {index} was copied: {body}");
        }
    }
}

/// The same bodies as a member of one that has a list of 1 MiB before it and a value 10,000 deep behind it.
#[test]
fn size_and_depth_change_nothing() {
    let large = "{\"w\":\"\\\"}\"} , ".repeat((1 << 20) / 15);
    let deep = format!("{}0{}", "[{\"w\":".repeat(5_000), "}]".repeat(5_000));
    let around = |inner: &str| format!("{{\"large\":[{large}{{}}],\"w\":{inner},\"deep\":{deep}}}");
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.model.is_none()).step_by(7).collect();
    assert!(cases.len() > 20);
    for Case { body, mut rules, expect, .. } in cases {
        let Rules { rename, drop, set, max } = &mut rules;
        let renamed = rename.iter_mut().map(|(path, _)| path);
        let rest = set.iter_mut().map(|(path, _)| path).chain(max.iter_mut().map(|(path, _)| path));
        for path in renamed.chain(drop).chain(rest) {
            path.insert(0, "w".to_owned());
        }
        let after = rewritten(&Bytes::from(around(&body)), None, &rules);
        assert!(after == around(&expect), "{body}");
    }
}

//! The files that are shipped agree with the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::decide::units::RolloutId;
use crate::flags::compile::compile;
use crate::flags::{Environment, later, schema};

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_schema_is_the_code_s() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/flags.schema.json");
    if std::env::var_os("SERIN_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, schema::text()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), schema::text(), "write it anew with `serin schema`");
}

#[test]
fn the_example_is_accepted_without_secrets_and_without_a_word() {
    let text = shipped("flags.yaml");
    let compiled = compile(&text, &Environment::without_secrets()).unwrap();
    assert_eq!(compiled.warnings, Vec::<String>::new());
    assert_eq!(&*compiled.shown, text);
    let policy = compiled.policy;
    let canary = policy.rollouts[0].canary.as_ref().unwrap();
    let stages: Vec<String> = canary.ramp.stages.iter().map(ToString::to_string).collect();
    assert_eq!(stages, ["10%", "25%", "40%", "55%", "70%", "85%", "100%"]);
    assert_eq!((canary.ramp.hold_start.0, canary.ramp.every.0), (7 * 86_400_000, 86_400_000));
    assert_eq!(policy.flags["new-prompt"].follows(), Some(RolloutId(0)));
    assert_eq!(policy.providers[1].models["gpt-4o"], "deepseek-chat");
}

#[test]
fn the_printed_defaults_are_what_an_empty_key_means() {
    let printed = schema::defaults().replace("NAME:", "chat:");
    let named = |printed: &str| {
        printed
            .replace("    # base_url: https://api.openai.com/v1\n", "    base_url: https://api.openai.com/v1\n")
            .replace("    # stable: openai\n", "    stable: chat\n")
            .replace("    # canary: holysheep\n", "    canary: other\n")
            .replace("    # percent: auto\n", "    percent: auto\n")
            .replace("providers:\n", "providers:\n  other: { base_url: http://localhost }\n")
    };
    let full = compile(&named(&printed), &Environment::of(BTreeMap::new()));
    let full = full.unwrap_or_else(|errors| panic!("{printed}\n{}", crate::flags::render(&errors, "defaults")));
    let brief = "providers:\n  other: { base_url: http://localhost }\n  chat: { base_url: https://api.openai.com/v1 }\n\
                 rollouts: [{ name: chat, stable: chat, canary: other, percent: auto }]\n";
    let brief = compile(brief, &Environment::of(BTreeMap::new())).unwrap();
    assert_eq!(format!("{:#?}", full.policy), format!("{:#?}", brief.policy));
}

fn each_object(schema: &Value, place: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    let Some(object) = schema.as_object() else { return };
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        visit(place, object);
        for (name, inner) in properties {
            each_object(inner, &if place.is_empty() { name.clone() } else { format!("{place}.{name}") }, visit);
        }
    }
    if let Some(inner) = object.get("additionalProperties") {
        each_object(inner, &format!("{place}.*"), visit);
    }
    if let Some(inner) = object.get("items") {
        each_object(inner, &format!("{place}[]"), visit);
    }
}

#[test]
fn every_key_has_a_description_and_an_example_and_no_map_takes_others() {
    let mut keys = 0;
    each_object(schema::json(), "", &mut |place, object| {
        assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
        for (name, value) in object["properties"].as_object().unwrap() {
            keys += 1;
            assert!(value["description"].as_str().is_some_and(|text| text.len() > 12), "{place}.{name}");
            assert_ne!(schema::example(value.as_object().unwrap()), "...", "{place}.{name}");
            assert!(!value.to_string().contains("null"), "{place}.{name}");
        }
    });
    assert!(keys > 70, "{keys}");
    assert!(!schema::text().contains("$ref"));
}

#[test]
fn a_key_is_in_this_version_or_in_a_later_one() {
    each_object(schema::json(), "", &mut |place, object| {
        for (at, key) in later::all() {
            assert!(at != place || !object["properties"].as_object().unwrap().contains_key(key), "{place}.{key}");
        }
    });
    for (place, key) in later::all() {
        let text = match place {
            "" => format!("providers: {{ a: {{ base_url: http://localhost }} }}\n{key}: 1\n"),
            "providers.*" => format!("providers: {{ a: {{ base_url: http://localhost, {key}: 1 }} }}\n"),
            "rollouts[].compare" => format!(
                "providers: {{ a: {{ base_url: http://localhost }}, b: {{ base_url: http://localhost:1 }} }}\n\
                 rollouts: [{{ name: r, stable: a, canary: b, percent: 0, compare: {{ share: 1%, {key}: 1 }} }}]\n"
            ),
            _ => format!(
                "providers: {{ a: {{ base_url: http://localhost }} }}\nrollouts: [{{ name: r, stable: a, {key}: 1 }}]\n"
            ),
        };
        let errors = compile(&text, &Environment::of(BTreeMap::new())).unwrap_err();
        assert_eq!(errors.len(), 1, "{text}");
        assert_eq!(errors[0].problem, format!("`{key}` is not in this version"));
    }
}

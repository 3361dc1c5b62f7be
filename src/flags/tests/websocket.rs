//! `websocket:` of a provider.

use std::collections::BTreeMap;

use crate::decide::units::Millis;
use crate::flags::Environment;
use crate::flags::compile::compile;

fn file(websocket: &str) -> String {
    format!("providers:\n  a: {{ base_url: \"http://localhost/v1\"{websocket} }}\nunmatched: a\n")
}

#[test]
fn pings_are_off_unless_they_are_asked_for() {
    for (websocket, every) in [
        ("", None),
        (", websocket: {}", None),
        (", websocket: { ping_every: never }", None),
        (", websocket: { ping_every: 25s }", Some(Millis(25_000))),
        (", websocket: { ping_every: 1000ms }", Some(Millis(1000))),
    ] {
        let compiled = compile(&file(websocket), &Environment::of(BTreeMap::new())).unwrap();
        assert_eq!(compiled.policy.providers[0].ping_every, every, "{websocket}");
    }
}

#[test]
fn pings_that_come_too_often_are_refused_with_a_remedy() {
    for (value, expected) in [
        ("999ms", "is shorter than a second"),
        ("0s", "is not a time above zero"),
        ("often", "ping_every"),
        ("off", "ping_every"),
    ] {
        let text = file(&format!(", websocket: {{ ping_every: {value} }}"));
        let errors = compile(&text, &Environment::of(BTreeMap::new())).err().unwrap_or_default();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{value}: {errors:#?}");
        assert!(errors[0].contains("providers.a.websocket.ping_every"), "{errors:#?}");
    }
}

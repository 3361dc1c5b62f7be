//! Keys of providers: their accounts, how they are used, and what is doubtful about them.

use crate::decide::policy::{KeyOrder, KeyRules};
use crate::decide::units::Millis;
use crate::flags::compile::{Compiled, compile};
use crate::flags::{Environment, render};

fn environment() -> Environment {
    let variables = [("ONE", "key-one"), ("TWO", "key-two"), ("SAME", "key-one"), ("OPENAI", "sk-ant-0123")];
    Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

/// A provider at a host that takes any key.
fn provider(keys: &str) -> Compiled {
    let text = format!("providers: {{ a: {{ base_url: 'http://localhost/v1', {keys} }} }}\n");
    compile(&text, &environment()).unwrap_or_else(|errors| panic!("{}", render(&errors, "flags.yaml")))
}

fn refused(keys: &str) -> String {
    let text = format!("providers: {{ a: {{ base_url: 'http://localhost/v1', {keys} }} }}\n");
    render(&compile(&text, &environment()).unwrap_err(), "flags.yaml")
}

#[test]
fn a_key_may_name_its_account_and_so_may_a_file_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(&file, "first\nsecond\n").unwrap();
    let compiled = provider(&format!(
        "api_keys: ['${{ONE}}', {{ key: '${{TWO}}', account: spare }}, {{ key: '${{file:{}}}', account: main }}]",
        file.display()
    ));
    let a = &compiled.policy.providers[0];
    assert_eq!(
        a.api_keys.iter().map(|key| key.reveal()).collect::<Vec<_>>(),
        ["key-one", "key-two", "first", "second"]
    );
    assert_eq!([0, 1, 2, 3, 4].map(|key| a.keys.account(key)), [None, Some("spare"), Some("main"), Some("main"), None]);
    assert_eq!(compiled.warnings, Vec::<String>::new());
}

#[test]
fn the_rules_have_their_defaults_and_their_values() {
    let rules = |keys: &str| provider(&format!("api_keys: ['${{ONE}}'], {keys}")).policy.providers[0].keys.clone();
    let usual = KeyRules { warn_after: Some(Millis(90 * 86_400_000)), accounts: vec![None], ..KeyRules::default() };
    assert_eq!(rules("auth: bearer"), usual);
    let given = rules("keys: { use: spread, rotate_every: 1d, cool_down: 10s, warn_after: never }");
    let rotate_every = Some(Millis(86_400_000));
    let order = KeyOrder::Spread;
    assert_eq!(given, KeyRules { order, rotate_every, cool_down: Millis(10_000), warn_after: None, ..usual });
}

#[test]
fn what_is_wrong_with_keys_has_its_place_and_no_key() {
    for (keys, says) in [
        ("api_keys: [{ account: a }]", "providers.a.api_keys[0]: `key` is missing"),
        ("api_keys: [{ key: '${ONE}', acount: a }]", "did you mean `account`?"),
        ("api_keys: [{ key: '${ONE}', account: 'a b' }]", "providers.a.api_keys[0].account"),
        ("api_keys: ['${ONE}'], keys: { use: random }", "is not a way to use keys"),
        ("api_keys: ['${ONE}'], keys: { cool_down: 0s }", "providers.a.keys.cool_down"),
        ("api_keys: ['${ONE}'], keys: { rotate_every: 5 }", "providers.a.keys.rotate_every"),
    ] {
        let said = refused(keys);
        assert!(said.contains(says) && !said.contains("key-one"), "{keys}: {said}");
    }
}

#[test]
fn doubtful_keys_are_warned_of() {
    let warned = |keys: &str| provider(keys).warnings.join("\n");
    assert!(warned("api_keys: ['${ONE}', '${TWO}', '${SAME}']").contains("key 3 is the same as key 1"));
    assert!(warned("keys: { use: spread }").contains("there are no `api_keys`"));
    let one = provider("api_keys: [{ key: '${ONE}', account: m }, { key: '${TWO}', account: m }]");
    assert!(one.notes.join("\n").contains("the 2 keys belong to one account"), "{:?}", one.notes);
    let text = "providers:\n  a: { base_url: 'https://api.openai.com/v1', api_keys: ['${OPENAI}'] }\n  \
                b: { base_url: 'https://b.test/v1', api_keys: ['${OPENAI}'] }\n  \
                c: { base_url: 'https://b.test/v2', api_keys: ['${OPENAI}'] }\nunmatched: a\n";
    let compiled = compile(text, &environment()).unwrap();
    let all = compiled.warnings.join("\n");
    assert!(all.contains("line 2: providers.a.api_keys: key 1 begins with `sk-ant-`"), "{all}");
    assert!(all.contains("line 3: providers.b.api_keys: a key of a is here as well"), "{all}");
    assert!(!all.contains("0123"), "{all}");
    let offline = compile(text, &Environment::without_secrets()).unwrap();
    assert_eq!(offline.warnings, Vec::<String>::new());
}

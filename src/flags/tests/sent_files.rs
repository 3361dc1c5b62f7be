//! A file that somebody sent, to know what it would do: no secret of the file in force comes back in what is said of it.

use std::collections::BTreeMap;

use crate::flags::{Environment, read_text};

const VALUE: &str = "sk-value-of-the-key-4711";
const IN_FORCE: &str = r#"
providers:
  openai: { base_url: "http://${HOST}/v1", api_keys: ["${KEY}"] }
  holysheep: { base_url: http://127.0.0.1:2/v1, tls: { ca_file: /etc/ssl/own.pem } }
rollouts:
  - { name: chat, stable: openai, canary: holysheep, percent: 5% }
"#;

fn said_of(sent: &str) -> String {
    let variables = [("KEY", VALUE), ("HOST", "127.0.0.1:1")].map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::of(BTreeMap::from(variables));
    let loaded = read_text(sent, &environment.limited_to_references_of(IN_FORCE));
    format!("{:?}", loaded.result)
}

#[test]
fn a_reference_to_a_secret_is_not_read_where_its_value_is_shown() {
    let known = |old: &str, new: &str| {
        assert!(IN_FORCE.contains(old), "{old}");
        IN_FORCE.replace(old, new)
    };
    for sent in [
        known("name: chat", r#"name: "${KEY}""#),
        known("percent: 5%", r#"percent: 5%, match: { model: "${KEY}" }"#),
        known("percent: 5%", r#"percent: 5%, match: { header: { x-team: "${KEY}" } }"#),
        known("percent: 5%", r#"percent: 5%, match: { path: "*${KEY}" }"#),
        known("percent: 5%", r#"percent: 5%, salt: "${KEY}""#),
        known("${HOST}", "${KEY}"),
        known("http://127.0.0.1:2/v1", "http://${KEY}/v1"),
        known("rollouts:", "notify: [{ name: \"${KEY}\", url: \"http://127.0.0.1:3/\", on: [held] }]\nrollouts:"),
        known("rollouts:", "unmatched: \"${KEY}\"\nrollouts:"),
        known("/etc/ssl/own.pem", "/etc/ssl"),
    ] {
        let said = said_of(&sent);
        assert!(!said.contains(VALUE) && !said.contains(&VALUE[3..]), "{sent}\n{said}");
    }
}

#[test]
fn what_the_file_in_force_shows_already_is_read_and_secrets_are_compared() {
    let said = said_of(&IN_FORCE.replace("percent: 5%", "percent: 6%"));
    assert!(said.starts_with("Ok(") && said.contains("127.0.0.1") && !said.contains(VALUE), "{said}");
}

//! The reference pages are what the generator writes, and the generator leaves nothing out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::pages;
use crate::texts::{commands, package, serin};

#[test]
fn reference_pages_are_what_the_code_says() {
    let different: Vec<String> = pages::all()
        .into_iter()
        .filter(|(name, text)| package(&format!("docs/{name}")) != *text)
        .map(|page| page.0)
        .collect();
    let unnamed: Vec<String> = pages::all()
        .into_iter()
        .filter(|(_, text)| text.contains("a value without a name"))
        .map(|page| page.0)
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}: give the kind of value a name in examples/reference_pages");
    assert!(different.is_empty(), "run `make reference`: {different:?} differ from the code");
}

fn keys(node: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, inner) in node["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.insert(path.clone());
        keys(inner, &path, found);
    }
    for (key, step) in [("additionalProperties", ".NAME"), ("items", "[]")] {
        if node[key].is_object() {
            keys(&node[key], &format!("{path}{step}"), found);
        }
    }
}

#[test]
fn every_key_of_the_file_has_one_place_with_its_description() {
    let mut all = BTreeSet::new();
    let schema: Value = serde_json::from_str(&serin(&["schema"])).unwrap();
    keys(&schema, "", &mut all);
    assert!(all.len() > 100, "{all:?}");
    let pages: Vec<(String, String)> = pages::all()
        .into_iter()
        .filter(|(name, _)| name.starts_with("configuration/") && !name.ends_with("keys.md"))
        .collect();
    for key in &all {
        let heading = format!("\n## `{key}`\n\n");
        let places: Vec<&str> =
            pages.iter().flat_map(|(name, text)| text.matches(&heading).map(move |_| name.as_str())).collect();
        assert_eq!(places.len(), 1, "{key} is described in {places:?}");
        let text = pages.iter().find_map(|(_, text)| text.split(&heading).nth(1)).unwrap();
        assert!(text.starts_with(char::is_uppercase) || text.starts_with('`'), "{key} has no description: {text:.60}");
    }
    let listed: BTreeSet<String> = package("docs/configuration/keys.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| [`")?.split_once('`').map(|(key, _)| key.to_owned()))
        .collect();
    assert_eq!(listed, all);
}

#[test]
fn every_command_has_a_section_with_all_of_its_options() {
    let page = package("docs/commands.md");
    for command in commands() {
        let section = page.split(&format!("\n## serin {command}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("no section of {command}")).split("\n## ").next().unwrap();
        let help = serin(&[&command, "--help"]);
        let options = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for option in options.filter(|word| word.len() > 3 && word.starts_with("--") && *word != "--help") {
            assert!(section.contains(option), "serin {command}: no {option}");
        }
    }
}

//! What `serin check` prints and how it ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CheckArgs,
}

fn args(line: &[&str]) -> CheckArgs {
    Line::try_parse_from(std::iter::once(&"check").chain(line)).unwrap().args
}

fn nobody(_: &Policy) -> Probed {
    Vec::new()
}

fn shipped() -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("flags.yaml").display().to_string()
}

#[test]
fn the_shipped_file_is_told_in_a_few_lines() {
    let args = args(&[&shipped(), "--no-secrets"]);
    let (text, outcome) = examine(&args, &Environment::without_secrets(), nobody);
    assert_eq!(outcome.unwrap(), Exit::Done);
    let expected = "\
: good

listen     127.0.0.1:7171, the app's base URL is http://127.0.0.1:7171/v1
admin      127.0.0.1:7172
providers
  openai     https://api.openai.com/v1, its own keys as bearer
  holysheep  https://api.holysheep.ai/v1, its own keys as bearer
rollouts
  chat: from openai to holysheep (chat/completions, completions, responses, messages)
    ramp   10% -> 25% -> 40% -> 55% -> 70% -> 85% -> 100%; 7d at the first, 1d at each further one
    guard  back to 0% above 5% failures over 30m, from 100 requests on
otherwise  openai, unsplit
flags
  new-prompt: true for the users whom `chat` sends to the canary

note: `percent: auto` (chat) is for one process: with several replicas each would ramp by itself, so pin the percent in the shared file
";
    assert_eq!(text, shipped() + expected);
}

#[test]
fn a_missing_key_is_told_and_a_failing_probe_fails() {
    let environment = Environment::of(BTreeMap::from([("OPENAI_API_KEY".to_owned(), "k".to_owned())]));
    let probe = |policy: &Policy| {
        let answer = |name: &str| if name == "openai" { Ok("200 in 8 ms".to_owned()) } else { Err("401".to_owned()) };
        policy.providers.iter().map(|provider| (provider.name.clone(), answer(&provider.name))).collect()
    };
    let (text, outcome) = examine(&args(&[&shipped(), "--probe"]), &environment, probe);
    assert_eq!(outcome.unwrap(), Exit::Failed);
    assert!(
        text.contains(
            "holysheep  https://api.holysheep.ai/v1, NOT USABLE: the variable HOLYSHEEP_API_KEY is not set\n"
        )
    );
    assert!(
        text.contains("warning: line 15: providers.holysheep.api_keys[0]: the variable HOLYSHEEP_API_KEY is not set")
    );
    assert!(text.ends_with("\nprobe: openai answers: 200 in 8 ms\nprobe: holysheep FAILS: 401\n"), "{text}");
    let (_, outcome) = examine(&args(&[&shipped()]), &environment, |_| unreachable!("nobody asked"));
    assert_eq!(outcome.unwrap(), Exit::Done);
}

#[test]
fn a_bad_file_is_a_usage_error_with_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.yaml");
    fs::write(&path, "listn: 1\nproviders: { a: { base_url: x } }\n").unwrap();
    let path = path.display().to_string();
    let (text, outcome) = examine(&args(&[&path]), &Environment::process(), nobody);
    let failure = outcome.unwrap_err();
    assert_eq!((text.as_str(), failure.exit), ("", Exit::Usage));
    assert!(
        failure.message.starts_with(&format!("{path}: 2 errors\n\n{path}:1:1: listn: there is no key `listn` here\n"))
    );

    let (text, outcome) = examine(&args(&[&path, "--json"]), &Environment::process(), nobody);
    assert_eq!(outcome.unwrap(), Exit::Usage);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["good"], false);
    assert_eq!(value["errors"][1]["path"], "providers.a.base_url");
    assert_eq!(value["errors"][0]["remedy"], "did you mean `listen`?");
}

#[test]
fn json_tells_the_same() {
    let (text, outcome) =
        examine(&args(&[&shipped(), "--json", "--no-secrets"]), &Environment::without_secrets(), nobody);
    assert_eq!(outcome.unwrap(), Exit::Done);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["good"], &value["summary"]["rollouts"][0]["ramp"][1]), (&json!(true), &json!("25%")));
    assert_eq!(value["summary"]["flags"], json!({"new-prompt": {"follows": "chat"}}));
}

#[test]
fn probing_needs_secrets() {
    assert!(Line::try_parse_from(["check", "--probe", "--no-secrets"]).is_err());
}

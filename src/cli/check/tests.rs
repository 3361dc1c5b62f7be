//! What `serin check` prints and how it ends.

mod probe;

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

fn nobody(_: &Policy, _: &ProbeScope) -> ProbeResults {
    ProbeResults::default()
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
: valid

listen     127.0.0.1:7171, the app's base URL is http://127.0.0.1:7171/v1
admin      127.0.0.1:7172
providers
  openai     https://api.openai.com/v1, its own keys as bearer
  holysheep  https://api.holysheep.ai/v1, its own keys as bearer
rollouts
  chat: from openai to holysheep (chat/completions, completions, responses, messages)
    ramp   10% -> 25% -> 40% -> 55% -> 70% -> 85% -> 100%; 7d at the first, 1d at each further one
    guard  above 1.25 times stable's failures and 0.2%, or 2.5 times its slow responses: back to 0%
           false alarms: a probability of at most 0.1%
           more refused requests than stable: the ramp is paused
           above 1.5 times stable's empty, cut, filtered and slowly streamed responses: the ramp is paused
           promoted from 100 answered requests on, while failures stay below 5% or twice stable's
otherwise  openai, unsplit
flags
  new-prompt: true for the users that `chat` sends to the canary

how long the guard takes to detect a fault of the canary, while stable fails 0.4% of its requests
  rollout  share  requests/s  a dead canary  20% errors  5% errors  one that never answers
  chat     10%    1           1m 17s         9m 31s      50m 14s    1m 26s
  chat     10%    10          8s             1m 6s       6m 32s     14s
  chat     10%    100         3s             10s         45s        9s

note: line 24: rollouts[0].guard.max_error_rate: this only gates promotion: a canary that fails more than 5% and not more \
than 1.25 times as often as stable (6% beside 5%) keeps its share permanently; for a hard limit add `ceiling`, such as \
`ceiling: 20%`
note: line 24: rollouts[0].guard.window: this is the time over which rates are shown and compared with `ceiling`; \
`ceiling` is not set, so it decides nothing
note: `percent: auto` (chat) is for one process: several replicas would each run their own ramp, so pin the percent in the shared file
";
    assert_eq!(text, shipped() + expected);
}

#[test]
fn a_missing_key_is_told_and_a_failing_probe_fails() {
    let environment = Environment::of(BTreeMap::from([("OPENAI_API_KEY".to_owned(), "k".to_owned())]));
    let probe = |policy: &Policy, _: &ProbeScope| {
        let answer = |name: &str| if name == "openai" { Ok("200 in 8 ms".to_owned()) } else { Err("401".to_owned()) };
        let providers = policy.providers.iter().map(|provider| (provider.name.clone(), answer(&provider.name)));
        ProbeResults { providers: providers.collect(), ..ProbeResults::default() }
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
    let (_, outcome) = examine(&args(&[&shipped()]), &environment, |_, _| unreachable!("nobody asked"));
    assert_eq!(outcome.unwrap(), Exit::Done);
}

#[test]
fn a_bad_file_is_a_usage_error_with_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.yaml");
    fs::write(&path, "listn: 127.0.0.1:1\nproviders: { a: { base_url: x } }\n").unwrap();
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
    assert_eq!(
        value["summary"]["flags"],
        json!({"new-prompt": {
            "type": "boolean",
            "variants": ["on", "off"],
            "follows": "chat",
            "summary": "true for the users that `chat` sends to the canary",
        }})
    );
    let rollout = &value["summary"]["rollouts"][0];
    assert_eq!((&rollout["on_regression"], &rollout["rollback_to"]), (&json!("rollback"), &json!("0%")));
    assert_eq!(rollout["try_again_after"], Value::Null);
    let guard = json!({
        "false_alarm": "0.1%",
        "tolerated_ratio": 1.25,
        "ignore_below": "0.2%",
        "patience": 1.0,
        "max_error_rate": "5%", "max_first_output": null,
        "min_requests": 100,
        "done_below": "0.5%",
        "slow": {"quantile": 0.95, "tolerance": 1.5, "tolerated_ratio": 2.5},
        "client_errors": "hold",
        "answers": {"empty": "hold", "length": "hold", "filtered": "hold", "pace": "hold"},
        "feedback": null,
        "ceiling": null,
        "window": "30m",
        "throttled": "failure",
        "empty": "ignore",
    });
    assert_eq!(rollout["guard"], guard);
}

/// The lines on the guard of a rollout with these keys.
fn guarded(keys: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.yaml");
    let text = format!(
        "providers: {{ old: {{ base_url: http://127.0.0.1:9/v1 }}, new: {{ base_url: http://127.0.0.1:9/v2 }} }}\n\
         rollouts: [{{ name: r, stable: old, canary: new, {keys} }}]\n"
    );
    fs::write(&path, text).unwrap();
    let (text, outcome) = examine(&args(&[&path.display().to_string()]), &Environment::of(BTreeMap::new()), nobody);
    outcome.unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with("    guard"));
    lines.take_while(|line| line.starts_with("    ")).map(|line| format!("{}\n", line[11..].trim())).collect()
}

#[test]
fn what_the_guard_does_is_told_as_the_file_has_it() {
    assert_eq!(
        guarded(
            "percent: 5%, rollback_to: 1%, try_again_after: 6h, guard: { slow: off, client_errors: rollback, \
             ceiling: 20%, window: 10m, tolerated_ratio: 2, ignore_below: 1%, \
             answers: { empty: rollback, pace: ignore } }"
        ),
        "above 2 times stable's failures and 1%: back to 1%, retried after 6h\n\
         false alarms: a probability of at most 0.1%\n\
         above 20% failures within 10m, if worse than stable at all: the same, in addition to that probability\n\
         more refused requests than stable: as for failures\n\
         above 1.5 times stable's cut and filtered responses: the ramp is paused\n\
         above 1.5 times stable's empty responses: as for failures\n"
    );
    assert_eq!(
        guarded(
            "percent: auto, on_regression: hold, guard: { client_errors: ignore, false_alarm: 1%, answers: { length: ignore, \
             pace: ignore, filtered: ignore, empty: ignore } }"
        ),
        "above 1.25 times stable's failures and 0.2%, or 2.5 times its slow responses: the ramp is paused, no user is \
         moved\n\
         false alarms: a probability of at most 1%\n\
         promoted from 100 answered requests on, while failures stay below 5% or twice stable's\n"
    );
    let back = guarded("percent: auto, on_regression: step_back, try_again_after: 1h");
    assert!(
        back.contains(": one stage back; if it is down, or after three steps back, to 0%, retried after 1h\n"),
        "{back}"
    );
}

#[test]
fn how_fast_a_fault_is_seen_is_told_for_the_traffic_that_is_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "providers: { old: { base_url: http://127.0.0.1:9/v1 }, new: { base_url: http://127.0.0.1:9/v2 } }
rollouts:
  - { name: pinned, stable: old, canary: new, percent: 100%, match: { path: /a } }
  - { name: closed, stable: old, canary: new, percent: 0, match: { path: /b } }
  - { name: wide, stable: old, canary: new, percent: auto, ramp: { start: 80% } }
";
    fs::write(file.path(), text).unwrap();
    let path = file.path().display().to_string();
    let check = |line: &[&str]| {
        let line: Vec<&str> = std::iter::once(path.as_str()).chain(line.iter().copied()).collect();
        let (text, outcome) = examine(&args(&line), &Environment::of(BTreeMap::new()), nobody);
        outcome.unwrap();
        text
    };
    let text = check(&["--rps", "50", "--stable-errors", "1%"]);
    let sentence = "
how long the guard takes to detect a fault of the canary, while stable fails 1% of its requests
  rollout  share  requests/s  a dead canary  20% errors  5% errors  one that never answers
  pinned   100%   50          3s             > 2 weeks   > 2 weeks  1m 4s
";
    assert!(text.contains(sentence), "{text}");
    assert!(text.contains("\n  wide     80%    50 ") && !text.contains("\n  closed   0%"), "{text}");
    let value: Value = serde_json::from_str(&check(&["--rps", "50", "--json"])).unwrap();
    let fault = |error: f64, seconds: Option<f64>| json!({"error_percent": error, "seen_after_seconds": seconds});
    assert_eq!(
        value["detection"][0],
        json!({
            "rollout": "pinned",
            "share_percent": 100.0,
            "requests_per_second": 50.0,
            "stable_error_percent": 0.4,
            "faults": [fault(100.0, Some(3.0)), fault(20.0, None), fault(5.0, None)],
            "silent_seen_after_seconds": 64.0,
        })
    );
    for wrong in ["0", "-1", "inf", "NaN", "many"] {
        assert!(Line::try_parse_from(["check", "--rps", wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn probing_needs_secrets() {
    assert!(Line::try_parse_from(["check", "--probe", "--no-secrets"]).is_err());
}

#[test]
fn a_stable_that_cannot_be_asked_is_an_error_of_the_file() {
    let check = |percent: &str, more: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.yaml");
        let text = format!(
            "providers:\n  old: {{ base_url: http://127.0.0.1:9/v1, api_keys: ['${{NOWHERE}}'] }}\n  \
             new: {{ base_url: http://127.0.0.1:9/v2 }}\n\
             rollouts: [{{ name: chat, stable: old, canary: new, percent: {percent} }}]\n"
        );
        fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        let line: Vec<&str> = std::iter::once(path.as_str()).chain(more.iter().copied()).collect();
        examine(&args(&line), &Environment::of(BTreeMap::new()), |_, _| unreachable!("nobody is asked"))
    };
    for percent in ["10%", "0", "auto"] {
        let failure = check(percent, &[]).1.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let sentence = failure.message.split_once("flags.yaml:2:3: ").unwrap().1;
        assert!(
            sentence.starts_with(
                "providers.old: `old` is the stable of `chat` and cannot be used: the variable NOWHERE is not set\n"
            ),
            "{sentence}"
        );
        assert!(
            sentence.contains("= set the variable or fix the file that it needs; if the move is over"),
            "{sentence}"
        );
        let of_state = "this command reads no state: if `auto` has already moved all users to `new`, a start accepts";
        assert_eq!(sentence.contains(of_state), percent == "auto", "{sentence}");
    }
    let (text, outcome) = check("10%", &["--json"]);
    assert_eq!(outcome.unwrap(), Exit::Usage);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["good"], &value["errors"][0]["path"]), (&json!(false), &json!("providers.old")));
    assert_eq!(check("100%", &[]).1.unwrap(), Exit::Done, "nobody is on stable");
}

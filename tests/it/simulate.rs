//! A flags.yaml is tried out before it counts: by the binary, with nothing running and no secret at hand.

use std::time::Duration;

use serde_json::Value;

use crate::support::eventually::eventually;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::sidecar::Workspace;

const FLAGS: &str = "
providers:
  old: { base_url: https://old.test/v1, api_keys: ['${NO_SUCH_KEY}'] }
  new: { base_url: https://new.test/v1, api_keys: ['${NO_SUCH_KEY}'] }
rollouts:
  - { name: chat, stable: old, canary: new, percent: auto, ramp: { start: 10%, step: 30%, every: 5m } }
";

#[test]
fn a_file_is_tried_out_against_a_bad_canary() {
    let workspace = Workspace::new(FLAGS);
    let flags = workspace.flags().display().to_string();
    let page = workspace.flags().with_file_name("page.html");
    let page = page.to_str().unwrap();
    let line = ["simulate", "--flags", &flags, "--canary-errors", "50%", "--fault-at", "2m", "--for", "12m"];
    let with = |more: &[&str]| workspace.run(&[&line[..], &["--runs", "4"], more].concat());
    let output = with(&["--html", page]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("A canary that fails 50% of its requests is rolled back after"), "{printed}");
    assert!(
        std::fs::read_to_string(page).unwrap().contains("<h1>A canary that fails 50% of its requests is rolled back")
    );

    let (one, two) = (with(&["--json", "--threads", "1"]), with(&["--json", "--threads", "2"]));
    assert_eq!(one.stdout, two.stdout);
    let answer: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(answer["rules"][0]["found"], 4);
}

#[test]
fn without_a_file_the_defaults_are_tried_out_and_said() {
    let workspace = Workspace::new(FLAGS);
    let elsewhere = workspace.state();
    std::fs::create_dir_all(&elsewhere).unwrap();
    let mut command =
        workspace.command(&["simulate", "--canary-errors", "100%", "--fault-at", "1m", "--for", "2m", "--runs", "2"]);
    let output = command.env_remove("SERIN_FLAGS").current_dir(&elsewhere).output().unwrap();
    let (printed, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(notes.contains("there is no flags.yaml here: this is a rollout with every default"), "{notes}");
    assert!(output.status.success() && printed.contains("a rollout with every default"), "{printed}");
}

#[test]
fn what_does_not_hold_ends_with_64() {
    let workspace = Workspace::new(FLAGS);
    let flags = workspace.flags().display().to_string();
    for wrong in [["--rps", "none"], ["--rollout", "other"], ["--outage", "30%"], ["--trace", "missing.jsonl"]] {
        let output = workspace.run(&["simulate", "--flags", &flags, wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn what_a_sidecar_saw_can_be_replayed() {
    let recorder = Scripted::healthy("corp");
    let url = recorder.base_url();
    let sidecar = Harness::start(&format!(
        "providers:\n  old: {{ base_url: \"{url}\" }}\n  new: {{ base_url: \"{url}\" }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 50% }}\n"
    ));
    (0..60).for_each(|user| drop(sidecar.arm(&format!("user-{user}"))));
    let state = sidecar.workspace().state().display().to_string();
    let export = || {
        let output = sidecar.workspace().run(&["history", "chat", "--trace", "--state", &state]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let requests = |trace: &str| -> f64 {
        let lines = trace.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["canary"]["requests"].as_f64().unwrap()).sum()
    };
    let trace = eventually("the trace has the requests", Duration::from_secs(10), || {
        Some(export()).filter(|trace| requests(trace) > 10.0)
    });
    let file = sidecar.workspace().flags().with_file_name("chat.jsonl");
    std::fs::write(&file, &trace).unwrap();
    let flags = sidecar.workspace().flags().display().to_string();
    let output = sidecar.workspace().run(&["simulate", "--flags", &flags, "--trace", file.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["lines"], trace.lines().count());
    assert_eq!(answer["canary"]["requests"], requests(&trace));
    assert_eq!(answer["decisions"], Value::Array(Vec::new()));
}

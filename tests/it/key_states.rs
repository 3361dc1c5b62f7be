//! A provider's keys in a real process: one refused, one spent, one that works, over a restart; and no key anywhere.

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{Step, json};
use crate::support::sidecar::Workspace;

const KEYS: [&str; 3] = ["sk-revoked-zq81hf60-aaaa", "sk-spent-7ytw0p3k-bbbb", "sk-works-m5n2c9xd-cccc"];
/// What of each key nobody may ever see.
const SECRETS: [&str; 3] = ["zq81hf60", "7ytw0p3k", "m5n2c9xd"];

fn provider() -> Scripted {
    Scripted::start("corp", |seen| {
        let key = seen.field("authorization").unwrap_or_default();
        let answer = if key.ends_with("aaaa") {
            json(
                401,
                &format!(r#"{{"error":{{"message":"Incorrect API key provided: {key}","code":"invalid_api_key"}}}}"#),
            )
        } else if key.ends_with("bbbb") {
            json(429, r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#)
        } else {
            json(200, r#"{"choices":[{"index":0,"message":{"content":"well"},"finish_reason":"stop"}]}"#)
        };
        vec![Step::Write(answer)]
    })
}

#[test]
fn keys_are_told_apart_kept_over_a_restart_and_never_shown() {
    let corp = provider();
    let workspace = Workspace::new("");
    let here = workspace.flags().parent().unwrap().parent().unwrap().to_owned();
    workspace.write(&format!(
        "access_log: {{ to: {0}/requests.log }}\nproviders:\n  corp:\n    base_url: \"{1}\"\n    \
         api_keys: [\"${{ONE}}\", \"${{file:{0}/two.key}}\", {{ key: \"${{THREE}}\", account: spare }}]\n\
         rollouts:\n  - {{ name: chat, stable: corp }}\n",
        here.display(),
        corp.base_url()
    ));
    std::fs::write(here.join("two.key"), format!("{}\n", KEYS[1])).unwrap();
    let variables = [("ONE", KEYS[0].to_owned()), ("THREE", KEYS[2].to_owned()), ("SERIN_LOG", "trace".to_owned())];
    let mut shown = String::new();
    for start in 0..2 {
        let sidecar = workspace.start_with(&variables);
        for _ in 0..3 {
            let answer = sidecar.client().post("/v1/chat/completions", &[], r#"{"model":"m"}"#).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            shown.push_str(&format!("{:?}{}", answer.headers, answer.text()));
        }
        let states = || -> Vec<String> {
            let status = sidecar.status();
            let keys = status["providers"][0]["keys"].as_array().unwrap().clone();
            keys.iter()
                .map(|key| format!("{} {}", key["last_four"].as_str().unwrap(), key["state"].as_str().unwrap()))
                .collect()
        };
        let wanted = ["aaaa refused", "bbbb resting", "cccc usable"];
        eventually("the states of all keys", SOON, || (states() == wanted).then_some(()));
        let metrics = sidecar.metrics();
        for (key, state) in [(1, 2), (2, 1), (3, 0)] {
            let line = format!("serin_key_state{{provider=\"corp\",key=\"{key}\"}} {state}");
            assert!(metrics.contains(&line), "{line}\n{metrics}");
        }
        let refused = sidecar.history().iter().filter(|event| event["action"] == "key_refused").count();
        assert_eq!(refused, 1, "it is told once, over a restart too");
        shown.push_str(&metrics);
        for path in ["/api/v1/status", "/api/v1/history", "/api/v1/config"] {
            shown.push_str(&sidecar.admin_get(path).text());
        }
        let status = workspace.run(&["status"]);
        let text = String::from_utf8(status.stdout).unwrap();
        assert!(text.contains("corp: 1 of 3 usable") && text.contains("key 1 (...aaaa) is refused"), "{text}");
        shown.push_str(&text);
        assert_eq!(corp.count(), if start == 0 { 5 } else { 8 }, "after a restart only the key that works is asked");
    }
    for command in [["check", "etc/flags.yaml"], ["history", "--json"], ["status", "--json"]] {
        let output = workspace.command(&command).envs(variables.clone()).output().unwrap();
        shown.push_str(&String::from_utf8_lossy(&output.stdout));
        shown.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    shown.push_str(&workspace.log());
    let mut files = vec![here];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("two.key")
            && let Ok(bytes) = std::fs::read(&path)
        {
            read += 1;
            let text = String::from_utf8_lossy(&bytes);
            assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a key is in {}", path.display());
        }
    }
    assert!(read > 3, "the database, the log and the access log were read");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{shown}");
    }
}

//! Whether stable could take everybody back, as a real process says it: a key of stable that was revoked meanwhile, and
//! limits that its responses tell of.

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{Step, json};
use crate::support::sidecar::Workspace;

const WELL: &str = r#"{"choices":[{"index":0,"message":{"content":"well"},"finish_reason":"stop"}]}"#;

fn well() -> Scripted {
    Scripted::start("new", |_| vec![Step::Write(json(200, WELL))])
}

#[test]
fn a_revoked_key_of_stable_is_told_on_every_surface() {
    let old = Scripted::start("old", |_| {
        vec![Step::Write(json(401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#))]
    });
    let new = well();
    let workspace = Workspace::new("");
    workspace.write(&format!(
        "providers:\n  old: {{ base_url: \"{}\", api_keys: [\"${{OLD}}\"] }}\n  \
         new: {{ base_url: \"{}\", auth: none, rate_limit: {{ requests_per_minute: 600 }} }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 90% }}\n",
        old.base_url(),
        new.base_url()
    ));
    let variables = [("OLD", "sk-revoked-0123456789".to_owned())];
    let sidecar = workspace.start_with(&variables);
    let ready = || sidecar.status()["rollouts"][0]["rollback_ready"].clone();
    assert_eq!(ready()["ready"], true, "nothing is known yet");
    for user in 0..40 {
        let user = format!("user-{user}");
        sidecar.client().post("/v1/chat/completions", &[("x-user-id", &user)], r#"{"model":"m"}"#).unwrap();
    }
    let reasons = eventually("that stable has no key", SOON, || {
        let ready = ready();
        (ready["ready"] == false).then(|| ready["reasons"].clone())
    });
    assert!(reasons.as_array().unwrap().iter().any(|reason| reason["kind"] == "keys"), "{reasons}");
    assert!(sidecar.metrics().contains("serin_rollback_ready{rollout=\"chat\"} 0"), "{}", sidecar.metrics());
    for command in ["status", "why"] {
        let text = String::from_utf8(workspace.run(&[command]).stdout).unwrap();
        let told = "old could not take everybody back: ";
        assert!(text.contains(told) && text.contains("its only key is refused: replace it"), "{command}: {text}");
    }
    let check = workspace.command(&["check", "etc/flags.yaml", "--rps", "20"]).envs(variables).output().unwrap();
    let text = String::from_utf8(check.stdout).unwrap();
    let fits = "new allows 600 requests a minute (rate_limit): 50% of the traffic of chat (1,200 a minute) fits";
    assert!(text.contains(fits), "{text}");
}

#[test]
fn limits_in_the_headers_of_stable_are_known_to_a_plan() {
    let limited = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-limit-requests: 60\r\n\
                   x-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: 1s\r\n";
    let answer = format!("{limited}content-length: {}\r\n\r\n{WELL}", WELL.len());
    let new = Scripted::start("new", move |_| vec![Step::Write(answer.clone().into_bytes())]);
    let old = well();
    let workspace = Workspace::new("");
    let text = format!(
        "providers:\n  old: {{ base_url: \"{}\", auth: none }}\n  new: {{ base_url: \"{}\", auth: none }}\n\
         rollouts:\n  - {{ name: chat, stable: old, canary: new, percent: 100% }}\n",
        old.base_url(),
        new.base_url()
    );
    workspace.write(&text);
    let sidecar = workspace.start();
    let fits = eventually("what fits", SOON, || {
        for _ in 0..8 {
            sidecar.client().post("/v1/chat/completions", &[], r#"{"model":"m","user":"u"}"#).unwrap();
        }
        let output = workspace.run(&["plan", "etc/flags.yaml", "--json"]);
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        plan["fits"].get(0).cloned()
    });
    assert_eq!((&fits["canary"], &fits["allowed"], &fits["source"]), (&"new".into(), &60.into(), &"headers".into()));
    assert!(fits["sent"].as_u64().unwrap() > 60 && fits["percent"].as_f64().unwrap() < 100.0, "{fits}");
}

//! A path that climbs: Serin's key must not open what lies above the base URL.

use crate::support::client::Client;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::sidecar::{Workspace, spoken};

/// Ways to leave `/api/v1/public`, as servers of many kinds resolve them.
const CLIMBS: [&str; 20] = [
    "/v1/../admin",
    "/v1/..",
    "/v1/.",
    "/v1/./chat/completions",
    "/v1/%2e%2e/admin",
    "/v1/%2E./admin",
    "/v1/.%2e/admin",
    "/v1/..%2fadmin",
    "/v1/..%5Cadmin",
    "/v1/a%2f..%2f..%2fadmin",
    "/v1/..\\admin",
    "/v1/a\\..\\..\\admin",
    "/v1/..;/admin",
    "/v1/..;x=y/admin",
    "/v1/..%3b/admin",
    "/v1/..%00/admin",
    "/v1/messages/../../admin",
    "/v1\\..\\admin",
    "/../v1/models",
    "http://elsewhere.example/v1/%2e%2e/admin",
];

/// What looks like a climb and is a name, or a byte like any other.
const NAMES: [&str; 9] = [
    "/models/gpt-4.1",
    "/files/..hidden",
    "/files/...",
    "/%252e%252e/admin",
    "/a%2Fb%5cc",
    "//double//slash/",
    "/;p=../x",
    "/x?path=../../y&z=%2e%2e",
    "/a%00b",
];

fn stage(provider: &str) -> (Harness, Scripted) {
    let recorder = Scripted::healthy("corp");
    let sidecar = Harness::start(&format!(
        "providers: {{ one: {{ base_url: \"http://{}/api/v1/public\", api_keys: [sk-of-serin]{provider} }} }}\n\
         rollouts: [{{ name: all, stable: one }}]\n",
        recorder.addr()
    ));
    (sidecar, recorder)
}

#[test]
fn no_segment_of_dots_reaches_a_provider() {
    let (sidecar, recorder) = stage("");
    for climb in CLIMBS {
        for method in ["GET", "POST"] {
            let mut client = Client::connect(sidecar.listen).unwrap();
            let framing = crate::support::client::Framing::Length;
            let answer = client.send(method, climb, &[], b"", framing).unwrap();
            assert_eq!((answer.status, answer.header("x-serin-error")), (400, "dot_segments"), "{method} {climb}");
        }
    }
    assert!(recorder.asked().is_empty(), "{:?}", recorder.asked());
    let refusal = |path| sidecar.client().post(path, &[], "{}").unwrap().json();
    assert_eq!(refusal("/v1/chat/../x")["error"]["type"], "invalid_request_error");
    assert_eq!(refusal("/v1/messages/../x")["type"], "error");
    assert_eq!(refusal("/../x")["error"], "dot_segments");
}

#[test]
fn every_other_byte_of_a_path_stays_as_it_is() {
    let (sidecar, recorder) = stage("");
    let mut client = sidecar.client();
    for name in NAMES {
        assert_eq!(client.post(&format!("/v1{name}"), &[], "{}").unwrap().status, 200, "{name}");
        assert_eq!(recorder.last().path, format!("/api/v1/public{name}"));
    }
}

#[test]
fn a_model_does_not_climb_out_of_its_segment() {
    let (sidecar, recorder) = stage(", path: \"/deployments/{model}/{rest}\"");
    let mut client = sidecar.client();
    let mut target = |model: &str| {
        let body = serde_json::json!({ "model": model, "messages": [] }).to_string();
        assert_eq!(client.post("/v1/chat/completions", &[], &body).unwrap().status, 200, "{model}");
        recorder.last().path
    };
    assert_eq!(target("gpt-4.1"), "/api/v1/public/deployments/gpt-4.1/chat/completions");
    assert_eq!(target("%2e%2e"), "/api/v1/public/deployments/%252e%252e/chat/completions");
    for model in ["..", "../../admin", "a/..", "..\\x", "..;x"] {
        assert_eq!(target(model), "/api/v1/public/chat/completions", "{model}");
    }
}

#[test]
fn a_file_that_climbs_is_refused() {
    let workspace = Workspace::new("");
    for (key, text) in [
        ("base_url", "providers: { one: { base_url: 'http://127.0.0.1:1/v1/%2e%2e/x' } }"),
        ("probe_path", "providers: { one: { base_url: 'http://127.0.0.1:1/v1', probe_path: /../x } }"),
        ("path", "providers: { one: { base_url: 'http://127.0.0.1:1/v1', path: '/a/../{rest}' } }"),
        ("mount", "mount: /v1/..\nproviders: { one: { base_url: 'http://127.0.0.1:1/v1' } }"),
    ] {
        workspace.write(text);
        let checked = workspace.run(&["check", &workspace.flags().to_string_lossy()]);
        let printed = spoken(&checked);
        assert_eq!(checked.status.code(), Some(64), "{printed}");
        assert!(printed.contains(key) && printed.contains("decodes to `.` or `..`"), "{printed}");
    }
}

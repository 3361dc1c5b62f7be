//! Which paths Serin serves, who may come in, and what its own ports show: as flags.yaml says.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::client::Client;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::sidecar::Workspace;

const CHAT: &str = "/v1/chat/completions";

fn providers(recorder: &Scripted) -> String {
    let url = recorder.base_url();
    format!("providers:\n  one: {{ base_url: \"{url}\" }}\n  two: {{ base_url: \"{url}\" }}\n")
}

/// A sidecar whose file is these lines, the providers `one` and `two`, and nothing else.
fn with(recorder: &Scripted, lines: &str) -> Harness {
    Harness::start(&format!("{lines}\n{}", providers(recorder)))
}

#[test]
fn the_mount_is_what_base_urls_replace() {
    let recorder = Scripted::healthy("corp");
    let sidecar = with(&recorder, "mount: /llm/api\nrollouts: [{ name: all, stable: one }]");
    let mut client = sidecar.client();
    assert_eq!(client.post("/llm/api/chat/completions?a=%20b", &[], "{}").unwrap().status, 200);
    assert_eq!(recorder.last().path, "/v1/chat/completions?a=%20b");
    let outside = client.post(CHAT, &[], "{}").unwrap();
    assert_eq!((outside.status, outside.header("x-serin-error")), (404, "outside_mount"));
}

#[test]
fn unmatched_names_a_provider_or_rejects() {
    let recorder = Scripted::healthy("corp");
    let rollouts = "rollouts: [{ name: chat, stable: one, match: { model: \"gpt-*\" } }]";
    let ask = |lines: &str| {
        let sidecar = with(&recorder, &format!("{lines}\n{rollouts}"));
        let answer = sidecar.client().post(CHAT, &[], r#"{"model":"other"}"#).unwrap();
        (answer.status, answer.header("x-serin-provider").to_owned(), answer.header("x-serin-error").to_owned())
    };
    assert_eq!(ask(""), (200, "one".to_owned(), String::new()));
    assert_eq!(ask("unmatched: two"), (200, "two".to_owned(), String::new()));
    assert_eq!(ask("unmatched: reject"), (404, String::new(), "unmatched".to_owned()));
}

#[test]
fn only_clients_come_in_and_no_provider_sees_their_keys() {
    let recorder = Scripted::healthy("corp");
    let lines = "clients: [{ name: shop, key: shop-key }]\nrollouts: [{ name: all, stable: one }]";
    let sidecar = with(&recorder, lines);
    let mut client = sidecar.client();
    for headers in [&[][..], &[("authorization", "Bearer other")]] {
        // Nobody reads a stranger's body, so a refusal may end its connection.
        let answer = sidecar.client().post(CHAT, headers, "{}").unwrap();
        assert_eq!((answer.status, answer.header("x-serin-error")), (401, "unauthorized"));
    }
    assert!(recorder.asked().is_empty());
    for header in [("authorization", "Bearer shop-key"), ("x-api-key", "shop-key"), ("api-key", "shop-key")] {
        assert_eq!(client.post(CHAT, &[header], "{}").unwrap().status, 200);
        assert_eq!(recorder.last().field(header.0), None);
    }
}

#[test]
fn off_loopback_with_keys_a_file_must_say_that_it_is_open() {
    let recorder = Scripted::healthy("corp");
    let workspace = Workspace::new("");
    let text = |open: &str| {
        format!(
            "listen: 0.0.0.0:0\nadmin: {{ listen: 127.0.0.1:0 }}\n{open}\n\
             providers: {{ one: {{ base_url: \"{}\", api_keys: [k] }} }}\nrollouts: [{{ name: all, stable: one }}]\n",
            recorder.base_url()
        )
    };
    std::fs::write(workspace.flags(), text("")).unwrap();
    let flags = workspace.flags();
    let refused = workspace.run(&["run", "--flags", &flags.to_string_lossy()]);
    let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(64), "{printed}");
    assert!(
        printed.contains("could spend the keys that Serin has for `one`") && printed.contains("open: true"),
        "{printed}"
    );
    std::fs::write(&flags, text("open: true")).unwrap();
    let sidecar = workspace.start();
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], sidecar.listen.port()));
    assert_eq!(Client::connect(local).unwrap().post(CHAT, &[], "{}").unwrap().status, 200);
}

#[test]
fn response_headers_can_be_switched_off() {
    let recorder = Scripted::healthy("corp");
    let rollouts = "rollouts: [{ name: all, stable: one }]";
    let names = |lines: &str| {
        let sidecar = with(&recorder, &format!("{lines}\n{rollouts}"));
        let answer = sidecar.client().post(CHAT, &[], "{}").unwrap();
        answer.headers.into_keys().filter(|name| name.starts_with("x-serin-")).collect::<Vec<_>>()
    };
    assert!(names("").contains(&"x-serin-provider".to_owned()));
    assert_eq!(names("response_headers: false"), Vec::<String>::new());
}

#[test]
fn each_token_may_what_the_file_says() {
    let recorder = Scripted::healthy("corp");
    let workspace = Workspace::new("");
    let tokens: String = ["read", "flags", "rollback", "change"]
        .map(|role| format!("    - {{ name: {role}, token: {role}-token, may: {role} }}\n"))
        .concat();
    let text = format!(
        "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\n  tokens:\n{tokens}{}\
         rollouts: [{{ name: chat, stable: one, canary: two, percent: 50% }}]\nflags: {{ new: {{ follows: chat }} }}\n\
         probe: {{ listen: 127.0.0.1:0 }}\n",
        providers(&recorder)
    );
    std::fs::write(workspace.flags(), text).unwrap();
    let sidecar = workspace.start();
    let status = |token: &str, method: &str, path: &str| {
        let mut client = Client::connect(sidecar.admin).unwrap();
        let bearer = format!("Bearer {token}");
        let body = r#"{"context":{"targetingKey":"u"}}"#;
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let framing = crate::support::client::Framing::Length;
        client
            .send(method, path, &headers, if method == "GET" { b"" } else { body.as_bytes() }, framing)
            .unwrap()
            .status
    };
    let mut seen = BTreeMap::new();
    for token in ["read", "flags", "rollback", "change", "other"] {
        let key = format!("{token}-token");
        seen.insert(
            token,
            [
                status(&key, "GET", "/api/v1/status"),
                status(&key, "POST", "/ofrep/v1/evaluate/flags/new"),
                status(&key, "POST", "/api/v1/rollouts/chat/pause"),
                status(&key, "POST", "/api/v1/rollouts/chat/resume"),
            ],
        );
    }
    assert_eq!(seen["read"], [200, 403, 403, 403]);
    assert_eq!(seen["flags"], [403, 200, 403, 403]);
    assert_eq!(seen["rollback"][0..2], [200, 403]);
    assert_eq!(seen["rollback"][3], 403);
    assert_ne!(seen["rollback"][2], 403);
    assert!(seen["change"].iter().all(|status| *status != 401 && *status != 403), "{:?}", seen["change"]);
    assert_eq!(seen["other"], [401; 4]);
}

#[test]
fn the_probe_port_is_for_reading_health_only() {
    let recorder = Scripted::healthy("corp");
    // Its port is told nowhere but in the file.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lines = format!("probe: {{ listen: \"{port}\" }}\nrollouts: [{{ name: all, stable: one }}]");
    let _sidecar = with(&recorder, &lines);
    let mut client = Client::connect(port).unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(client.get(path).unwrap().status, 200, "{path}");
    }
    assert_eq!(client.get("/api/v1/status").unwrap().status, 404);
}

#[test]
fn a_flag_is_true_for_exactly_the_users_of_the_canary() {
    let recorder = Scripted::healthy("corp");
    let rollouts =
        "rollouts: [{ name: chat, stable: one, canary: two, percent: 50% }]\nflags: { new: { follows: chat } }";
    let sidecar = with(&recorder, rollouts);
    let mut admin = Client::connect(sidecar.admin).unwrap();
    let mut client = sidecar.client();
    let mut values = [0, 0];
    for user in (0..40).map(|number| format!("user-{number}")) {
        let context = json!({ "context": { "targetingKey": user } }).to_string();
        let flag = admin.post("/ofrep/v1/evaluate/flags/new", &[], &context).unwrap().json();
        let canary = client.chat(&user).unwrap().arm() == "canary";
        assert_eq!(flag["value"], canary, "{user}: {flag}");
        values[usize::from(canary)] += 1;
    }
    assert!(values.iter().all(|count| *count > 5), "{values:?}");
}

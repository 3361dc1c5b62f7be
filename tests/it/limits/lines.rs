//! What the access log says of a request that a limit had no room for.

use serde_json::{Value, json};

use super::ask;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const CLIENTS: &str = "clients:
  - { name: shop, key: key-of-the-shop }
  - { name: batch, key: key-of-the-batch, rate_limit: { requests_per_minute: 1, burst: 1 } }";

/// The lines of these requests, of this `when_full` and client.
fn lines(when_full: &str, client: &str, requests: usize) -> Vec<Value> {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let limit = format!("requests_per_minute: 1, burst: 1, when_full: {when_full}");
    let flags = Flags::new()
        .top(CLIENTS)
        .top("access_log: { to: requests.log }")
        .provider("oldcorp", &stable.base_url(), "api_keys: [sk-oldcorp]")
        .provider("newcorp", &canary.base_url(), &format!("api_keys: [sk-newcorp], rate_limit: {{ {limit} }}"));
    let sidecar = Harness::start(&flags.chat("percent: 100%"));
    let key = format!("Bearer key-of-the-{client}");
    let ids: Vec<String> = (0..requests)
        .map(|_| ask(&sidecar, &[("authorization", &key)]).header("x-serin-request-id").to_owned())
        .collect();
    let log = sidecar.workspace().flags().parent().unwrap().parent().unwrap().join("requests.log");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("the lines are written", SOON, || (read().lines().count() == requests).then_some(()));
    let lines: Vec<Value> = read().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &String| lines.iter().find(|line| line["request_id"] == **id).unwrap().clone();
    ids.iter().map(of).collect()
}

#[test]
fn a_line_has_the_limit_and_what_happened_then() {
    for (when_full, then, status, provider) in [
        ("fallback", "other", 200, json!("oldcorp")),
        ("wait, wait: 10ms", "other", 200, json!("oldcorp")),
        ("refuse", "refused", 429, json!(null)),
        ("observe", "observed", 200, json!("newcorp")),
    ] {
        let lines = lines(when_full, "shop", 2);
        assert_eq!((&lines[0]["provider"], &lines[0]["limited"]), (&json!("newcorp"), &json!(null)), "{}", lines[0]);
        let line = &lines[1];
        assert_eq!((&line["status"], &line["provider"]), (&json!(status), &provider), "{when_full}: {line}");
        let [limited] = line["limited"].as_array().unwrap().as_slice() else { panic!("{line}") };
        let told = ["provider", "limit", "then"].map(|key| limited[key].as_str().unwrap());
        assert_eq!(told, ["newcorp", "requests", then], "{when_full}");
        let waited = limited["waited_ms"].as_u64().unwrap();
        assert_eq!(waited >= 10, when_full.starts_with("wait"), "{when_full}: {waited}");
        assert_eq!(line["error"], if status == 429 { json!("rate_limit") } else { json!(null) }, "{line}");
        // An attempt that was not made is not among them.
        let attempts = line["attempts"].as_array().map_or(0, Vec::len);
        assert_eq!(attempts, usize::from(status == 200), "{when_full}: {line}");
    }
}

#[test]
fn a_client_that_is_refused_has_a_line_without_a_provider() {
    let lines = lines("observe", "batch", 2);
    assert_eq!(lines[0]["status"], 200, "{}", lines[0]);
    let line = &lines[1];
    assert_eq!((&line["status"], &line["error"]), (&json!(429), &json!("rate_limit")), "{line}");
    assert_eq!((&line["provider"], &line["limited"]), (&json!(null), &json!(null)), "{line}");
}

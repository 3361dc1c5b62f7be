//! A client that sends more than it may is refused, by name, and no other client is.

use serde_json::json;

use super::ask;
use crate::support::api::Api;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;

const CLIENTS: &str = "clients:
  - { name: shop, key: key-of-the-shop }
  - { name: batch, key: key-of-the-batch, rate_limit: { requests_per_minute: 1, burst: 1 } }
  - { name: watched, key: key-of-the-watched, rate_limit: { requests_per_minute: 1, burst: 1, when_full: observe } }";

fn start(provider: &Scripted) -> Harness {
    let flags = Flags::new().top(CLIENTS).top("access_log: { to: requests.log }");
    let flags = flags.provider("oldcorp", &provider.base_url(), "api_keys: [sk-oldcorp]");
    Harness::start(&flags.plainly("name: all, stable: oldcorp"))
}

#[test]
fn a_client_is_refused_in_the_api_of_its_request_and_others_are_served() {
    let provider = Scripted::healthy("oldcorp");
    let sidecar = start(&provider);
    let key = |client: &str| format!("Bearer key-of-the-{client}");
    let status = |client: &str| ask(&sidecar, &[("authorization", &key(client))]).status;
    assert_eq!(status("batch"), 200);
    for api in Api::ALL {
        let refused = sidecar.whole(api.path(), &[("x-api-key", "key-of-the-batch")], &api.ask("m", false));
        assert_eq!((refused.status, refused.header("x-serin-error")), (429, "rate_limit"), "{api}");
        let after: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&after), "{api}: {after}");
        let body = refused.json();
        assert_eq!(body["error"]["type"], "rate_limit_error", "{api}: {body}");
        assert_eq!(body["type"] == "error", api == Api::Messages, "{api}: {body}");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("`rate_limit` of client `batch` is used up"), "{message}");
    }
    assert_eq!(["shop", "shop", "watched", "watched", "batch"].map(status), [200, 200, 200, 200, 429]);
    assert_eq!(provider.count(), 5);
    let wanted = json!([
        { "name": "batch", "requests_per_minute": 1, "burst": 1, "last_minute": 1, "requests_left": 0, "refused": 4,
          "observed": 0 },
        { "name": "watched", "requests_per_minute": 1, "burst": 1, "last_minute": 1, "requests_left": 0, "refused": 0,
          "observed": 1 },
    ]);
    eventually("the status tells it", SOON, || (sidecar.status()["clients"] == wanted).then_some(()));
    let metrics = sidecar.metrics();
    for (client, then, requests) in [("batch", "refused", 4), ("watched", "observed", 1)] {
        let line = format!("serin_client_limited_requests_total{{client=\"{client}\",then=\"{then}\"}} {requests}\n");
        assert!(metrics.contains(&line), "{line}");
    }
    let shown = sidecar.workspace().run(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for line in [
        "limit      of client batch: 1 of 1 a minute, 4 refused since the start\n",
        "limit      of client watched: 1 of 1 a minute, 1 beyond it since the start\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    // It concerns the client alone: the provider was not asked, and nothing is known against it.
    let known = &sidecar.status()["providers"][0];
    assert_eq!((&known["breaker"], &known["failures"]), (&json!("closed"), &json!(0)));
}

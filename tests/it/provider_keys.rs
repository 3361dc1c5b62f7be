//! What a provider's keys in flags.yaml change about how it is asked, as the provider sees it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serin::clock;
use tokio::sync::Barrier;

use crate::support::faults::fault::Fault;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{CHUNKED, Step, head, json};
use crate::support::sidecar::{Sidecar, Workspace};

/// Far below every default of the clocks.
const SHORT: Duration = Duration::from_secs(10);

/// A sidecar with this provider as its only one, and these further keys of it.
fn only(recorder: &Scripted, keys: &str, top: &str) -> Harness {
    Harness::start(&format!(
        "{top}providers:\n  corp: {{ base_url: \"{}\", {keys} }}\nrollouts:\n  - {{ name: all, stable: corp }}\n",
        recorder.base_url()
    ))
}

/// What the provider is asked when the application asks this.
fn asked(keys: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
    let recorder = Scripted::healthy("corp");
    let sidecar = only(&recorder, keys, "");
    let answer = sidecar.client().post(path, headers, r#"{"model":"gpt-4"}"#).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    recorder.last()
}

#[test]
fn auth_says_how_the_key_is_shown() {
    let clients = [("authorization", "Bearer app"), ("x-api-key", "app")];
    let ask = |keys: &str| asked(keys, "/v1/chat/completions?a=1", &clients);
    let bearer = ask("api_keys: [k-1], auth: bearer");
    assert_eq!((bearer.field("authorization"), bearer.field("x-api-key")), (Some("Bearer k-1"), None));
    let header = ask("api_keys: [k-1], auth: \"header:api-key\"");
    assert_eq!((header.field("api-key"), header.field("authorization")), (Some("k-1"), None));
    let query = ask("api_keys: [\"k 1\"], auth: \"query:key\"");
    assert_eq!((query.path.as_str(), query.field("authorization")), ("/v1/chat/completions?a=1&key=k%201", None));
    let none = ask("auth: none");
    assert_eq!(none.field("authorization"), Some("Bearer app"), "a stable provider without keys gets the app's");
}

#[test]
fn query_and_set_headers_are_added_to_what_was_sent() {
    let keys = "query: { api-version: \"2024 10\" }, set_headers: { X-Title: shop, x-team: search }";
    let asked = asked(keys, "/v1/chat/completions?a=1", &[("x-title", "the app's")]);
    assert_eq!(asked.path, "/v1/chat/completions?a=1&api-version=2024%2010");
    assert_eq!((asked.field("x-title"), asked.field("x-team")), (Some("shop"), Some("search")));
}

#[test]
fn a_model_goes_by_the_providers_name_and_unmapped_ones_may_stay() {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let sidecar = Harness::start(&format!(
        "providers:\n  old: {{ base_url: \"{}\" }}\n  \
         new: {{ base_url: \"{}\", models: {{ gpt-4: deepseek-chat }}, unmapped: stable }}\n\
         rollouts:\n  - {{ name: all, stable: old, canary: new, percent: 100% }}\n",
        old.base_url(),
        new.base_url()
    ));
    let mut client = sidecar.client();
    let mut ask = |model: &str| {
        client.post("/v1/chat/completions", &[], &format!(r#"{{"model":"{model}","user":"u"}}"#)).unwrap()
    };
    assert_eq!(ask("gpt-4").header("x-serin-provider"), "new");
    assert_eq!(new.last().json()["model"], "deepseek-chat");
    assert_eq!(ask("gpt-5").header("x-serin-provider"), "old");
    assert_eq!(old.last().json()["model"], "gpt-5");
}

#[test]
fn forward_headers_lets_a_canary_see_what_was_meant_for_stable() {
    let (old, new) = (Scripted::healthy("corp"), Scripted::healthy("corp"));
    let sidecar = Harness::start(&format!(
        "providers:\n  old: {{ base_url: \"{}\" }}\n  new: {{ base_url: \"{}\", forward_headers: [cookie] }}\n\
         rollouts:\n  - {{ name: all, stable: old, canary: new, percent: 100% }}\n",
        old.base_url(),
        new.base_url()
    ));
    let headers = [("cookie", "a=b"), ("authorization", "Bearer app")];
    sidecar.client().post("/v1/chat/completions", &headers, "{}").unwrap();
    assert_eq!((new.last().field("cookie"), new.last().field("authorization")), (Some("a=b"), None));
}

#[test]
fn each_clock_ends_its_own_wait() {
    let recorder = Scripted::start("corp", |_| Fault::Silence);
    let began = clock::instant();
    let sidecar = only(&recorder, "timeouts: { headers: 200ms }", "");
    let answer = sidecar.client().post("/v1/chat/completions", &[], "{}").unwrap();
    assert_eq!((answer.status, answer.header("x-serin-error")), (504, "timeout"), "{}", answer.text());
    // Whether a stream is asked for stands in the body, which is read where users are split.
    let workspace = Workspace::new(&format!(
        "providers:\n  old: {{ base_url: \"{0}\" }}\n  new: {{ base_url: \"{0}\", timeouts: {{ stream_headers: 200ms }} }}\n\
         rollouts:\n  - {{ name: all, stable: old, canary: new, percent: 100%, fallback: false }}\n",
        recorder.base_url()
    ));
    let sidecar = workspace.start();
    let answer = sidecar.client().post("/v1/chat/completions", &[], r#"{"model":"m","stream":true}"#).unwrap();
    assert_eq!((answer.status, answer.header("x-serin-error")), (504, "timeout"), "{}", answer.text());
    assert!(began.elapsed() < SHORT);
    for (said, timeouts) in [("", "first_output: 200ms"), ("5\r\nhello\r\n", "idle: 200ms")] {
        let begun = format!("{}{CHUNKED}\r\n{said}", head(200, ""));
        let recorder = Scripted::start("corp", move |_| vec![Step::Write(begun.clone().into_bytes()), Step::Forever]);
        let sidecar = only(&recorder, &format!("timeouts: {{ {timeouts} }}"), "");
        let began = clock::instant();
        let cut = sidecar.client().post("/v1/chat/completions", &[], "{}");
        assert!(cut.is_err(), "{timeouts}: an answer that stopped must not look complete");
        assert!(began.elapsed() < SHORT, "{timeouts}");
    }
}

#[test]
fn the_clock_for_connecting_covers_tls() {
    // It accepts, and says nothing in TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar = Harness::start(&format!(
        "providers:\n  corp: {{ base_url: \"https://{}/v1\", timeouts: {{ connect: 200ms }} }}\n\
         rollouts:\n  - {{ name: all, stable: corp }}\n",
        listener.local_addr().unwrap()
    ));
    let answer = sidecar.client().post("/v1/chat/completions", &[], "{}").unwrap();
    assert_eq!((answer.status, answer.header("x-serin-error")), (502, "connect"), "{}", answer.text());
    assert!(answer.text().contains("longer than 200ms"), "{}", answer.text());
}

#[test]
fn http2_with_prior_knowledge_begins_with_its_preface() {
    let recorder = Scripted::healthy("corp");
    let sidecar = only(&recorder, "http2: prior_knowledge", "");
    let answer = sidecar.client().post("/v1/chat/completions", &[], "{}").unwrap();
    assert_eq!(answer.status, 502, "the recorder hangs up on HTTP/2: {}", answer.text());
    recorder.expect("PRI");
}

#[test]
fn max_connections_bounds_what_is_open_at_one_time() {
    // Without the key two requests are at the provider at the same time; it answers neither before.
    let requests = |sidecar: &Sidecar, together: usize| {
        std::thread::scope(|scope| {
            let send = || sidecar.client().post("/v1/chat/completions", &[], "{}").unwrap().status;
            let all: Vec<_> = (0..together).map(|_| scope.spawn(send)).collect();
            all.into_iter().all(|one| one.join().unwrap() == 200)
        })
    };
    let all = Arc::new(Barrier::new(4));
    let recorder = Scripted::healthy("corp");
    recorder.queue(vec![vec![Step::Meet(all), Step::Write(json(200, "{}"))]; 4]);
    let sidecar = only(&recorder, "auth: none", "workers: 1\n");
    assert!(requests(&sidecar, 4));
    let connections = |recorder: &Scripted| {
        recorder.asked().iter().map(|asked| asked.connection).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(connections(&recorder), 4);
    let recorder = Scripted::healthy("corp");
    let sidecar = only(&recorder, "max_connections: 1", "workers: 1\n");
    assert!(requests(&sidecar, 8));
    assert_eq!((recorder.asked().len(), connections(&recorder)), (8, 1));
}

#[test]
fn the_probe_asks_for_probe_path() {
    let recorder = Scripted::healthy("corp");
    let workspace = Workspace::new(&format!(
        "providers:\n  old: {{ base_url: \"{0}\" }}\n  new: {{ base_url: \"{0}\", probe_path: /alive?x=1 }}\n\
         rollouts:\n  - {{ name: all, stable: old, canary: new, percent: auto }}\n",
        recorder.base_url()
    ));
    let _sidecar = workspace.start();
    assert_eq!(recorder.expect("GET").path, "/v1/alive?x=1");
}

#[test]
fn the_egress_proxy_is_asked_for_a_tunnel_and_none_switches_the_environments_off() {
    let recorder = Scripted::healthy("corp");
    let flags = |top: &str, scheme: &str| {
        format!(
            "{top}providers:\n  corp: {{ base_url: \"{scheme}://corp.invalid/v1\", timeouts: {{ headers: 5s }} }}\n\
             rollouts:\n  - {{ name: all, stable: corp }}\n"
        )
    };
    let ask = |sidecar: &Sidecar| sidecar.client().post("/v1/chat/completions", &[], "{}").unwrap();
    let workspace = Workspace::new(&flags(&format!("proxy: \"http://me:pw@{}\"\n", recorder.addr()), "http"));
    assert_eq!(ask(&workspace.start()).status, 200);
    let tunnel = recorder.expect("CONNECT");
    assert_eq!(tunnel.path, "corp.invalid:80");
    assert_eq!(tunnel.field("proxy-authorization"), Some("Basic bWU6cHc="));
    assert_eq!(recorder.last().path, "/v1/chat/completions");

    let recorder = Scripted::healthy("corp");
    let variable = [("HTTPS_PROXY", format!("http://{}", recorder.addr()))];
    let workspace = Workspace::new(&flags("proxy: none\n", "https"));
    let sidecar = workspace.start_with(&variable);
    assert_eq!(ask(&sidecar).header("x-serin-error"), "connect");
    assert_eq!(recorder.asked().len(), 0);
    drop(sidecar);
    workspace.write(&flags("", "https"));
    let sidecar = workspace.start_with(&variable);
    // The recorder speaks no TLS: it cannot be more than asked.
    let mut client = sidecar.client();
    client.raw().write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    assert_eq!(recorder.expect("CONNECT").path, "corp.invalid:443");
}

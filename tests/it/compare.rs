//! `compare` of a rollout: a share of stable's requests is copied, what differs is counted, and what must not be copied
//! is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::eventually::{SOON, eventually};
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{Step, json as whole, sized};
use crate::support::sidecar::{Sidecar, Workspace, spoken};

fn answer(content: &str, tokens: u64) -> String {
    json!({
        "choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": tokens},
    })
    .to_string()
}

fn provider(name: &str, content: &'static str) -> Scripted {
    Scripted::start(name, move |seen| {
        if seen.wants_a_stream() {
            let event = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
            let content = serde_json::to_string(content).unwrap();
            let done =
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
            let body = event("{\"role\":\"assistant\"}") + &event(&format!("{{\"content\":{content}}}")) + done;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
            return vec![Step::Write(sized(head, body.as_bytes()))];
        }
        vec![Step::Write(whole(200, &answer(content, 5)))]
    })
}

struct Stage {
    old: Scripted,
    new: Scripted,
    workspace: Workspace,
}

impl Stage {
    fn with(old: Scripted, new: Scripted, provider: &str, rollout: &str) -> Stage {
        let stage = Stage { old, new, workspace: Workspace::new("") };
        stage.write(provider, rollout);
        stage
    }

    fn write(&self, provider: &str, rollout: &str) {
        self.workspace.write(&format!(
            "providers:\n  old: {{ base_url: \"{}\", auth: none, prices: {{ \"*\": {{ input: 1, output: 2 }} }} }}\n  \
             new: {{ base_url: \"{}\", auth: none, {provider} }}\n\
             rollouts:\n  - {{ name: chat, stable: old, canary: new, fallback: false, {rollout} }}\n",
            self.old.base_url(),
            self.new.base_url()
        ));
    }
}

const ALL: &str = "percent: 1%, exclude: [kept-away], compare: { share: 100%, per_minute: 600 }";
const PRICED: &str = "prices: { \"*\": { input: 0.5, output: 1 } }";

fn counts(sidecar: &Sidecar) -> Value {
    let reply = sidecar.admin_get("/api/v1/rollouts/chat/comparison");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["comparison"].clone()
}

/// One request of a user on stable.
fn ask(sidecar: &Sidecar, user: &str, body: &Value) {
    let path = "/v1/chat/completions";
    let answer = sidecar.client().post(path, &[("x-user-id", user)], &body.to_string()).unwrap();
    assert_eq!((answer.status, answer.arm()), (200, "stable"), "{}", answer.text());
}

/// The same until so many pairs were compared: samples keep a distance.
fn compare(sidecar: &Sidecar, pairs: u64, body: &Value) -> Value {
    eventually("pairs are compared", SOON, || {
        if counts(sidecar)["funnel"]["compared"].as_u64().unwrap() < pairs {
            ask(sidecar, "user-1", body);
        }
        let counts = counts(sidecar);
        (counts["funnel"]["compared"].as_u64().unwrap() >= pairs).then_some(counts)
    })
}

#[test]
fn what_differs_is_counted_whole_or_streamed_with_times_and_cost() {
    let long = "A fairly long sentence of an answer, with a number of words in it.";
    let stage = Stage::with(provider("old", "{\"a\":1}"), provider("new", long), PRICED, ALL);
    let sidecar = stage.workspace.start();
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"required": ["a"]}}});
    let body = json!({"model": "m", "response_format": schema, "messages": [{"role": "user", "content": "hi"}]});
    let counts = compare(&sidecar, 5, &body);
    let of =
        |aspect: &str| (counts["aspects"][aspect]["alike"].clone(), counts["aspects"][aspect]["different"].clone());
    assert_eq!(of("status"), (5.into(), 0.into()), "{counts}");
    for aspect in ["json", "schema", "length"] {
        assert_eq!(of(aspect), (0.into(), 5.into()), "{aspect}: {counts}");
    }
    // 10 tokens read and 5 written at 1 and 2 dollars a million, and at half of that.
    assert_eq!((&counts["cost"]["stable"], &counts["cost"]["canary"]), (&0.000_02.into(), &0.000_01.into()));
    assert!(counts["total_ms"]["canary"].is_u64() && counts["unpriced"] == 0, "{counts}");

    let streamed = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let counts = compare(&sidecar, 8, &streamed);
    assert!(counts["aspects"]["finish"]["alike"].as_u64().unwrap() >= 8, "{counts}");
    assert_eq!(counts["defects"], json!([]));
    let shown = spoken(&stage.workspace.run(&["compare", "chat"]));
    assert!(shown.contains("a share of stable's requests is copied") && shown.contains("json 5 of 5"), "{shown}");
    assert!(sidecar.metrics().contains(
        "serin_compare_pairs_total{rollout=\"chat\",purpose=\"comparison\",aspect=\"json\",alike=\"false\"} 5"
    ));
}

#[test]
fn what_would_do_more_than_be_answered_and_who_is_kept_off_the_canary_is_never_copied() {
    let stage = Stage::with(provider("old", "yes"), provider("new", "yes"), "", ALL);
    let sidecar = stage.workspace.start();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let cases = [
        ("user-1", json!({"model": "m", "messages": messages, "background": true}), "background"),
        ("user-1", json!({"model": "m", "messages": messages, "store": true}), "state"),
        ("user-1", json!({"model": "m", "messages": messages, "tools": [{"type": "mcp"}]}), "server_tools"),
    ];
    for (user, body, reason) in cases {
        eventually(reason, SOON, || {
            ask(&sidecar, user, &body);
            counts(&sidecar)["funnel"]["skipped"].get(reason).is_some().then_some(())
        });
    }
    // Neither is one that goes on from state, nor one of a user who is excluded: those are not even looked at.
    for _ in 0..3 {
        ask(&sidecar, "kept-away", &json!({"model": "m", "messages": messages}));
        ask(&sidecar, "user-1", &json!({"model": "m", "messages": messages, "previous_response_id": "resp_1"}));
        let models = sidecar.client().get("/v1/models").unwrap();
        assert_eq!(models.status, 200);
    }
    compare(&sidecar, 1, &json!({"model": "m", "messages": messages}));
    assert_eq!(stage.new.count(), 1, "only the last one was copied");
}

#[test]
fn money_ends_and_no_traffic_on_stable_is_said() {
    let dear = "prices: { \"*\": { input: 100000, output: 100000 } }";
    let rollout = "percent: 1%, compare: { share: 100%, per_minute: 600, max_cost: $5 }";
    let stage = Stage::with(provider("old", "yes"), provider("new", "yes"), dear, rollout);
    let sidecar = stage.workspace.start();
    let body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
    eventually("the money is used up", SOON, || {
        ask(&sidecar, "user-1", &body);
        counts(&sidecar)["funnel"]["skipped"].get("cost").is_some().then_some(())
    });
    let spent = sidecar.admin_get("/api/v1/rollouts/chat/comparison").json()["spent_today"].as_f64().unwrap();
    assert!(spent > 0.0 && spent <= 5.0 && stage.new.count() < 6, "{spent} for {}", stage.new.count());

    stage.write("", "percent: 100%, compare: { share: 1% }");
    let mode = || sidecar.admin_get("/api/v1/rollouts/chat/comparison").json()["mode"].clone();
    eventually("nothing is left to copy", SOON, || (mode() == "nothing_on_stable").then_some(()));
    stage.write("", "percent: 1%");
    let gone = || sidecar.admin_get("/api/v1/rollouts/chat/comparison");
    eventually("the file asks for no copies", SOON, || (gone().status == 404).then_some(()));
    let checked = spoken(&stage.workspace.run(&["check", "etc/flags.yaml"]));
    assert!(!checked.contains("max_cost"), "{checked}");
    stage.write("", ALL);
    let checked = spoken(&stage.workspace.run(&["check", "etc/flags.yaml"]));
    assert!(checked.contains("`max_cost` cannot be held, since `new` has no `prices`"), "{checked}");
}

#[test]
fn a_copy_under_way_holds_up_neither_a_rollback_nor_the_end_of_the_process() {
    let stuck =
        Scripted::start(
            "new",
            |seen| {
                if seen.is_aside() { vec![Step::Write(whole(200, "{}"))] } else { vec![Step::Forever] }
            },
        );
    let stage = Stage::with(provider("old", "yes"), stuck, "", ALL);
    let mut sidecar = stage.workspace.start();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let hang = |sidecar: &Sidecar, copies: usize| {
        eventually("copies hang", SOON, || {
            ask(sidecar, "user-1", &body);
            (stage.new.count() >= copies).then_some(())
        });
    };
    hang(&sidecar, 2);
    assert_eq!(sidecar.change("rollback").status, 200);
    let left = || stage.new.requests().iter().filter(|seen| seen.end.is_some()).count();
    eventually("they are ended", Duration::from_secs(5), || (left() >= 2).then_some(()));
    assert_eq!(sidecar.change("resume").status, 200);
    hang(&sidecar, 3);
    sidecar.terminate();
    assert!(eventually("it ends", SOON, || sidecar.has_ended()));
}

#[test]
fn percent_0_ends_copies_whoever_was_on_the_canary_before() {
    let copies = "rehearse: { requests: 5, per_minute: 600 }, compare: { share: 100%, per_minute: 600 }";
    let stage = Stage::with(provider("old", "yes"), provider("new", "yes"), PRICED, &format!("percent: 1%, {copies}"));
    let sidecar = stage.workspace.start();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    compare(&sidecar, 1, &body);
    stage.write(PRICED, &format!("percent: 0, {copies}"));
    let reply = || sidecar.admin_get("/api/v1/rollouts/chat/comparison").json();
    eventually("nothing is copied", SOON, || (reply()["mode"] == "taken_back").then_some(()));
    let (sent, seen) = (stage.new.count(), reply()["comparison"]["funnel"]["seen"].clone());
    for _ in 0..10 {
        ask(&sidecar, "user-1", &body);
    }
    assert_eq!((stage.new.count(), &reply()["comparison"]["funnel"]["seen"]), (sent, &seen));
    assert!(reply()["sentence"].as_str().unwrap().contains("`percent: 0`"));
}

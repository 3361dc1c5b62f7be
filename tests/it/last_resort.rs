//! The text of `last_resort` as an application reads it, where every candidate has failed, and where it is not sent.

use serde_json::Value;

use crate::support::api::{Api, events};
use crate::support::client::Answer;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::{Flags, Harness, series};
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{Step, json};

const TEXT: &str = "We are busy, \"please\" try again in a minute.";

/// Everybody on the canary, with the text.
fn start(stable: &Scripted, canary: &Scripted) -> Harness {
    let flags = Flags::new()
        .top("access_log: { to: requests.log }")
        .provider("oldcorp", &stable.base_url(), "auth: none, breaker: off")
        .provider("newcorp", &canary.base_url(), "auth: none, breaker: off");
    let text = TEXT.replace('"', "\\\"");
    Harness::start(&flags.chat(&format!(
        "percent: 100%, retry: {{ attempts: 1 }}, match: {{ endpoints: [chat/completions, messages, responses] }}, \
         last_resort: {{ text: \"{text}\" }}"
    )))
}

/// What a whole answer says, and how it ended.
fn said(api: Api, answer: &Answer) -> (Value, Value) {
    let body = answer.json();
    match api {
        Api::Chat => {
            let choice = &body["choices"][0];
            (choice["message"]["content"].clone(), choice["finish_reason"].clone())
        }
        Api::Messages => (body["content"][0]["text"].clone(), body["stop_reason"].clone()),
        Api::Responses => (body["output"][0]["content"][0]["text"].clone(), body["status"].clone()),
    }
}

/// The same of a stream, from its pieces.
fn streamed(api: Api, answer: &Answer) -> (Value, Value) {
    let (events, rest) = events(&String::from_utf8_lossy(&answer.body));
    assert_eq!(rest, "", "{api}: the last event is whole");
    if api == Api::Chat {
        assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
    }
    let data = events.iter().filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    let data: Vec<Value> =
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect();
    let pieces = |piece: fn(&Value) -> &Value| data.iter().filter_map(|data| piece(data).as_str()).collect::<String>();
    let last = |field: fn(&Value) -> &Value| data.iter().map(field).rfind(|value| !value.is_null()).unwrap().clone();
    let (text, end) = match api {
        Api::Chat => {
            (pieces(|data| &data["choices"][0]["delta"]["content"]), last(|data| &data["choices"][0]["finish_reason"]))
        }
        Api::Messages => (pieces(|data| &data["delta"]["text"]), last(|data| &data["delta"]["stop_reason"])),
        Api::Responses => (
            pieces(|data| if data["type"] == "response.output_text.delta" { &data["delta"] } else { &Value::Null }),
            last(|data| &data["response"]["status"]),
        ),
    };
    (text.into(), end)
}

#[test]
fn it_is_a_complete_response_of_each_api_and_nobodys_success() {
    let (stable, canary) = (Scripted::refusing(503), Scripted::start("newcorp", |_| vec![Step::Reset]));
    let sidecar = start(&stable, &canary);
    for api in Api::ALL {
        for stream in [false, true] {
            // Each of another user, since a user who fails again counts once.
            let asked = api.ask_at_length("m", stream, "hi", Some(&format!("{api} {stream}")));
            let answer = sidecar.whole(api.path(), &[], &asked);
            assert_eq!(
                (answer.status, answer.header("x-serin-last-resort")),
                (200, "reset"),
                "{api}: {}",
                answer.text()
            );
            assert_eq!((answer.header("x-serin-provider"), answer.header("x-serin-error")), ("", ""));
            let media_type = if stream { "text/event-stream" } else { "application/json" };
            assert!(answer.header("content-type").starts_with(media_type), "{api}: {:?}", answer.headers);
            let (text, end) = if stream { streamed(api, &answer) } else { said(api, &answer) };
            let ended = match api {
                Api::Chat => "stop",
                Api::Messages => "end_turn",
                Api::Responses => "completed",
            };
            assert_eq!((text.as_str(), end.as_str()), (Some(TEXT), Some(ended)), "{api} {stream}: {}", answer.text());
        }
    }
    sidecar.expect_attempts("chat", &[("newcorp", "reset", 6), ("oldcorp", "server_error", 6)]).unwrap();
    let chat = || sidecar.chat();
    eventually("the guard counts them", SOON, || (chat()["window"]["canary"]["failures"] == 6).then_some(()));
    assert_eq!((&chat()["window"]["canary"]["requests"], &chat()["last_resorts"]), (&6.into(), &6.into()));
    let counted: u64 = series(&sidecar.metrics(), "serin_last_resorts_total").iter().map(|(_, count)| count).sum();
    assert_eq!(counted, 6);
    let workspace = sidecar.workspace();
    let shown = String::from_utf8_lossy(&workspace.run(&["status"]).stdout).into_owned();
    assert!(shown.contains("6 requests answered with its text since the start\n"), "{shown}");
    let log = workspace.flags().parent().unwrap().parent().unwrap().join("requests.log");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("the access log has them", SOON, || {
        (lines().matches(r#""error":"last_resort""#).count() == 6).then_some(())
    });
}

#[test]
fn what_the_client_itself_got_wrong_is_told_to_it() {
    let refused = r#"{"error":{"message":"no such role","type":"invalid_request_error"}}"#;
    let refusing = || Scripted::start("corp", |_| vec![Step::Write(json(400, refused))]);
    let failing = || Scripted::start("corp", |_| vec![Step::Write(json(500, "{}"))]);
    for (stable, canary) in [(refusing(), refusing()), (failing(), refusing()), (refusing(), failing())] {
        let sidecar = start(&stable, &canary);
        for api in [Api::Chat, Api::Messages] {
            for stream in [false, true] {
                let answer = sidecar.whole(api.path(), &[], &api.ask("m", stream));
                assert_eq!(answer.arm(), "canary");
                assert!(answer.status >= 400 && answer.header("x-serin-last-resort").is_empty(), "{api}: {answer:?}");
            }
        }
        assert_eq!(sidecar.chat()["last_resorts"], 0);
    }
}

#[test]
fn a_request_for_json_gets_the_error() {
    let (stable, canary) = (Scripted::refusing(503), Scripted::refusing(502));
    let sidecar = start(&stable, &canary);
    let answer = sidecar.whole(Api::Chat.path(), &[], r#"{"response_format":{"type":"json_object"},"messages":[]}"#);
    assert_eq!(answer.arm(), "canary");
    assert!(answer.status >= 500 && answer.header("x-serin-last-resort").is_empty(), "{answer:?}");
}

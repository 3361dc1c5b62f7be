//! Golden answers, `tests/golden/wire/answers.json`, and bodies that are cut anywhere.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    dialect: String,
    body: String,
    output: bool,
    failure: Option<Value>,
    cut: bool,
    usage: Option<Value>,
}

fn cases() -> Vec<(Dialect, Case)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire/answers.json");
    let cases: Vec<Case> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let dialect = |case: &Case| match case.dialect.as_str() {
        "embeddings" => Dialect::Embeddings,
        "plain" => Dialect::Plain,
        path => Dialect::of(&format!("/{}", path.replace('_', "/"))),
    };
    let cases: Vec<(Dialect, Case)> = cases.into_iter().map(|case| (dialect(&case), case)).collect();
    assert!(Dialect::ALL.iter().all(|dialect| cases.iter().any(|(of, _)| of == dialect)));
    cases
}

#[test]
fn answers_are_read_as_they_are_meant() {
    for (dialect, case) in cases() {
        let reading = read_answer(dialect, case.body.as_bytes(), false);
        let glance = read_answer(dialect, case.body.as_bytes(), true);
        let known = |reading: &AnswerReading| (reading.output, reading.finish, reading.usage, reading.malformed);
        assert_eq!(known(&glance), known(&reading), "{}: known to be whole", case.name);
        let text = |failure: &Value, key: &str| failure[key].as_str().map(str::to_owned);
        let failure = case.failure.map(|failure| {
            Box::new(Complaint {
                message: text(&failure, "message").unwrap(),
                kind: text(&failure, "kind"),
                code: text(&failure, "code"),
                param: text(&failure, "param"),
                retry_after: None,
            })
        });
        let count = |usage: &Value, key: &str| usage[key].as_u64().unwrap();
        let usage = case.usage.map(|usage| Usage {
            input: count(&usage, "input"),
            output: count(&usage, "output"),
            cached: count(&usage, "cached"),
            reasoning: usage["reasoning"].as_u64().unwrap_or(0),
        });
        let (malformed, finish) = (reading.malformed, reading.finish);
        let expected = AnswerReading { output: case.output, failure, malformed, cut: case.cut, finish, usage };
        assert_eq!(reading, expected, "{}", case.name);
    }
}

#[test]
fn what_is_no_answer_is_told_by_what_it_is() {
    let read = |dialect: &str, body: &str| read_answer(Dialect::of(&format!("/{dialect}")), body.as_bytes(), true);
    for (body, shape) in [
        ("", Shape::Empty),
        (" \n", Shape::Blank),
        ("null", Shape::Null),
        ("{}", Shape::NoMembers),
        (" { } ", Shape::NoMembers),
        ("[]", Shape::Array),
        ("[{\"error\":1}]", Shape::Array),
        ("17", Shape::Number),
        ("true", Shape::Boolean),
        ("\"busy\"", Shape::String),
        ("{\"success\":false,\"message\":\"bad url\"}", Shape::Object),
        ("{\"code\":500}", Shape::Object),
        ("{\"detail\":\"Not Found\"}", Shape::Object),
        ("{\"error\":null}", Shape::Object),
        ("{\"choices\":null,\"output\":null,\"content\":null}", Shape::Object),
        ("{\"choices\":{},\"output\":{},\"content\":{}}", Shape::Object),
        ("{\"id\":\"j1\",\"status\":\"PENDING\"}", Shape::Job),
        ("{\"job\":1,\"state\":\"running\"}", Shape::Job),
        ("{\"choices\":[}", Shape::Invalid),
        ("{\"choices\":[]}{\"choices\":[]}", Shape::Invalid),
        ("{\"choices\":[]}\n{\"choices\":[]}\n", Shape::Invalid),
        ("<!doctype html>", Shape::Html),
        ("upstream busy", Shape::Text),
        ("data: {}\n\n", Shape::Events),
    ] {
        for dialect in ["chat/completions", "completions", "responses", "messages"] {
            let reading = read(dialect, body);
            assert_eq!((reading.malformed, reading.cut), (Some(shape), false), "{dialect}: {body}");
            assert!(reading.failure.is_none(), "{dialect}: {body}");
        }
        assert_eq!(read("embeddings", body).malformed, None, "{body}");
    }
    for (dialect, good) in [
        ("chat/completions", "{\"choices\":[]}"),
        ("chat/completions", "\u{feff}\n {\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}\n"),
        ("completions", "{\"choices\":[{\"text\":\"Hi\"}]}"),
        ("responses", "{\"object\":\"response\",\"status\":\"queued\",\"output\":[]}"),
        ("responses", "{\"object\":\"response\",\"status\":\"in_progress\"}"),
        ("responses", "{\"object\":\"response\",\"status\":\"incomplete\",\"output\":[]}"),
        ("responses", "{\"output\":[{\"type\":\"function_call\"}]}"),
        ("messages", "{\"type\":\"message\",\"content\":[]}"),
        ("messages", "{\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}"),
    ] {
        assert_eq!(read(dialect, good).malformed, None, "{dialect}: {good}");
    }
    for (dialect, bad) in [
        ("responses", "{\"object\":\"response\",\"output\":[]}"),
        ("responses", "{\"object\":\"response\",\"status\":\"lost\",\"output\":[{\"type\":\"function_call\"}]}"),
        ("messages", "{\"content\":[]}"),
        ("messages", "{\"type\":\"message\",\"content\":\"Hi\"}"),
        ("chat/completions", "{\"object\":\"response\",\"status\":\"completed\",\"output\":[]}"),
    ] {
        assert!(read(dialect, bad).malformed.is_some(), "{dialect}: {bad}");
    }
    for said in ["{\"error\":\"no\"}", "{\"error\":{\"message\":\"no\"}}"] {
        for dialect in ["chat/completions", "completions", "responses", "messages"] {
            let reading = read(dialect, said);
            assert!(reading.failure.is_some() && reading.malformed.is_none(), "{dialect}: {said}");
        }
    }
    for status in ["failed", "cancelled"] {
        let reading = read("responses", &format!("{{\"object\":\"response\",\"status\":\"{status}\",\"output\":[]}}"));
        assert!(reading.failure.is_some() && reading.malformed.is_none(), "{status}");
    }
}

#[test]
fn a_character_that_is_none_spoils_no_answer() {
    let body = b"{\"choices\":[{\"message\":{\"content\":\"gr\xfc\xdf\"},\"finish_reason\":\"stop\"}]}";
    let reading = read_answer(Dialect::ChatCompletions, body, false);
    assert!(reading.output && reading.malformed.is_none() && !reading.cut, "{reading:?}");
    let page = read_answer(Dialect::ChatCompletions, b"gr\xfc\xdf", false);
    assert_eq!(page.malformed, Some(Shape::Text));
}

#[test]
fn an_answer_cut_anywhere_is_cut() {
    for (dialect, case) in cases().iter().filter(|(_, case)| serde_json::from_str::<Value>(&case.body).is_ok()) {
        for end in 1..case.body.len() {
            let reading = read_answer(*dialect, &case.body.as_bytes()[..end], false);
            assert!(reading.cut && reading.failure.is_none(), "{}: {}", case.name, &case.body[..end]);
        }
    }
}

#[test]
fn deep_nesting_is_walked_over() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let body = format!(r#"{{"x":{deep},"choices":[{{"y":{deep},"message":{{"content":{deep}}}}}]}}"#);
    let reading = read_answer(Dialect::ChatCompletions, body.as_bytes(), false);
    assert!(reading.output && !reading.cut);
}

proptest! {
    #[test]
    fn nothing_makes_it_fail(body in prop::collection::vec(any::<u8>(), 0..200), from in 0..6_usize) {
        let mut json = b"{\"choices\":"[..[0, 1, 2, 9, 10, 11][from]].to_vec();
        json.extend_from_slice(&body);
        for dialect in Dialect::ALL {
            let reading = read_answer(dialect, &json, false);
            prop_assert!(reading.output || reading.failure.is_some() || dialect.generates());
        }
    }
}

#[test]
fn an_answer_within_something_else_is_none() {
    let chat = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    for body in [
        format!(r#"{{"success":true,"result":{chat}}}"#),
        format!(r#"{{"code":0,"data":{chat}}}"#),
        format!(r#"{{"data":[{chat}]}}"#),
    ] {
        for announced in [true, false] {
            let reading = read_answer(Dialect::ChatCompletions, body.as_bytes(), announced);
            assert_eq!(reading.malformed, Some(Shape::Object), "{announced}: {body}");
        }
    }
    for announced in [true, false] {
        assert_eq!(read_answer(Dialect::ChatCompletions, chat.as_bytes(), announced).malformed, None);
    }
}

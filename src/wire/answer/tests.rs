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

const DIALECTS: [Dialect; 6] = [
    Dialect::ChatCompletions,
    Dialect::Completions,
    Dialect::Responses,
    Dialect::Messages,
    Dialect::Embeddings,
    Dialect::Plain,
];

fn cases() -> Vec<(Dialect, Case)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire/answers.json");
    let cases: Vec<Case> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let dialect = |case: &Case| match case.dialect.as_str() {
        "embeddings" => Dialect::Embeddings,
        "plain" => Dialect::Plain,
        path => Dialect::of(&format!("/{}", path.replace('_', "/"))),
    };
    let cases: Vec<(Dialect, Case)> = cases.into_iter().map(|case| (dialect(&case), case)).collect();
    assert!(DIALECTS.iter().all(|dialect| cases.iter().any(|(of, _)| of == dialect)));
    cases
}

#[test]
fn answers_are_read_as_they_are_meant() {
    for (dialect, case) in cases() {
        let reading = read_answer(dialect, case.body.as_bytes(), false);
        let glance = read_answer(dialect, case.body.as_bytes(), true);
        let known = |reading: &AnswerReading| (reading.output, reading.finish, reading.usage);
        assert_eq!(known(&glance), known(&reading), "{}: known to be whole", case.name);
        let text = |failure: &Value, key: &str| failure[key].as_str().map(str::to_owned);
        let failure = case.failure.map(|failure| Complaint {
            message: text(&failure, "message").unwrap(),
            kind: text(&failure, "kind"),
            code: text(&failure, "code"),
            param: text(&failure, "param"),
        });
        let count = |usage: &Value, key: &str| usage[key].as_u64().unwrap();
        let usage = case.usage.map(|usage| Usage {
            input: count(&usage, "input"),
            output: count(&usage, "output"),
            cached: count(&usage, "cached"),
        });
        let expected = AnswerReading { output: case.output, failure, cut: case.cut, finish: reading.finish, usage };
        assert_eq!(reading, expected, "{}", case.name);
    }
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
        for dialect in DIALECTS {
            let reading = read_answer(dialect, &json, false);
            prop_assert!(reading.output || reading.failure.is_some() || dialect.generates());
        }
    }
}

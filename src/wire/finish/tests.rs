//! Golden reasons, `tests/golden/wire/finishes.json`: how each dialect says why an answer ended, whole and in a stream.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Finish;
use crate::wire::answer::read_answer;
use crate::wire::dialect::{Dialect, DoneMarker};
use crate::wire::stream::StreamReader;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    dialect: String,
    whole: bool,
    body: String,
    finish: Option<String>,
    fails: bool,
}

#[test]
fn the_reason_for_an_end_is_read_as_it_is_meant() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire/finishes.json");
    let cases: Vec<Case> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for case in cases {
        let dialect = Dialect::of(&format!("/{}", case.dialect));
        assert!(dialect.generates(), "{}", case.name);
        let expected = case.finish.map(|finish| match finish.as_str() {
            "stop" => Finish::Stop,
            "tool_calls" => Finish::ToolCalls,
            "other" => Finish::Other,
            "length" => Finish::Length,
            "filtered" => Finish::Filtered,
            "error" => Finish::Error,
            other => panic!("{other}"),
        });
        if case.whole {
            for announced in [false, true] {
                let reading = read_answer(dialect, case.body.as_bytes(), announced);
                assert_eq!((reading.finish, reading.failure.is_some()), (expected, case.fails), "{}", case.name);
            }
        } else {
            for size in [1, 7, case.body.len()] {
                let mut reader = StreamReader::new(dialect, DoneMarker::Optional);
                for piece in case.body.as_bytes().chunks(size) {
                    reader.read(piece);
                }
                assert_eq!((reader.finish(), reader.failure().is_some()), (expected, case.fails), "{}", case.name);
            }
        }
    }
}

#[test]
fn events_with_output_are_counted() {
    for (dialect, stream, outputs) in [
        (
            Dialect::ChatCompletions,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n".to_owned()
                + &"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(5)
                + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            5,
        ),
        (
            Dialect::Responses,
            "data: {\"type\":\"response.created\"}\n\n".to_owned()
                + &"data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n".repeat(5)
                + "data: {\"type\":\"response.output_text.done\",\"text\":\"xxxxx\"}\n\n",
            5,
        ),
        (
            Dialect::Messages,
            "data: {\"type\":\"message_start\"}\n\n".to_owned()
                + &"data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n".repeat(5)
                + "data: {\"type\":\"content_block_stop\"}\n\ndata: {\"type\":\"message_stop\"}\n\n",
            5,
        ),
    ] {
        let mut reader = StreamReader::new(dialect, DoneMarker::Optional);
        reader.read(stream.as_bytes());
        assert_eq!(reader.outputs(), outputs, "{dialect:?}");
    }
}

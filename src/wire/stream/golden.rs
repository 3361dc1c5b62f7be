//! Golden streams: `tests/golden/wire/*_streams.json`, as providers send them, with what must be known and since when.
//!
//! `output_at`, `done_at`, `complete_at` and `failure_at` name the event, from nought, by whose end it must be known
//! and not a byte before; -1 is before the first. Every stream is read by its events, by bytes, cut once at every byte,
//! and with other ends of lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    dialect: String,
    done_marker: String,
    events: Vec<String>,
    output_at: Option<i64>,
    done_at: Option<i64>,
    complete_at: Option<i64>,
    failure_at: Option<i64>,
    failure: Option<Failure>,
    usage: Option<BTreeMap<String, u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    message: String,
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
}

impl Case {
    fn reader(&self) -> StreamReader {
        let dialect = match self.dialect.as_str() {
            "chat_completions" => Dialect::ChatCompletions,
            "completions" => Dialect::Completions,
            "responses" => Dialect::Responses,
            "messages" => Dialect::Messages,
            "embeddings" => Dialect::Embeddings,
            "plain" => Dialect::Plain,
            other => panic!("{other}"),
        };
        let done = match self.done_marker.as_str() {
            "optional" => DoneMarker::Optional,
            "required" => DoneMarker::Required,
            other => panic!("{other}"),
        };
        StreamReader::new(dialect, done)
    }

    /// What must be known once so many events have ended.
    fn expect(&self, reader: &StreamReader, ended: usize, how: &str) {
        let by = |at: Option<i64>| at.is_some_and(|at| i64::try_from(ended).unwrap() > at);
        let complete = by(self.complete_at) && !by(self.failure_at);
        let expected = (by(self.output_at), by(self.done_at), complete, by(self.failure_at));
        let known = (reader.has_output(), reader.is_done(), reader.is_complete(), reader.failure().is_some());
        assert_eq!(known, expected, "{}, {how}, {ended} events: output, done, complete, failure", self.name);
    }

    fn expect_end(&self, reader: &StreamReader, how: &str) {
        self.expect(reader, self.events.len(), how);
        let failure = self.failure.as_ref().map(|failure| Complaint {
            message: failure.message.clone(),
            kind: failure.kind.clone(),
            code: failure.code.clone(),
            param: failure.param.clone(),
            retry_after: None,
        });
        assert_eq!(reader.failure(), failure.as_ref(), "{}, {how}", self.name);
        let usage = self.usage.as_ref().map(|usage| Usage {
            input: usage["input"],
            output: usage["output"],
            cached: usage["cached"],
            reasoning: usage.get("reasoning").copied().unwrap_or(0),
        });
        assert_eq!(reader.usage(), usage, "{}, {how}", self.name);
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let streams = files.filter(|path| path.file_stem().unwrap().to_str().unwrap().ends_with("_streams"));
    let cases: Vec<Case> = streams
        .flat_map(|path| serde_json::from_str::<Vec<Case>>(&fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    assert!(cases.len() > 50, "the folder is where it was");
    cases
}

#[test]
fn everything_is_known_at_the_end_of_its_event() {
    for case in cases() {
        let mut reader = case.reader();
        case.expect(&reader, 0, "by events");
        for (at, event) in case.events.iter().enumerate() {
            assert_eq!(reader.read(event.as_bytes()), event.len(), "{}", case.name);
            case.expect(&reader, at + 1, "by events");
        }
        case.expect_end(&reader, "by events");
    }
}

#[test]
fn nothing_is_known_a_byte_before() {
    for case in cases() {
        let mut reader = case.reader();
        for (at, event) in case.events.iter().enumerate() {
            for byte in event.as_bytes() {
                // A comment alone says nothing, so its blank line makes no difference.
                case.expect(&reader, at, "by bytes");
                reader.read(std::slice::from_ref(byte));
            }
        }
        case.expect_end(&reader, "by bytes");
    }
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    for case in cases() {
        let stream = case.events.concat();
        for at in 0..=stream.len() {
            let (before, after) = stream.as_bytes().split_at(at);
            let mut reader = case.reader();
            reader.read(before);
            reader.read(after);
            case.expect_end(&reader, "cut once");
        }
    }
}

#[test]
fn a_proper_end_stands_for_the_last_blank_line() {
    for case in cases() {
        let stream = case.events.concat();
        for end in ["\n", "\r\n", "\r"] {
            let stream = stream.replace('\n', end);
            let unended = stream.strip_suffix(end).unwrap();
            for unended in [unended, unended.strip_suffix(end).unwrap_or(unended)] {
                for size in [1, 5, unended.len()] {
                    let mut reader = case.reader();
                    for piece in unended.as_bytes().chunks(size) {
                        reader.read(piece);
                    }
                    reader.end();
                    case.expect_end(&reader, "without its last blank line");
                }
            }
        }
    }
}

#[test]
fn other_ends_of_lines_change_nothing() {
    for case in cases() {
        for end in ["\r\n", "\r"] {
            let stream = format!("\u{feff}{}", case.events.concat().replace('\n', end));
            for size in [1, 2, 3, 7, stream.len()] {
                let mut reader = case.reader();
                for piece in stream.as_bytes().chunks(size) {
                    reader.read(piece);
                }
                case.expect_end(&reader, "with other ends of lines");
            }
        }
    }
}

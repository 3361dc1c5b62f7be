//! What is written reads as a whole answer of its dialect, by the readers that judge those of providers.

use super::*;
use crate::wire::answer::read_answer;
use crate::wire::dialect::DoneMarker;
use crate::wire::stream::StreamReader;

const TEXT: &str = "We are \"busy\",\nplease try again \u{1f426}.";

fn of(dialect: Dialect, stream: bool) -> LastResort<'static> {
    LastResort { dialect, text: TEXT, model: "gpt-4o", id: "00ff", created: 1_795_247_762, stream }
}

fn events(text: &str) -> Vec<(String, Value)> {
    let event = |event: &str| {
        let (name, data) = event.split_once("data: ").unwrap();
        assert!(!data.contains('\n'), "one line: {event:?}");
        let name = name.trim().trim_start_matches("event: ").to_owned();
        (name, if data == "[DONE]" { Value::Null } else { serde_json::from_str(data).unwrap() })
    };
    text.strip_suffix("\n\n").unwrap().split("\n\n").map(event).collect()
}

#[test]
fn a_whole_answer_reads_as_one_with_output_and_an_end() {
    for dialect in &Dialect::ALL[..4] {
        let (body, media_type) = of(*dialect, false).body(b"{}").unwrap();
        assert_eq!(media_type, "application/json");
        let read = read_answer(*dialect, body.as_bytes(), true);
        assert!(
            read.output && read.failure.is_none() && !read.cut && read.malformed.is_none(),
            "{dialect:?}: {read:?}"
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        let said = match dialect {
            Dialect::Responses => &body["output"][0]["content"][0]["text"],
            Dialect::Messages => &body["content"][0]["text"],
            Dialect::Completions => &body["choices"][0]["text"],
            _ => &body["choices"][0]["message"]["content"],
        };
        assert_eq!((said, &body["model"]), (&json!(TEXT), &json!("gpt-4o")));
        assert!(body["usage"].as_object().unwrap().values().all(|count| count.as_u64().is_none_or(|count| count == 0)));
    }
}

#[test]
fn a_stream_reads_as_one_with_output_and_its_terminal_event() {
    for dialect in &Dialect::ALL[..4] {
        let (body, media_type) = of(*dialect, true).body(b"{\"stream\":true}").unwrap();
        assert!(media_type.starts_with("text/event-stream"));
        let mut reader = StreamReader::new(*dialect, DoneMarker::Required).thorough();
        assert_eq!(reader.read(body.as_bytes()), body.len(), "{dialect:?}");
        assert!(reader.has_output() && reader.is_done() && reader.is_complete() && reader.failure().is_none());
        assert!(!body.contains("usage\":{\"prompt"), "counts that were not asked for");
    }
}

#[test]
fn the_events_are_those_of_the_api_in_their_order() {
    let names = |dialect| {
        let (body, _) = of(dialect, true).body(b"{}").unwrap();
        let events = events(&body);
        for (number, (name, event)) in events.iter().enumerate() {
            if !name.is_empty() {
                assert_eq!(json!(name), event["type"]);
            }
            if dialect == Dialect::Responses {
                assert_eq!(event["sequence_number"], json!(number));
            }
        }
        events.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(
        names(Dialect::Messages),
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(
        names(Dialect::Responses),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    let (body, _) = of(Dialect::ChatCompletions, true).body(br#"{"stream_options":{"include_usage":true}}"#).unwrap();
    let chunks = events(&body);
    assert_eq!(chunks.len(), 5, "role, text, finish, usage, [DONE]");
    assert_eq!((&chunks[1].1["choices"][0]["delta"]["content"], &chunks[1].1["usage"]), (&json!(TEXT), &Value::Null));
    assert_eq!((&chunks[3].1["choices"], &chunks[3].1["usage"]["total_tokens"]), (&json!([]), &json!(0)));
}

#[test]
fn where_a_text_is_no_answer_there_is_none() {
    for dialect in [Dialect::Embeddings, Dialect::Plain] {
        assert!(of(dialect, false).body(b"{}").is_none());
    }
    let schema = [
        (Dialect::ChatCompletions, r#"{"response_format":{"type":"json_schema","json_schema":{}}}"#),
        (Dialect::ChatCompletions, r#"{"response_format":{"type":"json_object"}}"#),
        (Dialect::ChatCompletions, r#"{"response_format":"json_object"}"#),
        (Dialect::ChatCompletions, r#"{"tool_choice":"required"}"#),
        (Dialect::ChatCompletions, r#"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#),
        (Dialect::ChatCompletions, r#"{"function_call":{"name":"f"}}"#),
        (Dialect::Responses, r#"{"tool_choice":{"type":"file_search"}}"#),
        (Dialect::Messages, r#"{"tool_choice":{"type":"any"}}"#),
        (Dialect::Responses, r#"{"text":{"format":{"type":"json_schema","name":"x","schema":{}}}}"#),
        (Dialect::Messages, r#"{"output_config":{"format":{"type":"json_schema","schema":{}}}}"#),
        (Dialect::Messages, r#"{"output_format":{"type":"json_schema","schema":{}}}"#),
    ];
    for (dialect, request) in schema {
        assert!(of(dialect, false).body(request.as_bytes()).is_none(), "{request}");
        assert!(of(dialect, true).body(request.as_bytes()).is_none(), "{request}");
    }
    let texts = [
        (Dialect::ChatCompletions, r#"{"response_format":{"type":"text"},"stream_options":null}"#),
        (Dialect::Responses, r#"{"text":{"format":{"type":"text"},"verbosity":"low"}}"#),
        (Dialect::Completions, r#"{"response_format":null}"#),
        (Dialect::ChatCompletions, r#"{"tool_choice":"auto","function_call":"none"}"#),
        (Dialect::Messages, r#"{"tool_choice":{"type":"auto"}}"#),
        (Dialect::Messages, r#"{"tool_choice":null}"#),
        (Dialect::Messages, r#"{"output_config":{"effort":"low"}}"#),
    ];
    for (dialect, request) in texts {
        assert!(of(dialect, false).body(request.as_bytes()).is_some(), "{request}");
    }
}

//! What no golden stream shows: arbitrary bytes, events too long to read, and the event that tells of a break.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::sse::LARGEST_EVENT;
use super::*;

fn reader(dialect: Dialect) -> StreamReader {
    StreamReader::new(dialect, DoneMarker::Optional)
}

fn read(dialect: Dialect, stream: &str) -> StreamReader {
    let mut reader = reader(dialect);
    reader.read(stream.as_bytes());
    reader
}

/// All that can be known of a stream.
fn known(reader: &StreamReader) -> String {
    format!("{:?}", reader.known)
}

fn data_of(event: &Bytes, name: &str) -> Value {
    let text = str::from_utf8(event).unwrap();
    let data = text.strip_prefix(name).unwrap().strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!data.contains(['\n', '\r']), "one line");
    serde_json::from_str(data).unwrap()
}

#[test]
fn the_error_event_is_in_the_words_of_its_dialect() {
    let said = "It \"broke\"\noff";
    let error = json!({"message": said, "type": "server_error", "param": null, "code": "stream_error"});
    for dialect in [Dialect::ChatCompletions, Dialect::Completions, Dialect::Embeddings, Dialect::Plain] {
        let event = reader(dialect).error_event(false, "stream_error", said);
        assert_eq!(data_of(&event, ""), json!({"error": error}));
    }
    let event = reader(Dialect::Messages).error_event(false, "stream_error", said);
    let expected = json!({"type": "error", "error": {"type": "api_error", "message": said}});
    assert_eq!(data_of(&event, "event: error\n"), expected);
    let event = reader(Dialect::Responses).error_event(false, "stream_error", said);
    let expected = json!({
        "type": "error", "sequence_number": 0, "code": "stream_error", "message": said, "param": null, "error": error,
    });
    assert_eq!(data_of(&event, "event: error\n"), expected);
}

#[test]
fn the_error_event_of_responses_goes_on_counting() {
    let next = |reader: &StreamReader| {
        data_of(&reader.error_event(false, "c", "m"), "event: error\n")["sequence_number"].as_u64().unwrap()
    };
    let mut reader = reader(Dialect::Responses);
    let delta = |number: u64| {
        format!(
            "data: {{\"type\":\"response.output_text.delta\",\"delta\":\"\\\"sequence_number\\\":9\",\"sequence_number\": {number}}}\n\n"
        )
    };
    for number in [4, 5, 6] {
        reader.read(delta(number).as_bytes());
        assert_eq!(next(&reader), number + 1);
    }
    reader.read(b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n");
    assert_eq!(next(&reader), 7, "an event without a number leaves the last one");
    let long = "x".repeat(LARGEST_EVENT);
    reader.read(
        format!("data: {{\"type\":\"response.x.delta\",\"delta\":\"{long}\",\"sequence_number\":7}}\n\n").as_bytes(),
    );
    assert_eq!(next(&reader), 8, "one too long to be read is counted");
}

#[test]
fn the_error_event_begins_afresh_and_is_read_as_a_failure() {
    for dialect in &Dialect::ALL[..4] {
        let mut reader = reader(*dialect);
        let midway = b"data: {\"unfinished\": ";
        assert_eq!(reader.read(midway), 0);
        let event = reader.error_event(true, "stream_error", "It broke off");
        assert_eq!(reader.read(&event), event.len());
        assert_eq!(reader.failure().unwrap().message, "It broke off", "{dialect:?}");
        assert!(!reader.is_done() && !reader.is_complete());
    }
}

#[test]
fn an_event_too_long_to_read_is_taken_by_its_head() {
    let long = "x".repeat(LARGEST_EVENT);
    let chat = read(
        Dialect::ChatCompletions,
        &format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{long}\"}}}}]}}\n\n"),
    );
    assert!(chat.has_output() && chat.is_complete() && !chat.is_done());

    let response = |kind: &str| {
        format!(
            "event: {kind}\ndata: {{\"response\":{{\"instructions\":\"{long}\"}},\"type\":\"{kind}\",\"sequence_number\":1}}\n\n"
        )
    };
    let created = read(Dialect::Responses, &response("response.created"));
    assert!(!created.has_output() && !created.is_done());
    let completed = read(Dialect::Responses, &response("response.completed"));
    assert!(completed.has_output() && completed.is_done() && completed.is_complete());
    assert!(read(Dialect::Responses, &response("response.failed")).failure().is_some());
    let front = format!("data: {{\"type\":\"response.completed\",\"response\":{{\"instructions\":\"{long}\"}}}}\n\n");
    assert!(read(Dialect::Responses, &front).is_done());

    let block = format!("data: {{\"type\":\"content_block_start\",\"content_block\":{{\"data\":\"{long}\"}}}}\n\n");
    assert!(read(Dialect::Messages, &block).has_output());
    let start = format!("data: {{\"type\":\"message_start\",\"message\":{{\"id\":\"{long}\"}}}}\n\n");
    assert!(!read(Dialect::Messages, &start).has_output());
}

#[test]
fn nothing_is_known_of_nothing() {
    for dialect in Dialect::ALL {
        let reader = read(dialect, "");
        assert!(!reader.has_output() && !reader.is_done() && reader.failure().is_none() && reader.usage().is_none());
        assert_eq!(reader.is_complete(), !dialect.generates(), "{dialect:?}");
    }
}

#[test]
fn choices_beyond_counting_still_end() {
    let chunk = |index: &str, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    for index in ["200", "4000000000", "99999999999999999999", "-1", "\"a\"", "null", "1.5"] {
        let mut reader = reader(Dialect::ChatCompletions);
        reader.read(chunk(index, "null").as_bytes());
        assert!(!reader.is_complete(), "{index}");
        reader.read(chunk(index, "\"stop\"").as_bytes());
        assert!(reader.is_complete(), "{index}");
    }
}

/// Chunks with what matters in them, and with what looks like it.
fn chunks() -> impl Strategy<Value = String> {
    let delta = prop::sample::select(vec![
        r#"{}"#,
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":"x"}"#,
        r#"{"content":"\"finish_reason\":\"stop\""}"#,
        r#"{"content":"\"error\":{}","a":"\\"}"#,
        r#"{"tool_calls":[{"index":1}]}"#,
        r#"{"\u0063ontent":"y"}"#,
    ]);
    let rest = prop::sample::select(vec![
        "",
        r#","finish_reason":null"#,
        r#","finish_reason" : "stop""#,
        r#","finish_reason":"""#,
        r#","finish\u005freason":"length""#,
        r#","index":0"#,
        r#","index": 1"#,
        r#","index":12"#,
        r#","index":1,"finish_reason":"stop""#,
        r#","finish_reason":null,"native_finish_reason":"error""#,
        r#","native_finish_reason":"stop""#,
    ]);
    let top = prop::sample::select(vec![
        "",
        r#","usage":null"#,
        r#","usage":{"prompt_tokens":3}"#,
        r#","error":null"#,
        r#","error":"no""#,
        r#","object":"error""#,
        r#","x_groq":{"usage":{"completion_tokens":5}}"#,
        r#","\u0075sage":{"completion_tokens":7}"#,
    ]);
    prop::collection::vec((delta, rest, top), 0..8).prop_map(|chunks| {
        let one = |(delta, rest, top)| format!("data: {{\"choices\":[{{\"delta\":{delta}{rest}}}]{top}}}\n\n");
        chunks.into_iter().map(one).collect()
    })
}

/// Events whose types the other dialects know, in every place.
fn events() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "response.created",
        "response.output_text.delta",
        "response.completed",
        "response.failed",
        "response.output_item.added",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "[DONE]",
    ]);
    let body = prop::sample::select(vec![
        r#""delta":"x""#,
        r#""delta":{"text":"x"}"#,
        r#""item":{"type":"message"}"#,
        r#""item":{"type":"function_call"}"#,
        r#""response":{"usage":{"input_tokens":1},"error":null}"#,
        r#""usage":{"output_tokens":2}"#,
        r#""content_block":{"type":"text","text":""}"#,
        r#""sequence_number":7"#,
        r#""error":{"message":"no"}"#,
        r#""broken"#,
    ]);
    let event = (kind.clone(), kind, body, 0..4_u8).prop_map(|(name, kind, body, place)| match place {
        0 => format!("event: {name}\ndata: {{\"type\":\"{kind}\",{body}}}\n\n"),
        1 => format!("data: {{{body},\"type\":\"{kind}\"}}\n\n"),
        2 => format!("event: {kind}\r\ndata:{{{body}}}\r\n\r\n"),
        _ => format!("data: {kind}\r\r"),
    });
    prop::collection::vec(event, 0..8).prop_map(|events| events.concat())
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![3 => chunks(), 3 => events(), 1 => (chunks(), events()).prop_map(|(a, b)| a + &b)];
    (text, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)).prop_map(|(text, spoilt)| {
        let mut stream = text.into_bytes();
        for (at, byte) in spoilt {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
        }
        stream
    })
}

#[test]
fn a_field_of_its_own_for_an_error_is_read() {
    let said = r#"{"code":500,"message":"too long","type":"server_error"}"#;
    for dialect in &Dialect::ALL[..4] {
        for before in ["", "data: {\"x\":1}\n\n"] {
            for space in ["", " "] {
                let reader = read(*dialect, &format!("{before}error:{space}{said}\n\n"));
                assert_eq!(reader.failure().map(|said| said.message.as_str()), Some("too long"), "{dialect:?}");
            }
        }
        assert!(read(*dialect, "error: not as an object\n\n").failure().is_none());
    }
}

#[test]
fn what_is_not_ended_properly_is_no_event() {
    let mut reader = reader(Dialect::ChatCompletions);
    reader.read(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]");
    assert!(!reader.is_done(), "the connection may have broken here");
    reader.end();
    assert!(reader.is_done());
    for half in ["data: {\"choices\":[{\"del", "data: [DO", "dat", "event: x\ndata: {"] {
        let mut reader = read(Dialect::ChatCompletions, half);
        reader.end();
        assert!(!reader.has_output() && !reader.is_foreign() && !reader.is_complete(), "{half}");
    }
}

#[test]
fn what_belongs_to_the_dialect_is_told_from_what_does_not() {
    for (dialect, stream, begun, foreign, unreadable) in [
        (Dialect::ChatCompletions, ": waiting\n\n", false, false, false),
        (Dialect::ChatCompletions, "data: {\"code\":500}\n\n", true, true, false),
        (Dialect::ChatCompletions, "data: hello\n\n", true, true, true),
        (Dialect::ChatCompletions, "data: hello\n\ndata: {\"choices\":[]}\n\n", true, false, true),
        (Dialect::ChatCompletions, "data: {\"code\":500}\n\ndata: [DONE]\n\n", true, false, false),
        (Dialect::Responses, "data: {\"code\":500}\n\n", true, true, false),
        (Dialect::Responses, "data: {\"type\":\"response.created\"}\n\n", true, false, false),
        (Dialect::Messages, "data: {\"code\":500}\n\n", true, true, false),
        (Dialect::Messages, "data: {\"type\":\"ping\"}\n\n", true, false, false),
    ] {
        let reader = read(dialect, stream);
        let known = (reader.has_begun(), reader.is_foreign(), reader.is_unreadable());
        assert_eq!(known, (begun, foreign, unreadable), "{stream}");
    }
}

#[test]
fn a_response_that_broke_off_is_said_to_have_failed_before_it_is_raised() {
    let mut reader = reader(Dialect::Responses);
    let created = json!({"type": "response.created", "sequence_number": 0,
        "response": {"id": "resp_7", "model": "m", "created_at": 17, "status": "in_progress", "output": []}});
    let text = json!({"type": "response.output_text.delta", "sequence_number": 4, "delta": "Hi"});
    reader.read(format!("data: {created}\n\ndata: {text}\n\n").as_bytes());
    let bytes = reader.error_event(false, "truncated", "It broke off");
    let event_text = str::from_utf8(&bytes).unwrap();
    let (failed, error) = event_text.split_once("\n\n").unwrap();
    let failed: Value = serde_json::from_str(failed.strip_prefix("event: response.failed\ndata: ").unwrap()).unwrap();
    let error: Value = serde_json::from_str(error.strip_prefix("event: error\ndata: ").unwrap().trim_end()).unwrap();
    assert_eq!((&failed["type"], &failed["sequence_number"]), (&json!("response.failed"), &json!(5)));
    let response = &failed["response"];
    assert_eq!(
        (&response["id"], &response["model"], &response["created_at"]),
        (&json!("resp_7"), &json!("m"), &json!(17))
    );
    assert_eq!(
        (&response["object"], &response["status"], &response["output"]),
        (&json!("response"), &json!("failed"), &json!([]))
    );
    assert_eq!(response["error"], json!({"code": "server_error", "message": "It broke off"}));
    assert_eq!((&error["type"], &error["sequence_number"]), (&json!("error"), &json!(6)));
    assert_eq!(error["error"]["message"], "It broke off");
}

proptest! {
    #[test]
    fn cutting_changes_nothing(stream in streams(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        for dialect in Dialect::ALL {
            let mut whole = reader(dialect);
            whole.read(&stream);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = reader(dialect);
            let mut from = 0;
            for to in cuts.into_iter().chain([stream.len()]) {
                pieces.read(&stream[from..to]);
                from = to;
            }
            prop_assert_eq!(known(&pieces), known(&whole));
            let mut bytes = reader(dialect);
            for byte in &stream {
                bytes.read(std::slice::from_ref(byte));
            }
            prop_assert_eq!(known(&bytes), known(&whole));
        }
    }

    /// What is told from the bytes of a chunk is what a parse would say.
    #[test]
    fn not_parsing_changes_nothing(stream in chunks()) {
        let mut reader = reader(Dialect::ChatCompletions);
        reader.read(stream.as_bytes());
        let mut parsed = StreamReader::new(Dialect::ChatCompletions, DoneMarker::Optional).known;
        for event in stream.split_terminator("\n\n") {
            let (said, only_usage) = chat::read(event.strip_prefix("data: ").unwrap().as_bytes()).unwrap();
            parsed.begun = true;
            parsed.choices.add(said.choices);
            parsed.add(&said);
            parsed.summed_up |= only_usage && (parsed.output || parsed.choices.any_ended());
        }
        // How many events held output is not looked at as closely.
        parsed.outputs = reader.outputs();
        prop_assert_eq!(known(&reader), format!("{parsed:?}"));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6)) {
        for dialect in Dialect::ALL {
            let mut whole = reader(dialect);
            whole.read(&pieces.concat());
            let mut cut = reader(dialect);
            for piece in &pieces {
                prop_assert!(cut.read(piece) <= piece.len());
            }
            prop_assert_eq!(known(&cut), known(&whole));
        }
    }
}

#[test]
fn half_of_an_event_too_long_to_read_ends_nothing() {
    let long = "x".repeat(200 * 1024);
    for (dialect, half) in [
        (Dialect::Responses, format!(r#"data: {{"type":"response.completed","response":{{"output":"{long}"#)),
        (Dialect::ChatCompletions, format!(r#"data: {{"choices":[{{"delta":{{"content":"{long}"#)),
    ] {
        let mut reader = read(dialect, &half);
        reader.end();
        assert!(!reader.is_done() && !reader.is_complete(), "{dialect:?}");
    }
}

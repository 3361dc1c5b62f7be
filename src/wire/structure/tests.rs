use proptest::prelude::*;

use super::*;

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall { name: name.to_owned(), arguments: arguments.to_owned() }
}

#[test]
fn a_stream_and_a_whole_answer_of_each_dialect_are_read_alike() {
    let expected = Structure { text: "Hi you".to_owned(), calls: vec![call("f", r#"{"a":1}"#), call("g", "{}")] };
    let whole = [
        (
            Dialect::ChatCompletions,
            r#"{"choices":[{"index":1,"message":{"content":"no"}},{"index":0,"message":{"content":"Hi you","tool_calls":[
                {"function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"g","arguments":"{}"}}]}}]}"#,
        ),
        (
            Dialect::Responses,
            r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi you"}]},
                {"type":"function_call","name":"f","arguments":"{\"a\":1}"},
                {"type":"function_call","name":"g","arguments":"{}"}]}"#,
        ),
        (
            Dialect::Messages,
            r#"{"content":[{"type":"text","text":"Hi you"},{"type":"tool_use","name":"f","input":{"a":1}},
                {"type":"tool_use","name":"g","input":{}}]}"#,
        ),
    ];
    for (dialect, body) in whole {
        assert_eq!(read_structure(dialect, body.as_bytes()), expected, "{dialect:?}");
    }
    let streams = [
        (
            Dialect::ChatCompletions,
            vec![
                r#"{"choices":[{"index":0,"delta":{"content":"Hi "}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"you","tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\""}}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"name":"g","arguments":"{}"}}]}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
                "[DONE]",
            ],
        ),
        (
            Dialect::Responses,
            vec![
                r#"{"type":"response.output_text.delta","delta":"Hi "}"#,
                r#"{"type":"response.output_text.delta","delta":"you"}"#,
                r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"text":"Hi you"}]}}"#,
                r#"{"type":"response.output_item.done","item":{"type":"function_call","name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"type":"response.output_item.done","item":{"type":"function_call","name":"g","arguments":"{}"}}"#,
            ],
        ),
        (
            Dialect::Messages,
            vec![
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi you"}}"#,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"f","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
                r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","name":"g","input":{}}}"#,
                r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            ],
        ),
    ];
    for (dialect, events) in streams {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        assert_eq!(read_structure(dialect, body.as_bytes()), expected, "{dialect:?}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let long = "ä".repeat(LONGEST_TEXT);
    let body = format!(r#"{{"choices":[{{"text":"{long}"}}]}}"#);
    assert!(read_structure(Dialect::Completions, body.as_bytes()).text.len() <= LONGEST_TEXT);
    let calls: Vec<String> = (0..1000).map(|n| format!(r#"{{"function":{{"name":"f{n}"}}}}"#)).collect();
    let body = format!(r#"{{"choices":[{{"message":{{"tool_calls":[{}]}}}}]}}"#, calls.join(","));
    assert_eq!(read_structure(Dialect::ChatCompletions, body.as_bytes()).calls.len(), MOST_CALLS);
}

proptest! {
    #[test]
    fn nothing_that_is_read_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for dialect in Dialect::ALL {
            let _ = read_structure(dialect, &body);
        }
    }
}

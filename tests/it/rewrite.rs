//! What is changed in a request on its way to one provider, and that nothing else is: model, fields, path, form.
//!
//! Read from what the providers recorded. What a rule touches is compared exactly where the file says it all, and as
//! JSON where a place is free; every other byte must be as the client wrote it, and the announced length true.

use crate::support::api::difference;
use crate::support::client::{Client, Framing};
use crate::support::harness::{Flags, Harness};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;

const PATH: &str = "/v1/chat/completions";
const ARMS: &str = "percent: 50%, pin_users: { new: canary, old: stable }";

fn stage(stable: &Scripted, canary: &Scripted, keys: &str) -> Harness {
    let flags = Flags::new()
        .provider("oldcorp", &stable.base_url(), "auth: none")
        .provider("newcorp", &canary.base_url(), &format!("auth: none, {keys}"))
        .chat(ARMS);
    Harness::start(&flags)
}

/// The canary's and then stable's view of the same body, sent by a user of each.
fn both_views(keys: &str, body: &str) -> (Seen, Seen) {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = stage(&stable, &canary, keys);
    for user in ["new", "old"] {
        let answer = stage.whole(PATH, &[], &body.replace("USER", user));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    (canary.requests().remove(0), stable.requests().remove(0))
}

#[track_caller]
fn expect_body(seen: &Seen, expected: &str) {
    let text = String::from_utf8_lossy(&seen.body);
    assert_eq!(difference(&text, expected), None, "{text}");
    expect_length(seen);
}

#[track_caller]
fn expect_length(seen: &Seen) {
    assert_eq!(seen.header("content-length"), seen.length.to_string(), "{}", seen.head());
    assert_eq!(seen.header("transfer-encoding"), "", "{}", seen.head());
}

#[test]
fn what_stands_there_is_replaced_in_its_place_and_the_rest_is_byte_for_byte() {
    let keys = "models: { gpt-4: deepseek-chat }, rename_fields: { max_tokens: max_completion_tokens }, \
                set_fields: { temperature: 1, metadata.team: blue }, max_fields: { n: 2, top_logprobs: 5 }";
    let body = "{ \"model\" :\"gpt-4\",\r\n\t\"max_tokens\"  : 12345, \"seed\":1.50e2, \"n\": 7, \"top_logprobs\":3,\
                \"temperature\" : 0.25,\"metadata\":{ \"team\": \"red\" , \"x\":\"\\u00e9\\/\" },\
                \"big\": 123456789012345678901234567890.0, \"messages\":[ {\"role\":\"user\",\
                \"content\":\"model \\\"gpt-4\\\" max_tokens \u{1F600}\", \"max_tokens\": 9}], \"user\":\"USER\" }";
    let (new, old) = both_views(keys, body);
    let expected = body
        .replace("USER", "new")
        .replacen("\"gpt-4\"", "\"deepseek-chat\"", 1)
        .replacen("\"max_tokens\"", "\"max_completion_tokens\"", 1)
        .replacen("\"n\": 7", "\"n\": 2", 1)
        .replacen("0.25", "1", 1)
        .replacen("\"red\"", "\"blue\"", 1);
    expect_body(&new, &expected);
    expect_body(&old, &body.replace("USER", "old"));
}

#[test]
fn fields_that_go_and_fields_that_come_leave_the_others_as_they_are() {
    let keys = "drop_fields: [logit_bias, metadata.secret, absent], set_fields: { stop: [a, b], extra.deep: true }";
    let kept = [
        r#""model":   "m""#,
        r#""seed":1.50e2"#,
        r#""messages":[{"role":"user","content":"logit_bias \u00e9"}]"#,
        r#""open": {"x" :1}"#,
        r#""user":"new""#,
    ];
    let first = r#"{"logit_bias":{"50256":-100}, "#;
    let last = r#", "metadata": {"secret":"s", "open": {"x" :1}},"parallel_tool_calls":null }"#;
    let body = format!("{first}{}, {},{},{}{last}", kept[0], kept[1], kept[2], kept[4].replace("new", "USER"));
    let (new, old) = both_views(keys, &body);
    let text = String::from_utf8_lossy(&new.body).into_owned();
    for kept in kept {
        assert!(text.contains(kept), "{kept} is not as it was: {text}");
    }
    let mut expected: serde_json::Value = serde_json::from_str(&body.replace("USER", "new")).unwrap();
    expected.as_object_mut().unwrap().remove("logit_bias");
    expected["metadata"].as_object_mut().unwrap().remove("secret");
    expected["stop"] = serde_json::json!(["a", "b"]);
    expected["extra"] = serde_json::json!({ "deep": true });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected, "{text}");
    expect_length(&new);
    expect_body(&old, &body.replace("USER", "old"));
}

#[test]
fn rules_that_find_nothing_change_nothing() {
    let keys = "models: { other: another }, drop_fields: [a.b], rename_fields: { c: d }, max_fields: { n: 2, m: 3 }";
    let body =
        r#"{"model":"m" , "a":[1,2], "n":"7", "m": 3, "messages":[{"role":"user","content":"c"}],"user":"USER"}"#;
    let (new, old) = both_views(keys, body);
    expect_body(&new, &body.replace("USER", "new"));
    expect_body(&old, &body.replace("USER", "old"));
}

#[test]
fn a_body_of_chunks_is_rewritten_and_stays_one() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = stage(&stable, &canary, "models: { gpt-4: a-much-longer-name }");
    let words = "w".repeat(300_000);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{words}"}}],"user":"new","model":"gpt-4"}}"#);
    let mut client = Client::connect(stage.listen).unwrap();
    let json = [("content-type", "application/json")];
    let answer = client.send("POST", PATH, &json, body.as_bytes(), Framing::Chunked(10_007)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = canary.requests().remove(0);
    assert_eq!(seen.length, body.len() + "a-much-longer-name".len() - "gpt-4".len());
    assert_eq!(seen.model(), "a-much-longer-name");
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), ("", "chunked"));
}

const BOUNDARY: &str = "----boundary7MA4YWxk";
const LONGER: &str = "whisper-large-v3-turbo";

/// A form with a file of so many bytes, in which things look like the field that they are not.
fn form(file: u32, model: &str) -> Vec<u8> {
    let file: Vec<u8> = (0..file / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let part = |disposition: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [
        format!("--{BOUNDARY}\r\ncontent-type: audio/wav\r\n").as_bytes(),
        b"Content-Disposition: form-data; name=\"file\"; filename=\"model.wav\"\r\n\r\n",
        file.as_slice(),
        b"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n",
        part("name=\"prompt\"").as_bytes(),
        b"whisper-1 as text\r\n",
        part("name=\"model\"").as_bytes(),
        model.as_bytes(),
        b"\r\n",
        part("name=\"language\"").as_bytes(),
        b"en\r\n",
        format!("--{BOUNDARY}--\r\n").as_bytes(),
    ]
    .concat()
}

#[test]
fn the_model_of_a_form_is_translated_and_its_file_is_not_touched() {
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let flags = Flags::new()
        .top("unmatched: oldcorp")
        .provider("oldcorp", &stable.base_url(), "auth: none")
        .provider("newcorp", &canary.base_url(), &format!("auth: none, models: {{ whisper-1: {LONGER} }}"))
        .chat("match: { endpoints: [audio/transcriptions] }, percent: 100%");
    let stage = Harness::start(&flags);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", kind.as_str())];
    let mut client = Client::connect(stage.listen).unwrap();
    // In whatever pieces it comes; those of seven bytes cut the field and the boundary.
    let ways = [
        (Framing::Length, 4000),
        (Framing::Chunked(7), 4000),
        (Framing::Chunked(9001), 60_000),
        (Framing::Length, 1 << 20),
        (Framing::Chunked(65_536), 1 << 20),
    ];
    for (number, (framing, file)) in ways.into_iter().enumerate() {
        let (sent, expected) = (form(file, "whisper-1"), form(file, LONGER));
        let answer = client.send("POST", "/v1/audio/transcriptions", &headers, &sent, framing).unwrap();
        assert_eq!((answer.status, answer.header("x-serin-provider")), (200, "newcorp"), "{}", answer.text());
        let seen = canary.requests().remove(number);
        assert_eq!((seen.length, seen.header("content-type")), (expected.len(), kind.as_str()), "{framing:?}");
        if framing == Framing::Length {
            expect_length(&seen);
        }
        // Of a long body the two ends are recorded; the field is in the second.
        let kept = expected.len().min(30_000);
        let (start, end) = (&expected[..kept], &expected[expected.len() - kept..]);
        assert!(seen.body.starts_with(start) && seen.body.ends_with(end), "{framing:?}, {file}: other bytes");
    }
    assert_eq!(stable.count(), 0);
}

#[test]
fn a_path_is_filled_from_its_template() {
    let keys = "models: { gpt-4: my deployment/1 }, path: \"/deployments/{model}/{rest}\"";
    let (stable, canary) = (Scripted::healthy("oldcorp"), Scripted::healthy("newcorp"));
    let stage = stage(&stable, &canary, keys);
    let body = r#"{"model":"gpt-4","messages":[{"role":"user","content":"hi"}],"user":"USER"}"#;
    for user in ["new", "old"] {
        let answer = stage.whole("/v1/chat/completions?api-version=2024-10-21&x=%20", &[], &body.replace("USER", user));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let (new, old) = (&canary.requests()[0], &stable.requests()[0]);
    assert_eq!(new.path, "/v1/deployments/my%20deployment%2F1/chat/completions?api-version=2024-10-21&x=%20");
    assert_eq!(old.path, "/v1/chat/completions?api-version=2024-10-21&x=%20");
    expect_body(new, &body.replace("USER", "new").replace("gpt-4", "my deployment/1"));
    expect_body(old, &body.replace("USER", "old"));
}

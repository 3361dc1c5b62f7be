//! The embedded provider over a real socket.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::*;
use crate::decide::units::{Millis, Percent};

/// Sends one request on a connection of its own; the raw answer, read to its end.
fn send(provider: &Provider, method: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(provider.addr()).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    // A provider that was told to break off resets: what came before counts.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn post(provider: &Provider, path: &str, body: &str) -> String {
    String::from_utf8(send(provider, "POST", path, "application/json", body.as_bytes())).unwrap()
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

fn well() -> Provider {
    Provider::start("holysheep", Behaviour::default()).unwrap()
}

fn ill(failure: Failure) -> Provider {
    Provider::start("holysheep", Behaviour { failure, ..Behaviour::failing(Percent::ALL) }).unwrap()
}

#[test]
fn answers_tell_who_gave_them_and_repeat_the_question() {
    let provider = well();
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"hello there"}],"user":"u1"}"#;
    let text = &body(&post(&provider, "/v1/chat/completions", chat))["choices"][0]["message"]["content"];
    assert_eq!(text.as_str().unwrap(), "This is holysheep answering: hello there and so on and so on");
    let message = body(&post(&provider, "/v1/messages", chat));
    assert!(message["content"][0]["text"].as_str().unwrap().contains("hello there"));
    assert_eq!(message["stop_reason"], "end_turn");
    let response = body(&post(&provider, "/v1/responses", r#"{"model":"m","input":"hello there"}"#));
    assert_eq!((&response["status"], &response["object"]), (&"completed".into(), &"response".into()));
    let completion = body(&post(&provider, "/v1/completions", r#"{"model":"m","prompt":"hello there"}"#));
    assert!(completion["choices"][0]["text"].as_str().unwrap().contains("hello there"));
    let tally = provider.requests();
    assert_eq!((tally.requests, tally.generating, tally.failed), (4, 4, 0));
    assert_eq!((tally.by_user["u1"], tally.by_model["m"], tally.by_path["POST /v1/responses"]), (2, 4, 1));
}

#[test]
fn every_dialect_streams_to_its_own_end() {
    let provider = well();
    let ask = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"input":"a b",
        "prompt":"a b","messages":[{"role":"user","content":"a b"}]}"#;
    for (path, first, last) in [
        ("/v1/chat/completions", r#""role":"assistant""#, "data: [DONE]"),
        ("/v1/completions", "text_completion", "data: [DONE]"),
        ("/v1/responses", "event: response.created", "event: response.completed"),
        ("/v1/messages", "event: message_start", "event: message_stop"),
    ] {
        let answer = post(&provider, path, ask);
        assert!(answer.contains("text/event-stream"), "{path}: {answer}");
        let (begin, end) = (answer.find(first).unwrap(), answer.rfind(last).unwrap());
        assert!(begin < end, "{path}");
        assert!(answer.ends_with("0\r\n\r\n"), "{path} is whole");
        assert!(answer.contains("holysheep"), "{path} says who answers");
    }
    let chat = post(&provider, "/v1/chat/completions", ask);
    assert!(chat.contains(r#""choices":[],"#) && chat.contains(r#""usage":{"#) && chat.contains(r#""usage":null"#));
}

#[test]
fn embeddings_are_repeatable_in_both_encodings() {
    let provider = well();
    let ask = |input: &str, format: &str| {
        let request = format!(r#"{{"model":"e","input":["{input}","y"],"encoding_format":"{format}"}}"#);
        body(&post(&provider, "/v1/embeddings", &request))["data"][0]["embedding"].clone()
    };
    assert_eq!(ask("x", "float"), ask("x", "float"));
    assert_ne!(ask("x", "float"), ask("z", "float"));
    assert_eq!(ask("x", "float").as_array().unwrap().len(), 8);
    assert_eq!(ask("x", "base64").as_str().unwrap().len(), 44);
}

#[test]
fn a_file_goes_up_and_comes_down_the_same() {
    let provider = well();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut upload = b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n".to_vec();
    upload.extend_from_slice(&content);
    upload.extend_from_slice(b"\r\n--b--\r\n");
    let kept = send(&provider, "POST", "/v1/files", "multipart/form-data; boundary=b", &upload);
    let id = body(std::str::from_utf8(&kept).unwrap())["id"].as_str().unwrap().to_owned();
    let down = send(&provider, "GET", &format!("/v1/files/{id}/content"), "x/y", b"");
    assert!(down.ends_with(&content));
    assert!(send(&provider, "GET", "/v1/files/none/content", "x/y", b"").starts_with(b"HTTP/1.1 404"));
}

#[test]
fn failures_look_as_they_were_told_to() {
    let ask = r#"{"stream":true,"messages":[{"role":"user","content":"a"}]}"#;
    let chat = |failure| post(&ill(failure), "/v1/chat/completions", ask);
    assert!(chat(Failure::Status(503)).starts_with("HTTP/1.1 503"));
    let throttled = chat(Failure::Status(429));
    assert!(throttled.contains("retry-after: 1") && throttled.contains("rate_limit_exceeded"), "{throttled}");
    assert_eq!(chat(Failure::Reset), "");
    let cut = chat(Failure::Cut);
    assert!(cut.contains("chat.completion.chunk") && !cut.contains("[DONE]") && !cut.ends_with("0\r\n\r\n"), "{cut}");
    let event = chat(Failure::ErrorEvent);
    assert!(event.contains(r#"data: {"error":"#) && event.ends_with("0\r\n\r\n"), "{event}");
    let whole = post(&ill(Failure::Cut), "/v1/chat/completions", r#"{"messages":[]}"#);
    assert!(whole.starts_with("HTTP/1.1 200") && !whole.ends_with("0\r\n\r\n"), "{whole}");
    let anthropic = post(&ill(Failure::Status(529)), "/v1/messages", ask);
    assert!(anthropic.contains("overloaded_error"), "{anthropic}");
}

#[test]
fn a_provider_that_fails_still_lists_its_models() {
    let provider = ill(Failure::Reset);
    let models = send(&provider, "GET", "/v1/models", "x/y", b"");
    assert!(models.starts_with(b"HTTP/1.1 200"));
    assert_eq!(provider.requests().failed, 0);
}

#[test]
fn behaviour_changes_while_it_runs() {
    let provider = well();
    let status = || post(&provider, "/v1/chat/completions", r#"{"messages":[]}"#)[9..12].to_owned();
    assert_eq!(status(), "200");
    provider.set(Behaviour::failing(Percent::ALL));
    assert_eq!(status(), "500");
    provider.set(Behaviour { latency: Millis(1), ..Behaviour::default() });
    assert_eq!(status(), "200");
    assert_eq!(provider.requests().failed, 1);
}

#[test]
fn a_body_that_is_no_json_is_a_400() {
    assert!(post(&well(), "/v1/chat/completions", "{").starts_with("HTTP/1.1 400"));
    assert!(post(&well(), "/v1/nothing", "{}").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_dropped_provider_refuses() {
    let provider = well();
    let addr = provider.addr();
    drop(provider);
    assert!(TcpStream::connect(addr).is_err());
}

//! What providers say, and what clients ask for, as bytes.

/// A whole answer of JSON.
pub(crate) fn json(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A completion that says these words.
pub(crate) fn completion(words: &str) -> String {
    json(200, "", &format!(r#"{{"choices":[{{"index":0,"message":{{"content":"{words}"}},"finish_reason":"stop"}}]}}"#))
}

pub(crate) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The head of a stream of events in chunks, and these chunks.
pub(crate) fn stream(chunks: &[&str]) -> String {
    let mut all = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for data in chunks {
        all.push_str(&chunk(data));
    }
    all
}

/// The end of a body in chunks.
pub(crate) const LAST: &str = "0\r\n\r\n";
/// Events of a chat.
pub(crate) const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
pub(crate) const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
pub(crate) const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 75\r\n\r\n\
    {\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";

pub(crate) fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

pub(crate) fn post(path: &str, headers: &str, json: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sidecar\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{json}",
        json.len()
    )
}

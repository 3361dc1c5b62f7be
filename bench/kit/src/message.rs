//! HTTP/1.1 messages, as far as both ends of this kit write them.

/// What a request asks of the provider, besides its body.
pub const PACE: &str = "x-pace-ms";
pub const EVENTS: &str = "x-events";
/// Which provider answered.
pub const PROVIDER: &str = "x-provider";

const KEY: &str = "Bearer sk-0123456789abcdef0123456789abcdef";
/// What a request's body has, in bytes.
const ASKED: usize = 300;

/// The paced stream that a request asks for.
#[derive(Clone, Copy)]
pub struct Stream {
    pub pace_ms: u64,
    pub events: usize,
}

/// A request of this user.
pub fn request(user: usize, stream: Option<Stream>) -> Vec<u8> {
    let (path, headers) = (std::env::var("BENCH_PATH"), std::env::var("BENCH_HEADERS").unwrap_or_default());
    let path = path.as_deref().unwrap_or("/v1/chat/completions");
    let is_stream = stream.is_some();
    let mut body = format!(
        r#"{{"model":"m","user":"user-{user:05}","stream":{is_stream},"messages":[{{"role":"user","content":""#
    );
    body.extend(std::iter::repeat_n('z', ASKED.saturating_sub(body.len() + 4)));
    body.push_str("\"}]}");
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench-kit\r\naccept: application/json\r\n\
         authorization: {KEY}\r\ncontent-type: application/json\r\nx-user-id: user-{user:05}\r\n"
    );
    for header in headers.split('|').filter(|header| !header.is_empty()) {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if let Some(Stream { pace_ms, events }) = stream {
        head.push_str(&format!("{PACE}: {pace_ms}\r\n{EVENTS}: {events}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    head.into_bytes()
}

/// Where `wanted` begins.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of a header; its name in lower case.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (given, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        given.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    })
}

/// Digits at the beginning.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}

/// The head's length and the whole message's, once all of it is here.
pub fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let total = match header(&bytes[..head], "content-length") {
        Some(length) => head + usize::try_from(number(length)).ok()?,
        // The body has no such bytes of its own.
        None => head + find(&bytes[head - 2..], b"\r\n0\r\n\r\n")? + 5,
    };
    (bytes.len() >= total).then_some((head, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_size_and_is_whole() {
        for stream in [None, Some(Stream { pace_ms: 20, events: 50 })] {
            let bytes = request(7, stream);
            let (head, total) = whole(&bytes).unwrap();
            assert_eq!((total, total - head), (bytes.len(), ASKED));
            assert!(whole(&bytes[..total - 1]).is_none());
            assert_eq!(header(&bytes[..head], "x-user-id"), Some(&b"user-00007"[..]));
            let body: serde_json::Value = serde_json::from_slice(&bytes[head..]).unwrap();
            assert_eq!(body["user"], "user-00007");
        }
    }

    #[test]
    fn a_chunked_message_ends_with_its_last_chunk() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let head = find(bytes, b"\r\n\r\n").unwrap() + 4;
        assert_eq!(whole(bytes), Some((head, bytes.len())));
        assert_eq!(whole(&bytes[..bytes.len() - 1]), None);
        let empty = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(whole(empty).map(|(_, total)| total), Some(empty.len()));
    }
}

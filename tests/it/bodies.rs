//! Bodies arrive byte for byte, both ways, whatever they hold and however they are framed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::client::Framing;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::scripted::request::Seen;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Step, chunk, head, json, sized};
use crate::support::sidecar::one;

const LARGEST: f64 = 16.0 * 1024.0 * 1024.0;

/// Sizes are spread over the orders of magnitude; `SERIN_BODIES` asks for more of them.
fn count() -> u64 {
    std::env::var("SERIN_BODIES").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

fn body(random: &mut fastrand::Rng, number: u64) -> Vec<u8> {
    let size = match number {
        0 => 0,
        1 => 16 << 20,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size between 0 and 16 MiB")]
        _ => LARGEST.powf(random.f64()) as usize,
    };
    let mut body = vec![0; size];
    random.fill(&mut body);
    body
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Sends the body back, framed as the request asks, in the coding that it came in.
fn echo(seen: &Seen) -> Vec<Step> {
    if seen.method == "GET" {
        return vec![Step::Write(json(200, "{}"))];
    }
    let coding = seen.field("content-encoding").map(|coding| format!("content-encoding: {coding}\r\n"));
    let head = head(200, &format!("content-type: application/octet-stream\r\n{}", coding.unwrap_or_default()));
    if seen.field("x-echo").is_none() {
        return vec![Step::Write(sized(&head, &seen.body))];
    }
    let mut steps = vec![Step::Write(format!("{head}{CHUNKED}\r\n").into_bytes())];
    steps.extend(seen.body.chunks(10_007).map(|piece| Step::Write(chunk(piece))));
    steps.push(Step::Write(LAST_CHUNK.to_vec()));
    steps
}

#[test]
fn random_bodies_arrive_byte_for_byte() {
    let echo = Scripted::start("echo", echo);
    let flags = one(&echo.base_url());
    let sidecar = Harness::start(&flags);
    let mut random = fastrand::Rng::with_seed(17);
    let mut client = sidecar.client();
    for number in 0..count() {
        let plain = body(&mut random, number);
        let zipped = random.bool();
        let sent = if zipped { gzip(&plain) } else { plain };
        let framing = if random.bool() { Framing::Length } else { Framing::Chunked(random.usize(1..100_000)) };
        let path = if random.bool() { "/v1/chat/completions" } else { "/v1/audio/transcriptions?a=%20b" };
        let kind = if random.bool() { "application/json" } else { "application/octet-stream" };
        let mut headers = vec![("content-type", kind)];
        if zipped {
            headers.push(("content-encoding", "gzip"));
        }
        if random.bool() {
            headers.push(("x-echo", "chunked"));
        }
        // A tiny framing of a huge body would only measure the test's own client.
        let framing = match framing {
            Framing::Chunked(size) if sent.len() / size > 10_000 => Framing::Chunked(64 << 10),
            framing => framing,
        };
        let what = format!("body {number}: {} bytes, {framing:?}, {path}, {headers:?}", sent.len());
        let answer =
            client.send("POST", path, &headers, &sent, framing).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(answer.body == sent, "{what}: {} bytes came back, and other ones", answer.body.len());
        assert_eq!(answer.header("content-encoding") == "gzip", zipped, "{what}");
    }
}

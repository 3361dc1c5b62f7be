//! What the provider has said reaches the client while the provider holds the stream open.

use std::io::Write;
use std::time::Duration;

use serin::clock;

use crate::support::faults::fault::Fault;
use crate::support::harness::Harness;
use crate::support::scripted::Scripted;
use crate::support::scripted::step::{CHUNKED, LAST_CHUNK, Step, head, step_queue};
use crate::support::sidecar::one;

#[test]
fn a_piece_arrives_before_the_next_is_sent() {
    let (dictator, dictated) = step_queue();
    let head = head(200, &format!("content-type: application/octet-stream\r\n{CHUNKED}\r\n"));
    let held = Scripted::start("held", |_| Fault::Healthy);
    held.queue([vec![Step::Write(head.into_bytes()), dictated, Step::Write(LAST_CHUNK.to_vec())]]);
    let flags = one(&held.base_url());
    let sidecar = Harness::start(&flags);
    let mut client = sidecar.client();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    client.raw().write_all(head.as_bytes()).unwrap();
    dictator.say(Some(b"data: first\n\n"));
    assert_eq!(client.receive_head().unwrap().status, 200);
    assert_eq!(client.receive_chunk().unwrap().unwrap(), b"data: first\n\n");
    let mut waits = Vec::new();
    for number in 0..50 {
        let piece = format!("data: {number}\n\n");
        let sent = clock::instant();
        dictator.say(Some(piece.as_bytes()));
        assert_eq!(client.receive_chunk().unwrap().unwrap(), piece.as_bytes());
        waits.push(sent.elapsed());
    }
    dictator.say(None);
    assert_eq!(client.receive_chunk().unwrap(), None);
    waits.sort();
    println!("a piece takes {:?} (median), {:?} (worst)", waits[25], waits[49]);
    assert!(waits[25] < Duration::from_millis(5), "{waits:?}");
}

//! What the provider has said reaches the client while the provider holds the stream open.

use std::io::Write;
use std::time::Duration;

use serin::clock;

use crate::support::echo::Echo;
use crate::support::sidecar::Workspace;

#[test]
fn a_piece_arrives_before_the_next_is_sent() {
    let echo = Echo::start();
    let flags = format!(
        "providers:\n  held: {{ base_url: \"{}\", auth: none }}\nrollouts:\n  - {{ name: all, stable: held }}\n",
        echo.base_url()
    );
    let workspace = Workspace::new(&flags);
    let sidecar = workspace.start();
    let mut client = sidecar.client();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-echo: held\r\ncontent-length: 2\r\n\r\n{}";
    client.raw().write_all(head.as_bytes()).unwrap();
    echo.send(Some(b"data: first\n\n"));
    assert_eq!(client.receive_head().unwrap().status, 200);
    assert_eq!(client.receive_chunk().unwrap().unwrap(), b"data: first\n\n");
    let mut waits = Vec::new();
    for number in 0..50 {
        let piece = format!("data: {number}\n\n");
        let sent = clock::instant();
        echo.send(Some(piece.as_bytes()));
        assert_eq!(client.receive_chunk().unwrap().unwrap(), piece.as_bytes());
        waits.push(sent.elapsed());
    }
    echo.send(None);
    assert_eq!(client.receive_chunk().unwrap(), None);
    waits.sort();
    println!("a piece takes {:?} (median), {:?} (worst)", waits[25], waits[49]);
    assert!(waits[25] < Duration::from_millis(5), "{waits:?}");
}

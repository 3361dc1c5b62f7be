//! Clients that misbehave cost nothing that lasts, and well-behaved ones do not notice them.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serin::demo::provider::{Behaviour, Provider};

use crate::support::embedded::embedded;
use crate::support::eventually::{SOON, eventually};
use crate::support::harness::Harness;
use crate::support::load::{Load, all_well};
use crate::support::sidecar::{Workspace, one};

/// Of each kind and round; the whole number is held open at one time.
const EACH: usize = 60;
const ROUNDS: usize = 3;

fn misbehave(addr: std::net::SocketAddr) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for number in 0..EACH * 6 {
        let mut stream = TcpStream::connect(addr).unwrap();
        // The sidecar may have closed already: that is its right.
        let _ = match number % 6 {
            0 => Ok(()),
            1 => stream.write_all(b"PRI * HT"),
            2 => stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-le"),
            3 => stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{\"us"),
            4 => stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"),
            _ => stream.write_all(b"\x16\x03\x01nonsense\r\n\r\n"),
        };
        // Some leave at once, unread answers and all, which resets; the others stay.
        if fastrand::bool() {
            open.push(stream);
        }
    }
    open
}

#[test]
fn idle_half_open_slow_and_reset_connections_leave_nothing_behind() {
    let provider = embedded("oldcorp");
    let flags = format!("limits: {{ header_time: 1s, idle: 2s }}\n{}", one(&provider.base_url()));
    let workspace = Workspace::new(&flags);
    let sidecar = workspace.start();
    let load = Load::start(sidecar.listen, 2, all_well);
    eventually("the load runs", SOON, || (load.answered() > 50).then_some(()));
    let before = sidecar.descriptors();
    for _ in 0..ROUNDS {
        let open = misbehave(sidecar.listen);
        let answered = load.answered();
        eventually("others are answered meanwhile", SOON, || (load.answered() > answered + 50).then_some(()));
        drop(open);
    }
    // Held open by their clients: what never became a request is closed by the sidecar, in bounded time.
    let open: Vec<TcpStream> = (0..EACH)
        .map(|number| {
            let mut stream = TcpStream::connect(sidecar.listen).unwrap();
            if number % 2 == 0 {
                stream.write_all(b"PRI * HT").unwrap();
            }
            stream
        })
        .collect();
    // The load has two.
    eventually("every connection is given up", Duration::from_secs(30), || (sidecar.connections() <= 2).then_some(()));
    // Connections to the provider are kept for a while: one for each request that there was at one time.
    assert!(sidecar.descriptors() <= before + EACH + 2);
    drop(open);
    let (_, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_client_that_leaves_in_the_middle_is_no_failure_of_the_provider() {
    let behaviour = Behaviour { gap: serin::decide::units::Millis(50), words: 200, ..Behaviour::default() };
    let provider = Provider::start("oldcorp", behaviour).unwrap();
    let flags = one(&provider.base_url());
    let sidecar = Harness::start(&flags);
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut client = sidecar.client();
    client.raw().write_all(head.as_bytes()).unwrap();
    assert_eq!(client.receive_head().unwrap().status, 200);
    client.receive_chunk().unwrap();
    drop(client);
    let series = r#"serin_requests_total{rollout="all",arm="stable",provider="oldcorp",outcome="client_gone"} 1"#;
    eventually("the outcome is client_gone", SOON, || {
        let metrics = sidecar.metrics();
        metrics.lines().any(|line| line == series).then_some(())
    });
}

fn idle_for_ever(provider: &Provider) -> Workspace {
    Workspace::new(&format!("limits: {{ header_time: 10m, idle: 10m }}\nworkers: 2\n{}", one(&provider.base_url())))
}

#[test]
fn out_of_files_nobody_is_reset_and_well_behaved_clients_have_their_turn() {
    let provider = embedded("oldcorp");
    let workspace = idle_for_ever(&provider);
    let sidecar = workspace.start();
    let own = sidecar.descriptors();
    sidecar.kill();
    // Room for fewer connections than the sidecar would take, even so.
    let sidecar = workspace.start_with_files(own + 8);
    let mut silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(sidecar.listen).unwrap()).collect();
    eventually("it is said", SOON, || workspace.log().contains("raise the limit of open files").then_some(()));
    // A request may still find no socket to the provider; then it is told so, and to come again.
    eventually("a client is served", Duration::from_secs(40), || {
        let answer = sidecar.client().chat("u").ok()?;
        assert!(answer.status == 200 || answer.header("x-serin-error") == "resources", "{}", answer.text());
        (answer.status == 200).then_some(())
    });
    // Whoever was let go left in good order.
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        match std::io::Read::read(stream, &mut [0]) {
            Ok(bytes) => assert_eq!(bytes, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn clients_never_take_the_files_that_providers_need() {
    let provider = embedded("oldcorp");
    let workspace = idle_for_ever(&provider);
    let sidecar = workspace.start_with_files(512);
    let warnings = sidecar.status()["flags"]["warnings"].to_string();
    assert!(warnings.contains("limits.connections: 192 are in force instead of 8192"), "{warnings}");
    eventually("the log has it", SOON, || {
        workspace.log().contains("limits.connections: 192 are in force").then_some(())
    });
    // Twice as many as there are places, all silent, and a well-behaved load.
    let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(sidecar.listen).unwrap()).collect();
    let load = Load::start(sidecar.listen, 3, all_well);
    eventually("the load is served", Duration::from_secs(40), || (load.answered() > 200).then_some(()));
    assert!(sidecar.descriptors() < 512);
    let (_, wrong) = load.stop();
    assert!(wrong.is_empty(), "{wrong:?}");
    drop(silent);
}

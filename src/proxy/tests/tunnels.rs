//! What follows an upgrade.

use std::net::Shutdown;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::Percent;

const HANDSHAKE: &str = "GET /v1/realtime?model=x HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\nupgrade: \
                         websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: a, b\r\n\r\n";

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[test]
fn bytes_pass_both_ways_and_each_side_may_end_first() {
    let (sender, seen) = std::sync::mpsc::channel();
    let old = Scripted::new(move |mut client| {
        sender.send(client.message()).unwrap();
        // The first bytes of the new protocol come in one piece with the answer.
        client.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: \
             s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome;",
        );
        let said = client.read_to(";");
        client.send(said);
        // The client has ended; it still listens.
        assert!(client.read_to_end().is_empty());
        client.send("bye;");
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(format!("{HANDSHAKE}early;"));
    let reply = client.reply();
    assert_eq!(reply.status, 101);
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT)] {
        assert_eq!(reply.header(name).as_deref(), Some(value));
    }
    let request = got(&seen);
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-protocol", "a, b")] {
        assert_eq!(request.header(name).as_deref(), Some(value));
    }
    assert_eq!(client.read_to(";"), "welcome;");
    assert_eq!(client.read_to(";"), "early;");
    assert_eq!(sidecar.running.open_requests(), 1);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read_to(";"), "bye;");
    assert!(client.read_to_end().is_empty());
    until("the tunnel is accounted for", || sidecar.running.open_requests() == 0);
    until("the connection is gone", || sidecar.running.connections() == 0);
    assert_eq!(sidecar.shared.ambiguous_closes.counts(), [0; 4], "an end that is passed on says all there is to say");
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let (old, _seen) = Scripted::answering("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno");
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(HANDSHAKE);
    let reply = client.reply();
    assert_eq!((reply.status, reply.text()), (426, "no"));
    until("it is accounted for", || sidecar.unsplit_ended(Outcome::ClientError) == 1);
}

#[test]
fn what_names_websocket_and_is_no_handshake_is_carried_unjudged() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nwelcome;";
    let no_key = HANDSHAKE.replace("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "");
    let post = HANDSHAKE.replace("GET", "POST").replace("host: h\r\n", "host: h\r\ncontent-length: 0\r\n");
    for request in [&no_key, &post] {
        let (old, _seen) = Scripted::answering(OK);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        assert_eq!(sidecar.ask(request).status, 200);
        until("a success is one", || sidecar.unsplit_ended(Outcome::Ok) == 1);

        let old = Scripted::new(move |mut client| {
            client.message();
            client.send(switch);
        });
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        let mut client = sidecar.client();
        client.send(request);
        assert_eq!(client.reply().status, 101);
        assert_eq!(client.read_to(";"), "welcome;");
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(client.read_to_end().is_empty());
        until("the end of a tunnel is the end of what it carries", || sidecar.unsplit_ended(Outcome::Ok) == 1);
    }
}

#[test]
fn an_upgrade_to_http2_is_not_forwarded() {
    let (old, seen) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let reply = sidecar.ask(
        "GET /v1/models HTTP/1.1\r\nhost: h\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: \
         AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(reply.status, 200);
    let request = got(&seen);
    for gone in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
}

#[test]
fn a_switch_that_was_not_asked_for_is_a_broken_answer() {
    let (old, _seen) =
        Scripted::answering("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let reply = sidecar.ask("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (502, Some("reset")));
    until("it is accounted for", || sidecar.unsplit_ended(Outcome::Reset) == 1);
}

#[test]
fn a_client_that_vanishes_from_a_tunnel_ends_it() {
    let (sender, ended) = std::sync::mpsc::channel();
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: \
             {ACCEPT}\r\n\r\n"
        ));
        client.read_to_end();
        sender.send(()).unwrap();
    });
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(HANDSHAKE);
    assert_eq!(client.reply().status, 101);
    drop(client);
    got(&ended);
    until("nothing is open", || sidecar.running.open_requests() == 0);
}

//! The proxy port over TLS: what holds for the plain one holds for it.

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use rustls_pki_types::ServerName;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::Policy;
use crate::decide::tls_failure::TlsFailure;
use crate::decide::units::{Arm, Millis, Percent};

const MODELS: &str = "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";

/// A sidecar with a port over TLS before this provider, and clients' settings for these protocols.
fn before(
    old: &Scripted,
    protocols: &[&str],
    change: impl FnOnce(&mut Policy),
) -> (Sidecar, SocketAddr, Arc<ClientConfig>) {
    let tls = listen_tls();
    let config = trusting(shown(&tls), protocols);
    let mut policy = Policy { listen_tls: Some(tls), ..policy(old.address, refusing_address()) };
    change(&mut policy);
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let address = sidecar.tls.unwrap();
    (sidecar, address, config)
}

fn failures(sidecar: &Sidecar) -> Vec<(TlsFailure, u64)> {
    let counts = sidecar.shared.tls_failures.counts();
    TlsFailure::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

/// One that answers a chat on a signal.
fn on_demand(answer: &str) -> (Scripted, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel::<()>();
    let (wait, answer) = (std::sync::Mutex::new(wait), answer.to_owned());
    let scripted = Scripted::new(move |mut client| {
        client.message();
        let _ = wait.lock().unwrap().recv();
        client.send(&answer);
    });
    (scripted, go)
}

fn in_flight(sidecar: &Sidecar) -> u64 {
    sidecar.shared.load().rollouts[0].series.own(Arm::Stable).in_flight()
}

#[test]
fn http1_is_served_with_alpn_and_without_it() {
    let (old, _seen) = Scripted::answering(OK);
    for protocols in [&["http/1.1"][..], &[]] {
        let (sidecar, address, config) = before(&old, protocols, |_| {});
        let mut client = SecureClient::secure(address, &config);
        for _ in 0..3 {
            client.send(post("/v1/chat/completions", "", "{}"));
            let reply = client.reply();
            assert_eq!((reply.status, reply.text()), (200, body_of(OK)));
        }
        assert_eq!(client.stream.conn.alpn_protocol(), protocols.first().map(|name| name.as_bytes()));
        // The plain port is beside it.
        assert_eq!(sidecar.ask(MODELS).status, 200);
        assert_eq!(failures(&sidecar), []);
    }
}

#[test]
fn a_client_that_speaks_another_protocol_than_it_agreed_on_is_counted() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, config) = before(&old, &["h2"], |_| {});
    let mut client = SecureClient::secure(address, &config);
    client.send(MODELS);
    until("it is counted", || failures(&sidecar) == [(TlsFailure::NothingInCommon, 1)]);
}

#[test]
fn http2_is_served_to_clients_that_agree_on_it() {
    let (old, seen) = Scripted::answering(OK);
    let (sidecar, address, config) = before(&old, &["h2", "http/1.1"], |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a client of a test, not the data plane")]
        let connection = tokio::spawn(connection);
        for _ in 0..3 {
            let request =
                http::Request::post("https://sidecar/v1/chat/completions").header("content-type", "application/json");
            let answer = sender.send_request(request.body(Full::<Bytes>::from("{}")).unwrap()).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body_of(OK));
        }
        connection.abort();
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.unwrap() });
    assert_eq!(got(&seen).first_line(), "POST /v1/chat/completions HTTP/1.1");
    sidecar.until_ended(Arm::Stable, Outcome::Ok, 3);
}

#[test]
fn a_client_that_does_not_speak_what_it_agreed_on_is_closed() {
    let (old, _seen) = Scripted::answering(OK);
    for (protocol, said) in [("h2", MODELS), ("http/1.1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")] {
        let (_sidecar, address, config) = before(&old, &[protocol], |_| {});
        let mut client = SecureClient::secure(address, &config);
        client.send(said);
        assert_eq!(client.read_to_end(), b"", "{protocol}");
    }
}

#[test]
fn both_versions_are_spoken_and_a_session_is_resumed_on_any_core() {
    let (old, _seen) = Scripted::answering(OK);
    let tls = listen_tls();
    let config = trusting(shown(&tls), &[]);
    let sidecar = Sidecar::with_cores(
        Policy { listen_tls: Some(tls.clone()), ..policy(old.address, refusing_address()) },
        Percent::ZERO,
        2,
    );
    let address = sidecar.tls.unwrap();
    let ask = |config: &Arc<ClientConfig>| {
        let mut client = SecureClient::secure(address, config);
        client.send(MODELS);
        assert_eq!(client.reply().status, 200);
        client
    };
    // Open ones are in the way of those that follow, so that both cores have some.
    let clients: Vec<SecureClient> = (0..4).map(|_| ask(&config)).collect();
    let kinds: Vec<HandshakeKind> = clients.iter().map(|client| client.stream.conn.handshake_kind().unwrap()).collect();
    assert_eq!(kinds[1..], [HandshakeKind::Resumed; 3], "{kinds:?}");
    assert!(sidecar.running.loads().all(|connections| connections == 2));
    for (version, name) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(shown(&tls)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        assert_eq!(ask(&config).stream.conn.protocol_version(), Some(name));
    }
}

#[test]
fn a_stream_is_passed_on_word_by_word() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send(stream(&[ROLE, WORD]));
        let _ = wait.lock().unwrap().recv();
        client.send(chunk(STOP) + LAST);
    });
    let (sidecar, address, config) = before(&old, &[], |_| {});
    let mut client = SecureClient::secure(address, &config);
    client.send(post("/v1/chat/completions", "", r#"{"stream":true}"#));
    client.read_to(WORD.trim());
    go.send(()).unwrap();
    client.read_to(LAST);
    sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    for announced in [true, false] {
        let (old, go) = on_demand(OK);
        let (sidecar, address, config) = before(&old, &[], |_| {});
        let mut client = SecureClient::secure(address, &config);
        client.send(post("/v1/chat/completions", "", "{}"));
        until("it is dispatched", || in_flight(&sidecar) == 1);
        if announced {
            client.announce_end();
        }
        client.stream.sock.shutdown(Shutdown::Write).unwrap();
        // It is asked whether it reads on.
        assert_eq!(client.read_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n", "announced: {announced}");
        go.send(()).unwrap();
        let mut head = client.read_to("\r\n\r\n");
        while head.starts_with("HTTP/1.1 100 ") {
            head = client.read_to("\r\n\r\n");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        sidecar.until_ended(Arm::Stable, Outcome::Ok, 1);
    }
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let (old, _go) = on_demand(OK);
    let (sidecar, address, config) = before(&old, &[], |_| {});
    for announced in [true, false] {
        let mut client = SecureClient::secure(address, &config);
        client.send(post("/v1/chat/completions", "", "{}"));
        until("it is dispatched", || in_flight(&sidecar) == 1);
        if announced {
            client.announce_end();
        }
        drop(client);
        sidecar.until_ended(Arm::Stable, Outcome::ClientGone, 1 + u64::from(!announced));
    }
    until("both are gone", || sidecar.running.connections() == 0);
}

#[test]
fn http_without_tls_is_told_what_to_do() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, _) = before(&old, &[], |_| {});
    let mut client = Client::connect(address);
    client.send(post("/v1/chat/completions", "", &"x".repeat(20_000)));
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (400, Some("without_tls")));
    assert!(reply.text().contains("https://"), "{}", reply.text());
    assert_eq!(client.read_to_end(), b"");
    drop(client);
    let mut other = Client::connect(address);
    other.send("\x01\x02\x03");
    assert_eq!(other.read_to_end(), b"");
    until("both are gone", || sidecar.running.connections() == 0);
    assert_eq!(failures(&sidecar), [(TlsFailure::PlainHttp, 1), (TlsFailure::NotTls, 1)]);
}

#[test]
fn a_handshake_that_does_not_end_holds_nothing_for_long() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, config) = before(&old, &[], |policy| policy.limits.header_time = Millis(80));
    // Silent, half of a record, and plain HTTP whose client does not close.
    let mut clients: Vec<Client> = ["", "\x16\x03\x01\x02\0\x01", "GET / HTTP/1.1\r\n\r\n"]
        .into_iter()
        .map(|said| {
            let mut client = Client::connect(address);
            client.send(said);
            client
        })
        .collect();
    // The handshake done, and nothing after it.
    let mut shaken = SecureClient::secure(address, &config);
    while shaken.stream.conn.is_handshaking() {
        shaken.stream.conn.complete_io(&mut shaken.stream.sock).unwrap();
    }
    until("all are gone", || sidecar.running.connections() == 0);
    assert!(clients[0].read_to_end().is_empty() && clients[1].read_to_end().is_empty());
    assert_eq!(failures(&sidecar), [(TlsFailure::PlainHttp, 1), (TlsFailure::Unfinished, 1)]);
}

#[test]
fn connections_over_tls_count_as_others_do_and_idle_ones_make_room() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, config) = before(&old, &[], |policy| policy.limits.connections = 2);
    let mut idle: Vec<SecureClient> = (0..2).map(|_| SecureClient::secure(address, &config)).collect();
    for client in &mut idle {
        client.send(MODELS);
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(sidecar.running.connections(), 2);
    // An idle one leaves in good order for it. Which one depends on the cores that they are on.
    assert_eq!(sidecar.ask(MODELS).status, 200);
    idle.iter().for_each(|client| client.stream.sock.set_nonblocking(true).unwrap());
    let mut end = [0];
    until("the end of one is announced", || {
        idle.iter_mut().any(|client| matches!(std::io::Read::read(&mut client.stream, &mut end), Ok(0)))
    });
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_counted() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, _) = before(&old, &[], |_| {});
    let stranger = trusting(shown(&listen_tls()), &[]);
    let mut client = SecureClient::secure(address, &stranger);
    assert!(std::io::Write::write(&mut client.stream, b"x").is_err());
    until("it is counted", || failures(&sidecar) == [(TlsFailure::Refused, 1)]);
    let old_version = Client::connect(address);
    drop(old_version);
    assert_eq!(failures(&sidecar), [(TlsFailure::Refused, 1)], "one that only connects is none");
}

#[test]
fn another_certificate_is_shown_from_the_next_handshake_on_and_nobody_is_closed() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, first) = before(&old, &[], |_| {});
    let mut before = SecureClient::secure(address, &first);
    before.send(MODELS);
    assert_eq!(before.reply().status, 200);
    let next = listen_tls();
    let second = trusting(shown(&next), &[]);
    sidecar.reload(|policy| policy.listen_tls = Some(next));
    let mut after = SecureClient::secure(address, &second);
    after.send(MODELS);
    assert_eq!(after.reply().status, 200);
    before.send(MODELS);
    assert_eq!(before.reply().status, 200);
}

#[test]
fn a_drain_asks_to_close_and_serves_to_the_end() {
    let (old, go) = on_demand(OK);
    let (Sidecar { running, shared, .. }, address, config) = before(&old, &[], |_| {});
    let mut client = SecureClient::secure(address, &config);
    client.send(post("/v1/chat/completions", "", "{}"));
    let in_flight = || shared.load().rollouts[0].series.own(Arm::Stable).in_flight();
    until("it is dispatched", || in_flight() == 1);
    let drain = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(running.drain(Millis(10_000)))
    });
    until("a newcomer over TLS is served, and asked to close", || {
        let mut client = SecureClient::secure(address, &config);
        client.send("GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n");
        client.reply().header("connection").as_deref() == Some("close")
    });
    go.send(()).unwrap();
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("connection").as_deref()), (200, Some("close")));
    assert_eq!(client.read_to_end(), b"");
    assert_eq!(drain.join().unwrap(), 0);
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).unwrap_err();
}

#[test]
fn only_the_end_of_a_connection_without_an_open_request_is_announced() {
    let old = Scripted::new(|mut client| {
        if client.message().first_line().contains("broken") {
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        } else {
            client.send(OK);
        }
    });
    let (_sidecar, address, config) = before(&old, &[], |policy| policy.limits.idle = Millis(80));
    let end_after = |request: &str| {
        let mut client = SecureClient::secure(address, &config);
        client.send(request);
        let mut heard = Vec::new();
        (std::io::Read::read_to_end(&mut client.stream, &mut heard).map(drop), String::from_utf8(heard).unwrap())
    };
    let (end, heard) = end_after(MODELS);
    assert!(end.is_ok() && heard.ends_with(body_of(OK)), "{end:?} {heard}");
    // HTTP/1.0 has no other sign of a whole answer than the end of the connection.
    let (end, heard) = end_after("GET /v1/broken HTTP/1.0\r\nhost: h\r\n\r\n");
    assert!(end.is_err(), "{heard}");
}

#[test]
fn half_of_a_record_is_the_beginning_of_a_request() {
    let (old, _seen) = Scripted::answering(OK);
    let (sidecar, address, config) = before(&old, &[], |policy| policy.limits.header_time = Millis(80));
    let mut client = SecureClient::secure(address, &config);
    client.send(MODELS);
    assert_eq!(client.reply().status, 200);
    // As of an HTTP head, whose other half does not come: it would be idle for ten minutes otherwise.
    std::io::Write::write_all(&mut client.stream.conn.writer(), MODELS.as_bytes()).unwrap();
    let mut record = Vec::new();
    client.stream.conn.write_tls(&mut record).unwrap();
    std::io::Write::write_all(&mut client.stream.sock, &record[..record.len() / 2]).unwrap();
    until("it is closed", || sidecar.running.connections() == 0);
}

//! Connections that say nothing, too little, or too slowly; and how many there may be.

use super::support::*;
use crate::clock;
use crate::decide::policy::Policy;
use crate::decide::units::{Millis, Percent};

fn impatient(change: impl FnOnce(&mut Policy)) -> (Sidecar, std::sync::mpsc::Receiver<Message>) {
    let (old, seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.limits.header_time = Millis(80);
    change(&mut policy);
    (Sidecar::start(policy, Percent::ZERO), seen)
}

#[test]
fn a_connection_that_does_not_come_to_a_request_is_closed() {
    let (sidecar, _seen) = impatient(|_| {});
    for said in ["", "PRI * HT", "GET /v1/mod", "GET /v1/models HTTP/1.1\r\nhost: h\r\n"] {
        let mut client = sidecar.client();
        client.send(said);
        assert!(client.read_to_end().is_empty(), "{said:?}: it is closed, without a word");
    }
    until("all of them are gone", || sidecar.running.connections() == 0);
}

#[test]
fn a_head_that_drips_is_closed_on_a_kept_connection_too() {
    let (sidecar, _seen) = impatient(|_| {});
    let mut client = sidecar.client();
    client.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    let began = clock::now();
    client.send("GET /v1/models HTTP/1.1\r\n");
    client.stream.set_read_timeout(Some(std::time::Duration::from_millis(10))).unwrap();
    // Every drop comes well within the limit; the head as a whole does not.
    let mut drops = 0;
    loop {
        let mut byte = [0];
        match std::io::Read::read(&mut client.stream, &mut byte) {
            Ok(0) => break,
            Ok(_) => panic!("there is no answer to half a head"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                drops += 1;
                assert!(drops < 500, "it is never closed");
                if std::io::Write::write_all(&mut client.stream, b"x").is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let lasted = clock::now().since(began);
    assert!(lasted >= Millis(80), "it was closed before its time: after {lasted} and {drops} drops");
}

#[test]
fn an_idle_connection_outlives_the_limit_for_heads_and_ends_at_its_own() {
    let (sidecar, _seen) = impatient(|_| {});
    let mut kept = sidecar.client();
    kept.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    kept.reply();
    // Three connections live and die by the limit for heads meanwhile.
    for _ in 0..3 {
        assert!(sidecar.client().read_to_end().is_empty());
    }
    kept.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(kept.reply().status, 200);

    let (sidecar, _seen) = impatient(|policy| policy.limits.idle = Millis(100));
    let mut idle = sidecar.client();
    idle.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    idle.reply();
    assert!(idle.read_to_end().is_empty(), "an idle connection is closed in the end");
}

#[test]
fn a_request_in_flight_is_not_idle() {
    let (old, _seen) = Scripted::answering(OK);
    let (proceed, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Scripted::new(move |mut client| {
        client.message();
        wait.lock().unwrap().recv().unwrap();
        client.send(OK);
    });
    let mut policy = policy(slow.address, old.address);
    policy.limits.header_time = Millis(40);
    policy.limits.idle = Millis(40);
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut client = sidecar.client();
    client.send(post("/v1/files", "", "{}"));
    // Others come to their end meanwhile.
    for _ in 0..4 {
        assert!(sidecar.client().read_to_end().is_empty());
    }
    proceed.send(()).unwrap();
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_client_that_stops_within_a_held_body_is_closed_like_an_idle_one() {
    let (sidecar, _seen) = impatient(|policy| policy.limits.idle = Millis(80));
    let mut client = sidecar.client();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    assert!(client.read_to_end().is_empty());
    until("nothing is open", || sidecar.running.open_requests() == 0 && sidecar.running.connections() == 0);
}

#[test]
fn beyond_the_limit_connections_wait_and_none_is_reset() {
    let (sidecar, _seen) = impatient(|policy| {
        policy.limits.header_time = Millis(10_000);
        policy.limits.connections = 2;
    });
    let ask = |client: &mut Client| {
        client.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    };
    let mut served: Vec<Client> = (0..2).map(|_| sidecar.client()).collect();
    for client in &mut served {
        ask(client);
        assert_eq!(client.reply().status, 200);
    }
    let mut waiting = sidecar.client();
    ask(&mut waiting);
    // Those who are in go on undisturbed.
    for client in &mut served {
        ask(client);
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(sidecar.running.connections(), 2);
    drop(served.pop());
    assert_eq!(waiting.reply().status, 200, "its turn has come");
}

#[test]
fn two_cores_share_the_work() {
    let (old, _seen) = Scripted::answering(OK);
    let sidecar = Sidecar::with_cores(policy(old.address, refusing_address()), Percent::ZERO, 2);
    let mut clients: Vec<Client> = (0..8).map(|_| sidecar.client()).collect();
    // Who comes while a core has a request open goes to the other.
    until("all are accepted", || sidecar.running.connections() == 8);
    for client in &mut clients {
        client.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(sidecar.running.loads().collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let (sidecar, seen) = impatient(|_| {});
    let mut client = sidecar.client();
    client.send(
        "GET /v1/a HTTP/1.1\r\nhost: h\r\n\r\nGET /v1/b HTTP/1.1\r\nhost: h\r\n\r\nGET /v2 HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!((client.reply().status, client.reply().status, client.reply().status), (200, 200, 404));
    assert_eq!(got(&seen).first_line(), "GET /v1/a HTTP/1.1");
    assert_eq!(got(&seen).first_line(), "GET /v1/b HTTP/1.1");
}

const MODELS: &str = "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";

fn full_house(cores: usize, places: u32) -> Sidecar {
    let (old, _seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, refusing_address());
    policy.limits.connections = places;
    Sidecar::with_cores(policy, Percent::ZERO, cores)
}

#[test]
fn in_a_full_house_the_one_who_was_idle_for_the_longest_makes_room() {
    for cores in [1, 2] {
        let sidecar = full_house(cores, 4);
        let mut idle: Vec<Client> = (0..4).map(|_| sidecar.client()).collect();
        for client in &mut idle {
            client.send(MODELS);
            assert_eq!(client.reply().status, 200);
        }
        let mut newcomer = sidecar.client();
        newcomer.send(MODELS);
        assert_eq!(newcomer.reply().status, 200, "{cores} cores");
        // One of them has left, in good order; a client that asks again is served.
        let mut left = 0;
        for client in &mut idle {
            client.stream.set_read_timeout(Some(std::time::Duration::from_millis(1))).unwrap();
            match std::io::Read::read(&mut client.stream, &mut [0]) {
                Ok(0) => left += 1,
                Ok(_) => panic!("nobody asked"),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(left, 1, "{cores} cores");
    }
}

#[test]
fn in_a_full_house_those_who_never_said_a_word_make_room() {
    let sidecar = full_house(1, 3);
    let _silent: Vec<Client> = (0..3).map(|_| sidecar.client()).collect();
    until("the house is full", || sidecar.running.connections() == 3);
    let mut newcomer = sidecar.client();
    newcomer.send(MODELS);
    assert_eq!(newcomer.reply().status, 200);
}

#[test]
fn in_a_full_house_idle_http2_clients_make_room() {
    let sidecar = full_house(1, 2);
    let mut idle: Vec<Client> = (0..2).map(|_| sidecar.client()).collect();
    for client in &mut idle {
        // The preface and empty settings; it never acknowledges anything.
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    }
    until("the house is full", || sidecar.running.connections() == 2);
    let mut newcomer = sidecar.client();
    newcomer.send(MODELS);
    assert_eq!(newcomer.reply().status, 200);
}

#[test]
fn in_a_full_house_a_request_in_flight_keeps_its_place() {
    let (proceed, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        wait.lock().unwrap().recv().unwrap();
        client.send(OK);
    });
    let mut policy = policy(old.address, refusing_address());
    policy.limits.connections = 2;
    policy.limits.header_time = Millis(60_000);
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut busy = sidecar.client();
    busy.send(post("/v1/chat/completions", "", "{}"));
    let mut half = sidecar.client();
    half.send("GET /v1/mod");
    until("the house is full", || sidecar.running.connections() == 2 && sidecar.running.open_requests() == 1);
    let mut newcomer = sidecar.client();
    newcomer.send(MODELS);
    // As long as it takes for idle ones to be asked to leave, and twice.
    let began = crate::clock::instant();
    until("no client had to leave", || began.elapsed() > std::time::Duration::from_millis(2500));
    assert_eq!(sidecar.running.connections(), 2);
    proceed.send(()).unwrap();
    assert_eq!(busy.reply().status, 200);
    drop(busy);
    proceed.send(()).unwrap();
    assert_eq!(newcomer.reply().status, 200);
    half.send("els HTTP/1.1\r\nhost: h\r\n\r\n");
    proceed.send(()).unwrap();
    assert_eq!(half.reply().status, 200);
}

#[test]
fn a_process_with_few_files_takes_fewer_connections_than_the_file_says() {
    let (old, _seen) = Scripted::answering(OK);
    let shared = std::sync::Arc::new(crate::state::snapshot::SnapshotCell::new(
        snapshot(1, policy(old.address, refusing_address()), Percent::ZERO, 1),
        1,
    ));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = crate::proxy::Setup {
        listener,
        tls_listener: None,
        shared,
        inbox: crate::state::inbox::inbox().0,
        cores: 1,
        most_connections: 2,
    };
    let running = crate::proxy::start(setup).unwrap();
    let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(running.local_addr())).collect();
    for client in &mut clients {
        client.send(MODELS);
    }
    while let Some(mut client) = clients.pop() {
        // Whoever is in leaves, and the next one comes in.
        assert!(running.connections() <= 2);
        if clients.len() < 2 {
            assert_eq!(client.reply().status, 200);
        }
    }
}

/// The preface, empty settings, and the acknowledgement of the other side's.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

#[test]
fn an_http2_head_that_drips_is_closed() {
    // Frames that begin something: HEADERS without END_HEADERS, a CONTINUATION that never ends it, half a PING.
    let begun: [&[u8]; 4] = [
        b"",
        b"\0\0\x01\x01\0\0\0\0\x01\x82",
        b"\0\0\x01\x01\0\0\0\0\x01\x82\0\0\x01\x09\0\0\0\0\x01\x87",
        b"\0\0\x08\x06\0\0\0\0\0\x01\x02",
    ];
    let (sidecar, _seen) = impatient(|_| {});
    for (number, begun) in begun.iter().enumerate() {
        let mut client = sidecar.client();
        client.send(if number == 0 { &HELLO[..24] } else { HELLO });
        client.send(begun);
        client.read_to_end();
    }
    until("all of them are gone", || sidecar.running.connections() == 0);
    // One that has said hello is idle, and outlives them.
    let mut idle = sidecar.client();
    idle.send(HELLO);
    for _ in 0..3 {
        assert!(sidecar.client().read_to_end().is_empty());
    }
    until("only the idle one is left", || sidecar.running.connections() == 1);
}

#[test]
fn a_client_that_pauses_for_too_long_within_a_streamed_upload_gets_an_error() {
    // A provider that takes all there is, and waits for more.
    let old = Scripted::new(|mut client| drop(client.read_to_end()));
    let mut policy = policy(old.address, refusing_address());
    policy.limits.idle = Millis(100);
    let sidecar = Sidecar::start(policy, Percent::ZERO);
    let mut client = sidecar.client();
    client.send("POST /v1/files HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n");
    // Steps that are shorter than the limit, for longer than the limit.
    let began = crate::clock::instant();
    while began.elapsed() < std::time::Duration::from_millis(250) {
        client.stream.set_read_timeout(Some(std::time::Duration::from_millis(25))).unwrap();
        let silence = std::io::Read::read(&mut client.stream, &mut [0]).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock, "it is given up too early");
        client.send("x");
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (408, Some("body_time")));
    assert!(reply.text().contains("`limits.idle`"), "{}", reply.text());
    assert!(client.read_to_end().is_empty());
    until("it is no provider's failure", || sidecar.unsplit_ended(crate::decide::outcome::Outcome::ClientGone) == 1);
}

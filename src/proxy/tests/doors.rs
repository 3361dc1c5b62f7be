//! Connections that say nothing, too little, or too slowly; and how many there may be.

use super::support::*;
use crate::decide::policy::Policy;
use crate::decide::units::{Millis, Percent};

fn impatient(change: impl FnOnce(&mut Policy)) -> (Sidecar, std::sync::mpsc::Receiver<Message>) {
    let (old, seen) = Scripted::answering(OK);
    let mut policy = policy(old.address, nobody());
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
    assert!(drops >= 4, "it was closed before its time");
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
    let sidecar = Sidecar::with_cores(policy(old.address, nobody()), Percent::ZERO, 2);
    let mut clients: Vec<Client> = (0..8).map(|_| sidecar.client()).collect();
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

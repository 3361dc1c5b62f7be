//! Publications, the drain, and what is cut.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::records::{line, logged};
use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Millis, Percent};
use crate::proxy::attempt::account::Account;
use crate::proxy::core::Core;
use crate::proxy::downstream::client_connection::{ClientConnection, OpenRequest};
use crate::proxy::downstream::connection::UnwindGuard;
use crate::proxy::downstream::listener::{ConnectionSlot, ConnectionSlots, ProxyPort};
use crate::proxy::downstream::load::Load;
use crate::proxy::response::access::Unplanned;
use crate::state::snapshot::SnapshotCell;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The drain has begun once answers ask to close.
fn until_draining(address: SocketAddr) {
    until("a newcomer is asked to close", || {
        let mut client = Client::connect(address);
        client.send("GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n");
        client.reply().header("connection").as_deref() == Some("close")
    });
}

#[test]
fn after_a_publication_is_acknowledged_nothing_goes_by_the_one_before() {
    let (old, _seen) = Scripted::answering(OK);
    let (new, _seen_new) = Scripted::answering(OK);
    let sidecar = Sidecar::with_cores(policy(old.address, new.address), Percent::ALL, 1);
    let mut client = sidecar.client();
    for round in 0..20 {
        let (percent, arm) = if round % 2 == 0 { (Percent::ZERO, "stable") } else { (Percent::ALL, "canary") };
        sidecar.set_percent(percent);
        client.send(post("/v1/chat/completions", "x-user-id: u\r\n", "{}"));
        assert_eq!(client.reply().header("x-serin-arm").as_deref(), Some(arm));
    }
}

#[test]
fn a_new_file_is_in_force_for_the_next_request() {
    let (old, _seen) = Scripted::answering(OK);
    let (new, _seen_new) = Scripted::answering(OK);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(client.reply().header("x-serin-generation").as_deref(), Some("7"));
    let mut edited = policy(new.address, refusing_address());
    edited.mount = "/v2".to_owned();
    let mut next = snapshot(2, edited, Percent::ZERO, 1);
    next.generation = 8;
    sidecar.shared.publish(next);
    until("it is acknowledged", || sidecar.shared.seen_by_all(2));
    client.send("GET /v2/models HTTP/1.1\r\nhost: h\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-generation").as_deref()), (200, Some("8")));
}

#[test]
fn a_drain_serves_to_the_end_and_asks_clients_to_close() {
    let (proceed, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = Scripted::new(move |mut client| {
        client.message();
        wait.lock().unwrap().recv().unwrap();
        client.send(OK);
    });
    let Sidecar { running, shared, .. } = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let address = running.local_addr();
    let mut before = Client::connect(address);
    before.send(post("/v1/chat/completions", "", "{}"));
    until("it is being served", || running.open_requests() == 1);
    let draining = std::thread::spawn(move || runtime().block_on(running.drain(Millis(30_000))));
    until_draining(address);
    // A connection that comes during the drain is served, and asked to close.
    let mut during = Client::connect(address);
    proceed.send(()).unwrap();
    proceed.send(()).unwrap();
    during.send(post("/v1/chat/completions", "", "{}"));
    assert_eq!(before.reply().status, 200);
    let reply = during.reply();
    assert_eq!((reply.status, reply.header("connection").as_deref()), (200, Some("close")));
    assert!(during.read_to_end().is_empty());
    assert_eq!(draining.join().unwrap(), 0, "nothing was cut");
    assert_eq!(shared.load().rollouts[0].series.own(Arm::Stable).requests(Outcome::Ok), 2);
    assert!(std::net::TcpStream::connect(address).is_err(), "nothing listens any more");
}

#[test]
fn what_is_open_after_the_drain_is_cut_and_is_serins_fault() {
    let old = Scripted::new(|mut client| {
        client.message();
        client.read_to_end();
    });
    let Sidecar { running, shared, .. } = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = Client::connect(running.local_addr());
    client.send(post("/v1/chat/completions", "", "{}"));
    until("it is dispatched", || shared.load().rollouts[0].series.own(Arm::Stable).in_flight() == 1);
    assert_eq!(runtime().block_on(running.drain(Millis(30))), 1);
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("stopping")));
    assert_eq!(reply.header("connection").as_deref(), Some("close"));
    assert!(reply.text().contains("send the request again"), "{}", reply.text());
    assert!(client.read_to_end().is_empty());
    let series = Arc::clone(shared.load().rollouts[0].series.own(Arm::Stable));
    assert_eq!((series.requests(Outcome::SerinError), series.in_flight()), (1, 0));
}

#[test]
fn a_request_without_an_answer_at_the_end_gets_an_error_and_a_begun_answer_breaks_off() {
    let old = Scripted::new(|mut client| {
        if client.message().text().contains("begin") {
            client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        }
        client.read_to_end();
    });
    let Sidecar { running, shared, .. } =
        Sidecar::with_cores(policy(old.address, refusing_address()), Percent::ZERO, 3);
    let address = running.local_addr();
    let mut waiting: Vec<Client> = (0..60).map(|_| Client::connect(address)).collect();
    // Dealt out evenly before any is busy, so that no core has more of them than it may have connections to a provider.
    until("all are accepted", || running.connections() == 60);
    for client in &mut waiting {
        client.send(post("/v1/chat/completions", "", "{}"));
    }
    // One whose body is still being read whole.
    let mut sending = Client::connect(address);
    sending.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    let mut begun = Client::connect(address);
    begun.send(post("/v1/chat/completions", "", r#"{"say":"begin"}"#));
    begun.read_to("half\r\n");
    let series = Arc::clone(shared.load().rollouts[0].series.own(Arm::Stable));
    until("all are dispatched", || series.in_flight() == 61 && running.open_requests() == 62);
    assert_eq!(runtime().block_on(running.drain(Millis(30))), 62);
    for client in waiting.iter_mut().chain([&mut sending]) {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("stopping")));
    }
    assert!(begun.read_to_end().is_empty(), "no end that could be taken for a whole answer");
    assert_eq!((series.requests(Outcome::SerinError), series.in_flight()), (61, 0));
}

#[test]
fn a_stream_that_outlasts_the_drain_ends_by_the_error_event_of_its_dialect() {
    const MESSAGE: &str =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"role\":\"assistant\"}}\n\n";
    const RESPONSE: &str = "event: response.output_text.delta\n\
                            data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\",\"sequence_number\":4}\n\n";
    let kinds = [
        ("/v1/chat/completions", WORD, r#"data: {"error":{"#),
        ("/v1/messages", MESSAGE, "event: error\ndata: {\"type\":\"error\""),
        ("/v1/responses", RESPONSE, "event: error\ndata: {\"type\":\"error\""),
    ];
    const HALF: &str = r#"{"half":"#;
    let old = Scripted::new(move |mut client| {
        let asked = client.message();
        if asked.text().contains("whole") {
            client.send(json(200, "", r#"{"half":"the other"}"#).strip_suffix(r#""the other"}"#).unwrap());
            client.read_to_end();
            return;
        }
        let head = asked.head;
        let (_, event, _) = kinds.iter().find(|(path, ..)| head.contains(path)).unwrap();
        // And the beginning of another, which cannot be read.
        client.send(stream(&[event]) + &chunk("data: {\"id\""));
        client.read_to_end();
    });
    let mut policy = policy(old.address, refusing_address());
    with_provider(&mut policy, 0, |provider| provider.max_connections = 100);
    let Sidecar { running, shared, .. } = Sidecar::with_cores(policy, Percent::ZERO, 3);
    let ask = |(path, event, _): &(&str, &str, &str)| {
        let mut client = Client::connect(running.local_addr());
        client.send(post(path, "", r#"{"stream":true}"#));
        client.read_to(event);
        client
    };
    let mut clients: Vec<_> = kinds.iter().cycle().take(30).map(|kind| (ask(kind), kind.2)).collect();
    // Nothing can be said in the middle of what is no stream of events.
    let mut whole = Client::connect(running.local_addr());
    whole.send(post("/v1/files", "", "whole"));
    assert!(whole.read_to(HALF).contains("content-length: 20\r\n"), "its length was announced");
    let in_force = shared.load();
    assert_eq!(runtime().block_on(running.drain(Millis(30))), 31);
    assert!(whole.read_to_end().is_empty(), "it breaks off before the end that was announced");
    for (client, beginning) in &mut clients {
        let end = client.read_to_end();
        let end = String::from_utf8(end).unwrap();
        assert!(end.contains(*beginning) && end.contains("Serin was stopped"), "{end}");
        assert!(!end.contains("\"id\""), "half an event is none: {end}");
        assert!(end.ends_with(LAST), "{end}");
    }
    // Those of the API that no rollout asks for are in no share.
    for (series, cut) in [(in_force.rollouts[0].series.own(Arm::Stable), 20), (&in_force.unsplit[0], 11)] {
        assert_eq!((series.requests(Outcome::SerinError), series.in_flight()), (cut, 0));
    }
}

#[test]
fn a_drain_of_several_cores_lets_long_streams_come_to_their_end() {
    const STREAMS: usize = 12;
    let (begun, events) = channel::<()>();
    let end = Arc::new(std::sync::Barrier::new(STREAMS + 1));
    let together = Arc::clone(&end);
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send(stream(&[WORD]));
        begun.send(()).unwrap();
        together.wait();
        client.send(chunk(STOP) + LAST);
    });
    let Sidecar { running, shared, .. } =
        Sidecar::with_cores(policy(old.address, refusing_address()), Percent::ZERO, 3);
    assert!(running.loads().count() == 3);
    let address = running.local_addr();
    let mut clients: Vec<Client> = (0..STREAMS).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send(post("/v1/chat/completions", "", r#"{"stream":true}"#));
        got(&events);
        client.read_to(WORD);
    }
    assert!(running.loads().all(|connections| connections > 0), "every core has some");
    let draining = std::thread::spawn(move || runtime().block_on(running.drain(Millis(30_000))));
    until_draining(address);
    end.wait();
    for client in &mut clients {
        assert!(client.read_to(LAST).ends_with(&(chunk(STOP) + LAST)));
    }
    assert_eq!(draining.join().unwrap(), 0, "nothing was cut");
    assert_eq!(shared.load().rollouts[0].series.own(Arm::Stable).requests(Outcome::Ok), STREAMS as u64);
}

fn core_and_connection(shared: &SnapshotCell) -> (Rc<Core>, Rc<ClientConnection>, Arc<Load>) {
    let load: Arc<Load> = Arc::default();
    let core = Core::new(0, 1, shared, crate::state::inbox::inbox().0, Arc::clone(&load), Arc::default());
    let conn = ClientConnection::open(
        &core,
        1,
        ProxyPort::Plain,
        shared.sources.unknown(),
        ConnectionSlot::take(&Arc::new(ConnectionSlots::new(1)), &load),
        Millis(0),
    );
    (core, conn, load)
}

#[test]
fn a_panic_ends_one_request_and_is_counted_as_ours() {
    let shared = SnapshotCell::new(snapshot(1, policy(refusing_address(), refusing_address()), Percent::ZERO, 1), 1);
    let (core, conn, load) = core_and_connection(&shared);
    let plan = crate::decide::route::Plan {
        matched: None,
        rollout: Some(crate::decide::units::RolloutId(0)),
        arm: Some(Arm::Stable),
        provider: crate::decide::units::ProviderId(0),
        default_provider: crate::decide::units::ProviderId(0),
        reason: crate::decide::route::RouteReason::Bucket,
        counted: true,
        slot: None,
        bucket: None,
        user_hash: None,
        source: crate::decide::guard::sources::SourceGroup::default(),
        anonymous: false,
        bound: crate::decide::state_at::Bound::No,
    };
    let began = Rc::new(RefCell::new(false));
    let seen = Rc::clone(&began);
    let (of_core, of_connection) = (Rc::clone(&core), Rc::clone(&conn));
    let request = async move {
        let _open_request = OpenRequest::new(&of_connection);
        let mut account = Account::planned(
            &of_core,
            &of_core.in_use(),
            plan,
            crate::decide::guard::waiting::ResponseKind::Whole,
            crate::clock::instant(),
        );
        *seen.borrow_mut() = account.dispatch();
        panic!("a defect");
    };
    let reply = runtime().block_on(UnwindGuard::of(&conn, request)).unwrap();
    assert!(*began.borrow());
    assert_eq!((reply.status().as_u16(), &reply.headers()["x-serin-error"]), (500, &"defect".parse().unwrap()));
    assert_eq!(load.open(), 1, "the answer to it is still going out");
    drop(reply);
    assert_eq!(load.open(), 0);
    let rollout = &shared.load().rollouts[0];
    assert_eq!(rollout.series.own(Arm::Stable).requests(Outcome::SerinError), 1);
    assert_eq!(rollout.evidence.totals(Arm::Stable).not_judged, 1);
}

/// After its last event an answer has ended, even where the connection has not.
#[test]
fn a_stream_whose_last_event_is_out_is_not_cut() {
    let old = Scripted::new(|mut client| {
        client.message();
        client.send(stream(&[WORD, STOP]));
        client.read_to_end();
    });
    let Sidecar { running, shared, .. } = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = Client::connect(running.local_addr());
    client.send(post("/v1/chat/completions", "", r#"{"stream":true}"#));
    client.read_to("[DONE]");
    assert_eq!(runtime().block_on(running.drain(Millis(30))), 1);
    assert!(!String::from_utf8(client.read_to_end()).unwrap().contains("Serin was stopped"));
    let series = Arc::clone(shared.load().rollouts[0].series.own(Arm::Stable));
    assert_eq!((series.requests(Outcome::Ok), series.requests(Outcome::SerinError)), (1, 0));
}

#[test]
fn a_panic_before_the_plan_has_the_line_of_a_defect() {
    let shared =
        SnapshotCell::new(snapshot(1, logged(policy(refusing_address(), refusing_address())), Percent::ZERO, 1), 1);
    let entries = shared.access_log.receiver().unwrap();
    let (core, conn, _load) = core_and_connection(&shared);
    let of_connection = Rc::clone(&conn);
    let request = async move {
        let _open_request = OpenRequest::new(&of_connection);
        let asked = http::Request::new(());
        let arrived = (core.request_ids.next(), crate::clock::instant());
        let _unplanned = Unplanned::of(&core, &core.in_use(), &asked, arrived, None);
        panic!("a defect");
    };
    let reply = runtime().block_on(UnwindGuard::of(&conn, request)).unwrap();
    let line = line(&entries);
    assert_eq!((line.status, line.error), (Some(reply.status().as_u16()), Some("defect")), "{line:?}");
    assert_eq!((line.outcome, line.provider), (Some(Outcome::SerinError), None));
}

//! The failing provider by itself: what it writes, when it falls silent, how it ends, and what it remembers.
//!
//! Without this a green test of the sidecar might only mean that nothing failed. No sidecar takes part here.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::api::{Api, complete_within, difference, events};
use crate::support::client::{Broken, Client};
use crate::support::eventually::{SOON, eventually};
use crate::support::faults::answer;
use crate::support::faults::fault::{Cut, Fault, Refusal, gzip, huge_preamble};
use crate::support::scripted::Scripted;
use crate::support::scripted::request::End;

const LONG: Duration = Duration::from_secs(3600);

fn ask(faults: &Scripted, api: Api, stream: bool) -> io::Result<Broken> {
    Client::connect(faults.addr())?.ask(api.path(), &[], &api.ask("m", stream))
}

/// Every way in which a connection can break at the reader.
fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

#[test]
fn healthy_answers_are_whole_and_have_sixty_events() {
    for api in Api::ALL {
        let faults = Scripted::healthy("corp");
        let mut client = Client::connect(faults.addr()).unwrap();
        for _ in 0..2 {
            let response = client.ask(api.path(), &[], &api.ask("m", true)).unwrap();
            response.end.unwrap();
            assert_eq!(response.answer.header("content-type"), "text/event-stream");
            let (events, rest) = events(&response.answer.text());
            assert_eq!((events.len(), rest.as_str()), (answer::EVENTS, ""), "{api}");
            assert_eq!(events, answer::stream(api, "corp"));
            let response = client.ask(api.path(), &[], &api.ask("m", false)).unwrap();
            response.end.unwrap();
            assert_eq!(response.answer.text(), answer::whole(api, "corp"));
            assert!(response.answer.json().is_object());
        }
        assert_eq!((faults.count(), faults.connections(), faults.open_connections()), (4, 1, 1));
        drop(client);
        eventually("the connection is seen closed", SOON, || (faults.open_connections() == 0).then_some(()));
    }
}

#[test]
fn requests_are_remembered_as_they_came() {
    let faults = Scripted::healthy("corp");
    let body = Api::Chat.ask("gpt-4", true);
    let headers = [("authorization", "Bearer sk-1"), ("x-a", "b")];
    Client::connect(faults.addr()).unwrap().ask("/v1/chat/completions?x=1", &headers, &body).unwrap();
    let seen = faults.asked_for("gpt-4");
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/chat/completions?x=1"));
    assert_eq!((seen.header("authorization"), seen.header("x-a"), seen.header("x-b")), ("Bearer sk-1", "b", ""));
    assert_eq!((seen.body.as_slice(), seen.length), (body.as_bytes(), body.len()));
    assert!(seen.wants_a_stream() && seen.head().contains("authorization: Bearer sk-1\n"));
    assert_eq!(seen.json()["model"], "gpt-4");
    eventually("it is answered", SOON, || (faults.asked_for("gpt-4").end == Some(End::Played)).then_some(()));
}

#[test]
fn nothing_comes_before_headers_when_the_connection_ends() {
    let faults = Scripted::healthy("corp");
    faults.queue([Fault::ResetBeforeHeaders, Fault::CloseBeforeHeaders]);
    assert!(is_reset(&ask(&faults, Api::Chat, false).unwrap_err()));
    assert_eq!(ask(&faults, Api::Chat, false).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(ask(&faults, Api::Chat, false).unwrap().answer.status, 200);
}

#[test]
fn cuts_come_after_what_they_say_and_end_as_they_say() {
    for (api, cut) in Api::ALL.into_iter().flat_map(|api| Cut::ALL.map(|cut| (api, cut))) {
        let whole = answer::stream(api, "corp");
        for events in [0, answer::preamble(api), 40, answer::EVENTS] {
            let bytes = whole[..events].concat().len();
            for fault in [Fault::CutAtEvent(events, cut), Fault::CutAtByte(bytes, cut)] {
                let faults = Scripted::start("corp", move |_| fault.clone());
                let response = ask(&faults, api, true).unwrap();
                assert_eq!(
                    difference(&response.answer.text(), &whole[..events].concat()),
                    None,
                    "{api} {cut:?} {events}"
                );
                match (cut, response.end) {
                    (Cut::Reset, Err(error)) => assert!(is_reset(&error), "{error}"),
                    (Cut::Close, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
                    (Cut::CleanEnd, Ok(())) => {}
                    (_, end) => panic!("{api} {cut:?} {events}: {end:?}"),
                }
            }
        }
        let faults = Scripted::start("corp", move |_| Fault::CutAtEvent(40, cut));
        let response = ask(&faults, api, false).unwrap();
        assert_eq!((response.answer.status, response.end.is_ok()), (200, cut == Cut::CleanEnd));
        assert!(
            serde_json::from_slice::<serde_json::Value>(&response.answer.body).is_err()
                && response.answer.body.len() > 20
        );
    }
}

#[test]
fn bytes_are_counted_within_events() {
    let whole = answer::stream(Api::Chat, "corp");
    let two = whole[..2].concat().len();
    assert_eq!(complete_within(&whole, two), 2);
    assert_eq!(complete_within(&whole, two - 1), 1);
    assert_eq!(complete_within(&whole, 0), 0);
    assert_eq!(complete_within(&whole, usize::MAX), answer::EVENTS);
    let faults = Scripted::start("corp", move |_| Fault::CutAtByte(two - 1, Cut::CleanEnd));
    let response = ask(&faults, Api::Chat, true).unwrap();
    assert_eq!(response.answer.body.len(), two - 1);
    assert_eq!(events(&response.answer.text()).0.len(), 1);
}

#[test]
fn refusals_have_their_status_and_the_shape_of_their_api() {
    for api in Api::ALL {
        let faults = Scripted::healthy("corp");
        for refusal in [
            Refusal::Throttled { retry_after: Some(7) },
            Refusal::Quota,
            Refusal::Broken(503),
            Refusal::ContextLength,
            Refusal::ContentFilter,
            Refusal::UnsupportedParameter,
            Refusal::ModelNotFound,
            Refusal::WrongKey,
        ] {
            faults.queue([Fault::Refuses(refusal)]);
            let response = ask(&faults, api, true).unwrap();
            response.end.unwrap();
            assert_eq!(response.answer.status, refusal.status());
            assert_eq!(response.answer.text(), refusal.body(api, "corp"));
            let error = &response.answer.json()["error"];
            assert!(error["message"].as_str().unwrap().starts_with("corp: ") && error["type"].is_string());
            assert_eq!(response.answer.json()["type"] == "error", api == Api::Messages);
            let throttled = matches!(refusal, Refusal::Throttled { .. });
            assert_eq!(response.answer.header("retry-after"), if throttled { "7" } else { "" });
        }
    }
}

#[test]
fn what_is_odd_but_no_failure_looks_as_it_should() {
    let text = |fault: Fault, stream: bool| {
        let faults = Scripted::start("corp", move |_| fault.clone());
        let response = ask(&faults, Api::Chat, stream).unwrap();
        response.end.unwrap();
        response.answer
    };
    let stream = answer::stream(Api::Chat, "corp");
    let finish = r#""finish_reason":"stop""#;
    let without_done = text(Fault::MissingDone, true).text();
    assert!(without_done.contains(finish) && !without_done.contains("[DONE]"));
    let without_finish = text(Fault::MissingFinish, true).text();
    assert!(!without_finish.contains(finish) && without_finish.ends_with("data: [DONE]\n\n"));
    let malformed = text(Fault::MalformedEvent, true).text();
    assert_eq!(events(&malformed).0.len(), answer::EVENTS + 1);
    assert!(text(Fault::NoBytes, false).body.is_empty() && text(Fault::NoBytes, true).body.is_empty());
    assert_eq!(text(Fault::NoOutput, false).json()["choices"][0]["message"]["content"], "");
    assert!(!text(Fault::NoOutput, true).text().contains("says"));
    assert_eq!(text(Fault::ErrorIn200, true).json()["error"]["message"], "corp is overloaded");
    let huge = huge_preamble(Api::Chat, "corp").concat();
    assert!(huge.len() > 16 << 10);
    assert_eq!(text(Fault::HugePreamble, true).text(), huge + &stream[1..].concat());
    let zipped = text(Fault::Gzip, false);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(zipped.body, gzip(answer::whole(Api::Chat, "corp").as_bytes()));
    for api in Api::ALL {
        let event = answer::error_event(api, "corp");
        let read = api.look_at_error_event(&event);
        // A provider's own error event of Responses has no `error`: that is why SDKs overlook it.
        assert_eq!(read.is_ok(), api != Api::Responses, "{event:?}");
        assert!(api.look_at_error_event(&stream[3]).is_err());
        assert!(api.look_at_error_event(&event.repeat(2)).is_err() && api.look_at_error_event("").is_err());
    }
}

#[test]
fn whoever_leaves_is_seen_to_leave_at_every_moment() {
    let moments = [
        Fault::Silence,
        Fault::HeadersThenSilence,
        Fault::PreambleThenSilence,
        Fault::FirstTokenAfter(LONG),
        Fault::StallAtEvent(20, LONG),
        Fault::Endless(Duration::from_millis(1)),
    ];
    for (fault, reset) in moments.into_iter().flat_map(|fault| [(fault.clone(), false), (fault, true)]) {
        let faults = Scripted::start("corp", move |_| fault.clone());
        let mut stream = TcpStream::connect(faults.addr()).unwrap();
        let body = Api::Chat.ask("m", true);
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        eventually("it is asked", SOON, || (faults.count() == 1).then_some(()));
        assert_eq!((faults.requests()[0].end, faults.open_connections()), (None, 1));
        if reset {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        let left = serin::clock::instant();
        drop(stream);
        let end = eventually("it is seen to leave", SOON, || faults.requests()[0].end);
        assert!(matches!(end, End::Left(at) if at >= left), "{end:?}");
        eventually("the connection is gone", SOON, || (faults.open_connections() == 0).then_some(()));
    }
}

#[test]
fn killed_it_resets_and_refuses_and_it_comes_back_on_the_same_port() {
    let mut faults = Scripted::start("corp", |_| Fault::Endless(Duration::from_millis(1)));
    let mut client = Client::connect(faults.addr()).unwrap();
    let mut idle = TcpStream::connect(faults.addr()).unwrap();
    let body = Api::Chat.ask("m", true);
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    io::Write::write_all(client.raw(), head.as_bytes()).unwrap();
    assert_eq!(client.receive_head().unwrap().status, 200);
    eventually("both connections were accepted", SOON, || (faults.connections() == 2).then_some(()));
    faults.kill();
    assert!(is_reset(&idle.read(&mut [0]).unwrap_err()));
    let error = loop {
        match client.receive_chunk() {
            Ok(chunk) => assert!(chunk.is_some()),
            Err(error) => break error,
        }
    };
    assert!(is_reset(&error) || error.kind() == io::ErrorKind::UnexpectedEof, "{error}");
    assert_eq!(TcpStream::connect(faults.addr()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    faults.choose(|_| Fault::Healthy);
    faults.restart();
    assert_eq!(ask(&faults, Api::Chat, true).unwrap().answer.status, 200);
}

#[test]
fn long_bodies_are_known_by_their_length_and_their_ends() {
    let faults = Scripted::by_model("corp", [("long", Fault::Refuses(Refusal::Broken(503)))]);
    let words = "w".repeat(1 << 20);
    for api in Api::ALL {
        let body = api.ask_at_length("long", true, &words, Some("u"));
        let response = Client::connect(faults.addr()).unwrap().ask(api.path(), &[], &body).unwrap();
        assert_eq!(response.answer.status, 503);
        let seen = faults.requests().pop().unwrap();
        assert_eq!((seen.length, seen.wants_a_stream(), seen.model().as_str()), (body.len(), true, "long"));
        assert!(seen.body.len() <= 64 << 10);
    }
}

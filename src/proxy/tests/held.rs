//! What is held of an answer before it goes out, what goes out of it after, and what it is counted as.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::policy::{Fallback, Pattern, StreamMode};
use crate::decide::units::{Arm, Percent, ProviderId};

const CHAT: &str = "/v1/chat/completions";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n";

fn ask() -> String {
    post(CHAT, "x-user-id: u\r\n", r#"{"stream":true}"#)
}

/// A canary that sends this, and holds its connection open.
fn staying(answer: String) -> Scripted {
    Scripted::new(move |mut client| {
        client.message();
        client.send(&answer);
        client.read_to_end();
    })
}

/// Everything that the client of a chunked answer gets.
fn events(reply: &[u8]) -> String {
    let text = String::from_utf8(reply.to_vec()).unwrap();
    let (_, mut rest) = text.split_once("\r\n\r\n").unwrap();
    let mut all = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        all.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    all
}

#[test]
fn what_was_held_goes_out_byte_for_byte_and_in_order() {
    let answer = stream(&[": hello\n\n", ROLE, ": ping\n\n", WORD, WORD, STOP]) + LAST;
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let (new, _seen_new) = Scripted::in_turn([answer]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let reply = sidecar.ask(&ask());
    assert_eq!(reply.text(), [": hello\n\n", ROLE, ": ping\n\n", WORD, WORD, STOP].concat());
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

#[test]
fn a_long_unfinished_event_that_went_out_is_ended_before_the_error() {
    let begun = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}", "a".repeat(40_000));
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let (new, _seen_new) = Scripted::in_turn([stream(&[&begun]) + "\u{17}"]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let reply = sidecar.ask(&ask());
    let (before, error) = reply.text().split_once("\n\n").unwrap();
    assert!(begun.starts_with(before) && before.len() > 16 * 1024, "{} bytes", before.len());
    assert!(error.starts_with("data: {\"error\":"), "{error}");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1)]);
}

#[test]
fn a_stream_that_breaks_off_after_its_output_ends_in_an_error_event() {
    for (chunks, went_out) in
        [(vec![ROLE, WORD], [ROLE, WORD].concat()), (vec![WORD, "data: {\"choices\":[{\"ind"], WORD.to_owned())]
    {
        for end in ["\u{17}".to_owned(), LAST.to_owned()] {
            let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
            let (new, _seen_new) = Scripted::in_turn([stream(&chunks) + &end]);
            let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
            let reply = sidecar.ask(&ask());
            let error = reply.text().strip_prefix(&went_out).unwrap();
            assert!(error.starts_with("data: {\"error\":") && error.ends_with("}\n\n"), "{error}");
            assert!(!reply.text().contains("[DONE]"));
            sidecar.settle();
            assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1)]);
            assert_eq!(sidecar.judged(Arm::Canary), (1, 0, 1, 0));
        }
    }
}

#[test]
fn a_buffered_stream_is_decided_by_its_last_event_and_not_by_the_connections_end() {
    let failed = stream(&[WORD, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]);
    for (answer, rescued) in [(stream(&[WORD, STOP]), false), (failed, true)] {
        let (old, _seen_old) = Scripted::in_turn([stream(&["data: rescued\n\n", STOP]) + LAST]);
        let new = staying(answer);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.stream_mode = StreamMode::Buffered);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let mut client = sidecar.client();
        client.send(ask());
        client.stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let text = client.read_to("[DONE]");
        assert_eq!(text.contains("rescued"), rescued, "{text}");
    }
}

#[test]
fn a_buffered_stream_that_breaks_off_late_is_recovered_whole() {
    let (old, _seen_old) = Scripted::in_turn([stream(&["data: rescued\n\n", STOP]) + LAST]);
    let (new, _seen_new) = Scripted::in_turn([stream(&[WORD; 50]) + "\u{17}"]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.stream_mode = StreamMode::Buffered);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert_eq!(sidecar.ask(&ask()).text(), ["data: rescued\n\n", STOP].concat());
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 0, 1, 0));
}

#[test]
fn a_buffered_stream_beyond_the_bounds_goes_on_as_it_comes() {
    for (body, memory) in [(60, 1 << 20), (1 << 20, 60)] {
        let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
        let chunks = [vec![WORD; 20], vec![STOP]].concat();
        let (new, _seen_new) = Scripted::in_turn([stream(&chunks) + LAST]);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.stream_mode = StreamMode::Buffered);
        (policy.limits.replay_body, policy.limits.replay_memory) = (body, memory);
        let sidecar = Sidecar::start(policy, Percent::ALL);
        assert_eq!(sidecar.ask(&ask()).text(), chunks.concat());
        sidecar.settle();
        assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
    }
}

#[test]
fn what_an_answer_cost_is_counted_once_however_it_is_framed_and_ends() {
    let whole = [WORD, USAGE, STOP].concat();
    let sized =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{whole}", whole.len());
    let empty = r#"{"choices":[{"index":0,"message":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
    for answer in [sized, stream(&[WORD, USAGE, STOP]) + LAST, stream(&[WORD, USAGE]) + "\u{17}", json(200, "", empty)]
    {
        let (old, _seen) = Scripted::in_turn([answer.clone()]);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        assert_eq!(sidecar.ask(&ask()).status, 200);
        sidecar.settle();
        assert_eq!(sidecar.shared.load().rollouts[0].series(Arm::Stable, OLD).tokens(), (7, 3), "{answer}");
    }
    // A client that leaves before the end has been served all the same.
    let old = staying(stream(&[WORD, USAGE]));
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
    let mut client = sidecar.client();
    client.send(ask());
    client.read_to("usage");
    drop(client);
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::ClientGone, 1)]);
    assert_eq!(sidecar.shared.load().rollouts[0].series(Arm::Stable, OLD).tokens(), (7, 3));
}

#[test]
fn a_whole_answer_without_a_byte_is_empty_and_a_stream_without_one_is_cut() {
    let none = "content-length: 0\r\n\r\n";
    for (kind, outcome) in [
        ("application/json", Outcome::Empty),
        ("application/vnd.api+json; charset=utf-8", Outcome::Empty),
        ("text/event-stream", Outcome::Truncated),
    ] {
        let (old, _seen) = Scripted::in_turn([format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{none}")]);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::ZERO);
        sidecar.ask(&ask());
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(outcome, 1)], "{kind}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coder.write_all(text.as_bytes()).unwrap();
    coder.finish().unwrap()
}

#[test]
fn what_cannot_be_decoded_is_not_called_broken() {
    let words = "a".repeat(1_500_000);
    let json = format!(r#"{{"choices":[{{"index":0,"message":{{"content":"{words}"}},"finish_reason":"stop"}}]}}"#);
    let events = WORD.replace("hi", &words) + STOP;
    for (kind, body) in [
        ("application/json", gzip(&json)),
        ("text/event-stream", gzip(&events)),
        ("application/json", b"no gzip at all".to_vec()),
        ("text/event-stream", b"no gzip at all".to_vec()),
    ] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = [head.as_bytes(), &body].concat();
        let new = Scripted::new(move |mut client| {
            client.message();
            client.send(&answer);
            client.read_to_end();
        });
        let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let reply = sidecar.ask(&ask());
        assert_eq!(reply.header("content-encoding").as_deref(), Some("gzip"), "{kind}: {:?}", reply.message.head);
        assert_eq!(reply.message.body, body);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)], "{kind}");
    }
}

#[test]
fn memory_that_was_held_comes_back_once_it_went_out() {
    let preamble = format!(": {}\n\n", "x".repeat(12_000));
    let (old, _seen_old) = Scripted::in_turn([completion("stable")]);
    let new = staying(stream(&[&preamble, WORD]));
    let mut policy = both_ways(&old, &new);
    policy.limits.replay_memory = 20_000;
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut open = sidecar.client();
    open.send(ask());
    open.read_to("hi");
    let large = format!(r#"{{"messages":"{}"}}"#, "x".repeat(15_000));
    assert_eq!(sidecar.ask(&post(CHAT, "x-user-id: stable-user\r\n", &large)).status, 200);
    assert_eq!(
        sidecar.shared.load().rollouts[0].series(Arm::Stable, OLD).unbuffered(),
        0,
        "the stream still holds memory"
    );
}

#[test]
fn no_time_to_hold_lets_go_of_what_waits() {
    let (proceed, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let new = Scripted::new(move |mut client| {
        client.message();
        client.send(stream(&[ROLE]));
        wait.lock().unwrap().recv().unwrap();
        client.send(stream(&[WORD, STOP]).split_once("\r\n\r\n").unwrap().1);
        client.send(LAST);
    });
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.hold = crate::decide::units::Millis(0));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask());
    let mut all = client.read_to("assistant");
    proceed.send(()).unwrap();
    all.push_str(&client.read_to(LAST));
    assert_eq!(events(all.as_bytes()), [ROLE, WORD, STOP].concat());
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

#[test]
fn the_pieces_of_an_answer_that_takes_no_error_event_are_aborted() {
    // With its length announced, nothing can be added to it.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\n";
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let (new, _seen_new) = Scripted::in_turn([format!("{head}{WORD}{BREAK}")]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.fallback = Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask());
    let all = String::from_utf8(client.read_to_end()).unwrap();
    assert!(all.contains("content-length: 1000\r\n") && all.ends_with(WORD), "{all}");
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1)]);
}

#[test]
fn after_its_last_event_a_stream_has_ended_even_if_the_client_leaves() {
    let failed = stream(&[WORD, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]);
    for (answer, until, outcome) in
        [(stream(&[WORD, STOP]), "[DONE]\n\n", Outcome::Ok), (failed, "overloaded\"}}\n\n", Outcome::StreamError)]
    {
        let old = staying(answer);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), Percent::from_hundredths(1).unwrap());
        let mut client = sidecar.client();
        client.send(ask());
        client.read_to(until);
        drop(client);
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(outcome, 1)]);
    }
}

#[test]
fn a_content_filter_within_a_200_is_not_routed_around() {
    let error = r#"{"error":{"message":"no","type":"x","param":null,"code":"content_filter"}}"#;
    for answer in [json(200, "", error), stream(&[ROLE, &format!("data: {error}\n\n")]) + LAST] {
        let (old, seen_old) = Scripted::in_turn([completion("not asked")]);
        let (new, _seen_new) = Scripted::in_turn([answer]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        let reply = sidecar.ask(&ask());
        assert!(reply.text().contains("content_filter"), "{reply:?}");
        sidecar.settle();
        assert!(seen_old.try_recv().is_err());
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::ClientError, 1)]);
        assert_eq!(sidecar.judged(Arm::Canary), (1, 0, 0, 1));
    }
}

#[test]
fn tiny_pieces_are_paid_for_by_what_they_occupy() {
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let (new, _seen_new) = Scripted::in_turn([format!("{head}1\r\n{{\r\n{}{BREAK}", "1\r\n \r\n".repeat(3000))]);
    let mut policy = both_ways(&old, &new);
    policy.limits.replay_memory = 20_000;
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(post(CHAT, "x-user-id: u\r\n", "{}"));
    // There was no memory to hold all of it, and so it could not be recovered.
    assert!(!String::from_utf8(client.read_to_end()).unwrap().contains("not asked"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Truncated, 1)]);
}

#[test]
fn answers_without_a_body_and_with_trailers_pass_through_what_is_held() {
    for (method, head, lines) in [
        ("HEAD", "200 OK\r\ncontent-type: application/json\r\ncontent-length: 100", "content-length: 100"),
        ("DELETE", "204 No Content\r\nx-a: 1", "x-a: 1"),
        ("GET", "304 Not Modified\r\ncontent-type: application/json\r\netag: a", "etag: a"),
    ] {
        let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
        let (new, _seen_new) = Scripted::in_turn([format!("HTTP/1.1 {head}\r\n\r\n")]);
        let mut policy = both_ways(&old, &new);
        // By its path a rollout takes every method.
        with_rollout(&mut policy, |rollout| rollout.matches.path = Some(Pattern("/chat/*".to_owned())));
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let mut client = sidecar.client();
        client.send(format!("{method} {CHAT} HTTP/1.1\r\nhost: h\r\nx-user-id: u\r\ncontent-length: 0\r\n\r\n"));
        let answer = client.read_to("\r\n\r\n");
        assert!(
            answer.contains(&head[..3]) && answer.contains(lines) && answer.contains("x-serin-provider: new"),
            "{answer}"
        );
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)], "{method} {head}");
    }
    let trailed = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n\
                   1\r\n{\r\n";
    let (body, end) = (body_of(OK), "0\r\nx-t: 1\r\n\r\n");
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let (new, _seen_new) = Scripted::in_turn([format!("{trailed}{}{end}", chunk(&body[1..]))]);
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    let reply = sidecar.ask(&post(CHAT, "x-user-id: u\r\nte: trailers\r\n", "{}"));
    assert_eq!((reply.text(), reply.message.trailers.as_str()), (body, "x-t: 1\r\n"));
    sidecar.settle();
    assert_eq!(sidecar.judged(Arm::Canary), (1, 1, 0, 0));
}

#[test]
fn a_client_whose_answer_is_held_when_serin_stops_gets_an_error() {
    let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
    let new = staying(stream(&[ROLE]));
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.hold = crate::decide::units::Millis(600_000));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let mut client = sidecar.client();
    client.send(ask());
    let own = || sidecar.shared.load().rollouts[0].series(Arm::Canary, NEW).in_flight();
    until("it is at the canary", || own() == 1);
    let Sidecar { running, shared, .. } = sidecar;
    drop(running);
    let reply = client.reply();
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (503, Some("stopping")));
    let in_force = shared.load().rollouts[0].clone();
    until("it is accounted for", || in_force.series(Arm::Canary, NEW).requests(Outcome::SerinError) == 1);
    assert_eq!(in_force.evidence.totals(Arm::Canary).not_judged, 1);
}

//! What an answer is, whatever it is called: when it goes out, what it is counted as, and what is reported of it.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::support::*;
use crate::decide::outcome::Outcome;
use crate::decide::units::{Arm, Millis, Percent, ProviderId, UnixMillis};
use crate::describe::cause::in_short;

const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const OLD: ProviderId = ProviderId(0);
const NEW: ProviderId = ProviderId(1);

fn ask(stream: bool) -> String {
    post(CHAT, "x-user-id: u\r\n", &format!(r#"{{"stream":{stream}}}"#))
}

fn some() -> Percent {
    Percent::from_hundredths(1).unwrap()
}

/// The head of an answer in chunks, called so.
fn called(kind: &str) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
    format!("HTTP/1.1 200 OK\r\n{kind}transfer-encoding: chunked\r\n\r\n")
}

/// A provider that sends these pieces, each on a signal, and then waits for its client to leave.
fn in_pieces(pieces: Vec<String>) -> (Scripted, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let provider = Scripted::new(move |mut client| {
        client.message();
        for piece in &pieces {
            client.send(piece);
            if wait.lock().unwrap().recv().is_err() {
                break;
            }
        }
        client.read_to_end();
    });
    (provider, go)
}

#[test]
fn events_stream_through_whatever_they_are_called() {
    for kind in ["application/json", "text/plain", "text/html", "application/octet-stream", ""] {
        for (arm, percent, fallback) in
            [(Arm::Canary, Percent::ALL, true), (Arm::Canary, Percent::ALL, false), (Arm::Stable, some(), false)]
        {
            let (judged, go) = in_pieces(vec![called(kind) + &chunk(ROLE) + &chunk(WORD), chunk(STOP) + LAST]);
            let (other, _seen) = Scripted::in_turn([completion("not asked")]);
            let (old, new) = if arm == Arm::Canary { (&other, &judged) } else { (&judged, &other) };
            let policy = if fallback { both_ways(old, new) } else { policy(old.address, new.address) };
            let sidecar = Sidecar::start(policy, percent);
            let mut client = sidecar.client();
            client.send(ask(true));
            let begun = client.read_to("\"hi\"");
            assert!(!begun.contains("[DONE]"), "{kind}");
            go.send(()).unwrap();
            client.read_to(LAST);
            sidecar.settle();
            let own = if arm == Arm::Canary { NEW } else { OLD };
            assert_eq!(sidecar.attempts(arm, own), [(Outcome::Ok, 1)], "{kind} {arm:?} {fallback}");
            assert_eq!(sidecar.judged(arm), (1, 1, 0, 0), "{kind} {arm:?} {fallback}");
        }
    }
}

#[test]
fn a_stream_in_single_bytes_is_known_for_one() {
    for kind in ["application/json", "", "text/event-stream"] {
        let all = format!("\u{feff}{ROLE}{WORD}{STOP}");
        let bytes: String = all.chars().map(|one| chunk(&one.to_string())).collect();
        let (new, _seen) = Scripted::in_turn([called(kind) + &bytes + LAST]);
        let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        assert_eq!(sidecar.ask(&ask(true)).text(), all, "{kind}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)], "{kind}");
    }
}

#[test]
fn white_space_and_comments_are_no_beginning_of_a_canarys_answer() {
    for (stream, kind, blank) in [
        (false, "application/json", "\n"),
        (false, "", " "),
        (false, "text/event-stream", "\n\n"),
        (true, "text/event-stream", ": keep-alive\n\n"),
        (true, "application/json", ": keep-alive\n\n"),
        (true, "text/event-stream", "\n"),
        (true, "text/event-stream", "\u{feff}"),
    ] {
        let (new, _go) = in_pieces(vec![called(kind) + &chunk(blank) + &chunk(blank)]);
        let rescued = if stream { super::support::stream(&[WORD, STOP]) + LAST } else { completion("hi") };
        let (old, _seen) = Scripted::in_turn([rescued]);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(50));
        let sidecar = Sidecar::start(policy, Percent::ALL);
        let reply = sidecar.ask(&ask(stream));
        assert!(reply.text().contains("hi"), "{stream} {kind} {blank:?}: {reply:?}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1)], "{stream} {kind} {blank:?}");
    }
}

#[test]
fn white_space_goes_out_at_once_where_no_other_candidate_could_answer() {
    for kind in ["application/json", "text/plain", ""] {
        let body = body_of(OK);
        let (old, go) = in_pieces(vec![called(kind) + &chunk("\n\n"), chunk(" "), chunk(body) + LAST]);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), some());
        let mut client = sidecar.client();
        client.send(ask(false));
        client.read_to("\r\n\r\n");
        client.read_to("\n\n\r\n");
        go.send(()).unwrap();
        client.read_to(" \r\n");
        go.send(()).unwrap();
        assert!(client.read_to(LAST).contains(body), "{kind}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1)], "{kind}");
    }
}

#[test]
fn stables_white_space_is_held_for_a_moment_and_then_goes_out() {
    let body = body_of(OK);
    for (stream, kind, blank) in [
        (false, "application/json", "\n\n"),
        (false, "", " "),
        (true, "text/event-stream", "\n"),
        (true, "text/event-stream", ": keep-alive\n\n"),
    ] {
        let answer = if stream { [WORD, STOP].concat() } else { body.to_owned() };
        let (old, go) = in_pieces(vec![called(kind) + &chunk(blank), chunk(blank), chunk(&answer) + LAST]);
        let (new, seen_new) = Scripted::in_turn([completion("not asked")]);
        let mut policy = both_ways(&old, &new);
        with_rollout(&mut policy, |rollout| rollout.hold = Millis(20));
        let sidecar = Sidecar::start(policy, some());
        let mut client = sidecar.client();
        client.send(ask(stream));
        client.read_to("\r\n\r\n");
        client.read_to(&format!("{blank}\r\n"));
        go.send(()).unwrap();
        client.read_to(&format!("{blank}\r\n"));
        go.send(()).unwrap();
        assert!(client.read_to(LAST).contains(&answer), "{stream} {kind}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1)], "{stream} {kind}");
        assert_eq!(seen_new.try_iter().count(), 0, "{stream} {kind}");
    }
}

#[test]
fn stables_white_space_that_ends_soon_costs_no_rescue() {
    let broken = called("application/json") + &chunk("\n\n");
    let old = Scripted::new(move |mut client| {
        client.message();
        client.send(&broken);
    });
    let (new, _seen) = Scripted::in_turn([completion("hi")]);
    let sidecar = Sidecar::start(both_ways(&old, &new), some());
    assert!(sidecar.ask(&ask(false)).text().contains("hi"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Stable, NEW), [(Outcome::Ok, 1)]);
}

/// White space, then an object, in gzip, each in a chunk that can be decoded when it is there.
fn encoded_in_two(blank: &str, body: &str) -> [Vec<u8>; 2] {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(blank.as_bytes()).unwrap();
    encoder.flush().unwrap();
    let first = encoder.get_ref().clone();
    encoder.write_all(body.as_bytes()).unwrap();
    let second = encoder.finish().unwrap().split_off(first.len());
    [first, second].map(|bytes| [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat())
}

const ENCODED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                       transfer-encoding: chunked\r\n\r\n";

#[test]
fn white_space_of_embeddings_and_of_encoded_answers_goes_out_as_well() {
    let vectors = r#"{"object":"list","data":[{"index":0,"embedding":[0.5]}]}"#;
    let encoded = |body| {
        let [first, second] = encoded_in_two("\n\n", body);
        [[ENCODED.as_bytes(), &first].concat(), [&second, LAST.as_bytes()].concat()]
    };
    let plain = |body| {
        let (first, second) = (called("application/json") + &chunk("\n\n"), chunk(body) + LAST);
        [first.into_bytes(), second.into_bytes()]
    };
    for (path, pieces) in [
        (EMBEDDINGS, plain(vectors)),
        (EMBEDDINGS, encoded(vectors)),
        (CHAT, encoded(body_of(OK))),
        (CHAT, plain(body_of(OK))),
    ] {
        let (go, wait) = channel::<()>();
        let (wait, sent) = (Mutex::new(wait), pieces.clone());
        let old = Scripted::new(move |mut client| {
            client.message();
            client.send(&sent[0]);
            let _ = wait.lock().unwrap().recv();
            client.send(&sent[1]);
            client.read_to_end();
        });
        let mut policy = policy(old.address, refusing_address());
        with_rollout(&mut policy, |rollout| rollout.matches.endpoints.push("embeddings".to_owned()));
        let sidecar = Sidecar::start(policy, some());
        let mut client = sidecar.client();
        client.send(post(path, "x-user-id: u\r\n", "{}"));
        client.read_to("\r\n\r\n");
        let first = pieces[0].len() - pieces[0].windows(4).position(|four| four == b"\r\n\r\n").unwrap() - 4;
        client.read_exact(first);
        go.send(()).unwrap();
        assert!(client.read_exact(pieces[1].len()).eq_ignore_ascii_case(&pieces[1]), "{path}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1)], "{path}");
    }
}

#[test]
fn encoded_white_space_is_no_beginning_of_a_canarys_answer_either() {
    let [blank, _] = encoded_in_two("\n", "{}");
    let new = Scripted::new(move |mut client| {
        client.message();
        client.send(ENCODED);
        client.send(&blank);
        client.read_to_end();
    });
    let (old, _seen) = Scripted::in_turn([completion("hi")]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.give_up_after = Millis(50));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask(false)).text().contains("hi"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Timeout, 1)]);
}

#[test]
fn white_space_is_no_output_for_the_clock_that_waits_for_some() {
    let body = r#"{"stream":true}"#;
    for (path, body, kind, blank) in [
        (CHAT, "{}", "application/json", "\n"),
        (CHAT, "{}", "", "\n"),
        (CHAT, body, "text/event-stream", ": keep-alive\n\n"),
        (EMBEDDINGS, "{}", "application/json", "\n"),
    ] {
        let (old, _go) = in_pieces(vec![called(kind) + &chunk(blank) + &chunk(blank)]);
        let mut policy = policy(old.address, refusing_address());
        // The pause between two pieces may be long, and it is not that which is waited for.
        with_provider(&mut policy, 0, |provider| provider.timeouts.first_output = Millis(50));
        with_rollout(&mut policy, |rollout| rollout.matches.endpoints.push("embeddings".to_owned()));
        let sidecar = Sidecar::start(policy, some());
        let mut client = sidecar.client();
        client.send(post(path, "x-user-id: u\r\n", body));
        if kind == "text/event-stream" {
            assert!(client.read_to(LAST).contains("sent no output in time"));
        } else {
            client.read_to_end();
        }
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Timeout, 1)], "{path} {kind}");
    }
}

#[test]
fn what_an_encoded_answer_says_is_read_whatever_its_coding() {
    type Encode = fn(&[u8]) -> Vec<u8>;
    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }
    fn brotli(text: &[u8]) -> Vec<u8> {
        let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
        encoder.write_all(text).unwrap();
        encoder.into_inner()
    }
    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 3).unwrap()
    }
    let codings: [(&str, Encode); 3] = [("gzip", gzip), ("br", brotli), ("zstd", zstd)];
    let events = |parts: &[&str]| parts.concat();
    for (coding, encode) in codings {
        for (kind, plain, outcome) in [
            ("text/event-stream", events(&[ROLE, WORD, STOP]), Outcome::Ok),
            ("text/event-stream", events(&[ROLE, WORD]), Outcome::Truncated),
            ("application/json", body_of(OK).to_owned(), Outcome::Ok),
            ("application/json", r#"{"choices":[]}"#.to_owned(), Outcome::Empty),
        ] {
            let body = encode(plain.as_bytes());
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let answer = [head.as_bytes(), &body].concat();
            let old = Scripted::new(move |mut client| {
                client.message();
                client.send(&answer);
                client.read_to_end();
            });
            let sidecar = Sidecar::start(policy(old.address, refusing_address()), some());
            assert_eq!(sidecar.ask(&ask(kind == "text/event-stream")).message.body, body, "{coding}");
            sidecar.settle();
            assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(outcome, 1)], "{coding}: {plain}");
        }
    }
}

#[test]
fn an_answer_whose_coding_cannot_be_undone_is_judged_by_its_status() {
    for coding in ["x-own", "gzip, br"] {
        for stream in [true, false] {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: {coding}\r\ncontent-length: 3\r\n\r\nabc"
            );
            let (new, _seen) = Scripted::in_turn([answer]);
            let (old, _seen_old) = Scripted::in_turn([completion("not asked")]);
            let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
            assert_eq!(sidecar.ask(&ask(stream)).text(), "abc");
            sidecar.settle();
            assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Ok, 1)], "{coding}");
        }
    }
}

#[test]
fn a_page_that_cannot_be_read_is_known_by_its_label() {
    for kind in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml", "application/xml"] {
        let page = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: x-own\r\ncontent-length: 3\r\n\r\nabc"
        );
        let (new, _seen) = Scripted::in_turn([page.clone()]);
        let (old, _seen_old) = Scripted::in_turn([completion("hi")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        assert!(sidecar.ask(&ask(false)).text().contains("hi"), "{kind}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Malformed, 1)], "{kind}");
        // As stable always sent it.
        let (old, _seen_old) = Scripted::in_turn([page]);
        let sidecar = Sidecar::start(policy(old.address, refusing_address()), some());
        assert_eq!(sidecar.ask(&ask(false)).text(), "abc", "{kind}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Stable, OLD), [(Outcome::Ok, 1)], "{kind}");
    }
}

#[test]
fn what_is_called_encoded_and_is_not_is_read() {
    for coding in ["identity", "none", "utf-8", "UTF-8", ""] {
        let page =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: 15\r\n\r\n<!doctype html>");
        let (new, _seen) = Scripted::in_turn([page]);
        let (old, _seen_old) = Scripted::in_turn([completion("hi")]);
        let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
        assert!(sidecar.ask(&ask(false)).text().contains("hi"), "{coding}");
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Malformed, 1)], "{coding}");
    }
}

#[test]
fn a_stream_that_was_not_asked_for_is_recovered_before_its_output() {
    let (new, _go) = in_pieces(vec![called("text/event-stream") + &chunk(ROLE)]);
    let (old, _seen_old) = Scripted::in_turn([completion("hi")]);
    let mut policy = both_ways(&old, &new);
    with_rollout(&mut policy, |rollout| rollout.hold = Millis(50));
    let sidecar = Sidecar::start(policy, Percent::ALL);
    assert!(sidecar.ask(&ask(false)).text().contains("hi"));
    sidecar.settle();
    assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(Outcome::Malformed, 1)]);
}

#[test]
fn one_large_answer_goes_out_as_it_comes_and_a_stream_that_was_asked_for_is_missed() {
    let words = "x".repeat(2 << 20);
    for (stream, outcome) in [(false, Outcome::Ok), (true, Outcome::Malformed)] {
        let (new, _seen) = Scripted::in_turn([completion(&words)]);
        let sidecar = Sidecar::start(policy(refusing_address(), new.address), Percent::ALL);
        assert!(sidecar.ask(&ask(stream)).text().len() > words.len());
        sidecar.settle();
        assert_eq!(sidecar.attempts(Arm::Canary, NEW), [(outcome, 1)], "{stream}");
    }
}

#[test]
fn what_came_instead_is_recorded_by_arm_and_counted() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 15\r\n\r\n<!doctype html>";
    let moved = "HTTP/1.1 302 X\r\nlocation: https://u:p@sso.example:1/a?b\r\ncontent-length: 0\r\n\r\n";
    let page = page.to_owned();
    let (new, _seen) = Scripted::in_turn([page.clone(), page.clone(), moved.to_owned()]);
    let (old, _seen_old) = Scripted::in_turn((0..3).map(|_| completion("hi")));
    let sidecar = Sidecar::start(both_ways(&old, &new), Percent::ALL);
    for _ in 0..3 {
        let reply = sidecar.ask(&ask(false));
        assert_eq!((reply.status, reply.header("location")), (200, None));
        sidecar.settle();
    }
    let seen = |sidecar: &Sidecar, arm| {
        let reported = sidecar.shared.load().rollouts[0].evidence.causes.of(arm, Millis(0), UnixMillis(0));
        reported.iter().map(in_short).collect::<Vec<_>>()
    };
    let expected = ["malformed, 2 of 3: text/html, `<!doctype html>`", "malformed, 1 of 3: redirects to sso.example:1"];
    assert_eq!(seen(&sidecar, Arm::Canary), expected);
    assert!(seen(&sidecar, Arm::Stable).is_empty(), "who came to help is not judged");
    // Stable's are recorded as well, whether they were held or not.
    let (old, _seen) = Scripted::in_turn([page.clone(), json(200, "", "{}"), moved.to_owned()]);
    let sidecar = Sidecar::start(policy(old.address, refusing_address()), some());
    for (status, location) in [(200, None), (200, None), (302, Some("https://u:p@sso.example:1/a?b".to_owned()))] {
        let reply = sidecar.ask(&ask(false));
        assert_eq!((reply.status, reply.header("location")), (status, location));
        sidecar.settle();
    }
    let mut reported = seen(&sidecar, Arm::Stable);
    reported.sort();
    let expected = [
        "malformed, 1 of 3: application/json, `{}`",
        "malformed, 1 of 3: redirects to sso.example:1",
        "malformed, 1 of 3: text/html, `<!doctype html>`",
    ];
    assert_eq!(reported, expected);
    assert_eq!(sidecar.judged(Arm::Stable), (3, 0, 3, 0), "both arms are judged alike");
    assert!(sidecar.shared.load().provider(OLD).is_healthy(), "and no breaker hears of it");
}

#[test]
fn when_all_fail_a_canarys_page_is_described_and_not_shown() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>";
    let (new, _seen) = Scripted::in_turn([page]);
    let mut policy = policy(refusing_address(), new.address);
    with_rollout(&mut policy, |rollout| rollout.fallback = crate::decide::policy::Fallback::OtherArm);
    let sidecar = Sidecar::start(policy, Percent::ALL);
    let reply = sidecar.ask(&ask(false));
    assert_eq!((reply.status, reply.header("x-serin-error").as_deref()), (502, Some("malformed")));
    assert!(reply.text().contains("text/html, `<!doctype html>`"), "{reply:?}");
}

//! Copies of stable's requests, as they are sent and compared over sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::support::*;
use crate::clock;
use crate::decide::comparison::funnel::Skip;
use crate::decide::comparison::tally::Tally;
use crate::decide::key_rest::KeyRest;
use crate::decide::limit::Rate;
use crate::decide::policy::{CopyLimits, Http2, Pattern, Policy, Price, Prices, RateLimit, Secret, WhenFull};
use crate::decide::units::{Millis, Percent, PicoUsd, ProviderId};
use crate::state::copies::gate::CopyGate;
use crate::state::copies::{Copying, Purpose};

const WHOLE: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAMED: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// Has all requests of stable copied, while everybody is on it.
fn copying(policy: Policy) -> (Sidecar, Arc<CopyGate>) {
    copying_for(Purpose::Comparison, policy)
}

fn copying_for(purpose: Purpose, policy: Policy) -> (Sidecar, Arc<CopyGate>) {
    let sidecar = Sidecar::start(policy.clone(), Percent::ZERO);
    let gate = Arc::new(CopyGate::default());
    let mut next = snapshot(sidecar.shared.load().revision + 1, policy, Percent::ZERO, 1);
    next.rollouts[0].copies = Some(Box::new(Copying {
        gate: Arc::clone(&gate),
        purpose,
        share: Percent::ALL,
        limits: CopyLimits { per_minute: u32::MAX, max_cost: PicoUsd(u64::MAX) },
    }));
    let revision = next.revision;
    sidecar.shared.publish(next);
    until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    (sidecar, gate)
}

/// The counts once so many samples have come to their end.
fn counted(gate: &CopyGate, samples: u64) -> Tally {
    let mut tally = Tally::default();
    until("each copy was counted", || {
        let mut record = gate.record();
        // As control does it.
        for (why, count) in gate.take_counts().unwrap_or_default().skipped {
            *record.comparison.funnel.skipped.entry(why).or_default() += count;
        }
        tally = record.comparison.clone();
        tally.funnel.compared += record.rehearsal.tally.funnel.compared;
        drop(record);
        tally.funnel.compared + tally.funnel.skipped.values().sum::<u64>() >= samples
    });
    tally
}

fn ask(sidecar: &Sidecar, body: &str) {
    let reply = sidecar.ask(&post("/v1/chat/completions", "x-user-id: user-1\r\nconnection: close\r\n", body));
    assert_eq!(reply.status, 200);
}

/// A provider that ends a stream and not its body.
fn never_at_its_end() -> Scripted {
    Scripted::new(|mut client| {
        while client.stream.peek(&mut [0]).is_ok_and(|peeked| peeked > 0) {
            client.message();
            client.send(stream(&[ROLE, WORD, STOP]));
        }
    })
}

/// The same over HTTP/2.
fn never_at_its_end_over_http2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let (stream, _) = tokio::net::TcpListener::from_std(listener).unwrap().accept().await.unwrap();
            let mut server = h2::server::handshake(stream).await.unwrap();
            let mut open = Vec::new();
            while let Some(Ok((_, mut respond))) = server.accept().await {
                let head = http::Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
                let mut sending = respond.send_response(head, false).unwrap();
                for event in [ROLE, WORD, STOP] {
                    sending.send_data(bytes::Bytes::from_static(event.as_bytes()), false).unwrap();
                }
                open.push(sending);
            }
        });
    });
    address
}

#[test]
fn a_stream_is_compared_once_its_last_event_has_come_whenever_its_body_ends() {
    let (old, _asked) = Scripted::answering(stream(&[ROLE, WORD, STOP]) + LAST);
    let chunked = never_at_its_end();
    for over_http2 in [false, true] {
        let new = if over_http2 { never_at_its_end_over_http2() } else { chunked.address };
        let mut policy = policy(old.address, new);
        if over_http2 {
            with_provider(&mut policy, 1, |new| new.http2 = Http2::PriorKnowledge);
        }
        let (sidecar, gate) = copying(policy);
        ask(&sidecar, STREAMED);
        let tally = counted(&gate, 1);
        assert_eq!((tally.funnel.compared, tally.defects.len()), (1, 0), "HTTP/2: {over_http2}: {tally:?}");
    }
}

#[test]
fn a_rehearsal_tests_a_key_whose_rest_is_over_and_a_comparison_leaves_that_to_requests() {
    let (old, _asked) = Scripted::answering(completion("hi"));
    let (new, _asked) = Scripted::answering(completion("hi"));
    for (purpose, compared) in [(Purpose::Rehearsal { round: 0 }, 1), (Purpose::Comparison, 0)] {
        let mut policy = policy(old.address, new.address);
        with_provider(&mut policy, 1, |new| new.api_keys = vec![Secret::new("sk-1".to_owned())]);
        let (sidecar, gate) = copying_for(purpose, policy);
        let snapshot = sidecar.shared.load();
        // It was refused once, a while ago.
        let rest = KeyRest { until: Millis(0), step: 1, trial: false };
        snapshot.keys(ProviderId(1)).keys()[0].key.restore(rest, 401);
        ask(&sidecar, WHOLE);
        assert_eq!(counted(&gate, 1).funnel.compared, compared, "{purpose:?}");
    }
}

#[test]
fn no_copy_carries_credentials_that_the_file_forwards() {
    let (old, _asked) = Scripted::answering(completion("hi"));
    let (new, asked) = Scripted::answering(completion("hi"));
    for keys in [vec!["sk-of-the-canary"], vec![]] {
        let mut policy = policy(old.address, new.address);
        with_provider(&mut policy, 1, |new| {
            new.api_keys = keys.iter().map(|key| Secret::new((*key).to_owned())).collect();
            new.forward_headers = ["authorization", "cookie", "x-amz-a", "query:key"].map(str::to_owned).into();
        });
        let (sidecar, gate) = copying(policy);
        let headers = "x-user-id: user-1\r\nauthorization: Bearer of-a-client\r\ncookie: of-a-client\r\n\
                       x-amz-a: of-a-client\r\nconnection: close\r\n";
        assert_eq!(sidecar.ask(&post("/v1/chat/completions?key=of-a-client", headers, WHOLE)).status, 200);
        let tally = counted(&gate, 1);
        if keys.is_empty() {
            assert_eq!(tally.funnel.skipped.get(&Skip::NoKey), Some(&1), "{tally:?}");
            continue;
        }
        assert_eq!(tally.funnel.compared, 1);
        let copy = got(&asked);
        assert_eq!(copy.header("authorization").as_deref(), Some("Bearer sk-of-the-canary"));
        assert!(!format!("{copy:?}").contains("of-a-client"), "{copy:?}");
    }
}

#[test]
fn a_limit_is_settled_by_what_a_copy_took_and_follows_what_its_answer_says() {
    let (old, _asked) = Scripted::answering(completion("hi"));
    let usage = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9}}"#;
    let refused = json(429, "retry-after: 30\r\n", r#"{"error":{"message":"slow down"}}"#);
    let (new, _asked) = Scripted::in_turn([json(200, "", usage), refused]);
    let limit = RateLimit {
        requests: Some(Rate::new(1000, 1000)),
        tokens: Some(Rate::new(1000, 1000)),
        in_flight: None,
        when_full: WhenFull::Fallback,
        wait: Millis(1),
        follow_headers: true,
    };
    let mut policy = policy(old.address, new.address);
    with_provider(&mut policy, 1, |new| new.rate_limit = Some(limit.clone()));
    let (sidecar, gate) = copying(policy);
    let state = Arc::clone(sidecar.shared.load().provider(ProviderId(1)));
    let left = || state.limit().left(&limit, clock::nanos()).map(Option::unwrap);
    ask(&sidecar, WHOLE);
    assert_eq!(counted(&gate, 1).funnel.compared, 1);
    until("it took what its answer tells of", || left()[1] >= 982);
    ask(&sidecar, WHOLE);
    let tally = counted(&gate, 2);
    assert_eq!(tally.funnel.skipped.get(&Skip::Throttled), Some(&1), "{tally:?}");
    assert_eq!(left(), [0, 0], "a request is not sent now either");
}

#[test]
fn a_copy_that_is_not_sent_costs_nothing_and_is_counted_by_its_reason() {
    let (old, _asked) = Scripted::answering(completion("hi"));
    let new = Scripted::new(|mut client| {
        client.message();
        // It never answers.
        let _ = client.stream.peek(&mut [0]);
    });
    let mut policy = policy(old.address, new.address);
    let price = Price { input: PicoUsd(1), cached_input: None, output: PicoUsd(1) };
    with_provider(&mut policy, 1, |new| {
        new.prices = Prices::new(vec![(Pattern("*".to_owned()), price)]);
        (new.max_connections, new.timeouts.connect) = (1, Millis(30));
    });
    let (sidecar, gate) = copying(policy);
    ask(&sidecar, WHOLE);
    until("the only connection is taken", || gate.look(|record| record.comparison.funnel.sent) == 1);
    ask(&sidecar, WHOLE);
    let tally = counted(&gate, 1);
    assert_eq!(tally.funnel.skipped, [(Skip::Unsent, 1)].into(), "{tally:?}");
    assert_eq!((tally.spent, tally.funnel.sent), (0, 1));
}

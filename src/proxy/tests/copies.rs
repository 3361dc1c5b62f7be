//! Copies of stable's requests, as they are sent and compared over sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::support::*;
use crate::decide::comparison::tally::Tally;
use crate::decide::key_rest::KeyRest;
use crate::decide::policy::{CopyLimits, Http2, Policy, Secret};
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
        limits: CopyLimits { per_minute: u32::MAX, max_cost: PicoUsd(0) },
    }));
    let revision = next.revision;
    sidecar.shared.publish(next);
    until("every core has acknowledged", || sidecar.shared.seen_by_all(revision));
    (sidecar, gate)
}

/// The counts once so many samples have come to their end.
fn counted(gate: &CopyGate, samples: u64) -> Tally {
    let (mut tally, mut skipped) = (Tally::default(), 0_u64);
    until("each copy was counted", || {
        let waiting = gate.take_counts().map_or(0, |counts| counts.skipped.values().sum());
        skipped += waiting;
        tally = gate.look(|record| record.comparison.clone());
        if tally.funnel.compared == 0 {
            tally = gate.look(|record| record.rehearsal.tally.clone());
        }
        tally.funnel.compared + tally.funnel.skipped.values().sum::<u64>() + skipped >= samples
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

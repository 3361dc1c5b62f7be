//! Pooled connections that die: noticed, repeated once, or reported.

use super::*;
use crate::decide::outcome::Ending;

/// A first exchange that leaves a connection in the pool; the provider's end of it.
async fn pooled(pair: &Pair) -> Peer {
    let provider_side = async {
        let mut peer = pair.asked().await;
        peer.answer("first").await;
        peer
    };
    let (peer, response) = tokio::join!(provider_side, pair.send(post(whole("1"))));
    assert_eq!(text(response.unwrap()).await, "first");
    assert_eq!(pair.upstreams.idle_count(), 1);
    peer
}

#[test]
fn a_connection_that_dies_under_a_request_is_replaced_once_and_is_no_failure() {
    for reset in [false, true] {
        on_a_core(async {
            let pair = Pair::new().await;
            let mut peer = pooled(&pair).await;
            let provider_side = async {
                assert_eq!(peer.request().await.1, "2");
                if reset {
                    peer.reset();
                } else {
                    drop(peer);
                }
                let mut fresh = pair.peer().await;
                let (head, body) = fresh.request().await;
                assert!(head.starts_with("POST /v1/chat/completions?a=b "), "{head}");
                assert_eq!(body, "2");
                fresh.answer("second").await;
                fresh
            };
            let rechecks = Cell::new(0);
            let still_stands = || {
                rechecks.set(rechecks.get() + 1);
                true
            };
            let sent = try_once(&pair.upstreams, &pair.provider, None, post(whole("2")), still_stands);
            let (_fresh, response) = tokio::join!(provider_side, sent);
            assert_eq!(text(response.unwrap()).await, "second");
            assert_eq!(rechecks.get(), 2, "the second dispatch must look again");
        });
    }
}

#[test]
fn a_connection_closed_while_idle_is_not_used() {
    on_a_core(async {
        let pair = Pair::new().await;
        drop(pooled(&pair).await);
        // The close is in the kernel: once the core has looked, the connection is known to be dead.
        let (_peer, lease) = tokio::join!(pair.peer(), async {
            loop {
                let lease = pair.upstreams.acquire(&pair.provider, None).await.unwrap();
                if !lease.is_reused() {
                    break lease;
                }
                drop(lease);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(pair.upstreams.idle_count(), 0);
        drop(lease);
    });
}

#[test]
fn a_fresh_connection_that_dies_is_a_failure() {
    on_a_core(async {
        let pair = Pair::new().await;
        let provider_side = async { drop(pair.asked().await) };
        let ((), response) = tokio::join!(provider_side, pair.send(post(whole("x"))));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn nothing_is_repeated_once_a_byte_of_an_answer_was_seen() {
    on_a_core(async {
        let pair = Pair::new().await;
        let mut peer = pooled(&pair).await;
        let provider_side = async {
            peer.request().await;
            peer.say("HTTP/1.1 2").await;
            drop(peer);
        };
        // No second connection is accepted: a repetition would hang.
        let ((), response) = tokio::join!(provider_side, pair.send(post(whole("2"))));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn a_streamed_request_is_not_repeated() {
    on_a_core(async {
        let pair = Pair::new().await;
        let mut peer = pooled(&pair).await;
        let (incoming, _client) = streaming().await;
        let provider_side = async {
            peer.head().await;
            drop(peer);
        };
        let request = post(RequestBody::streaming(incoming));
        let ((), response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn a_client_that_breaks_off_its_upload_is_not_the_providers_fault() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (incoming, mut client) = streaming().await;
        let provider_side = async {
            let mut peer = pair.peer().await;
            peer.head().await;
            client.write_all(b"4\r\npi").await.unwrap();
            drop(client);
            peer.closed().await;
        };
        let request = post(RequestBody::streaming(incoming));
        let ((), response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(failure(response).ending, Ending::ClientLeft);
    });
}

#[test]
fn a_closed_gate_sends_nothing_and_gives_the_connection_back() {
    on_a_core(async {
        let pair = Pair::new().await;
        let mut peer = pooled(&pair).await;
        let sent = try_once(&pair.upstreams, &pair.provider, None, post(whole("2")), || false).await;
        assert!(matches!(sent, Err(AttemptError::Replan)));
        assert_eq!(pair.upstreams.idle_count(), 1);
        // The next request on the same connection is the first that the provider sees.
        let provider_side = async {
            assert_eq!(peer.request().await.1, "3");
            peer.answer("third").await;
        };
        let ((), response) = tokio::join!(provider_side, pair.send(post(whole("3"))));
        assert_eq!(text(response.unwrap()).await, "third");
    });
}

#[test]
fn a_body_of_which_nothing_was_sent_is_given_back_when_the_second_dispatch_is_not_to_be() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (incoming, _client) = streaming().await;
        let peer = pooled(&pair).await;
        // Its end is in the kernel, and the runtime knows; the connection's own task has not looked yet.
        drop(peer);
        tokio::task::yield_now().await;
        let body = Cell::new(Some(RequestBody::streaming(incoming)));
        let timeouts = &pair.provider.timeouts;
        let clocks = BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle };
        let limits = SendLimits { head: timeouts.headers, client: Millis(10_000), deadline: None, body: clocks };
        let dispatch = Dispatch {
            upstreams: &pair.upstreams,
            provider: &pair.provider,
            egress: None,
            upgrade: false,
            needs_http2: false,
            limits,
        };
        let rechecks = Cell::new(0);
        let still_stands = || {
            rechecks.set(rechecks.get() + 1);
            rechecks.get() == 1
        };
        let answer =
            send::run(&dispatch, still_stands, || Ok(body.take().map(post)), |unsent| body.set(Some(unsent))).await;
        assert!(matches!(answer, Err(AttemptError::Replan)), "{answer:?}");
        assert_eq!(rechecks.get(), 2, "the connection was known to be dead");
        assert!(matches!(body.take(), Some(RequestBody::Streaming(..))), "the body is gone");
    });
}

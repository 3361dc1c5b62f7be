//! Pooled connections that die: noticed, repeated once, or told.

use super::*;
use crate::decide::outcome::Ending;

/// A first exchange that leaves a connection in the pool; the provider's end of it.
async fn pooled(upstreams: &Upstreams, provider: &Arc<Provider>, listener: &TcpListener) -> Peer {
    let provider_side = async {
        let mut peer = Peer::accept(listener).await;
        peer.request().await;
        peer.answer("first").await;
        peer
    };
    let (peer, response) = tokio::join!(provider_side, send(upstreams, provider, post(whole("1"))));
    assert_eq!(text(response.unwrap()).await, "first");
    assert_eq!(upstreams.idle_count(), 1);
    peer
}

#[test]
fn a_connection_that_dies_under_a_request_is_replaced_once_and_is_no_failure() {
    for reset in [false, true] {
        on_a_core(async {
            let (listener, address) = listener().await;
            let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
            let mut peer = pooled(&upstreams, &provider, &listener).await;
            let provider_side = async {
                assert_eq!(peer.request().await.1, "2");
                if reset {
                    peer.reset();
                } else {
                    drop(peer);
                }
                let mut fresh = Peer::accept(&listener).await;
                let (head, body) = fresh.request().await;
                assert!(head.starts_with("POST /v1/chat/completions?a=b "), "{head}");
                assert_eq!(body, "2");
                fresh.answer("second").await;
                fresh
            };
            let gates = Cell::new(0);
            let gate = || {
                gates.set(gates.get() + 1);
                Gate::Go
            };
            let sent = try_once(&upstreams, &provider, None, post(whole("2")), gate);
            let (_fresh, response) = tokio::join!(provider_side, sent);
            assert_eq!(text(response.unwrap()).await, "second");
            assert_eq!(gates.get(), 2, "the second dispatch must look again");
        });
    }
}

#[test]
fn a_connection_closed_while_idle_is_not_used() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        drop(pooled(&upstreams, &provider, &listener).await);
        // The close is in the kernel: once the core has looked, the connection is known to be dead.
        let (_peer, lease) = tokio::join!(Peer::accept(&listener), async {
            loop {
                let lease = upstreams.acquire(&provider, None).await.unwrap();
                if !lease.is_reused() {
                    break lease;
                }
                drop(lease);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(upstreams.idle_count(), 0);
        drop(lease);
    });
}

#[test]
fn a_fresh_connection_that_dies_is_a_failure() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let provider_side = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
        };
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, post(whole("x"))));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn nothing_is_repeated_once_a_byte_of_an_answer_was_seen() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let mut peer = pooled(&upstreams, &provider, &listener).await;
        let provider_side = async {
            peer.request().await;
            peer.say("HTTP/1.1 2").await;
            drop(peer);
        };
        // No second connection is accepted: a repetition would hang.
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, post(whole("2"))));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn a_streamed_request_is_not_repeated() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let mut peer = pooled(&upstreams, &provider, &listener).await;
        let (incoming, _client) = streaming().await;
        let provider_side = async {
            peer.head().await;
            drop(peer);
        };
        let request = post(RequestBody::Streaming(incoming));
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, request));
        assert_eq!(failure(response).ending, Ending::NoHead);
    });
}

#[test]
fn a_client_that_breaks_off_its_upload_is_not_the_providers_fault() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let (incoming, mut client) = streaming().await;
        let provider_side = async {
            let mut peer = Peer::accept(&listener).await;
            peer.head().await;
            client.write_all(b"4\r\npi").await.unwrap();
            drop(client);
            peer.closed().await;
        };
        let request = post(RequestBody::Streaming(incoming));
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, request));
        assert_eq!(failure(response).ending, Ending::ClientLeft);
    });
}

#[test]
fn a_closed_gate_sends_nothing_and_gives_the_connection_back() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let mut peer = pooled(&upstreams, &provider, &listener).await;
        let sent = try_once(&upstreams, &provider, None, post(whole("2")), || Gate::Replan).await;
        assert!(matches!(sent, Err(AttemptError::Replan)));
        assert_eq!(upstreams.idle_count(), 1);
        // The next request on the same connection is the first that the provider sees.
        let provider_side = async {
            assert_eq!(peer.request().await.1, "3");
            peer.answer("third").await;
        };
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, post(whole("3"))));
        assert_eq!(text(response.unwrap()).await, "third");
    });
}

#[test]
fn a_body_of_which_nothing_was_sent_is_given_back_when_the_second_dispatch_is_not_to_be() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let (incoming, _client) = streaming().await;
        let peer = pooled(&upstreams, &provider, &listener).await;
        // Its end is in the kernel, and the runtime knows; the connection's own task has not looked yet.
        drop(peer);
        tokio::task::yield_now().await;
        let body = Cell::new(Some(RequestBody::Streaming(incoming)));
        let timeouts = &provider.timeouts;
        let clocks = BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle };
        let waits = Waits { head: timeouts.headers, client: Millis(10_000), deadline: None, body: clocks };
        let aim = Aim { upstreams: &upstreams, provider: &provider, egress: None, upgrade: false, waits };
        let gates = Cell::new(0);
        let gate = || {
            gates.set(gates.get() + 1);
            if gates.get() == 1 { Gate::Go } else { Gate::Replan }
        };
        let answer = attempt::run(&aim, gate, || Ok(body.take().map(post)), |unsent| body.set(Some(unsent))).await;
        assert!(matches!(answer, Err(AttemptError::Replan)), "{answer:?}");
        assert_eq!(gates.get(), 2, "the connection was known to be dead");
        assert!(matches!(body.take(), Some(RequestBody::Streaming(_))), "the body is gone");
    });
}

//! What the pool keeps, shares out and lets go.

use super::*;
use crate::decide::cause::NoConnection;
use crate::decide::outcome::Ending;
use crate::decide::policy::Policy;

pub(super) fn policy(providers: Vec<Arc<Provider>>) -> Policy {
    Policy { providers, ..plain::policy(Vec::new(), Vec::new()) }
}

/// Answers every request on every connection with "ok"; the count of connections.
pub(super) fn serve(listener: TcpListener) -> Rc<Cell<usize>> {
    let connections = Rc::new(Cell::new(0));
    let counted = Rc::clone(&connections);
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.set(counted.get() + 1);
            tokio::task::spawn_local(async move {
                let mut peer = Peer(stream);
                while peer.0.peek(&mut [0]).await.is_ok_and(|n| n > 0) {
                    peer.request().await;
                    peer.answer("ok").await;
                }
            });
        }
    });
    connections
}

#[test]
fn one_connection_serves_one_request_after_the_other() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let connections = serve(listener);
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        for _ in 0..20 {
            assert_eq!(text(send(&upstreams, &provider, post(whole("x"))).await.unwrap()).await, "ok");
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn an_answer_without_a_body_gives_its_connection_back_unread() {
    for head in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        on_a_core(async {
            let pair = Pair::new().await;
            let (_peer, response) = pair.said(head).await;
            drop(response.unwrap());
            assert_eq!(pair.upstreams.idle_count(), 1);
        });
    }
}

#[test]
fn a_provider_that_closes_or_gives_no_time_is_not_pooled() {
    for header in ["connection: close", "keep-alive: timeout=1"] {
        on_a_core(async {
            let pair = Pair::new().await;
            let provider_side = async {
                let mut peer = pair.asked().await;
                peer.say(&format!("HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: 2\r\n\r\nok")).await;
                peer.closed().await;
            };
            let client_side = async { text(pair.send(post(whole("x"))).await.unwrap()).await };
            let ((), body) = tokio::join!(provider_side, client_side);
            assert_eq!(body, "ok");
            assert_eq!(pair.upstreams.idle_count(), 0);
        });
    }
}

#[test]
fn an_idle_connection_is_closed_a_second_before_its_provider_would() {
    on_a_core(async {
        let pair = Pair::new().await;
        let provider_side = async {
            let mut peer = pair.asked().await;
            peer.say("HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=2\r\ncontent-length: 2\r\n\r\nok").await;
            peer
        };
        let client_side = async { text(pair.send(post(whole("x"))).await.unwrap()).await };
        let (mut peer, _) = tokio::join!(provider_side, client_side);
        assert_eq!(pair.upstreams.idle_count(), 1);
        peer.closed().await;
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
}

#[test]
fn an_answer_that_comes_before_the_request_was_taken_does_not_pool_the_connection() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (incoming, client) = streaming().await;
        let provider_side = async {
            let mut peer = pair.peer().await;
            peer.head().await;
            peer.answer("early").await;
            peer
        };
        let client_side = async {
            let request = post(RequestBody::streaming(incoming));
            text(pair.send(request).await.unwrap()).await
        };
        let (mut peer, body) = tokio::join!(provider_side, client_side);
        assert_eq!(body, "early");
        assert_eq!(pair.upstreams.idle_count(), 0);
        drop(client);
        peer.closed().await;
    });
}

#[test]
fn who_comes_beyond_max_connections_waits_and_takes_over_the_connection() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.max_connections = 1).await;
        let provider_side = async {
            let mut peer = pair.asked().await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfir").await;
            peer
        };
        let (mut peer, first) = tokio::join!(provider_side, pair.send(post(whole("1"))));
        let mut second = Box::pin(pair.send(post(whole("2"))));
        assert!(is_waiting(&mut second).await);
        let provider_side = async {
            peer.say("st").await;
            assert_eq!(peer.request().await.1, "2", "the second request must come by the first connection");
            peer.answer("second").await;
        };
        let client_side = async {
            assert_eq!(text(first.unwrap()).await, "first");
            text(second.await.unwrap()).await
        };
        let ((), body) = tokio::join!(provider_side, client_side);
        assert_eq!(body, "second");
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_its_place_to_the_next() {
    on_a_core(async {
        let (listener, address) = listener().await;
        serve(listener);
        let mut provider = provider(address);
        provider.max_connections = 1;
        let (provider, upstreams) = (Arc::new(provider), upstreams());
        let held = upstreams.acquire(&provider, None).await.unwrap();
        let mut first = Box::pin(upstreams.acquire(&provider, None));
        let mut second = Box::pin(upstreams.acquire(&provider, None));
        assert!(is_waiting(&mut first).await);
        assert!(is_waiting(&mut second).await);
        drop(first);
        drop(held);
        assert!(second.await.unwrap().is_reused());
    });
}

#[test]
fn a_reload_with_the_same_values_keeps_connections_and_one_without_the_provider_drops_them() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let connections = serve(listener);
        let upstreams = upstreams();
        let before = Arc::new(provider(address));
        text(send(&upstreams, &before, post(whole("x"))).await.unwrap()).await;

        let mut edited = provider(address);
        edited.name = "renamed".into();
        edited.base_url.path = "/v2".into();
        edited.timeouts.idle = Millis(1);
        let edited = Arc::new(edited);
        upstreams.retain(&policy(vec![Arc::clone(&edited)]));
        assert_eq!(upstreams.idle_count(), 1);
        text(send(&upstreams, &edited, post(whole("x"))).await.unwrap()).await;
        assert_eq!(connections.get(), 1);

        let (_other, elsewhere) = super::listener().await;
        upstreams.retain(&policy(vec![Arc::new(provider(elsewhere))]));
        assert_eq!(upstreams.idle_count(), 0);
    });
}

#[test]
fn a_lower_max_connections_takes_effect_as_connections_come_back() {
    on_a_core(async {
        let (listener, address) = listener().await;
        serve(listener);
        let upstreams = upstreams();
        let before = Arc::new(provider(address));
        let held = [
            upstreams.acquire(&before, None).await.unwrap(),
            upstreams.acquire(&before, None).await.unwrap(),
            upstreams.acquire(&before, None).await.unwrap(),
        ];
        let mut fewer = provider(address);
        fewer.max_connections = 1;
        let fewer = Arc::new(fewer);
        upstreams.retain(&policy(vec![Arc::clone(&fewer)]));
        let mut next = Box::pin(upstreams.acquire(&fewer, None));
        let [one, two, three] = held;
        drop(one);
        assert!(is_waiting(&mut next).await);
        drop(two);
        assert!(is_waiting(&mut next).await);
        drop(three);
        drop(next.await.unwrap());
    });
}

#[test]
fn a_connection_that_was_waited_for_was_not_refused() {
    on_a_core(async {
        // Whoever comes after these finds no place in its queue, and no answer.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let dial = || tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        let mut queued = Vec::new();
        while let Ok(stream) = dial().await {
            queued.push(stream.unwrap());
            assert!(queued.len() < 100);
        }
        let mut provider = provider(address);
        provider.timeouts.connect = Millis(30);
        let error = upstreams().connect(&Arc::new(provider), None).await.unwrap_err();
        assert!(!error.is_connection_refused(), "{error}");
    });
}

#[test]
fn no_request_waits_for_a_free_connection_longer_than_for_a_new_one() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let mut short = provider(address);
        (short.max_connections, short.timeouts.connect) = (1, Millis(30));
        let (provider, upstreams) = (Arc::new(short), upstreams());
        let lease = upstreams.acquire(&provider, None).await.unwrap();
        for fresh in [false, true] {
            let waited = match fresh {
                false => upstreams.acquire(&provider, None).await,
                true => upstreams.connect(&provider, None).await,
            };
            let error = waited.map(|_| ()).unwrap_err();
            assert_eq!(error, NoConnection::NoCapacity { place: address.to_string() });
            assert!(error.is_ours() && !error.is_unreachable());
        }
        let failed = failure(send(&upstreams, &provider, post(whole("x"))).await);
        assert_eq!(failed.ending, Ending::CutBySerin);
        // A request that gave up waiting has taken no place.
        drop(lease);
        let _peer = Peer::accept(&listener).await;
        upstreams.connect(&provider, None).await.unwrap();
    });
}

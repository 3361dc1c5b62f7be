//! Shared connections: many streams, GOAWAYs, refusals, and what ALPN settles on.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::tls::{Authority, secure};
use super::*;
use crate::decide::outcome::Ending;

pub(super) fn prior_knowledge(address: SocketAddr) -> Provider {
    let mut provider = provider(address);
    provider.http2 = Http2::PriorKnowledge;
    provider
}

/// The provider's end of an HTTP/2 connection, driven by hand.
pub(super) type Server = h2::server::Connection<TcpStream, Bytes>;

pub(super) async fn accept(listener: &TcpListener, streams: u32) -> Server {
    let (stream, _) = listener.accept().await.unwrap();
    h2::server::Builder::new().max_concurrent_streams(streams).handshake(stream).await.unwrap()
}

pub(super) fn answer(mut respond: h2::server::SendResponse<Bytes>, body: &'static str) {
    let mut sending = respond.send_response(Response::new(()), false).unwrap();
    sending.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
}

#[test]
fn many_requests_share_one_connection_addressed_to_the_provider() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 100).await;
            let mut held = Vec::new();
            // Nobody is answered before all are there: they must be on this one connection.
            while held.len() < 5 {
                let (request, respond) = server.accept().await.unwrap().unwrap();
                assert_eq!(request.uri().to_string(), format!("http://{address}/v1/chat/completions?a=b"));
                assert!(!request.headers().contains_key("host"));
                assert_eq!(request.headers()["content-length"], "1");
                held.push(respond);
            }
            held.into_iter().for_each(|respond| answer(respond, "ok"));
            server.accept().await
        });
        let all = (0..5).map(|_| async { text(send(&upstreams, &provider, post(whole("x"))).await.unwrap()).await });
        assert_eq!(futures_util::future::join_all(all).await, ["ok"; 5]);
    });
}

#[test]
fn a_providers_stream_limit_is_respected() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let mut provider = prior_knowledge(address);
        provider.max_connections = 1;
        let (provider, upstreams) = (Arc::new(provider), upstreams());
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 2).await;
            let mut open = VecDeque::new();
            while let Some(Ok((_, respond))) = server.accept().await {
                open.push_back(respond);
                assert!(open.len() <= 2);
                if open.len() == 2 {
                    answer(open.pop_front().unwrap(), "ok");
                }
                if let Some(last) = open.pop_front() {
                    answer(last, "ok");
                }
            }
        });
        assert_eq!(text(send(&upstreams, &provider, post(whole("x"))).await.unwrap()).await, "ok");
        let all = (0..12).map(|_| async { text(send(&upstreams, &provider, post(whole("x"))).await.unwrap()).await });
        assert_eq!(futures_util::future::join_all(all).await, vec!["ok"; 12]);
    });
}

#[test]
fn a_free_stream_is_waited_for_no_longer_than_a_connection() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let mut provider = prior_knowledge(address);
        (provider.max_connections, provider.timeouts.connect) = (1, Millis(30));
        let (provider, upstreams) = (Arc::new(provider), upstreams());
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 1).await;
            answer(server.accept().await.unwrap().unwrap().1, "first");
            let _ = server.accept().await;
        });
        assert_eq!(text(send(&upstreams, &provider, post(whole("1"))).await.unwrap()).await, "first");
        let _taken = upstreams.acquire(&provider, None).await.unwrap();
        let failed = failure(send(&upstreams, &provider, post(whole("2"))).await);
        assert_eq!(failed.ending, Ending::CutBySerin);
        assert!(failed.fault.to_string().contains("raise max_connections"), "{}", failed.fault);
    });
}

#[test]
fn after_a_goaway_requests_go_by_a_new_connection() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        let (sent_goaway, goaway) = oneshot::channel();
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 100).await;
            answer(server.accept().await.unwrap().unwrap().1, "first");
            server.graceful_shutdown();
            let first = tokio::task::spawn_local(async move { while server.accept().await.is_some() {} });
            let mut server = accept(&listener, 100).await;
            answer(server.accept().await.unwrap().unwrap().1, "second");
            let _ = sent_goaway.send(());
            let _ = server.accept().await;
            first.await.unwrap();
        });
        assert_eq!(text(send(&upstreams, &provider, post(whole("1"))).await.unwrap()).await, "first");
        assert_eq!(text(send(&upstreams, &provider, post(whole("2"))).await.unwrap()).await, "second");
        goaway.await.unwrap();
    });
}

#[test]
fn a_refused_stream_is_repeated_and_a_reset_one_is_not() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 100).await;
            answer(server.accept().await.unwrap().unwrap().1, "first");
            server.accept().await.unwrap().unwrap().1.send_reset(h2::Reason::REFUSED_STREAM);
            answer(server.accept().await.unwrap().unwrap().1, "again");
            server.accept().await.unwrap().unwrap().1.send_reset(h2::Reason::INTERNAL_ERROR);
            answer(server.accept().await.unwrap().unwrap().1, "last");
            let _ = server.accept().await;
        });
        assert_eq!(text(send(&upstreams, &provider, post(whole("1"))).await.unwrap()).await, "first");
        assert_eq!(text(send(&upstreams, &provider, post(whole("2"))).await.unwrap()).await, "again");
        let failed = failure(send(&upstreams, &provider, post(whole("3"))).await);
        assert_eq!(failed.ending, Ending::NoHead);
        assert!(failed.fault.to_string().starts_with("the provider reset the request: "), "{}", failed.fault);
        assert_eq!(text(send(&upstreams, &provider, post(whole("4"))).await.unwrap()).await, "last");
    });
}

#[test]
fn an_answer_dropped_in_the_middle_resets_its_stream_only() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        let (sender, reset) = oneshot::channel();
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 100).await;
            let (_, mut respond) = server.accept().await.unwrap().unwrap();
            let mut sending = respond.send_response(Response::new(()), false).unwrap();
            sending.send_data(Bytes::from_static(b"some"), false).unwrap();
            let watch = async {
                let reason = std::future::poll_fn(|cx| sending.poll_reset(cx)).await.unwrap();
                let _ = sender.send(reason);
            };
            let serve = async {
                answer(server.accept().await.unwrap().unwrap().1, "next");
                let _ = server.accept().await;
            };
            tokio::join!(watch, serve);
        });
        let response = send(&upstreams, &provider, post(whole("1"))).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "some");
        drop(body);
        assert_eq!(text(send(&upstreams, &provider, post(whole("2"))).await.unwrap()).await, "next");
        assert_eq!(reset.await.unwrap(), h2::Reason::CANCEL);
    });
}

#[test]
fn a_silent_stream_times_out_without_taking_its_neighbours_down() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let upstreams = upstreams();
        let patient = Arc::new(prior_knowledge(address));
        let mut hasty = prior_knowledge(address);
        hasty.timeouts.headers = Millis(80);
        let hasty = Arc::new(hasty);
        tokio::task::spawn_local(async move {
            let mut server = accept(&listener, 100).await;
            let (_, first) = server.accept().await.unwrap().unwrap();
            let (_, _silent) = server.accept().await.unwrap().unwrap();
            let (_, third) = server.accept().await.unwrap().unwrap();
            answer(first, "first");
            answer(third, "third");
            let _ = server.accept().await;
        });
        let first = send(&upstreams, &patient, post(whole("1")));
        let rest = async {
            let failed = failure(send(&upstreams, &hasty, post(whole("2"))).await);
            assert_eq!(failed.ending, Ending::HeadTimeout);
            send(&upstreams, &patient, post(whole("3"))).await
        };
        let (first, third) = tokio::join!(first, rest);
        assert_eq!(text(first.unwrap()).await, "first");
        assert_eq!(text(third.unwrap()).await, "third");
    });
}

#[test]
fn auto_takes_what_alpn_settles_on_and_pools_it() {
    for (alpn, version) in [(&["h2", "http/1.1"][..], http::Version::HTTP_2), (&["http/1.1"], http::Version::HTTP_11)] {
        on_a_core(async {
            let authority = Authority::new();
            let (listener, address) = listener().await;
            let acceptor = authority.acceptor("127.0.0.1", alpn);
            let connections = Rc::new(Cell::new(0));
            let counted = Rc::clone(&connections);
            tokio::task::spawn_local(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    counted.set(counted.get() + 1);
                    let io = hyper_util::rt::TokioIo::new(acceptor.accept(stream).await.unwrap());
                    let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                        Ok::<_, hyper::Error>(Response::new(format!("{:?}", request.version())))
                    });
                    tokio::task::spawn_local(async move {
                        if version == http::Version::HTTP_2 {
                            let builder = hyper::server::conn::http2::Builder::new(Local);
                            let _ = builder.serve_connection(io, service).await;
                        } else {
                            let builder = hyper::server::conn::http1::Builder::new();
                            let _ = builder.serve_connection(io, service).await;
                        }
                    });
                }
            });
            let mut provider = secure(address, Some(authority.ca_file()));
            provider.http2 = Http2::Auto;
            let (provider, upstreams) = (Arc::new(provider), upstreams());
            for _ in 0..3 {
                let response = send(&upstreams, &provider, post(whole("x"))).await.unwrap();
                assert_eq!(text(response).await, format!("{version:?}"));
            }
            assert_eq!(connections.get(), 1);
        });
    }
}

#[derive(Clone)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

#[test]
fn a_server_that_speaks_http1_only_is_said() {
    on_a_core(async {
        let (listener, address) = listener().await;
        tokio::task::spawn_local(async move {
            loop {
                let mut peer = Peer::accept(&listener).await;
                peer.say("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        });
        let failed = failure(send(&upstreams(), &Arc::new(prior_knowledge(address)), post(whole("x"))).await);
        assert_eq!(failed.ending, Ending::NoHead);
        let said = failed.fault.to_string();
        assert!(said.ends_with("; if the provider does not support HTTP/2, write http2: never"), "{said}");
    });
}

#[test]
fn those_who_wait_for_a_dial_share_its_failure() {
    on_a_core(async {
        let (_silent, address) = listener().await;
        let mut provider = secure(address, None);
        provider.http2 = Http2::Auto;
        provider.timeouts.connect = Millis(150);
        let (provider, upstreams) = (Arc::new(provider), upstreams());
        let began = crate::clock::instant();
        let all = (0..20).map(|_| send(&upstreams, &provider, post(whole("x"))));
        for result in futures_util::future::join_all(all).await {
            assert_eq!(failure(result).ending, Ending::NoConnection);
        }
        assert!(began.elapsed() < Duration::from_millis(1500), "each dialled a silent provider for itself");
    });
}

/// A frame's type and stream.
async fn frame(peer: &mut Peer) -> (u8, u32) {
    let mut head = [0; 9];
    peer.0.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    peer.0.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).await.unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]))
}

#[test]
fn a_goaway_that_leaves_a_request_out_has_it_repeated_elsewhere() {
    const HEADERS: u8 = 1;
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        tokio::task::spawn_local(async move {
            let mut peer = Peer::accept(&listener).await;
            peer.0.read_exact(&mut [0; 24]).await.unwrap();
            peer.0.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            while frame(&mut peer).await != (HEADERS, 3) {}
            let goaway_after_1 = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
            let status_200_on_1 = [0, 0, 1, HEADERS, 5, 0, 0, 0, 1, 0x88];
            peer.0.write_all(&goaway_after_1).await.unwrap();
            peer.0.write_all(&status_200_on_1).await.unwrap();
            let mut server = accept(&listener, 100).await;
            answer(server.accept().await.unwrap().unwrap().1, "elsewhere");
            let _ = server.accept().await;
        });
        let both =
            tokio::join!(send(&upstreams, &provider, post(whole("1"))), send(&upstreams, &provider, post(whole("2"))),);
        assert_eq!(text(both.0.unwrap()).await, "");
        assert_eq!(text(both.1.unwrap()).await, "elsewhere");
    });
}

#[test]
fn an_answer_to_half_a_request_whose_stream_is_then_reset_is_the_answer() {
    for _ in 0..10 {
        on_a_core(async {
            let (listener, address) = listener().await;
            let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
            let provider_side = async {
                let mut server = accept(&listener, 10).await;
                let (request, mut respond) = server.accept().await.unwrap().unwrap();
                let response = Response::builder().status(413).body(()).unwrap();
                let mut body = respond.send_response(response, false).unwrap();
                body.send_data("early".into(), true).unwrap();
                // What it does not read it resets once the answer is out, without an error (RFC 9113, 8.1).
                drop((request, body, respond));
                while let Some(Ok(_)) = server.accept().await {}
            };
            let asked = async {
                let large = RequestBody::Whole(Bytes::from(vec![b'x'; 8 << 20]));
                let response = send(&upstreams, &provider, post(large)).await.unwrap();
                assert_eq!(response.status(), 413);
                assert_eq!(text(response).await, "early");
            };
            tokio::select! {
                () = asked => {}
                () = provider_side => panic!("the connection broke"),
            }
        });
    }
}

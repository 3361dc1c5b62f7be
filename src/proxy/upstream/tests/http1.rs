//! What goes over one HTTP/1.1 connection.

use http::header::{CONTENT_TYPE, HOST};

use super::*;
use crate::decide::outcome::{BodyEnd, Ending};

#[test]
fn a_request_arrives_as_it_was_given() {
    on_a_core(async {
        let pair = Pair::new().await;
        let provider_side = async {
            let mut peer = pair.peer().await;
            let got = peer.request().await;
            peer.answer("pong").await;
            got
        };
        let mut request = post(whole("ping"));
        request.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        let (got, response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(got.1, "ping");
        let head = got.0.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/chat/completions?a=b http/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {}\r\n", pair.address)), "{head}");
        assert!(head.contains("content-length: 4\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain\r\n"), "{head}");
        assert_eq!(text(response.unwrap()).await, "pong");
    });
}

#[test]
fn a_host_header_is_kept_and_an_absolute_uri_is_not() {
    on_a_core(async {
        let pair = Pair::new().await;
        let mut request = post(RequestBody::Empty);
        *request.uri_mut() = "http://elsewhere.example/v1/models".parse().unwrap();
        request.headers_mut().insert(HOST, "front.example".parse().unwrap());
        let provider_side = async {
            let mut peer = pair.peer().await;
            let head = peer.head().await;
            peer.answer("").await;
            head
        };
        let (head, response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(response.unwrap().status(), 200);
        assert!(head.starts_with("POST /v1/models HTTP/1.1\r\n"), "{head}");
        assert_eq!(head.matches("host: ").count(), 1);
        assert!(head.contains("host: front.example\r\n"), "{head}");
    });
}

#[test]
fn a_body_of_unknown_length_goes_out_chunked_with_any_method() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (incoming, mut client) = streaming().await;
        client.write_all(b"4\r\nping\r\n0\r\n\r\n").await.unwrap();
        let mut request = post(RequestBody::streaming(incoming));
        *request.method_mut() = Method::GET;
        let provider_side = async {
            let mut peer = pair.peer().await;
            let head = peer.head().await;
            assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
            let mut body = [0; 14];
            peer.0.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, b"4\r\nping\r\n0\r\n\r\n");
            peer.answer("").await;
        };
        let ((), response) = tokio::join!(provider_side, pair.send(request));
        assert_eq!(response.unwrap().status(), 200);
    });
}

#[test]
fn trailers_of_the_answer_pass() {
    on_a_core(async {
        let pair = Pair::new().await;
        let provider_side = async {
            let mut peer = pair.asked().await;
            peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n").await;
            peer.say("2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n").await;
            peer
        };
        let (_peer, response) = tokio::join!(provider_side, pair.send(post(whole("x"))));
        let collected = response.unwrap().into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
        assert_eq!(collected.to_bytes(), "ok");
    });
}

/// What the provider says before it closes, and how the body then ends.
async fn body_after(said: &str) -> Result<Bytes, BodyEnd> {
    let pair = Pair::new().await;
    let response = pair.said_last(said).await;
    let collected = response.unwrap().into_body().collect().await;
    assert_eq!(pair.upstreams.idle_count(), 0, "a closed connection was pooled");
    collected.map(|body| body.to_bytes()).map_err(|error| error.end())
}

#[test]
fn an_answer_that_ends_early_is_distinguished_from_one_that_ends_by_closing() {
    on_a_core(async {
        let head = "HTTP/1.1 200 OK\r\n";
        let length = format!("{head}content-length: 9\r\n\r\nshort");
        assert_eq!(body_after(&length).await, Err(BodyEnd::Early));
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n");
        assert_eq!(body_after(&chunked).await, Err(BodyEnd::Early));
        let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\nshort\r\n");
        assert_eq!(body_after(&broken).await, Err(BodyEnd::Early));
        let until_close = format!("{head}\r\nwhole");
        assert_eq!(body_after(&until_close).await, Ok(Bytes::from_static(b"whole")));
    });
}

/// What the attempt makes of a provider that says this and closes.
async fn refused(said: &str) -> Failure {
    let pair = Pair::new().await;
    let response = pair.said_last(said).await;
    failure(response)
}

#[test]
fn an_answer_whose_framing_is_ambiguous_is_refused() {
    on_a_core(async {
        let both = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        let failed = refused(both).await;
        assert_eq!(failed.ending, Ending::NoHead);
        assert_eq!(
            failed.fault.to_string(),
            "the response framing is not valid: it has both a content-length and a transfer-encoding"
        );
        let coded = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
        assert!(refused(coded).await.fault.to_string().ends_with("its transfer-encoding is not plain chunked"));
        let unequal = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
        assert_eq!(refused(unequal).await.ending, Ending::NoHead);
    });
}

#[test]
fn an_answer_that_is_no_http_is_a_broken_head() {
    on_a_core(async {
        let failed = refused("SSH-2.0-OpenSSH_9.2\r\n").await;
        assert_eq!(failed.ending, Ending::NoHead);
        assert!(failed.fault.to_string().starts_with("the response is not valid HTTP: "), "{}", failed.fault);
        let failed = refused("").await;
        assert_eq!(failed.ending, Ending::NoHead);
        assert!(failed.fault.to_string().starts_with("the connection ended before a response: "), "{}", failed.fault);
    });
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways_and_keeps_its_place() {
    on_a_core(async {
        let pair = Pair::with(|provider| {
            provider.max_connections = 1;
            provider.timeouts.idle = Millis(50);
        })
        .await;
        let mut request = post(RequestBody::Empty);
        *request.method_mut() = Method::GET;
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let provider_side = async {
            let mut peer = pair.peer().await;
            assert!(peer.head().await.contains("upgrade: websocket\r\n"));
            peer.say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nfirst")
                .await;
            peer
        };
        let (mut peer, response) = tokio::join!(provider_side, pair.send(request));
        let mut response = response.unwrap();
        assert_eq!(response.status(), 101);
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(upgraded);
        let mut seen = [0; 5];
        io.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"first");
        io.write_all(b"hello").await.unwrap();
        peer.0.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"hello");

        let mut next = Box::pin(pair.upstreams.acquire(&pair.provider, None));
        assert!(is_waiting(&mut next).await, "a second connection beside the only one allowed");
        drop(io);
        drop(response);
        let (_peer, lease) = tokio::join!(pair.peer(), next);
        assert!(!lease.unwrap().is_reused());
    });
}

#[test]
fn a_name_is_looked_up_and_every_address_of_it_tried() {
    on_a_core(async {
        // Where the name has an IPv6 address too, nothing listens there.
        let pair = Pair::with(|provider| provider.base_url.host = "localhost".into()).await;
        let provider_side = async {
            let mut peer = pair.peer().await;
            let head = peer.request().await.0;
            assert!(head.contains(&format!("host: localhost:{}\r\n", pair.address.port())), "{head}");
            peer.answer("found").await;
            peer
        };
        let (_peer, response) = tokio::join!(provider_side, pair.send(post(whole("x"))));
        assert_eq!(text(response.unwrap()).await, "found");
    });
}

/// More than any socket holds.
const LARGE: usize = 8 << 20;

fn large() -> RequestBody {
    RequestBody::Whole(Bytes::from(vec![b'x'; LARGE]))
}

#[test]
fn an_answer_that_comes_before_the_request_was_read_is_the_answer() {
    for status in ["413 Payload Too Large", "401 Unauthorized", "429 Too Many Requests", "503 Service Unavailable"] {
        for _ in 0..10 {
            on_a_core(async {
                let (listener, address) = listener().await;
                let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
                let provider_side = async {
                    let mut peer = Peer::accept(&listener).await;
                    peer.head().await;
                    // What is left unread makes of its close a reset.
                    peer.say(&format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 5\r\n\r\nearly"))
                        .await;
                };
                let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, post(large())));
                let response = response.unwrap_or_else(|error| panic!("{status}: {error:?}"));
                assert!(status.starts_with(response.status().as_str()));
                assert_eq!(text(response).await, "early");
                assert_eq!(upstreams.idle_count(), 0);
            });
        }
    }
}

#[test]
fn a_connection_that_breaks_under_an_upload_without_an_answer_has_the_error_of_the_write() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(provider(address)), upstreams());
        let provider_side = async {
            let mut peer = Peer::accept(&listener).await;
            peer.head().await;
            peer.reset();
        };
        let ((), response) = tokio::join!(provider_side, send(&upstreams, &provider, post(large())));
        let failed = failure(response);
        let text = failed.fault.to_string();
        assert!(text.contains("reset") || text.contains("roken pipe"), "{text}");
        assert_eq!(failed.ending, Ending::NoHead);
    });
}

//! Connections that have become too old: what is new goes by another, and what is under way is not cut.

use super::http2::{Server, accept, answer, prior_knowledge};
use super::pool::{policy, serve};
use super::*;

/// The age under test, and a time that is longer.
const AGE: Millis = Millis(150);
const LONGER: Duration = Duration::from_millis(300);

fn aged(mut provider: Provider) -> Arc<Provider> {
    provider.max_connection_age = Some(AGE);
    Arc::new(provider)
}

/// One request after the other until `enough`; what each was answered.
async fn ask_until(upstreams: &Upstreams, provider: &Arc<Provider>, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut answers = Vec::new();
    while !enough(&answers) {
        answers.push(text(send(upstreams, provider, post(whole("x"))).await.unwrap()).await);
    }
    answers
}

/// Answers every stream of a connection with this, until the connection ends.
async fn serve_streams(mut server: Server, body: &'static str) {
    while let Some(Ok((_, respond))) = server.accept().await {
        answer(respond, body);
    }
}

#[test]
fn a_busy_connection_gives_way_to_another_each_time_that_it_is_too_old() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let connections = serve(listener);
        let (provider, upstreams) = (aged(provider(address)), upstreams());
        let began = crate::clock::instant();
        let answers = ask_until(&upstreams, &provider, |_| connections.get() == 3).await;
        assert!(answers.iter().all(|answer| answer == "ok"), "{answers:?}");
        // Two have reached nine tenths of the age at least.
        assert!(began.elapsed() >= AGE.duration() * 18 / 10, "{:?}", began.elapsed());
    });
}

#[test]
fn a_busy_shared_connection_gives_way_to_one_at_the_new_address_and_is_closed() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (aged(prior_knowledge(address)), upstreams());
        let old = tokio::task::spawn_local(async move {
            let server = accept(&listener, 100).await;
            // Nobody finds this address any more; the connection goes on.
            drop(listener);
            let listener = TcpListener::bind(address).await.unwrap();
            tokio::task::spawn_local(async move { serve_streams(accept(&listener, 100).await, "new").await });
            serve_streams(server, "old").await;
        });
        let answers =
            ask_until(&upstreams, &provider, |answers| answers.last().is_some_and(|last| last == "new")).await;
        assert!(answers.len() > 1 && answers[..answers.len() - 1].iter().all(|answer| answer == "old"), "{answers:?}");
        old.await.unwrap();
    });
}

#[test]
fn a_connection_that_lies_unused_is_closed_when_it_is_too_old() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.max_connection_age = Some(AGE)).await;
        let (mut peer, response) = pair.said("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(text(response.unwrap()).await, "ok");
        assert_eq!(pair.upstreams.idle_count(), 1);
        peer.closed().await;
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
}

#[test]
fn an_answer_outlives_the_age_and_its_connection_is_not_used_again() {
    on_a_core(async {
        let pair = Pair::with(|provider| provider.max_connection_age = Some(AGE)).await;
        let (mut peer, response) =
            pair.said("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nlong\r\n").await;
        let provider_side = async {
            tokio::time::sleep(LONGER).await;
            peer.say("7\r\n answer\r\n0\r\n\r\n").await;
            peer.closed().await;
        };
        let ((), body) = tokio::join!(provider_side, text(response.unwrap()));
        assert_eq!(body, "long answer");
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
}

#[test]
fn a_stream_outlives_the_age_of_its_connection_which_then_ends() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (aged(prior_knowledge(address)), upstreams());
        let (moved, has_moved) = tokio::sync::oneshot::channel::<()>();
        let provider_side = async {
            let mut server = accept(&listener, 100).await;
            let (_, mut respond) = server.accept().await.unwrap().unwrap();
            let mut long = respond.send_response(Response::new(()), false).unwrap();
            long.send_data(Bytes::from_static(b"long"), false).unwrap();
            let end = async {
                has_moved.await.unwrap();
                long.send_data(Bytes::from_static(b" stream"), true).unwrap();
            };
            tokio::task::spawn_local(async move { serve_streams(accept(&listener, 100).await, "new").await });
            // Returns once Serin has closed the connection.
            tokio::join!(serve_streams(server, "old"), end);
        };
        let client_side = async {
            let long = send(&upstreams, &provider, post(whole("1"))).await.unwrap();
            ask_until(&upstreams, &provider, |answers| answers.last().is_some_and(|last| last == "new")).await;
            moved.send(()).unwrap();
            assert_eq!(text(long).await, "long stream");
        };
        tokio::join!(provider_side, client_side);
    });
}

#[test]
fn where_there_is_no_room_for_another_an_old_shared_connection_serves_on_until_it_is_free() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let mut only_one = prior_knowledge(address);
        only_one.max_connections = 1;
        let (provider, upstreams) = (aged(only_one), upstreams());
        let (sender, may_end) = tokio::sync::oneshot::channel::<()>();
        let (closed, is_closed) = tokio::sync::oneshot::channel::<()>();
        let provider_side = async {
            let mut server = accept(&listener, 100).await;
            let (_, long) = server.accept().await.unwrap().unwrap();
            let end = async {
                may_end.await.unwrap();
                answer(long, "long");
            };
            tokio::join!(serve_streams(server, "old"), end);
            closed.send(()).unwrap();
            serve_streams(accept(&listener, 100).await, "new").await;
        };
        let client_side = async {
            let mut long = Box::pin(send(&upstreams, &provider, post(whole("1"))));
            assert!(is_waiting(&mut long).await);
            let short = async {
                tokio::time::sleep(LONGER).await;
                let answers = ask_until(&upstreams, &provider, |answers| answers.len() == 5).await;
                assert_eq!(answers, ["old"; 5]);
                sender.send(()).unwrap();
            };
            let (long, ()) = tokio::join!(long, short);
            assert_eq!(text(long.unwrap()).await, "long");
            is_closed.await.unwrap();
            assert_eq!(ask_until(&upstreams, &provider, |answers| !answers.is_empty()).await, ["new"]);
        };
        tokio::select! {
            () = provider_side => panic!("the new connection ended"),
            () = client_side => {}
        }
    });
}

#[test]
fn an_edit_of_the_age_holds_for_connections_that_exist() {
    on_a_core(async {
        let pair = Pair::new().await;
        let (mut peer, response) = pair.said("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(text(response.unwrap()).await, "ok");
        let edited = aged(Provider::clone(&pair.provider));
        // Two that lead to one place share its connections, and the shorter age.
        let beside = Provider { name: "beside".to_owned(), ..Provider::clone(&pair.provider) };
        pair.upstreams.retain(&policy(vec![edited, Arc::new(beside)]));
        peer.closed().await;
        assert_eq!(pair.upstreams.idle_count(), 0);
    });
    on_a_core(async {
        let (listener, address) = listener().await;
        let (provider, upstreams) = (Arc::new(prior_knowledge(address)), upstreams());
        let provider_side = async { serve_streams(accept(&listener, 100).await, "old").await };
        let client_side = async {
            assert_eq!(text(send(&upstreams, &provider, post(whole("1"))).await.unwrap()).await, "old");
            upstreams.retain(&policy(vec![aged(prior_knowledge(address))]));
        };
        tokio::join!(provider_side, client_side);
    });
}

#[test]
fn never_is_longer_than_any_age() {
    on_a_core(async {
        let (listener, address) = listener().await;
        let connections = serve(listener);
        let (short, upstreams) = (aged(provider(address)), upstreams());
        ask_until(&upstreams, &short, |answers| !answers.is_empty()).await;
        let never = Arc::new(provider(address));
        upstreams.retain(&policy(vec![Arc::clone(&never)]));
        tokio::time::sleep(LONGER).await;
        ask_until(&upstreams, &never, |answers| !answers.is_empty()).await;
        assert_eq!(connections.get(), 1);
    });
}

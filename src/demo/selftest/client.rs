//! The client of a selftest: one request on a connection of its own, and all that came of it.
//!
//! Owns the client's patience. Reads with hyper, which holds an answer to its framing. Refuses to judge. Invariant: it
//! ends, whatever the other side does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;

use super::case::{CLIENT, Case};
use super::fault::Form;
use super::judge::{End, KEY, Received};
use crate::clock;
use crate::decide::units::Millis;

/// Asks once, and waits no longer than this.
pub(super) async fn ask(at: SocketAddr, case: &Case, patience: Duration) -> Received {
    let began = clock::now();
    let mut received = Received::default();
    let asking = async {
        if let Err(error) = exchange(at, case, &mut received).await {
            received.end = End::Broken(error.to_string());
        }
    };
    if tokio::time::timeout(patience, asking).await.is_err() {
        received.end = End::TooLate;
    }
    received.took = Millis(clock::now().since(began).0);
    received
}

async fn exchange(at: SocketAddr, case: &Case, received: &mut Received) -> Result<(), Box<dyn std::error::Error>> {
    let stream = tokio::net::TcpStream::connect(at).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // An error of the connection reaches the request that waits for it.
    tokio::task::spawn_local(async move { drop(connection.with_upgrades().await) });
    let request = request(at, case)?;
    let mut response = sender.send_request(request).await?;
    received.status = Some(response.status().as_u16());
    let named = response.headers().get("x-serin-provider").and_then(|value| value.to_str().ok());
    received.provider = named.unwrap_or_default().to_owned();
    received.own_error = response.headers().contains_key("x-serin-error");
    if response.status() == 101 {
        let mut stream = TokioIo::new(hyper::upgrade::on(&mut response).await?);
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        received.body = vec![0; usize::from(head[1] & 0x7f)];
        stream.read_exact(&mut received.body).await?;
        return Ok(());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            received.body.extend_from_slice(data);
        }
    }
    Ok(())
}

fn request(at: SocketAddr, case: &Case) -> http::Result<Request<Full<Bytes>>> {
    let mut path = case.path();
    let request = match case.form {
        Form::WebSocket => {
            path = format!("{path}?said={}", case.question);
            Request::get(path)
                .header(header::CONNECTION, "upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_VERSION, "13")
                .header(header::SEC_WEBSOCKET_KEY, "c2VyaW4gc2VsZnRlc3QhIQ==")
        }
        Form::Whole | Form::Stream => Request::post(path).header(header::CONTENT_TYPE, "application/json"),
    };
    let body = if case.form == Form::WebSocket { String::new() } else { case.body() };
    request
        .header(header::HOST, at.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {KEY}{CLIENT}"))
        .header("x-user-id", "selftest-user")
        .body(Full::new(Bytes::from(body)))
}

//! The provider: chat completions of 1 KiB, or streams of events at a pace.
//!
//! Each port is a provider of its own and names itself in its responses. Every event carries the time at which it was
//! made, so that the other end knows its age. Other paths are answered as well, since health probes ask them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::accounting;
use crate::message::{EVENTS, PACE, PROVIDER, header, number, whole};

/// What a whole answer has, in bytes.
const ANSWERED: usize = 1024;

/// Serves until the process ends.
pub async fn run(ports: &[String]) -> Result<(), String> {
    let mut last = None;
    for port in ports {
        let listener = listen(port).map_err(|error| format!("port {port}: {error}"))?;
        let port = port.clone();
        last = Some(tokio::task::spawn_local(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve(stream, port.clone()));
                }
            }
        }));
    }
    last.ok_or("name a port")?.await.map_err(|error| error.to_string())
}

fn listen(port: &str) -> std::io::Result<TcpListener> {
    let address = format!("127.0.0.1:{port}").parse().map_err(std::io::Error::other)?;
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Answers one connection's requests, until it ends.
async fn serve(mut stream: TcpStream, port: String) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let whole_answer = whole_answer(&port);
    let mut bytes = Vec::new();
    loop {
        let (head, total) = loop {
            if let Some(found) = whole(&bytes) {
                break found;
            }
            if bytes.ends_with(b"\r\n\r\n") {
                break (bytes.len(), bytes.len());
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        match header(&bytes[..head], EVENTS) {
            Some(events) => {
                let pace = Duration::from_millis(header(&bytes[..head], PACE).map_or(20, number));
                let events = number(events);
                send_stream(&mut stream, &port, pace, events).await?;
            }
            None => stream.write_all(&whole_answer).await.ok()?,
        }
        bytes.drain(..total);
    }
}

fn whole_answer(port: &str) -> Vec<u8> {
    let begin = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    let end = r#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":70,"completion_tokens":200,"total_tokens":270}}"#;
    let text = "z".repeat(ANSWERED - begin.len() - end.len());
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{PROVIDER}: {port}\r\ncontent-length: {ANSWERED}\r\n\r\n{begin}{text}{end}"
    )
    .into_bytes()
}

async fn send_stream(stream: &mut TcpStream, port: &str, pace: Duration, events: u64) -> Option<()> {
    // nginx passes events on as they come only where it is told to.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n\
         {PROVIDER}: {port}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let begun = Instant::now();
    for at in 0..events {
        if at > 0 {
            sleep_until(begun + pace * u32::try_from(at).unwrap_or(u32::MAX)).await;
        }
        let finish = if at + 1 == events { "\"stop\"" } else { "null" };
        let mut event = format!(
            "data: {{\"t\":{},\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":\
             [{{\"index\":0,\"delta\":{{\"content\":\"token\"}},\"finish_reason\":{finish}}}]}}\n\n",
            accounting::now()
        );
        if at + 1 == events {
            event.push_str("data: [DONE]\n\n");
        }
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        let piece = if at == 0 { format!("{head}{chunk}") } else { chunk };
        let piece = if at + 1 == events { format!("{piece}0\r\n\r\n") } else { piece };
        stream.write_all(piece.as_bytes()).await.ok()?;
    }
    Some(())
}

//! What Serin adds to a call: each call is made twice, at the provider itself and through the sidecar.
//!
//! Owns two connections and the order of the calls, which changes from pair to pair so that neither side profits from
//! the other. Every answer is compared with what it has to be. Client, sidecar and provider share this machine, so that
//! the figures are an upper bound. Invariant: it ends when its time is over, with the pairs that it has.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::case::{CLIENT, LATENCY};
use super::judge::KEY;
use super::paired::Paired;
use crate::clock;

/// Pairs that count for nothing: caches and pools fill. Fewer where they take longer than this.
const WARM: usize = 100;
const LONGEST_WARM: Duration = Duration::from_secs(1);
const PAIRS: usize = 1500;
/// The longest that all pairs of one kind may take.
const LONGEST: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error>;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Latency {
    /// To the last byte of an answer in one piece.
    pub whole: Option<Paired>,
    /// To the first byte of a stream's body.
    pub first: Option<Paired>,
    /// What an answer was that should have been whole.
    pub wrong: Vec<String>,
}

/// Measures. `done` is told how far it is, from 0 to 1.
pub(super) async fn measure(direct: SocketAddr, through: SocketAddr, mut done: impl FnMut(f64)) -> Latency {
    let mut wrong = Vec::new();
    let mut of = |measured: Result<Vec<(u64, u64)>, Failure>| match measured {
        Ok(pairs) => Paired::of(&pairs),
        Err(error) => {
            wrong.push(error.to_string());
            None
        }
    };
    let whole = of(pairs(direct, through, false, |part| done(part / 2.0)).await);
    let first = of(pairs(direct, through, true, |part| done(0.5 + part / 2.0)).await);
    Latency { whole, first, wrong }
}

async fn pairs(
    direct: SocketAddr,
    through: SocketAddr,
    stream: bool,
    mut done: impl FnMut(f64),
) -> Result<Vec<(u64, u64)>, Failure> {
    let began = clock::instant();
    let (mut direct, mut through) = (Caller::connect(direct).await?, Caller::connect(through).await?);
    let mut pairs = Vec::with_capacity(PAIRS);
    let mut warm = 0;
    for number in 0.. {
        let (a, b);
        if number % 2 == 0 {
            a = direct.call(stream).await?;
            b = through.call(stream).await?;
        } else {
            b = through.call(stream).await?;
            a = direct.call(stream).await?;
        }
        let passed = began.elapsed();
        if warm < WARM && passed < LONGEST_WARM {
            warm += 1;
            continue;
        }
        // From the first that counts on, none is warming up.
        warm = WARM;
        pairs.push((a, b));
        if pairs.len() % 50 == 0 {
            done(pairs.len() as f64 / PAIRS as f64);
        }
        if pairs.len() == PAIRS || passed > LONGEST {
            break;
        }
    }
    Ok(pairs)
}

struct Caller {
    at: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Caller {
    async fn connect(at: SocketAddr) -> Result<Caller, Failure> {
        let stream = tokio::net::TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // An error of the connection reaches the request that waits for it.
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Caller { at, sender })
    }

    /// Nanoseconds until the answer was there, or its first byte.
    async fn call(&mut self, stream: bool) -> Result<u64, Failure> {
        let body = serde_json::json!({
            "model": LATENCY, "stream": stream, "messages": [{ "role": "user", "content": "how long does it take" }],
        });
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, self.at.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {KEY}{CLIENT}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-user-id", "selftest-user")
            .body(Full::new(Bytes::from(body.to_string())))?;
        self.sender.ready().await?;
        let began = clock::instant();
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let (mut first, mut read, mut body) = (None, Vec::new(), response.into_body());
        while let Some(frame) = body.frame().await {
            first.get_or_insert_with(|| began.elapsed());
            if let Some(data) = frame?.data_ref() {
                read.extend_from_slice(data);
            }
        }
        let whole = began.elapsed();
        let end: &[u8] = if stream { b"data: [DONE]\n\n" } else { b"}" };
        if status != 200 || !read.ends_with(end) {
            return Err(
                format!("a request to a healthy provider was answered with {status} and no whole answer").into()
            );
        }
        let took = if stream { first.unwrap_or(whole) } else { whole };
        Ok(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
    }
}

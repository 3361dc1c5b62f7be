//! The demo's users: a steady stream of chat requests through the proxy port, every other one streamed.
//!
//! Owns the client side only, on a thread of its own, and knows nothing of providers or rollouts: what it counts is
//! what users see. Bounded: requests that would be too many at one time are left out, and connections are reused.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// Many, since whoever met a failure does not count for a while: the guard needs others to go by.
const USERS: u64 = 2000;
const MOST_OPEN: usize = 64;

/// Running users; dropping it ends them.
#[derive(Debug)]
pub(super) struct Traffic {
    seen: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
}

/// What users saw so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UserCounts {
    /// Whole answers.
    pub(super) answered: u64,
    /// Errors, and answers that broke off.
    pub(super) failed: u64,
}

impl Traffic {
    /// Sends this many requests a second to the proxy port. Errors: no thread.
    pub(super) fn start(proxy: SocketAddr, per_second: u32) -> io::Result<Traffic> {
        let seen = Arc::new(Counts::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counts = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("demo-users".to_owned()).spawn(move || {
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = flow(proxy, per_second, counts) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Traffic { seen, stop: Some(stop), thread: Some(thread) })
    }

    /// What users saw so far.
    pub(super) fn seen(&self) -> UserCounts {
        UserCounts { answered: self.seen.answered.load(Relaxed), failed: self.seen.failed.load(Relaxed) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Idle = Rc<RefCell<Vec<SendRequest<Full<Bytes>>>>>;

async fn flow(proxy: SocketAddr, per_second: u32, counts: Arc<Counts>) {
    let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let idle = Idle::default();
    let open = Rc::new(Cell::new(0_usize));
    for number in 0_u64.. {
        ticks.tick().await;
        if open.get() >= MOST_OPEN {
            continue;
        }
        let (idle, open, counts) = (Rc::clone(&idle), Rc::clone(&open), Arc::clone(&counts));
        open.set(open.get() + 1);
        tokio::task::spawn_local(async move {
            match converse(proxy, number, &idle).await {
                Ok(true) => counts.answered.fetch_add(1, Relaxed),
                Ok(false) | Err(_) => counts.failed.fetch_add(1, Relaxed),
            };
            open.set(open.get() - 1);
        });
    }
}

/// Sends one request and reads its answer; whether it was whole and no error.
async fn converse(proxy: SocketAddr, number: u64, idle: &Idle) -> Result<bool, Box<dyn std::error::Error>> {
    let mut sender = connection(proxy, idle).await?;
    let response = sender.send_request(request(proxy, number)?).await?;
    let good = response.status().is_success();
    let body = response.into_body().collect().await?.to_bytes();
    if sender.ready().await.is_ok() {
        idle.borrow_mut().push(sender);
    }
    Ok(good && (!streamed(number) || body.ends_with(b"data: [DONE]\n\n")))
}

async fn connection(proxy: SocketAddr, idle: &Idle) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
    loop {
        let kept = idle.borrow_mut().pop();
        match kept {
            Some(sender) if sender.is_ready() => return Ok(sender),
            Some(_) => {}
            None => break,
        }
    }
    let stream = tokio::net::TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by whoever uses the connection next.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

const fn streamed(number: u64) -> bool {
    number.is_multiple_of(2)
}

/// Users come in an order that repeats, and that is far from the order of their buckets.
const fn user(number: u64) -> u64 {
    number.wrapping_mul(7919) % USERS + 1
}

fn request(proxy: SocketAddr, number: u64) -> http::Result<Request<Full<Bytes>>> {
    let body = serde_json::json!({
        "model": "demo-large",
        "stream": streamed(number),
        "messages": [{ "role": "user", "content": format!("question {number}") }],
        "user": format!("user-{}", user(number)),
    });
    Request::post("/v1/chat/completions")
        .header(header::HOST, proxy.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::decide::units::Percent;
    use crate::demo::provider::{Behaviour, Provider};

    #[test]
    fn everybody_comes_by_streamed_and_not() {
        let users: BTreeSet<u64> = (0..USERS).map(user).collect();
        assert_eq!(users.len() as u64, USERS);
        let streaming: BTreeSet<u64> = (0..2 * USERS).filter(|&n| streamed(n)).map(user).collect();
        assert!(streaming.len() as u64 >= USERS / 2);
    }

    #[test]
    fn users_count_what_they_see() {
        let provider = Provider::start("a", Behaviour::failing(Percent::from_hundredths(5000).unwrap())).unwrap();
        let traffic = Traffic::start(provider.addr(), 1000).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let enough = async {
            while traffic.seen().answered + traffic.seen().failed < 40 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), enough).await }).unwrap();
        let seen = traffic.seen();
        assert!(seen.answered >= 10 && seen.failed >= 10, "{seen:?}");
        drop(traffic);
        let asked = provider.requests();
        assert!(asked.by_user.len() >= 20, "{asked:?}");
        assert_eq!(asked.by_model.keys().collect::<Vec<_>>(), ["demo-large"]);
    }
}

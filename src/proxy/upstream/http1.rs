//! HTTP/1.1 connections to providers: made, and checked for another use.
//!
//! Owns the handshake's settings and the task that drives a connection. Refuses to pool: whether and for how long an
//! unused connection is kept is the pool's decision. Invariant: a connection is usable only while nothing is
//! outstanding on it and the provider still takes what is written.

use std::sync::Arc;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::age::Age;
use super::stream::{ProviderStream, StreamActivity};
use super::timer::DeadlineTimer;
use crate::proxy::downstream::wake_filter::WakeFilter;
use crate::proxy::request::body::{PIECE, RequestBody};

/// What a connection may buffer in either direction; also bounds a response's head.
const BUFFER: usize = 2 * PIECE;

/// An open HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Http1Connection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) activity: Arc<StreamActivity>,
    pub(super) wake_filter: Arc<WakeFilter>,
    pub(super) timer: DeadlineTimer,
    pub(super) age: Age,
    /// Whether it was in the pool before: then the provider may have closed it unseen.
    pub(super) pooled: bool,
    /// Whether a request was sent on it.
    pub(super) served: bool,
}

impl Http1Connection {
    /// Over a new byte stream, driven by a task of its own. The error has hyper's words. Boxed: each request takes it
    /// from the pool, passes it on several times and gives it back.
    pub(super) async fn handshake(stream: ProviderStream, age: Age) -> Result<Box<Http1Connection>, String> {
        let activity = stream.activity();
        // One plain write for a head and a usual body is cheaper than a vectored one; the copy is bounded by the piece
        // size in which bodies are handed over, and so is what the connection keeps.
        let (sender, connection) = Builder::new()
            .writev(false)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let wake_filter: Arc<WakeFilter> = Arc::default();
        let driven = Arc::clone(&wake_filter).drive(connection.with_upgrades());
        tokio::task::spawn_local(async move {
            // An error reaches the request that waits for a response.
            let _ = driven.await;
        });
        let timer = DeadlineTimer::default();
        Ok(Box::new(Http1Connection { sender, activity, wake_filter, timer, age, pooled: false, served: false }))
    }

    /// Whether nothing is outstanding on it. Hyper reports a connection that was never used as not ready.
    pub(super) fn is_usable(&self) -> bool {
        let open = self.sender.is_ready() || (!self.served && !self.sender.is_closed());
        open && !self.activity.takes_no_more()
    }
}

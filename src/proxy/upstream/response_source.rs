//! What a response comes by: an HTTP/1.1 connection of its own, or a stream of a shared HTTP/2 connection.
//!
//! The pool hands it out for one request. Dropped unused, it gives an HTTP/1.1 connection back. From the moment the
//! request is sent, the connection belongs to the response: only a response that ended well gives it back to its pool,
//! and any other end closes the connection or resets the stream. Invariant: a connection in the pool has nothing
//! outstanding in either direction.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::http1::Http1Connection;
use super::http2::Http2Stream;
use super::owner::ConnectionOwner;
use super::queue::QueuePlace;
use super::timer::DeadlineTimer;

/// How long an unused connection is kept: below the 60 s after which common servers and balancers close theirs.
pub(super) const KEEP_IDLE: Duration = Duration::from_secs(55);

/// A connection out of the pool. Dropped while reusable, it is given back.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    pub(super) connection: Option<Box<Http1Connection>>,
    pub(super) reusable: bool,
    pub(super) keep: Duration,
    owner: Rc<dyn ConnectionOwner>,
    // After the connection, so that the next request in the queue finds it in the pool.
    _place: QueuePlace,
}

impl PooledConnection {
    pub(super) fn new(
        connection: Box<Http1Connection>,
        owner: Rc<dyn ConnectionOwner>,
        place: QueuePlace,
    ) -> PooledConnection {
        PooledConnection { connection: Some(connection), reusable: true, keep: KEEP_IDLE, owner, _place: place }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && self.reusable
        {
            connection.timer.clear();
            self.owner.take_back(connection, self.keep);
        }
    }
}

/// A connection, or a stream of one, for one request and its response.
#[derive(Debug)]
pub(crate) enum ResponseSource {
    Http1(PooledConnection),
    Http2(Http2Stream),
    /// The response has ended.
    Done,
}

impl ResponseSource {
    /// The response is complete.
    pub(crate) fn done(&mut self) {
        if let ResponseSource::Http1(mut pooled) = std::mem::replace(self, ResponseSource::Done) {
            // A connection that is still sending the request is not reusable: the response came early.
            pooled.reusable = pooled.connection.as_ref().is_some_and(|connection| connection.sender.is_ready());
        }
    }

    /// The response will not be completed.
    pub(crate) fn cut(&mut self) {
        *self = ResponseSource::Done;
    }

    /// Takes the next piece of the response's body.
    pub(crate) fn take(
        &self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            ResponseSource::Http1(PooledConnection { connection: Some(connection), .. }) => {
                connection.wake_filter.take(body, context)
            }
            _ => Pin::new(body).poll_frame(context),
        }
    }

    /// The timer of the connection or stream; `None` once the response has ended.
    pub(crate) fn timer(&mut self) -> Option<&mut DeadlineTimer> {
        match self {
            ResponseSource::Http1(pooled) => pooled.connection.as_mut().map(|connection| &mut connection.timer),
            ResponseSource::Http2(stream) => Some(&mut stream.timer),
            ResponseSource::Done => None,
        }
    }
}

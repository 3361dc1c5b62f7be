//! Shared HTTP/2 connections: one or a few a core, each carrying as many streams as its provider allows.
//!
//! Owns the handshake's settings, the count of open streams and what a GOAWAY or REFUSED_STREAM means. Windows are
//! fixed and large (measuring pings annoy some servers); keep-alive pings go out only while streams are open, and not
//! faster than servers tolerate. Invariant: a connection is offered while it is alive and below the provider's limit, and
//! lives on after that for as long as it has streams.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::age::Age;
use super::pool::{Pool, QueuePlace};
use super::stream::ProviderStream;
use super::timer::DeadlineTimer;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::response::body::Outgoing;

const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const HEADER_LIST: u32 = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// What a server must allow before it has said anything else.
const STREAMS_UNTIL_TOLD: usize = 100;

/// Spawns hyper's tasks where everything else of a core runs.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A connection that many requests share.
#[derive(Debug)]
pub(super) struct Shared {
    sender: RefCell<SendRequest<Outgoing>>,
    open: Cell<usize>,
    allowed: Cell<usize>,
    begun: Cell<bool>,
    leaving: Cell<bool>,
    idle_since: Cell<Millis>,
    age: Age,
    _turn: QueuePlace,
}

impl Shared {
    /// The HTTP/2 handshake over a new connection; hyper's words when it fails.
    pub(super) async fn handshake(wire: ProviderStream, age: Age, turn: QueuePlace) -> Result<Rc<Shared>, String> {
        let (sender, mut connection) = Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(STREAMS_UNTIL_TOLD)
            .max_header_list_size(HEADER_LIST)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| error.to_string())?;
        let shared = Rc::new(Shared {
            sender: RefCell::new(sender),
            open: Cell::new(0),
            allowed: Cell::new(STREAMS_UNTIL_TOLD),
            begun: Cell::new(false),
            leaving: Cell::new(false),
            idle_since: Cell::new(clock::now()),
            age,
            _turn: turn,
        });
        let told = Rc::downgrade(&shared);
        tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            if let Some(shared) = Weak::upgrade(&told) {
                shared.allowed.set(connection.current_max_send_streams());
            }
            polled.map(|_| ())
        }));
        Ok(shared)
    }

    /// Whether it takes no stream any more: closed, or told to go away.
    pub(super) fn is_closed(&self) -> bool {
        self.leaving.get() || self.sender.borrow().is_closed()
    }

    /// Whether it has lain without a stream for so long.
    pub(super) fn is_idle_for(&self, length: Duration, now: Millis) -> bool {
        self.is_idle() && now.since(self.idle_since.get()).duration() >= length
    }

    /// Whether no stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// From when on another should take its place.
    pub(super) fn end(&self, most_age: Option<Millis>) -> Option<Instant> {
        self.age.end(most_age)
    }

    /// Whether another stream may be opened.
    pub(super) fn has_room(&self) -> bool {
        !self.is_closed() && self.open.get() < self.allowed.get()
    }

    /// A place for one request.
    pub(super) fn stream(self: &Rc<Self>, pool: &Rc<Pool>) -> Stream {
        self.open.set(self.open.get() + 1);
        let first = !self.begun.replace(true);
        Stream { shared: Rc::clone(self), pool: Rc::downgrade(pool), first, alarm: DeadlineTimer::default() }
    }
}

/// One request's place on a shared connection.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Rc<Shared>,
    pool: Weak<Pool>,
    first: bool,
    pub(super) alarm: DeadlineTimer,
}

impl Stream {
    /// Whether nothing went before it on its connection.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// No further stream may be opened here: the connection broke or said goodbye.
    pub(super) fn abandon(&self) {
        self.shared.leaving.set(true);
    }

    pub(super) fn sender(&self) -> SendRequest<Outgoing> {
        self.shared.sender.borrow().clone()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
        self.shared.idle_since.set(clock::now());
        if let Some(pool) = self.pool.upgrade() {
            pool.stream_ended();
        }
    }
}

/// Puts the host where HTTP/2 has it: into the URI, and nowhere else.
pub(super) fn address<B>(request: &mut Request<B>, scheme: &Scheme, host: &HeaderValue) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST).unwrap_or_else(|| host.clone());
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(scheme.clone());
    uri.authority = Some(authority);
    uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    if let Ok(uri) = Uri::from_parts(uri) {
        *request.uri_mut() = uri;
    }
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>())
}

/// Whether the provider ended this one stream and nothing else.
pub(super) fn was_stream_reset(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|cause| cause.is_reset() && cause.is_remote())
}

/// Whether the provider guarantees that it did not begin with the request.
pub(super) fn was_not_processed(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|cause| {
        cause.is_remote()
            && ((cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR))
                || (cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)))
    })
}

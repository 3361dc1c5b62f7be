//! Shared HTTP/2 connections: one or a few a core, each carrying as many streams as its provider allows.
//!
//! Owns the handshake's settings, the count of open streams and what a GOAWAY or REFUSED_STREAM means. Windows are
//! fixed and large (measuring pings annoy some servers); keep-alive pings go out only while streams are open, and not
//! faster than servers tolerate. Invariant: a connection is offered while it is alive and below the provider's limit,
//! and lives on after that for as long as it has streams.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::age::Age;
use super::owner::ConnectionOwner;
use super::pool_key::Origin;
use super::queue::QueuePlace;
use super::stream::ProviderStream;
use super::timer::DeadlineTimer;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::request::body::RequestBody;

const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const HEADER_LIST: u32 = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// What a server must allow until its settings have come.
const STREAMS_BEFORE_SETTINGS: usize = 100;

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
    sender: RefCell<SendRequest<RequestBody>>,
    origin: Rc<Origin>,
    open: Cell<usize>,
    allowed: Cell<usize>,
    begun: Cell<bool>,
    leaving: Cell<bool>,
    idle_since: Cell<Millis>,
    age: Age,
    _place: QueuePlace,
}

impl Shared {
    /// The HTTP/2 handshake over a new connection; the error has hyper's words.
    pub(super) async fn handshake(
        stream: ProviderStream,
        origin: &Rc<Origin>,
        age: Age,
        place: QueuePlace,
    ) -> Result<Rc<Shared>, String> {
        let (sender, mut connection) = Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
            .max_header_list_size(HEADER_LIST)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let shared = Rc::new(Shared {
            sender: RefCell::new(sender),
            origin: Rc::clone(origin),
            open: Cell::new(0),
            allowed: Cell::new(STREAMS_BEFORE_SETTINGS),
            begun: Cell::new(false),
            leaving: Cell::new(false),
            idle_since: Cell::new(clock::now()),
            age,
            _place: place,
        });
        let weak = Rc::downgrade(&shared);
        tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            if let Some(shared) = Weak::upgrade(&weak) {
                shared.allowed.set(connection.current_max_send_streams());
            }
            polled.map(|_| ())
        }));
        Ok(shared)
    }

    /// Whether it takes no new stream: it is closed, or the provider is closing it.
    pub(super) fn is_closed(&self) -> bool {
        self.leaving.get() || self.sender.borrow().is_closed()
    }

    /// Whether it has had no stream for this long.
    pub(super) fn is_idle_for(&self, length: Duration, now: Millis) -> bool {
        self.is_idle() && now.since(self.idle_since.get()).duration() >= length
    }

    /// Whether no stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// When another connection should replace it.
    pub(super) fn end(&self, most_age: Option<Millis>) -> Option<Instant> {
        self.age.end(most_age)
    }

    /// Whether another stream may be opened.
    pub(super) fn has_room(&self) -> bool {
        !self.is_closed() && self.open.get() < self.allowed.get()
    }

    /// A place for one request.
    pub(super) fn stream(self: &Rc<Self>, owner: Weak<dyn ConnectionOwner>) -> Http2Stream {
        self.open.set(self.open.get() + 1);
        let first = !self.begun.replace(true);
        Http2Stream { shared: Rc::clone(self), owner, first, timer: DeadlineTimer::default() }
    }
}

/// One request's place on a shared connection.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    shared: Rc<Shared>,
    owner: Weak<dyn ConnectionOwner>,
    first: bool,
    pub(super) timer: DeadlineTimer,
}

impl Http2Stream {
    /// Whether nothing went before it on its connection.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// No further stream may be opened here: the connection broke, or the provider is closing it.
    pub(super) fn abandon(&self) {
        self.shared.leaving.set(true);
    }

    /// What its request says of the server.
    pub(super) fn origin(&self) -> &Origin {
        &self.shared.origin
    }

    pub(super) fn sender(&self) -> SendRequest<RequestBody> {
        self.shared.sender.borrow().clone()
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
        self.shared.idle_since.set(clock::now());
        if let Some(owner) = self.owner.upgrade() {
            owner.stream_ended();
        }
    }
}

/// Moves the host to where HTTP/2 has it, into the URI.
pub(super) fn address<B>(request: &mut Request<B>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST).unwrap_or_else(|| origin.host.clone());
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(origin.scheme.clone());
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

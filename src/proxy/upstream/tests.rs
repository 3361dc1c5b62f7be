//! Providers played by scripts on real sockets.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::deadline::SendLimits;
use super::egress::Environment;
use super::upstreams::Upstreams;
use crate::decide::policy::{Auth, Http2, Provider, Secret, plain};
use crate::decide::units::Millis;
use crate::proxy::attempt::send::{self, AttemptError, Dispatch, Failure};
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::{BodyClocks, ProviderBody};
use crate::proxy::tests::support;

mod age;
mod egress;
mod http1;
mod http2;
mod pool;
mod probe;
mod stale;
mod stream;
mod tls;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test the way a core runs.
fn on_a_core<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") })
}

/// Patient, at `http://127.0.0.1:port/v1`, without keys.
fn provider(address: SocketAddr) -> Provider {
    let timeouts = plain::waits(Millis(15_000));
    Provider { timeouts, max_connections: 64, ..support::provider("acme", address) }
}

/// One core, without the environment of the process.
fn upstreams() -> Rc<Upstreams> {
    Upstreams::with_environment(1, Environment::default())
}

fn post(body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/v1/chat/completions?a=b".parse().unwrap();
    request
}

fn whole(text: &'static str) -> RequestBody {
    RequestBody::Whole(Bytes::from_static(text.as_bytes()))
}

async fn send(
    upstreams: &Upstreams,
    provider: &Arc<Provider>,
    request: Request<RequestBody>,
) -> Result<Response<ProviderBody>, AttemptError> {
    try_once(upstreams, provider, None, request, || true).await
}

/// One try. Its head may take as long as `timeouts.headers`.
async fn try_once(
    upstreams: &Upstreams,
    provider: &Arc<Provider>,
    egress: Option<&str>,
    request: Request<RequestBody>,
    still_stands: impl FnMut() -> bool,
) -> Result<Response<ProviderBody>, AttemptError> {
    let timeouts = &provider.timeouts;
    let body = BodyClocks { first_output: timeouts.first_output, idle: timeouts.idle };
    let limits = SendLimits { head: timeouts.headers, client: Millis(10_000), deadline: None, body };
    let (mut head, body) = request.into_parts();
    head.headers.entry(HOST).or_insert_with(|| provider.base_url.authority().parse().unwrap());
    let body = RefCell::new(Some(body));
    let make = || {
        let mut body = body.borrow_mut();
        let copy = body.as_ref().and_then(RequestBody::replay);
        Ok(copy.or_else(|| body.take()).map(|body| Request::from_parts(head.clone(), body)))
    };
    let give_back = |unsent| {
        body.borrow_mut().get_or_insert(unsent);
    };
    let dispatch = Dispatch { upstreams, provider, egress, upgrade: false, needs_http2: false, limits };
    send::run(&dispatch, still_stands, make, give_back).await
}

fn failure(result: Result<Response<ProviderBody>, AttemptError>) -> Failure {
    match result {
        Err(AttemptError::Failed(failure)) => failure,
        Err(other) => panic!("{other:?}"),
        Ok(response) => panic!("answered {}", response.status()),
    }
}

async fn text(response: Response<ProviderBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nothing listens.
fn unused_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// The provider's end of a connection.
struct Peer(TcpStream);

impl Peer {
    async fn accept(listener: &TcpListener) -> Peer {
        Peer(listener.accept().await.unwrap().0)
    }

    /// A head, up to its blank line.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// A request with a content-length, or without a body: its head and body.
    async fn request(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap()))
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    async fn say(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, body: &str) {
        self.say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// Returns once Serin has closed its end, one way or the other.
    async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while !matches!(self.0.read(&mut rest).await, Ok(0) | Err(_)) {}
    }

    fn reset(self) {
        #[expect(deprecated, reason = "a zero linger never blocks: it is how a reset is forced")]
        self.0.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A provider that a test plays by hand, and the core that asks it.
struct Pair {
    listener: TcpListener,
    address: SocketAddr,
    provider: Arc<Provider>,
    upstreams: Rc<Upstreams>,
}

impl Pair {
    async fn new() -> Pair {
        Pair::with(|_| {}).await
    }

    async fn with(edit: impl FnOnce(&mut Provider)) -> Pair {
        let (listener, address) = listener().await;
        let mut provider = provider(address);
        edit(&mut provider);
        Pair { listener, address, provider: Arc::new(provider), upstreams: upstreams() }
    }

    async fn send(&self, request: Request<RequestBody>) -> Result<Response<ProviderBody>, AttemptError> {
        send(&self.upstreams, &self.provider, request).await
    }

    /// The next connection at the provider.
    async fn peer(&self) -> Peer {
        Peer::accept(&self.listener).await
    }

    /// The same once a request has come by it.
    async fn asked(&self) -> Peer {
        let mut peer = self.peer().await;
        peer.request().await;
        peer
    }

    /// One request, and both ends of it once the provider has said this and its answer has begun.
    async fn said(&self, words: &str) -> (Peer, Result<Response<ProviderBody>, AttemptError>) {
        let provider_side = async {
            let mut peer = self.asked().await;
            peer.say(words).await;
            peer
        };
        tokio::join!(provider_side, self.send(post(whole("x"))))
    }

    /// The same where the provider then closes.
    async fn said_last(&self, words: &str) -> Result<Response<ProviderBody>, AttemptError> {
        let provider_side = async { self.asked().await.say(words).await };
        tokio::join!(provider_side, self.send(post(whole("x")))).1
    }
}

/// A client's request body as it streams in, and the client's end of it.
async fn streaming() -> (Incoming, TcpStream) {
    let (listener, address) = listener().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let (give, take) = tokio::sync::oneshot::channel();
    let give = Rc::new(Cell::new(Some(give)));
    tokio::task::spawn_local(async move {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let _ = give.take().unwrap().send(request.into_body());
            std::future::pending::<Result<Response<String>, hyper::Error>>()
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    });
    (take.await.unwrap(), client)
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Polls once: whether there is nothing yet.
async fn is_waiting(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

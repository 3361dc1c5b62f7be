//! An application with a client of tonic, and the sidecar that it calls through.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::uri::PathAndQuery;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::codec::Raw;
use crate::support::harness::{Flags, Harness, LENIENT};

const SERVICE: &str = "/pkg.Echo";

/// Runs a test of calls.
pub(crate) fn block_on<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(60), test).await.unwrap() })
}

/// The flags of a rollout of `pkg.Echo` between two providers of HTTP/2; `keys` are its further keys.
pub(crate) fn flags(stable: &str, canary: &str, keys: &str) -> Flags {
    with_providers((stable, "http2: prior_knowledge"), (canary, "http2: prior_knowledge"), keys)
}

/// The same with these keys of providers, `(base_url, keys)`.
pub(crate) fn with_providers(stable: (&str, &str), canary: (&str, &str), keys: &str) -> Flags {
    Flags::new()
        .top("mount: /")
        .provider("oldcorp", stable.0, &format!("auth: none, breaker: off, {}", stable.1))
        .provider("newcorp", canary.0, &format!("auth: none, breaker: off, {}", canary.1))
        .plainly(&format!(
            "name: chat, match: {{ path: \"{SERVICE}/*\" }}, user: [\"header:x-user-id\"], stable: oldcorp, \
             canary: newcorp, {LENIENT}, {keys}"
        ))
}

/// A sidecar with these flags, started beside the runtime.
pub(crate) async fn sidecar(flags: impl fmt::Display + Send + 'static) -> Harness {
    beside(move || Harness::start(&flags)).await
}

/// What blocks, off the runtime's threads.
pub(crate) async fn beside<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap()
}

/// A call that runs on.
#[expect(clippy::disallowed_methods, reason = "an application of a test, not the data plane")]
pub(crate) fn spawned<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(call)
}

/// An application, connected.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) grpc: Grpc<Channel>,
}

impl App {
    pub(crate) async fn connect(address: SocketAddr) -> App {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        App { grpc: Grpc::new(channel).max_decoding_message_size(16 << 20) }
    }

    async fn ready(&self) -> Grpc<Channel> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.unwrap();
        grpc
    }

    pub(crate) async fn unary(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.ready().await.unary(request, path("Unary"), Raw).await
    }

    /// A unary call of nobody in particular.
    pub(crate) async fn ask(&self, said: &'static str) -> Result<Response<Bytes>, Status> {
        self.unary(Request::new(Bytes::from_static(said.as_bytes()))).await
    }

    pub(crate) async fn server_stream(&self, request: Request<Bytes>) -> Result<Response<Streaming<Bytes>>, Status> {
        self.ready().await.server_streaming(request, path("ServerStream"), Raw).await
    }

    pub(crate) async fn client_stream<S>(&self, messages: S) -> Result<Response<Bytes>, Status>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        self.ready().await.client_streaming(Request::new(messages), path("ClientStream"), Raw).await
    }

    pub(crate) async fn bidi<S>(&self, messages: Request<S>) -> Result<Response<Streaming<Bytes>>, Status>
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        self.ready().await.streaming(messages, path("Bidi"), Raw).await
    }
}

fn path(method: &str) -> PathAndQuery {
    format!("{SERVICE}/{method}").parse().unwrap()
}

/// A request of this user.
pub(crate) fn of_user(user: &str, message: &'static [u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(message));
    request.metadata_mut().insert("x-user-id", user.parse().unwrap());
    request
}

/// Messages that are sent when the test says so, until the sender is dropped.
pub(crate) fn dictated() -> (UnboundedSender<&'static str>, impl Stream<Item = Bytes> + Send + 'static) {
    let (sender, receiver) = unbounded_channel::<&'static str>();
    let messages = stream::unfold(receiver, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((Bytes::from_static(message.as_bytes()), receiver))
    });
    (sender, messages)
}

/// A header of the answer, as it is written.
pub(crate) fn header<T>(response: &Response<T>, name: &str) -> String {
    response.metadata().as_ref().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

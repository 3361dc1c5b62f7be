//! A provider of calls that does, stream by stream, exactly what a test says: also what no library would do.
//!
//! Directly over HTTP/2, so that a stream can be reset, left open, or end without a status.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

type Script = dyn Fn(Call) -> Pin<Box<dyn Future<Output = Option<()>> + Send>> + Send + Sync;

/// A running provider. Dropped, its connections break.
pub(crate) struct CallProvider {
    pub(crate) address: SocketAddr,
    /// The heads of the calls that came, in order.
    pub(crate) heads: Arc<Mutex<Vec<http::request::Parts>>>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

impl CallProvider {
    /// Each call is answered by this. What it returns is only there so that it may use `?`.
    pub(crate) async fn start<F>(script: impl Fn(Call) -> F + Send + Sync + 'static) -> CallProvider
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let script: Arc<Script> = Arc::new(move |call| Box::pin(script(call)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, tasks) = (Arc::default(), Arc::default());
        let provider = CallProvider { address, heads: Arc::clone(&heads), tasks: Arc::clone(&tasks) };
        let accepting = Arc::clone(&tasks);
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = serve(stream, Arc::clone(&script), Arc::clone(&heads));
                accepting.lock().unwrap().push(spawn(connection));
            }
        });
        tasks.lock().unwrap().push(task);
        provider
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn calls(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    /// Its process dies: every connection breaks, and no other is accepted.
    pub(crate) fn die(&self) {
        self.tasks.lock().unwrap().drain(..).for_each(|task| task.abort());
    }
}

impl Drop for CallProvider {
    fn drop(&mut self) {
        self.die();
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider of a test, not the data plane")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(task).abort_handle()
}

async fn serve(stream: TcpStream, script: Arc<Script>, heads: Arc<Mutex<Vec<http::request::Parts>>>) {
    let _ = stream.set_nodelay(true);
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    // Scripts end with their connection.
    let mut scripts = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        heads.lock().unwrap().push(head.clone());
        let call = Call { head, body, respond, read: BytesMut::new() };
        let running = script(call);
        scripts.push(Aborting(spawn(async move {
            let _ = running.await;
        })));
    }
}

struct Aborting(AbortHandle);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call that came.
pub(crate) struct Call {
    pub(crate) head: http::request::Parts,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    read: BytesMut,
}

impl Call {
    /// The next message of the client, without its prefix; `None`: it has sent all, or has left.
    pub(crate) async fn message(&mut self) -> Option<Bytes> {
        loop {
            if self.read.len() >= 5 {
                let length = usize::try_from(u32::from_be_bytes(self.read[1..5].try_into().unwrap())).unwrap();
                if self.read.len() >= 5 + length {
                    self.read.advance(5);
                    return Some(self.read.split_to(length).freeze());
                }
            }
            let data = self.body.data().await?.ok()?;
            let _ = self.body.flow_control().release_capacity(data.len());
            self.read.extend_from_slice(&data);
        }
    }

    /// Reads until the client has sent all.
    pub(crate) async fn read_to_end(&mut self) -> Vec<Bytes> {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            messages.push(message);
        }
        messages
    }

    /// Why the client left.
    pub(crate) async fn reset(&mut self) -> Option<Reason> {
        poll_fn(|context| self.respond.poll_reset(context)).await.ok()
    }

    /// Ends it with a head alone.
    pub(crate) fn trailers_only(mut self, pairs: &[(&'static str, &str)]) -> Option<()> {
        let mut head = Response::new(());
        *head.headers_mut() = map(pairs);
        head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        self.respond.send_response(head, true).ok().map(drop)
    }

    /// Answers in HTTP.
    pub(crate) fn http(mut self, status: u16, kind: &str, body: &'static str) -> Option<()> {
        let head = Response::builder().status(status).header("content-type", kind).body(()).unwrap();
        let mut stream = self.respond.send_response(head, false).ok()?;
        stream.send_data(Bytes::from_static(body.as_bytes()), true).ok()
    }

    /// Refuses or breaks it off before a head.
    pub(crate) fn break_off(mut self, reason: Reason) -> Option<()> {
        self.respond.send_reset(reason);
        Some(())
    }

    /// Sends a head, after which messages may follow.
    pub(crate) fn begin(&mut self) -> Option<Reply> {
        self.begin_with(&[])
    }

    pub(crate) fn begin_with(&mut self, pairs: &[(&'static str, &str)]) -> Option<Reply> {
        let mut head = Response::new(());
        *head.headers_mut() = map(pairs);
        head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        self.respond.send_response(head, false).ok().map(|stream| Reply { stream })
    }
}

/// The answer to a call.
pub(crate) struct Reply {
    stream: SendStream<Bytes>,
}

impl Reply {
    /// Sends a message, when there is room for it; `None`: the client has left.
    pub(crate) async fn message(&mut self, payload: &[u8]) -> Option<()> {
        self.bytes(framed(0, payload)).await
    }

    /// Sends these bytes as they are.
    pub(crate) async fn bytes(&mut self, mut bytes: Bytes) -> Option<()> {
        while !bytes.is_empty() {
            self.stream.reserve_capacity(bytes.len());
            let room = poll_fn(|context| self.stream.poll_capacity(context)).await?.ok()?;
            self.stream.send_data(bytes.split_to(room.min(bytes.len())), false).ok()?;
        }
        Some(())
    }

    pub(crate) fn end(mut self, pairs: &[(&'static str, &str)]) -> Option<()> {
        self.stream.send_trailers(map(pairs)).ok()
    }

    /// Ends it without a status.
    pub(crate) fn end_bare(mut self) -> Option<()> {
        self.stream.send_data(Bytes::new(), true).ok()
    }

    pub(crate) fn break_off(mut self, reason: Reason) -> Option<()> {
        self.stream.send_reset(reason);
        Some(())
    }

    /// Why the client left.
    pub(crate) async fn reset(&mut self) -> Option<Reason> {
        poll_fn(|context| self.stream.poll_reset(context)).await.ok()
    }
}

/// A message with its prefix.
pub(crate) fn framed(flag: u8, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, payload].concat().into()
}

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

/// The request of a call, for those who speak HTTP/2 themselves.
pub(crate) fn request(address: SocketAddr, path: &str, pairs: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://{address}{path}")).body(()).unwrap();
    *request.headers_mut() = map(pairs);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request
}

//! One client connection: which protocol it speaks, and its requests one by one.
//!
//! HTTP/1.1, or HTTP/2 with prior knowledge, which its first bytes show; over TLS they have to show what ALPN agreed
//! on. A panic in a request ends that request. Invariant: the connection's task ends when the client has gone, when its
//! time is up, or with the core.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use rustls::ServerConfig;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::activity::Activity;
use super::client_connection::{ClientConnection, OpenRequest};
use super::client_stream::ClientStream;
use super::parking::{self, Stopped};
use super::socket::{Socket, has_unread};
use super::{handshake, tls};
use crate::decide::policy::Limits;
use crate::proxy::core::Core;
use crate::proxy::request::pipeline;
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::problem::{self, ErrorShape};
use crate::proxy::response::reply::{Reply, ReplyBody};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A smaller bound would keep hyper from reading bodies and writing answers in good pieces.
const LEAST_BUFFER: usize = 64 * 1024;
/// How often an HTTP/2 client is pinged, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection until it ends.
pub(crate) async fn serve(stream: TcpStream, conn: Rc<ClientConnection>, limits: Limits) {
    let mut talk = pin!(Arc::clone(&conn.wake_filter).drive(serve_connection(stream, &conn, limits)));
    poll_fn(|context| {
        // Dropping the conversation is what closes it.
        if conn.is_overdue(context) { Poll::Ready(()) } else { talk.as_mut().poll(context) }
    })
    .await;
}

/// The same over TLS.
pub(crate) async fn serve_tls(
    stream: TcpStream,
    conn: Rc<ClientConnection>,
    limits: Limits,
    config: Arc<ServerConfig>,
) {
    let talk = async {
        let Some(mut stream) = handshake::secure(stream, &conn, config).await else { return };
        let Some((first, http2)) = first_bytes(&mut stream, &conn.activity).await else { return };
        // A client that says one thing and does another is not to be guessed at.
        if stream.protocol().is_none_or(|protocol| (protocol == tls::H2) == http2) {
            serve_http(stream, first, http2, &conn, limits).await;
        } else {
            handshake::contradicts(&stream, &conn);
        }
    };
    let mut talk = pin!(Arc::clone(&conn.wake_filter).drive(talk));
    poll_fn(|context| if conn.is_overdue(context) { Poll::Ready(()) } else { talk.as_mut().poll(context) }).await;
}

async fn serve_connection(mut stream: TcpStream, conn: &Rc<ClientConnection>, limits: Limits) {
    let Some((first, http2)) = first_bytes(&mut stream, &conn.activity).await else { return };
    serve_http(stream, first, http2, conn, limits).await;
}

async fn serve_http<S: ClientStream>(
    stream: S,
    first: Bytes,
    http2: bool,
    conn: &Rc<ClientConnection>,
    limits: Limits,
) {
    let socket = Socket::new(stream, first, conn, http2);
    if http2 {
        // Boxed, as the parser of HTTP/1 is: most connections are of that kind, and a task has room for the largest.
        Box::pin(serve_http2(socket, conn, &limits)).await;
    } else {
        serve_http1(socket, conn, &limits).await;
    }
}

async fn serve_http1<S: ClientStream>(mut socket: Socket<S>, conn: &Rc<ClientConnection>, limits: &Limits) {
    let header_bytes = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
    let mut parser = http1::Builder::new();
    parser
        .auto_date_header(false)
        .writev(false)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(LEAST_BUFFER))
        .header_read_timeout(None);
    loop {
        let mut connection =
            Box::new(parser.serve_connection(TokioIo::new(socket), requests(Rc::clone(conn))).with_upgrades());
        // How it ended is in the accounts of its requests.
        if parking::until_idle(&mut connection, conn).await == Stopped::Ended {
            // Before the socket is dropped, which must not make a broken answer look whole.
            conn.activity.is_over();
            return;
        }
        let Some(parts) = connection.into_parts() else { return };
        socket = parts.io.into_inner();
        socket.put_back(parts.read_buf);
        if !parking::is_wanted(&socket, conn).await {
            return;
        }
    }
}

async fn serve_http2<S: ClientStream>(socket: Socket<S>, conn: &Rc<ClientConnection>, limits: &Limits) {
    conn.activity.set_http2();
    let connection = http2::Builder::new(LocalExecutor(Rc::clone(&conn.core)))
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(limits.header_bytes)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(256 * 1024)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(socket), requests(Rc::clone(conn)));
    let mut connection = pin!(connection);
    let mut said_goodbye = false;
    let _ = poll_fn(|context| {
        if !said_goodbye && conn.should_go_away() {
            said_goodbye = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
    conn.activity.is_over();
}

/// Answers each request of a connection.
fn requests(
    conn: Rc<ClientConnection>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Reply>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Reply>, Infallible>>,
> {
    // Boxed: hyper keeps the place of a request's future for as long as a connection lives, and most lie idle. It is
    // made where it stays, since it is large.
    service_fn(move |request: Request<Incoming>| {
        let place = Box::new_uninit();
        let answer = Box::write(place, pipeline::serve(Rc::clone(&conn), request));
        UnwindGuard::of(&conn, Box::into_pin(answer))
    })
}

/// Reads until it is clear whether it is HTTP/2; `None` when nothing more comes, or its place is wanted before.
async fn first_bytes<S: ClientStream>(stream: &mut S, activity: &Activity) -> Option<(Bytes, bool)> {
    let mut first = BytesMut::with_capacity(PREFACE.len());
    loop {
        let missing = PREFACE.len() - first.len();
        let mut piece = [0_u8; PREFACE.len()];
        let mut piece = ReadBuf::new(&mut piece[..missing]);
        poll_fn(|context| {
            let read = Pin::new(&mut *stream).poll_read(context, &mut piece);
            if stream.holds_part() {
                activity.first_bytes_came();
            }
            if read.is_pending() && activity.leaves() && !has_unread(stream.tcp()) {
                return Poll::Ready(Err(std::io::ErrorKind::Interrupted.into()));
            }
            read
        })
        .await
        .ok()?;
        let read = piece.filled();
        if read.is_empty() {
            return None;
        }
        activity.first_bytes_came();
        first.extend_from_slice(read);
        if !PREFACE.starts_with(&first) {
            return Some((first.freeze(), false));
        }
        if first.len() == PREFACE.len() {
            return Some((first.freeze(), true));
        }
    }
}

/// Runs hyper's own tasks for HTTP/2 on the core that they belong to, and has them look again when connections do.
#[derive(Clone, Debug)]
struct LocalExecutor(Rc<Core>);

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        let core = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            let (mut future, mut woken) = (pin!(future), pin!(core.until_woken()));
            poll_fn(|context| {
                while woken.as_mut().poll(context).is_ready() {
                    woken.set(core.until_woken());
                }
                future.as_mut().poll(context).map(drop)
            })
            .await;
        });
    }
}

pin_project! {
    /// A request whose panic ends nothing but itself.
    pub(crate) struct UnwindGuard<F> {
        #[pin]
        inner: F,
        conn: Rc<ClientConnection>,
    }
}

impl<F: Future<Output = Response<Reply>>> UnwindGuard<F> {
    pub(crate) fn of(conn: &Rc<ClientConnection>, inner: F) -> UnwindGuard<F> {
        UnwindGuard { inner, conn: Rc::clone(conn) }
    }
}

impl<F: Future<Output = Response<Reply>>> Future for UnwindGuard<F> {
    type Output = Result<Response<Reply>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        // What the request held is dropped, and accounted for, by the unwinding; nothing of it is looked at again.
        match catch_unwind(AssertUnwindSafe(|| me.inner.poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => {
                tracing::error!("a request failed by a defect of Serin; other requests are not affected");
                let answer = problem::answer(&ProxyError::Defect, ErrorShape::OpenAi);
                Poll::Ready(Ok(answer.map(|body| Reply::new(ReplyBody::Own(body), OpenRequest::new(me.conn)))))
            }
        }
    }
}

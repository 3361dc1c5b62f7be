//! A provider that is tonic: it answers the four kinds of calls with what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tonic::codec::CompressionEncoding;
use tonic::server::{ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Response, Status, Streaming};

use super::codec::Raw;
use super::provider::spawn;

/// A tonic server; its name is in every message and in the metadata of its answers.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Echo {
    pub(crate) async fn start(name: &'static str) -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let service =
                    service_fn(move |request| async move { Ok::<_, Infallible>(answer(name, request).await) });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let connection = server.serve_connection(TokioIo::new(stream), service);
                spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Echo { address, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(name: &'static str, request: Request<Incoming>) -> http::Response<tonic::body::Body> {
    let path = request.uri().path().to_owned();
    let mut grpc =
        Grpc::new(Raw).accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip);
    let methods = Methods(name);
    match path.rsplit('/').next() {
        Some("Unary") => grpc.unary(methods, request).await,
        Some("ServerStream") => grpc.server_streaming(methods, request).await,
        Some("ClientStream") => grpc.client_streaming(methods, request).await,
        Some("Bidi") => grpc.streaming(methods, request).await,
        _ => Status::unimplemented("no such method").into_http(),
    }
}

#[derive(Clone, Copy)]
struct Methods(&'static str);

type Answering<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl Methods {
    fn response<I, T>(self, request: &tonic::Request<I>, message: T) -> Response<T> {
        let mut response = Response::new(message);
        let metadata = response.metadata_mut();
        metadata.insert("x-served-by", self.0.parse().unwrap());
        // What came goes back, bytes and text.
        for name in ["x-text", "x-bytes-bin"] {
            if let Some(value) = request.metadata().as_ref().get(name) {
                let name = http::HeaderName::from_static(name);
                metadata.as_mut().insert(name, value.clone());
            }
        }
        response
    }

    fn said(self, message: &[u8]) -> Bytes {
        [self.0.as_bytes(), b":", message].concat().into()
    }
}

impl UnaryService<Bytes> for Methods {
    type Response = Bytes;
    type Future = Answering<Bytes>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let response = self.response(&request, self.said(request.get_ref()));
        Box::pin(async move {
            match &response.get_ref()[..] {
                said if said.ends_with(b":fail") => Err(Status::failed_precondition("you asked for it: 100 %")),
                _ => Ok(response),
            }
        })
    }
}

impl ServerStreamingService<Bytes> for Methods {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = Answering<Self::ResponseStream>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        // "3" is answered by three messages.
        let count: usize = String::from_utf8_lossy(request.get_ref()).parse().unwrap_or(1);
        let methods = *self;
        let messages = stream::iter(0..count).map(move |at| Ok(methods.said(at.to_string().as_bytes()))).boxed();
        let response = self.response(&request, messages);
        Box::pin(async move { Ok(response) })
    }
}

impl ClientStreamingService<Bytes> for Methods {
    type Response = Bytes;
    type Future = Answering<Bytes>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (methods, empty) = (*self, self.response(&request, Bytes::new()));
        Box::pin(async move {
            let mut all = Vec::new();
            let mut messages = request.into_inner();
            while let Some(message) = messages.message().await? {
                all.extend_from_slice(&message);
            }
            Ok(empty.map(|_| methods.said(&all)))
        })
    }
}

impl StreamingService<Bytes> for Methods {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = Answering<Self::ResponseStream>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (methods, empty) = (*self, self.response(&request, ()));
        let messages = request.into_inner().map(move |message| message.map(|message| methods.said(&message))).boxed();
        Box::pin(async move { Ok(empty.map(|()| messages)) })
    }
}

//! Requests of Serin's own to a service that is no provider: a whole body, and a whole answer.
//!
//! Connects as to a provider (name lookup, the egress proxy, TLS with the system's roots), and keeps one connection for
//! the next request. Refuses to follow redirects and to retry, but for a kept connection that turned out to be dead.
//! Runs on a current-thread `LocalSet`. Invariant: a request takes no longer than its limit, and an answer has no more
//! than [`LONGEST`] bytes.

use std::cell::RefCell;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::connect;
use super::egress::Environment;
use super::pool_key::PoolKey;
use super::tls::TlsCache;
use crate::decide::policy::{BaseUrl, Http2, Secret, Tls};
use crate::decide::units::Millis;
use crate::proxy::request::body::RequestBody;

/// The longest answer that is read.
const LONGEST: usize = 64 * 1024;

/// Sends requests, one after another.
#[derive(Debug, Default)]
pub struct PostClient {
    kept: RefCell<Option<(PoolKey, SendRequest<RequestBody>)>>,
}

impl PostClient {
    /// Posts a body and reads the answer; an error is a sentence.
    ///
    /// # Errors
    /// Where there is no answer within the limit.
    pub async fn post(
        &self,
        to: &BaseUrl,
        egress: Option<&Secret>,
        headers: HeaderMap,
        body: Bytes,
        limit: Millis,
    ) -> Result<Response<Bytes>, String> {
        match tokio::time::timeout(limit.duration(), self.exchange(to, egress, headers, body, limit)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", limit.0 / 1000)),
        }
    }

    async fn exchange(
        &self,
        to: &BaseUrl,
        egress: Option<&Secret>,
        headers: HeaderMap,
        body: Bytes,
        limit: Millis,
    ) -> Result<Response<Bytes>, String> {
        let egress = Environment::get().choose(egress.map(Secret::reveal), to.https, &to.host, to.port)?;
        let (https, host, port) = (to.https, to.host.clone(), to.port);
        let target = PoolKey { https, host, port, http2: Http2::Never, tls: Tls::default(), egress };
        let kept = self.kept.take().filter(|(known, sender)| *known == target && sender.is_ready());
        if let Some((_, sender)) = kept {
            // The other side may have closed it unseen.
            let request = request(to, headers.clone(), body.clone())?;
            if let Ok(answer) = self.send(target.clone(), sender, request).await {
                return Ok(answer);
            }
        }
        let stream =
            connect::open(&target, &TlsCache::default(), limit).await.map_err(|problem| problem.to_string())?;
        let handshake = Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move {
            // An error reaches the request that waits for an answer.
            let _ = connection.await;
        });
        let request = request(to, headers, body)?;
        self.send(target, sender, request).await
    }

    async fn send(
        &self,
        target: PoolKey,
        mut sender: SendRequest<RequestBody>,
        request: Request<RequestBody>,
    ) -> Result<Response<Bytes>, String> {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let whole = Limited::new(body, LONGEST).collect().await.map_err(|error| error.to_string())?;
        self.kept.replace(Some((target, sender)));
        Ok(Response::from_parts(head, whole.to_bytes()))
    }
}

fn request(to: &BaseUrl, mut headers: HeaderMap, body: Bytes) -> Result<Request<RequestBody>, String> {
    let uri: Uri = to.path.parse().map_err(|_| format!("`{}` is not a path", to.path))?;
    let host = HeaderValue::try_from(to.authority()).map_err(|_| format!("`{}` is not a host", to.host))?;
    headers.insert(HOST, host);
    let mut request = Request::new(RequestBody::Whole(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, headers);
    Ok(request)
}

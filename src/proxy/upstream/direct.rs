//! A connection for a command that asks a server itself, as a client of it and not on the way of any request.
//!
//! The way out is that of a request to a provider: name lookup, the egress proxy of the environment, TLS with the
//! system's roots. Refuses pools, HTTP/2 and retries: what one connection does is what is to be seen.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::connect;
use super::egress::Environment;
use super::pool_key::PoolKey;
use super::tls::TlsCache;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{BaseUrl, Http2, Tls};
use crate::decide::units::Millis;

/// Connects within a limit. Runs on any current-thread `LocalSet`.
///
/// # Errors
/// The step that failed.
pub async fn connect_directly(to: &BaseUrl, limit: Millis) -> Result<SendRequest<Full<Bytes>>, NoConnection> {
    let egress = Environment::get().choose(None, to.https, &to.host, to.port);
    let egress = egress.map_err(|problem| NoConnection::Egress { problem })?;
    let (https, host, port) = (to.https, to.host.clone(), to.port);
    let target = PoolKey { https, host, port, http2: Http2::Never, tls: Tls::default(), egress };
    let stream = connect::open(&target, &TlsCache::default(), limit).await?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) =
        handshake.map_err(|error| NoConnection::Preface { place: target.place(), problem: error.to_string() })?;
    // An error reaches the request that waits for an answer.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

//! One connection to a provider, made to be looked at: how long its steps take, and what TLS settles on.
//!
//! Made as traffic makes one (egress proxy, TLS files, ALPN, `timeouts.connect`), and closed at once. No request is
//! sent on it and no key is shown. Refuses to judge a certificate: one that is not trusted is no connection.

use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;

use crate::clock;
use crate::decide::cause::{ConnectStep, NoConnection};
use crate::decide::policy::{Provider, Secret};
use crate::proxy::upstream::connect::{ConnectProgress, open_observed};
use crate::proxy::upstream::egress::Environment;
use crate::proxy::upstream::pool_key::PoolKey;
use crate::proxy::upstream::tls::TlsCache;

/// What one connection showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredConnection {
    /// TCP to the provider, or to the egress proxy and its tunnel.
    pub connect: Duration,
    /// `None`: no TLS.
    pub tls: Option<MeasuredTls>,
}

/// What its TLS handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredTls {
    pub took: Duration,
    /// `1.3`
    pub version: &'static str,
    /// The provider's own certificate, in DER.
    pub certificate: Vec<u8>,
}

/// Connects and hangs up. Runs on any current-thread `LocalSet`.
///
/// # Errors
/// Why there is no connection.
pub async fn measure_connection(
    provider: &Arc<Provider>,
    egress: Option<&Secret>,
) -> Result<MeasuredConnection, NoConnection> {
    let url = &provider.base_url;
    let egress = Environment::get().choose(egress.map(Secret::reveal), url.https, &url.host, url.port);
    let egress = egress.map_err(|problem| NoConnection::Egress { problem })?;
    let target = PoolKey::of(provider, provider.http2, egress);
    let progress = ConnectProgress::timed();
    let stream = open_observed(&target, &TlsCache::default(), provider.timeouts.connect, &progress).await?;
    let end = clock::instant();
    let began = |step| progress.began(step).unwrap_or(end);
    let (tcp, handshake) = (began(ConnectStep::Tcp), began(ConnectStep::Tls));
    let tls = stream.session().map(|session| MeasuredTls {
        took: end.saturating_duration_since(handshake),
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "of another version",
        },
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|der| der.to_vec())
            .unwrap_or_default(),
    });
    Ok(MeasuredConnection { connect: handshake.saturating_duration_since(tcp), tls })
}

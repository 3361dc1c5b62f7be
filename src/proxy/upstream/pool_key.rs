//! What makes one connection to a provider as good as another.
//!
//! Owns the [`PoolKey`] by which pools are found: scheme, host, port, HTTP version, TLS files and egress proxy.
//! Requests to providers with equal keys may share connections. Refuses to connect. Invariant: whatever changes where
//! or how a connection is made is part of the key.

use http::HeaderValue;
use http::uri::Scheme;

use super::egress::Egress;
use crate::decide::policy::{Http2, Provider, Tls};

/// What a connection is identified by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PoolKey {
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) http2: Http2,
    pub(super) tls: Tls,
    pub(super) egress: Option<Egress>,
}

impl PoolKey {
    /// `http2` may differ from the provider's own setting.
    pub(super) fn of(provider: &Provider, http2: Http2, egress: Option<Egress>) -> PoolKey {
        PoolKey {
            https: provider.base_url.https,
            host: provider.base_url.host.clone(),
            port: provider.base_url.port,
            http2,
            tls: provider.tls.clone(),
            egress,
        }
    }

    /// `host:port`, for messages and CONNECT.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What an HTTP/2 request says of the server that it is for.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    /// What the `Host` header says where the request has none.
    pub(super) host: HeaderValue,
}

impl Origin {
    /// `authority`: what the `Host` header says.
    pub(super) fn new(https: bool, authority: &str) -> Origin {
        let scheme = if https { Scheme::HTTPS } else { Scheme::HTTP };
        Origin { scheme, host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")) }
    }
}

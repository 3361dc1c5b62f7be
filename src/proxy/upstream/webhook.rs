//! One POST to a target of notifications, on a connection of its own.
//!
//! The way out is that of a request to a provider: name lookup, egress proxy, TLS, timeouts. Of the answer only the
//! head counts, and the first bytes of an error's body; the rest is never read, however long it is. Refuses to follow a
//! redirect and to try again. Invariant: an error has no path, no query, no header and no body of the request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::deadline::SendLimits;
use super::upstreams::Upstreams;
use crate::clock;
use crate::decide::policy::{
    Auth, BaseUrl, DoneMarker, FieldRules, Http2, KeyRules, NotifyUrl, Provider, Secret, Timeouts, Tls, Unmapped,
};
use crate::decide::units::Millis;
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::{BodyClocks, ProviderBody};
use crate::wire::printable::printable_start;
use crate::wire::rate_headers;

/// Connecting and the answer's head may take no longer, each.
const PATIENCE: Millis = Millis(15_000);
/// How much of an error's body is read, and for how long.
const MOST_SAID: usize = 1024;
const LISTENS: Duration = Duration::from_millis(500);
/// How much of it is shown, in characters.
const SHOWN: usize = 200;

/// What a target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    pub status: u16,
    pub retry_after: Option<Millis>,
    /// The beginning of an error's body, printable and on one line.
    pub said: String,
}

/// Posts JSON. Runs on any current-thread `LocalSet`.
pub async fn post_webhook(
    url: NotifyUrl,
    headers: Vec<(&'static str, Secret)>,
    body: Bytes,
    egress: Option<Secret>,
) -> Result<WebhookAnswer, String> {
    let target = Arc::new(target(&url));
    let request = request(&target, &url, headers, body)?;
    let upstreams = Upstreams::new(1);
    let egress = egress.as_ref().map(Secret::reveal);
    let connection = upstreams.connect(&target, egress).await.map_err(|error| error.to_string())?;
    let limits = SendLimits {
        client: PATIENCE,
        head: PATIENCE,
        deadline: None,
        body: BodyClocks { first_output: PATIENCE, idle: PATIENCE },
    };
    let response = connection.send(request, limits).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let retry_after = rate_headers::retry_after(&head.headers, clock::unix().0).map(Millis);
    let said = if head.status.is_success() { String::new() } else { beginning(head.status, body).await };
    Ok(WebhookAnswer { status: head.status.as_u16(), retry_after, said })
}

fn request(
    target: &Provider,
    url: &NotifyUrl,
    headers: Vec<(&'static str, Secret)>,
    body: Bytes,
) -> Result<Request<RequestBody>, String> {
    // The path may be a secret.
    let uri: Uri = url.path.reveal().parse().map_err(|_| "its url is not one that can be requested".to_owned())?;
    let mut request = Request::new(RequestBody::Whole(body));
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri);
    let map = request.headers_mut();
    let host = HeaderValue::from_str(&target.base_url.authority()).map_err(|_| "its host is not one".to_owned())?;
    map.insert(HOST, host);
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    map.insert(USER_AGENT, HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| format!("its {name} cannot be sent"))?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(request)
}

async fn beginning(status: StatusCode, mut body: ProviderBody) -> String {
    if status.is_redirection() {
        return "redirects are not followed: write the new address as `url`".to_owned();
    }
    let mut read = BytesMut::new();
    // What comes late or is broken says nothing.
    let reading = async {
        while read.len() < MOST_SAID {
            let Some(Ok(frame)) = body.frame().await else { break };
            if let Some(data) = frame.data_ref() {
                read.extend_from_slice(&data[..data.len().min(MOST_SAID - read.len())]);
            }
        }
    };
    let _ = timeout(LISTENS, reading).await;
    printable_start(String::from_utf8_lossy(&read).trim(), SHOWN)
}

/// The target, as something that the pools can connect to.
fn target(url: &NotifyUrl) -> Provider {
    let base_url = BaseUrl { https: url.https, host: url.host.clone(), port: url.port, path: String::new() };
    Provider {
        name: String::new(),
        base_url,
        api_keys: Vec::new(),
        keys: KeyRules::default(),
        auth: Auth::None,
        query: Vec::new(),
        timeouts: Timeouts {
            connect: PATIENCE,
            headers: PATIENCE,
            stream_headers: PATIENCE,
            first_output: PATIENCE,
            idle: PATIENCE,
        },
        models: BTreeMap::new(),
        unmapped: Unmapped::Pass,
        fields: FieldRules::default(),
        path: None,
        done_marker: DoneMarker::Optional,
        breaker: None,
        rate_limit: None,
        set_headers: Vec::new(),
        forward_headers: BTreeSet::new(),
        retires: BTreeMap::new(),
        prices: crate::decide::policy::Prices::default(),
        tags: BTreeSet::new(),
        http2: Http2::Never,
        tls: Tls::default(),
        max_connections: 1,
        max_connection_age: None,
        ping_every: None,
        probe_path: Secret::new(String::new()),
        holds_keys: true,
        unusable: None,
    }
}

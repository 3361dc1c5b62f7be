//! Whether a provider lives: one request on a connection of its own; or whether it can be reached: the connection alone.
//!
//! Any answer but 401, 403 and 5xx counts: a 404 for the probed path still shows a server that listens and a key that
//! was not refused. To reach it takes no answer, and no key is shown. Refuses to share a pool with traffic, so that it
//! also tells whether a connection can be made now.

mod endpoint;
mod redirect;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, Uri};

use super::{SendLimits, Upstreams};
use crate::clock;
use crate::decide::cause::NoConnection;
use crate::decide::policy::{Auth, Provider, Secret};
use crate::decide::units::Millis;
use crate::proxy::body::{AnswerBody, BodyClocks, RequestBody};
use crate::proxy::request::presentation::{self, Key, Presentation, presented};
use crate::wire::{media, query};

pub use endpoint::{Reply, probe_endpoint};
pub use redirect::Redirect;

/// A probe's answer may take no longer, whatever the provider's own timeouts allow.
const PATIENCE: Millis = Millis(10_000);

/// `200 in 12 ms` when the provider lives, else a sentence why not. Runs on any current-thread `LocalSet`.
pub async fn probe(provider: Arc<Provider>, egress: Option<Secret>) -> Result<String, String> {
    ask(provider, egress, false).await
}

/// The same for a provider to which the application's own key passes: that it wants one shows that it lives.
pub async fn probe_without_key(provider: Arc<Provider>, egress: Option<Secret>) -> Result<String, String> {
    ask(provider, egress, true).await
}

async fn ask(provider: Arc<Provider>, egress: Option<Secret>, key_comes: bool) -> Result<String, String> {
    if let Some(reason) = &provider.unusable {
        return Err(reason.clone());
    }
    let began = clock::instant();
    let upstreams = Upstreams::new(1);
    let below = provider.probe_path.reveal();
    let request = request(&provider, Method::GET, below, RequestBody::Empty)?;
    let lease =
        upstreams.connect(&provider, egress.as_ref().map(Secret::reveal)).await.map_err(|error| unreachable(&error))?;
    let response = lease.send(request, waits(&provider)).await.map_err(|error| error.to_string())?;
    let took = clock::instant().saturating_duration_since(began).as_millis();
    // What stands behind a `?` may be a key.
    let asked = below.split('?').next().unwrap_or_default();
    match response.status().as_u16() {
        status @ (401 | 403) if key_comes && shows_nothing(&provider) => {
            Ok(format!("{status} in {took} ms; not probed with a key: the application's own passes through"))
        }
        status @ (401 | 403) if shows_nothing(&provider) => {
            Err(format!("{status} for {asked}: it requires a key, and without `api_keys` a probe has none"))
        }
        status @ (401 | 403) => {
            Err(format!("{status} for {asked}: its key is refused; check its `api_keys` and its `auth`"))
        }
        status @ 500..=599 => Err(format!("{status} for {asked} in {took} ms")),
        status => Ok(format!("{status} in {took} ms{}", doubt(&provider, &response))),
    }
}

/// Whether a connection can be made, a TLS handshake included, else a sentence why not. Runs on any current-thread
/// `LocalSet`.
pub async fn connects(provider: Arc<Provider>, egress: Option<Secret>) -> Result<(), String> {
    let connected = Upstreams::new(1).connect(&provider, egress.as_ref().map(Secret::reveal)).await.map(drop);
    connected.map_err(|error| error.to_string())
}

/// Why there is no connection, with what mends it where the words do not say it already.
fn unreachable(error: &NoConnection) -> String {
    match error {
        NoConnection::Lookup { .. } | NoConnection::Tcp { .. } | NoConnection::Timeout { .. } => {
            format!("{error}; check its `base_url` (host, port, http or https), DNS and the network")
        }
        NoConnection::Tls { .. } => format!("{error}; check its `base_url` (is it https?) and `tls.ca_file`"),
        _ => error.to_string(),
    }
}

/// What makes a live provider doubtful, to be put behind how it answered: it may still have its endpoints.
fn doubt(provider: &Provider, response: &Response<AnswerBody>) -> String {
    let headers = response.headers();
    if response.status().is_redirection() {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let below = provider.probe_path.reveal().trim_start_matches('/');
        return match Redirect::new(provider, &format!("/{below}"), location) {
            Redirect { base_url: Some(base_url), .. } => {
                format!(", which redirects: write `base_url: {base_url}`")
            }
            Redirect { to: Some(to), .. } => format!(", which redirects to {to}"),
            Redirect { to: None, .. } => ", which redirects without a location".to_owned(),
        };
    }
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if response.status().is_success() && media::is(kind, "text/html") {
        return ", as a web page (text/html): is that the address of an API?".to_owned();
    }
    String::new()
}

fn waits(provider: &Provider) -> SendLimits {
    SendLimits {
        client: provider.timeouts.idle,
        head: PATIENCE.min(provider.timeouts.headers),
        deadline: None,
        body: BodyClocks { first_output: PATIENCE, idle: PATIENCE },
    }
}

/// Whether a probe has nothing by which the provider could know it.
fn shows_nothing(provider: &Provider) -> bool {
    (provider.api_keys.is_empty() || provider.auth == Auth::None) && !provider.holds_keys
}

/// A request to a path below the provider's base URL, with all that the provider wants to see in one.
fn request(
    provider: &Provider,
    method: Method,
    below: &str,
    body: RequestBody,
) -> Result<Request<RequestBody>, String> {
    let wrong = |problem: String| format!("the probe of provider `{}` cannot be written: {problem}", provider.name);
    let Presentation { host, target, keys, set, unusable } = presented(provider, "", None);
    if let Some(reason) = unusable {
        return Err(wrong(reason));
    }
    let key = keys.first();
    let own = match (key, &provider.auth) {
        (Some(Key::Query(_)), Auth::Query(name)) => Some(name.as_bytes()),
        _ => None,
    };
    // Its key stands there once.
    let is_key = |pair: &str| own.is_some_and(|own| *query::name(pair) == *own);
    let target = if let Some(Key::Query(target)) = key { target } else { &target };
    let slash = if below.starts_with('/') { "" } else { "/" };
    // What stands behind a `?` may be a key.
    let no_path = || wrong(format!("`{}` is no path", below.split('?').next().unwrap_or_default()));
    let uri: Uri = format!("{slash}{below}").parse().map_err(|_| no_path())?;
    let uri = target.uri(&uri, uri.path(), is_key, None).ok_or_else(no_path)?;
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION"))));
    presentation::write(headers, &host, key, &set);
    Ok(request)
}

//! Whether a provider is alive: one request on a connection of its own; or whether it is reachable: the connection
//! alone.
//!
//! Any answer but 401, 403 and 5xx counts: a 404 for the probed path still shows a server that listens and a key that
//! was not refused. A provider is reachable without an answer, and no key is sent for that. Refuses to share a pool
//! with traffic, so that a probe also shows whether a connection can be made now.

mod answer_body;
mod connection;
mod endpoint;
mod no_connection;
mod question;
mod redirect;
mod request;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Response};

use super::upstreams::Upstreams;
use crate::clock;
use crate::decide::policy::{Provider, Secret};
use crate::proxy::request::body::RequestBody;
use crate::proxy::response::body::ProviderBody;
use crate::wire::media;

use no_connection::unreachable;
use request::{has_next_key, limits, probe_request};

pub use connection::{MeasuredConnection, measure_connection};
pub use endpoint::{Reply, probe_endpoint};
pub use question::{ProbeAnswer, Question, ask_question};
pub use redirect::Redirect;

/// `200 in 12 ms` when the provider is alive, else a sentence why not. Runs on any current-thread `LocalSet`.
pub async fn probe(provider: Arc<Provider>, egress: Option<Secret>) -> Result<String, String> {
    ask(provider, egress, false).await
}

/// The same for a provider to which the application's own key passes: that it wants one shows that it is alive.
pub async fn probe_without_key(provider: Arc<Provider>, egress: Option<Secret>) -> Result<String, String> {
    ask(provider, egress, true).await
}

async fn ask(provider: Arc<Provider>, egress: Option<Secret>, key_comes: bool) -> Result<String, String> {
    if let Some(reason) = &provider.unusable {
        return Err(reason.clone());
    }
    let upstreams = Upstreams::new(1);
    let below = provider.probe_path.reveal();
    let mut key = 0;
    let (began, response) = loop {
        let began = clock::instant();
        let request = probe_request(&provider, key, Method::GET, below, RequestBody::Empty)?;
        let connection = upstreams.connect(&provider, egress.as_ref().map(Secret::reveal)).await;
        let connection = connection.map_err(|error| unreachable(&error))?;
        let response = connection.send(request, limits(&provider)).await.map_err(|error| error.to_string())?;
        // A provider lives if it takes one of its keys.
        if !matches!(response.status().as_u16(), 401 | 403) || !has_next_key(&provider, key) {
            break (began, response);
        }
        key += 1;
    };
    let took = clock::instant().saturating_duration_since(began).as_millis();
    // What stands behind a `?` may be a key.
    let asked = below.split('?').next().unwrap_or_default();
    match response.status().as_u16() {
        status @ (401 | 403) if key_comes && provider.shows_nothing() => {
            Ok(format!("{status} in {took} ms; not probed with a key: the application's own passes through"))
        }
        status @ (401 | 403) if provider.shows_nothing() => {
            Err(format!("{status} for {asked}: it requires a key, and without `api_keys` a probe has none"))
        }
        status @ (401 | 403) => {
            Err(format!("{status} for {asked}: its key is refused; check its `api_keys` and its `auth`"))
        }
        status @ 500..=599 => Err(format!("{status} for {asked} in {took} ms")),
        status => Ok(format!("{status} in {took} ms{}", warning(&provider, &response))),
    }
}

/// Whether a connection can be made, a TLS handshake included, else a sentence why not. Runs on any current-thread
/// `LocalSet`.
pub async fn connects(provider: Arc<Provider>, egress: Option<Secret>) -> Result<(), String> {
    let connected = Upstreams::new(1).connect(&provider, egress.as_ref().map(Secret::reveal)).await.map(drop);
    connected.map_err(|error| error.to_string())
}

/// A doubt about a provider that is alive, appended to its status: it may still have its endpoints.
fn warning(provider: &Provider, response: &Response<ProviderBody>) -> String {
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

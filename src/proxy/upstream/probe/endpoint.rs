//! Whether a provider has an endpoint: one request that costs nothing, and what its refusal shows.
//!
//! The body is an empty object, which every provider refuses before it generates anything. A refusal of the request
//! shows an endpoint that reads requests; a not-found that says nothing of a model shows that there is none; a
//! redirect, or a success that is no answer, shows that something else listens there. What follows for a rollout is not
//! decided here.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Method, Response};
use serde_json::Value;

use super::answer_body::{beginning, decoded};
use super::redirect::Redirect;
use super::request::{PATIENCE, has_next_key, limits, probe_request};
use crate::decide::policy::{PathPart, Provider, Secret};
use crate::proxy::attempt::cause;
use crate::proxy::request::body::RequestBody;
use crate::proxy::request::uri::encoded;
use crate::proxy::response::body::ProviderBody;
use crate::proxy::upstream::upstreams::Upstreams;
use crate::wire::answer::read_answer;
use crate::wire::dialect::Dialect;
use crate::wire::shape::{Opening, Shape, opening};

/// How much of an answer is read.
const LARGEST: usize = 64 * 1024;

/// What a provider made of an empty request to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It has the endpoint: it read the request, and answered with this status.
    Speaks(u16),
    /// There is no such endpoint: this status.
    Absent(u16),
    /// Something else than the endpoint answered, with this status and this.
    Other(u16, String),
    /// It is elsewhere, or nowhere: a redirect with this status.
    Redirected(u16, Redirect),
    /// It let the request in nowhere, with this status and for want of this; so nothing is known of the endpoint.
    Refused(u16, &'static str),
    /// Nothing follows from what came, which is this.
    Unclear(String),
}

/// Why a provider refuses a probe with its key.
const KEY_REFUSED: &str = "its key is refused";

impl Reply {
    /// Whether it is the key of flags.yaml that was refused.
    #[must_use]
    pub fn refuses_key(&self) -> bool {
        matches!(self, Reply::Refused(_, why) if *why == KEY_REFUSED)
    }
}

/// Asks for an endpoint (`chat/completions`) without asking for anything. `model` is what the provider calls a model,
/// for a `path` that needs one. Runs on any current-thread `LocalSet`.
pub async fn probe_endpoint(
    provider: Arc<Provider>,
    egress: Option<Secret>,
    endpoint: String,
    model: Option<String>,
) -> Reply {
    if let Some(reason) = &provider.unusable {
        return Reply::Unclear(reason.clone());
    }
    let Some(below) = below(&provider, &endpoint, model.as_deref()) else {
        return Reply::Unclear("its `path` needs a model's name, and `models` has none".to_owned());
    };
    match tokio::time::timeout(PATIENCE.duration(), ask(&provider, egress.as_ref(), &endpoint, below)).await {
        Ok(reply) => reply.unwrap_or_else(Reply::Unclear),
        Err(_) => Reply::Unclear(format!("no response within {PATIENCE}")),
    }
}

async fn ask(
    provider: &Arc<Provider>,
    egress: Option<&Secret>,
    endpoint: &str,
    below: String,
) -> Result<Reply, String> {
    let mut key = 0;
    loop {
        match ask_with(provider, egress, endpoint, &below, key).await {
            Ok(reply) if reply.refuses_key() && has_next_key(provider, key) => key += 1,
            reply => return reply,
        }
    }
}

async fn ask_with(
    provider: &Arc<Provider>,
    egress: Option<&Secret>,
    endpoint: &str,
    below: &str,
    key: usize,
) -> Result<Reply, String> {
    let body = RequestBody::Whole(Bytes::from_static(b"{}"));
    let mut request = probe_request(provider, key, Method::POST, below, body)?;
    let headers = request.headers_mut();
    let version = HeaderName::from_static("anthropic-version");
    if endpoint == "messages" && !headers.contains_key(&version) {
        headers.insert(version, HeaderValue::from_static("2023-06-01"));
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let upstreams = Upstreams::new(1);
    let connection =
        upstreams.connect(provider, egress.map(Secret::reveal)).await.map_err(|error| error.to_string())?;
    let response = connection.send(request, limits(provider)).await.map_err(|error| error.to_string())?;
    Ok(match response.status().as_u16() {
        status @ (401 | 403) if !provider.shows_nothing() => Reply::Refused(status, KEY_REFUSED),
        status @ (401 | 403) if provider.forward_headers.is_empty() => {
            Reply::Refused(status, "it requires a key, and has no `api_keys`")
        }
        status @ (401 | 403) => Reply::Unclear(format!("{status}: it wants the application's own credentials")),
        status @ (404 | 405 | 410 | 501) => {
            let (head, body) = response.into_parts();
            if names_a_model(&decoded(&head.headers, beginning(body, LARGEST).await.0, LARGEST)) {
                Reply::Speaks(status)
            } else {
                Reply::Absent(status)
            }
        }
        status @ 300..=399 => {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            Reply::Redirected(status, Redirect::new(provider, below, location))
        }
        status @ (200..=299 | 400..=499) => answered(status, endpoint, response).await,
        status => Reply::Unclear(status.to_string()),
    })
}

/// A success must be an answer of the API, and a refusal must not be a page.
async fn answered(status: u16, endpoint: &str, response: Response<ProviderBody>) -> Reply {
    let (head, body) = response.into_parts();
    let body = decoded(&head.headers, beginning(body, LARGEST).await.0, LARGEST);
    let shape = if status < 300 {
        read_answer(Dialect::of(&format!("/{endpoint}")), &body, false).malformed
    } else {
        match opening(&body, true) {
            Some(Opening::Other(shape @ (Shape::Html | Shape::Xml))) => Some(shape),
            _ => None,
        }
    };
    let Some(shape) = shape else { return Reply::Speaks(status) };
    let words = cause::of_malformed(shape, cause::detail(shape, &head.headers)).to_string();
    if status < 300 {
        return Reply::Other(status, words);
    }
    // Whatever stands before the provider may only want to see another request.
    Reply::Unclear(format!("{status}: {words}"))
}

/// Where the endpoint lies below the provider's `base_url`; `None`: the path needs a model.
fn below(provider: &Provider, endpoint: &str, model: Option<&str>) -> Option<String> {
    let mut path = String::new();
    let Some(template) = &provider.path else {
        return Some(format!("/{endpoint}"));
    };
    for part in &template.0 {
        match part {
            PathPart::Text(text) => path.push_str(text),
            PathPart::Model => path.push_str(&encoded(model?)),
            PathPart::Rest => path.push_str(endpoint),
        }
    }
    Some(path)
}

/// Whether this is an error about a model: then the endpoint is there, and the model is not.
fn names_a_model(body: &[u8]) -> bool {
    fn mentions(value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let text = text.to_ascii_lowercase();
                text.contains("model") || text.contains("deployment")
            }
            Value::Array(items) => items.iter().any(mentions),
            Value::Object(entries) => entries.values().any(mentions),
            _ => false,
        }
    }
    serde_json::from_slice::<Value>(body).is_ok_and(|value| mentions(&value))
}

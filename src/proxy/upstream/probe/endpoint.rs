//! Whether a provider speaks an endpoint: one request that costs nothing, and what its refusal tells.
//!
//! The body is an empty object, which every provider refuses before it generates anything. A refusal of the request
//! shows an endpoint that reads requests; only a not-found that says nothing of a model shows that there is none. What
//! follows for a rollout is not decided here.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::{PATIENCE, request, shows_nothing, waits};
use crate::decide::policy::{PathPart, Provider, Secret};
use crate::proxy::body::{AnswerBody, RequestBody};
use crate::proxy::upstream::Upstreams;
use crate::proxy::upstream::credentials::IN_QUERY;

/// How much of a not-found answer is read.
const LARGEST: usize = 64 * 1024;

/// What a provider made of an empty request to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It speaks the endpoint: it read the request, and answered with this status.
    Speaks(u16),
    /// There is no such endpoint: this status.
    Absent(u16),
    /// It let the request in nowhere, with this status and for want of this; so nothing is known of the endpoint.
    Refused(u16, &'static str),
    /// Nothing follows from what came, which is this.
    Unclear(String),
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
    let Some(path) = path(&provider, &endpoint, model.as_deref()) else {
        return Reply::Unclear("its `path` needs a model's name, and `models` has none".to_owned());
    };
    match tokio::time::timeout(PATIENCE.duration(), ask(&provider, egress.as_ref(), &endpoint, path)).await {
        Ok(reply) => reply.unwrap_or_else(Reply::Unclear),
        Err(_) => Reply::Unclear(format!("no answer within {PATIENCE}")),
    }
}

async fn ask(provider: &Arc<Provider>, egress: Option<&Secret>, endpoint: &str, path: String) -> Result<Reply, String> {
    let mut request = request(provider, Method::POST, path, RequestBody::Whole(Bytes::from_static(b"{}")))?;
    let headers = request.headers_mut();
    let version = HeaderName::from_static("anthropic-version");
    if endpoint == "messages" && !headers.contains_key(&version) {
        headers.insert(version, HeaderValue::from_static("2023-06-01"));
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let upstreams = Upstreams::new(1);
    let lease = upstreams.connect(provider, egress.map(Secret::reveal)).await.map_err(|error| error.to_string())?;
    let response = lease.send(request, waits(provider)).await.map_err(|error| error.to_string())?;
    Ok(match response.status().as_u16() {
        status @ (401 | 403) if !shows_nothing(provider) => Reply::Refused(status, "its key is refused"),
        status @ (401 | 403) if provider.forward_headers.is_empty() => {
            Reply::Refused(status, "it wants a key, and has no `api_keys`")
        }
        status @ (401 | 403) => Reply::Unclear(format!("{status}: it wants the application's own credentials")),
        status @ (404 | 405 | 410 | 501) => {
            if names_a_model(&beginning(response.into_body()).await) {
                Reply::Speaks(status)
            } else {
                Reply::Absent(status)
            }
        }
        status @ (200..=299 | 400..=499) => Reply::Speaks(status),
        status => Reply::Unclear(status.to_string()),
    })
}

/// Where the endpoint lies at this provider; `None`: not to be said without a model.
fn path(provider: &Provider, endpoint: &str, model: Option<&str>) -> Option<String> {
    let mut path = provider.base_url.path.clone();
    let Some(template) = &provider.path else {
        return Some(format!("{path}/{endpoint}"));
    };
    for part in &template.0 {
        match part {
            PathPart::Text(text) => path.push_str(text),
            PathPart::Model => path.extend(utf8_percent_encode(model?, IN_QUERY)),
            PathPart::Rest => path.push_str(endpoint),
        }
    }
    Some(path)
}

async fn beginning(mut body: AnswerBody) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            read.extend(data.iter().take(LARGEST - read.len()));
        }
        if read.len() >= LARGEST {
            break;
        }
    }
    read
}

/// Whether this is an error that speaks of a model: then the endpoint is there, and the model is not.
fn names_a_model(body: &[u8]) -> bool {
    fn told(value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let text = text.to_ascii_lowercase();
                text.contains("model") || text.contains("deployment")
            }
            Value::Array(items) => items.iter().any(told),
            Value::Object(entries) => entries.values().any(told),
            _ => false,
        }
    }
    serde_json::from_slice::<Value>(body).is_ok_and(|value| told(&value))
}

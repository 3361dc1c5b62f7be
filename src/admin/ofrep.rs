//! OFREP, the protocol of OpenFeature clients: the application asks for a flag and learns which arm its user is on.
//!
//! Answers are made for the clients that exist, not for the schema alone: `value`, `variant` and `reason` are always
//! there, errors carry `key`, `errorCode` and `errorDetails` on every status, reasons are the protocol's own words,
//! and the ETag of the bulk answer is a hash of the answer itself. One broken flag is an item, never a failed call.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ETAG, HeaderValue, IF_NONE_MATCH, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use super::auth::{AdminListener, is_loopback_origin};
use super::reply::{Reply, json, text};
use crate::decide::flag::{FlagError, evaluate};
use crate::decide::policy::Flag;
use crate::decide::route::RouteShare;
use crate::decide::units::RolloutId;
use crate::state::snapshot::Snapshot;

#[derive(Serialize)]
struct Success<'a> {
    key: &'a str,
    value: bool,
    variant: &'static str,
    reason: &'static str,
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    error_code: &'static str,
    error_details: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Success(Success<'a>),
    Failed(Failed<'a>),
}

#[derive(Serialize)]
struct Bulk<'a> {
    flags: Vec<Item<'a>>,
}

/// One flag.
pub(super) fn one(snapshot: &Snapshot, key: &str, body: &[u8]) -> Reply {
    let failed =
        |status, error_code, error_details| json(status, &Failed { key: Some(key), error_code, error_details });
    let targeting_key = match targeting_key(body) {
        Ok(targeting_key) => targeting_key,
        Err((code, details)) => return failed(StatusCode::BAD_REQUEST, code, details),
    };
    let flags = &snapshot.policy.flags;
    let Some(flag) = flags.get(key) else {
        let known: Vec<&str> = flags.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let details = format!("flags.yaml has no flag `{key}`; there are: {known}");
        return failed(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", details);
    };
    match item(snapshot, key, flag, targeting_key.as_deref()) {
        Item::Success(success) => json(StatusCode::OK, &success),
        Item::Failed(failed) => json(StatusCode::BAD_REQUEST, &failed),
    }
}

/// Every flag, or 304 where nothing changed for this context.
pub(super) fn all(snapshot: &Snapshot, head: &Parts, body: &[u8]) -> Reply {
    let targeting_key = match targeting_key(body) {
        Ok(targeting_key) => targeting_key,
        Err((error_code, error_details)) => {
            return json(StatusCode::BAD_REQUEST, &Failed { key: None, error_code, error_details });
        }
    };
    let flags = &snapshot.policy.flags;
    let bulk =
        Bulk { flags: flags.iter().map(|(key, flag)| item(snapshot, key, flag, targeting_key.as_deref())).collect() };
    let etag = etag(&bulk);
    let known = head.headers.get_all(IF_NONE_MATCH).iter().any(|known| matches(known, &etag));
    let mut reply = if known {
        text(StatusCode::NOT_MODIFIED, "application/json", String::new())
    } else {
        json(StatusCode::OK, &bulk)
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        reply.headers_mut().insert(ETAG, etag);
    }
    reply
}

fn item<'a>(snapshot: &Snapshot, key: &'a str, flag: &Flag, targeting_key: Option<&str>) -> Item<'a> {
    let in_force = |id: RolloutId| {
        let in_force = snapshot.in_force(id);
        RouteShare { percent: in_force.percent, buckets_only: in_force.buckets_only }
    };
    match evaluate(&snapshot.policy, flag, in_force, targeting_key) {
        Ok(verdict) => {
            let (variant, arm) = if verdict.value { ("on", "canary") } else { ("off", "stable") };
            let mut metadata = Map::new();
            metadata.insert("rollout".to_owned(), flag.follows.clone().into());
            metadata.insert("arm".to_owned(), arm.into());
            Item::Success(Success { key, value: verdict.value, variant, reason: verdict.reason.as_str(), metadata })
        }
        Err(error) => {
            let error_code = match error {
                FlagError::TargetingKeyMissing { .. } => "TARGETING_KEY_MISSING",
                FlagError::NoRollout { .. } => "GENERAL",
            };
            Item::Failed(Failed { key: Some(key), error_code, error_details: error.to_string() })
        }
    }
}

/// The targeting key of `{"context": {"targetingKey": ...}}`; an empty body is an empty context.
fn targeting_key(body: &[u8]) -> Result<Option<String>, (&'static str, String)> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let body: Value =
        serde_json::from_slice(body).map_err(|error| ("PARSE_ERROR", format!("the body is not JSON: {error}")))?;
    let invalid = |what: &str| ("INVALID_CONTEXT", what.to_owned());
    let Value::Object(body) = body else { return Err(invalid("the body is not an object")) };
    let context = match body.get("context") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(invalid("`context` is not an object")),
    };
    match context.get("targetingKey") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(key)) => Ok(Some(key.clone())),
        Some(_) => Err(invalid("`context.targetingKey` is not a string")),
    }
}

fn etag(bulk: &Bulk<'_>) -> String {
    let bytes = serde_json::to_vec(bulk).unwrap_or_default();
    // The hasher has fixed keys: the same answer has the same tag in every process of this version.
    format!("\"{:016x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(&bytes))
}

fn matches(header: &HeaderValue, etag: &str) -> bool {
    let Ok(header) = header.to_str() else { return false };
    header.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

// === What browsers ask before they ask ===

/// The answer to a browser's preflight; `None` where this is none.
pub(super) fn preflight(listener: &AdminListener, head: &Parts) -> Option<Reply> {
    let asks = head.method == Method::OPTIONS && is_flags(head) && *listener != AdminListener::Probe;
    asks.then(|| text(StatusCode::NO_CONTENT, "text/plain", String::new()))
}

/// Lets the page that asked read the answer: any page where a token decides who may, else those of this machine.
pub(super) fn share_with_page(head: &Parts, tokens: bool, reply: &mut Reply) {
    let Some(origin) = head.headers.get(ORIGIN).filter(|_| is_flags(head)) else { return };
    if !tokens && !origin.to_str().is_ok_and(is_loopback_origin) {
        return;
    }
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(VARY, HeaderValue::from_static("origin"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After"));
    if head.method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        let allowed = HeaderValue::from_static("content-type, if-none-match, authorization, x-api-key");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

fn is_flags(head: &Parts) -> bool {
    head.uri.path().starts_with("/ofrep/v1/evaluate/flags")
}

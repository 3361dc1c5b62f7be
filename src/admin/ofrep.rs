//! OFREP, the protocol of OpenFeature clients: the application asks for the value of its flags.
//!
//! Answers are made for the clients that exist, not for the schema alone: `value`, `variant` and `reason` are always
//! there, errors carry `key`, `errorCode` and `errorDetails` on every status, reasons are the protocol's own words,
//! and the ETag of the bulk answer is a hash of the values themselves. One broken flag is an item, never a failed call.
//! A flag is evaluated by the same snapshot that requests are routed by.

mod changes;
mod context;
pub(super) mod origins;
mod paths;
mod problem;
mod ticket;
mod version;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use http::StatusCode;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::request::Parts;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::reply::{Reply, json, text};
use crate::clock;
use crate::decide::flag::{FlagChoice, FlagEvaluation, FlagPart, evaluate};
use crate::decide::policy::{Attributes, Flag, FlagValue, Policy};
use crate::decide::route::RouteShare;
use crate::decide::units::{RolloutId, UnixMillis};
use crate::describe;
use crate::state::snapshot::Snapshot;

pub(super) use changes::open as open_changes;
use paths::CHANGES;
pub(super) use problem::in_its_shape;
pub(super) use ticket::Ticket;
pub use version::FlagVersions;

/// How long a page that nobody looks at keeps its stream.
const INACTIVITY_SECONDS: u32 = 120;
/// So many flags are named where one is not found.
const NAMED: usize = 20;

#[derive(Serialize)]
struct Success<'a> {
    key: &'a str,
    value: &'a FlagValue,
    variant: &'a str,
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
#[serde(rename_all = "camelCase")]
struct Bulk<'a> {
    flags: &'a RawValue,
    event_streams: [EventStreamPlace; 1],
}

/// Where the page learns of changes. Without an origin: that of the answer itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventStreamPlace {
    r#type: &'static str,
    endpoint: Endpoint,
    inactivity_delay_sec: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    request_uri: String,
}

/// One flag.
pub(super) fn one(snapshot: &Snapshot, key: &str, body: &[u8]) -> Reply {
    let failed =
        |status, error_code, error_details| json(status, &Failed { key: Some(key), error_code, error_details });
    let attributes = match context::attributes(body) {
        Ok(attributes) => attributes,
        Err((code, details)) => return failed(StatusCode::BAD_REQUEST, code, details),
    };
    let flags = &snapshot.policy.flags;
    let Some(flag) = flags.get(key) else {
        return failed(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", not_found(&snapshot.policy, key));
    };
    match item(snapshot, key, flag, &attributes, clock::unix()) {
        Item::Success(success) => json(StatusCode::OK, &success),
        Item::Failed(failed) => json(StatusCode::BAD_REQUEST, &failed),
    }
}

fn not_found(policy: &Policy, key: &str) -> String {
    let mut known: Vec<&str> = policy.flags.keys().take(NAMED).map(String::as_str).collect();
    if known.is_empty() {
        known.push("none");
    }
    let more = policy.flags.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("flags.yaml has no flag `{key}`; there are: {}{more}", known.join(", "))
}

/// Every flag, or 304 where nothing changed for this context.
pub(super) fn all(snapshot: &Snapshot, head: &Parts, body: &[u8], ticket: Option<&Ticket>) -> Reply {
    let attributes = match context::attributes(body) {
        Ok(attributes) => attributes,
        Err((error_code, error_details)) => {
            return json(StatusCode::BAD_REQUEST, &Failed { key: None, error_code, error_details });
        }
    };
    let now = clock::unix();
    let flags = snapshot.policy.flags.iter();
    let items: Vec<Item<'_>> = flags.map(|(key, flag)| item(snapshot, key, flag, &attributes, now)).collect();
    let Ok(items) = to_raw_value(&items) else {
        let details = "the flags cannot be written as JSON".to_owned();
        let failed = Failed { key: None, error_code: "GENERAL", error_details: details };
        return json(StatusCode::INTERNAL_SERVER_ERROR, &failed);
    };
    let request_uri = ticket.map_or_else(|| CHANGES.to_owned(), |ticket| format!("{CHANGES}?ticket={ticket}"));
    let etag = etag(items.get(), &request_uri);
    let known = head.headers.get_all(IF_NONE_MATCH).iter().any(|known| matches(known, &etag));
    let mut reply = if known {
        text(StatusCode::NOT_MODIFIED, "application/json", String::new())
    } else {
        let endpoint = Endpoint { request_uri };
        let place = EventStreamPlace { r#type: "sse", endpoint, inactivity_delay_sec: INACTIVITY_SECONDS };
        json(StatusCode::OK, &Bulk { flags: &items, event_streams: [place] })
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        reply.headers_mut().insert(ETAG, etag);
    }
    reply
}

fn item<'a>(
    snapshot: &'a Snapshot,
    key: &'a str,
    flag: &'a Flag,
    attributes: &Attributes,
    now: UnixMillis,
) -> Item<'a> {
    let in_force = |id: RolloutId| {
        let in_force = snapshot.in_force(id);
        RouteShare { percent: in_force.percent, buckets_only: in_force.buckets_only }
    };
    match evaluate(&snapshot.policy, flag, in_force, attributes, now) {
        Ok(evaluation) => Item::Success(success(&snapshot.policy, key, &evaluation)),
        Err(error) => Item::Failed(Failed {
            key: Some(key),
            error_code: "TARGETING_KEY_MISSING",
            error_details: error.to_string(),
        }),
    }
}

fn success<'a>(policy: &Policy, key: &'a str, evaluation: &FlagEvaluation<'a>) -> Success<'a> {
    let mut metadata = Map::new();
    metadata.insert("why".to_owned(), describe::flag::why(policy, evaluation).into());
    if let FlagPart::Rule(index) = evaluation.part {
        metadata.insert("rule".to_owned(), (index + 1).into());
    }
    if let FlagChoice::Follow { rollout, arm, .. } = evaluation.choice {
        let name = policy.rollouts.get(usize::from(rollout.0)).map(|rollout| rollout.name.clone());
        metadata.insert("rollout".to_owned(), name.into());
        metadata.insert("arm".to_owned(), arm.as_str().into());
    }
    let variant = evaluation.variant;
    let reason = evaluation.reason().as_str();
    Success { key, value: &variant.value, variant: &variant.name, reason, metadata }
}

fn etag(items: &str, request_uri: &str) -> String {
    // The hasher has fixed keys: the same answer has the same tag in every process of this version.
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    format!("\"{:016x}\"", hasher.hash_one((items, request_uri)))
}

fn matches(header: &HeaderValue, etag: &str) -> bool {
    let Ok(header) = header.to_str() else { return false };
    header.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

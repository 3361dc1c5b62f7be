//! Errors of the admin port in the shape that OpenFeature clients read.
//!
//! They know `errorCode` and `errorDetails`, and some fail without `key`. Whatever refuses a request to the protocol's
//! paths (a token, a body that is too long, a path that is none) is told so, with the port's own `error` beside it.

use http::StatusCode;
use serde::Serialize;

use super::paths::ROOT;
use crate::admin::dto::ErrorBody;
use crate::admin::reply::{ApiError, Reply, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    error_code: &'static str,
    error_details: String,
    error: ErrorBody,
}

/// The answer of a request to this path that was refused.
pub(in crate::admin) fn in_its_shape(path: &str, problem: &ApiError) -> Reply {
    let plain = problem.reply();
    let Some(below) = path.strip_prefix(ROOT) else { return plain };
    let key = below.strip_prefix("evaluate/flags/").filter(|key| !key.is_empty());
    let error_code = match (plain.status(), key) {
        (StatusCode::NOT_FOUND, Some(_)) => "FLAG_NOT_FOUND",
        (StatusCode::PAYLOAD_TOO_LARGE, _) => "INVALID_CONTEXT",
        (StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => "PARSE_ERROR",
        _ => "GENERAL",
    };
    let error = problem.body();
    let body = Problem { key, error_code, error_details: error.message.clone(), error };
    let mut reply = json(plain.status(), &body);
    for (name, value) in plain.headers() {
        reply.headers_mut().insert(name.clone(), value.clone());
    }
    reply
}

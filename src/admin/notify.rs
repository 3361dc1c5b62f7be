//! `POST /api/v1/notify/test`: sends a test to a target of notifications, and answers what it answered.
//!
//! Control sends it. A test is a change, since it reaches others. Invariant: the answer names targets and has no
//! address of one.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::change;
use super::dto::NotifyTestReply;
use super::reply::{ApiError, Reply, json};
use crate::state::inbox::Inbox;

/// A target has 15 s, and control asks all of them at one time.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Test {
    name: Option<String>,
}

pub(super) async fn test(inbox: &Inbox, body: &[u8]) -> Result<Reply, ApiError> {
    let Test { name } = change::parse(body)?;
    let results = tokio::time::timeout(PATIENCE, inbox.test_notify(name))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    let reply = NotifyTestReply { results: results.into_iter().map(Into::into).collect() };
    Ok(json(StatusCode::OK, &reply))
}

//! `GET /api/v1/incidents` and `/api/v1/incidents/{id}?format=json|md|html`.
//!
//! Asks control for the reports and writes one in the form that was asked for. Decides nothing. Invariant: an unknown id
//! and an unknown format are errors that say what there is.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::dto::{IncidentReply, IncidentsReply};
use super::incident_page;
use super::reply::{ApiError, Reply, json, text};
use crate::describe::incident::markdown;
use crate::state::inbox::Inbox;

const PATIENCE: Duration = Duration::from_secs(10);

/// The form of a report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Markdown,
    Html,
}

pub(super) async fn answer(inbox: &Inbox, id: Option<String>, query: &str) -> Result<Reply, ApiError> {
    let format = format(query)?;
    let found = tokio::time::timeout(PATIENCE, inbox.incidents(id.clone()))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))?
        .map_err(ApiError::Store)?;
    let Some(id) = id else {
        if format != Format::Json {
            return Err(ApiError::Bad("the list of incident reports has no format but json".to_owned()));
        }
        let reply = IncidentsReply { incidents: found.iter().map(Into::into).collect() };
        return Ok(json(StatusCode::OK, &reply));
    };
    let Some(incident) = found.first() else { return Err(ApiError::NoIncident(id)) };
    Ok(match format {
        Format::Json => json(StatusCode::OK, &IncidentReply::from(incident)),
        Format::Markdown => text(StatusCode::OK, "text/markdown; charset=utf-8", markdown(incident)),
        Format::Html => {
            let (page, policy) = incident_page::page(incident);
            let mut reply = text(StatusCode::OK, "text/html; charset=utf-8", page);
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            reply
        }
    })
}

fn format(query: &str) -> Result<Format, ApiError> {
    let mut format = Format::Json;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        format = match pair.split_once('=').unwrap_or((pair, "")) {
            ("format", "json") => Format::Json,
            ("format", "md") => Format::Markdown,
            ("format", "html") => Format::Html,
            ("format", other) => {
                return Err(ApiError::Bad(format!("`format={other}`: the formats are json, md and html")));
            }
            (name, _) => return Err(ApiError::Bad(format!("unknown parameter `{name}`; incidents take format"))),
        };
    }
    Ok(format)
}

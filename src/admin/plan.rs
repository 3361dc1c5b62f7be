//! `POST /api/v1/plan`: what a flags.yaml would do in the place of the one in force.
//!
//! The file is read on a thread of its own, one at a time, so that a large one keeps no rollback waiting. Only the
//! references that the file in force has lead anywhere, so that nobody learns what is in a variable or a file by naming
//! it here. Changes nothing and keeps nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use tokio::sync::Semaphore;

use super::dto::PlanReply;
use super::reply::{ApiError, Reply, json};
use crate::clock;
use crate::describe::retirement;
use crate::state::inbox::{FlagsRead, Inbox};
use crate::state::status::StatusCell;
use crate::wire::media;

/// The longest body: the largest flags.yaml.
pub(super) const BODY: usize = 1024 * 1024;
/// How long a file before this one, or control, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What YAML is called.
const YAML: [&str; 4] = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

/// Reads a text as flags.yaml. The second text is the file in force, whose references are resolved.
type ReadFile = dyn Fn(&str, &str) -> FlagsRead + Send + Sync;

/// Reads files for plans, one at a time.
#[derive(Clone)]
pub struct PlanReader {
    read: Arc<ReadFile>,
    turn: Arc<Semaphore>,
}

impl PlanReader {
    /// `read`: as [`ReadFile`] says.
    #[must_use]
    pub fn new(read: impl Fn(&str, &str) -> FlagsRead + Send + Sync + 'static) -> PlanReader {
        PlanReader { read: Arc::new(read), turn: Arc::new(Semaphore::new(1)) }
    }

    async fn read(&self, text: String, in_force: Arc<str>) -> Result<FlagsRead, ApiError> {
        let late = |_| ApiError::Unanswered(PATIENCE.as_secs());
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turn).acquire_owned()).await.map_err(late)?;
        let read = Arc::clone(&self.read);
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(&text, &in_force)
        });
        work.await.map_err(|_| ApiError::Bad("the file cannot be read: reading it failed".to_owned()))
    }
}

impl fmt::Debug for PlanReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlanReader")
    }
}

/// Whether a body of this type is taken.
pub(super) fn is_media_type(media_type: &[u8]) -> bool {
    media::is_json(media_type) || YAML.iter().any(|name| media::is(media_type, name))
}

/// Reads the file in a body and asks control what it would do.
pub(super) async fn answer(
    plans: &PlanReader,
    status: &StatusCell,
    inbox: &Inbox,
    head: &Parts,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let shown = Arc::clone(&status.load().flags.shown);
    let read = plans.read(text_of(head, body)?, shown).await?;
    let reply = match read.result {
        Err(errors) => PlanReply::invalid(errors),
        Ok(policy) => {
            let near = retirement::of_file(&policy, clock::unix());
            let plan = tokio::time::timeout(PATIENCE, inbox.plan(policy));
            let plan = plan.await.map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
            PlanReply::new(&plan, read.warnings.into_iter().chain(near).collect())
        }
    };
    Ok(json(StatusCode::OK, &reply))
}

/// The file: the body itself, or the JSON string that it is.
fn text_of(head: &Parts, body: &[u8]) -> Result<String, ApiError> {
    let media_type = head.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if media::is_json(media_type) {
        return serde_json::from_slice(body).map_err(|error| {
            ApiError::Bad(format!(
                "the body is not a JSON string with the file's text ({error}); send the file as it is with \
                 `content-type: application/yaml`"
            ))
        });
    }
    String::from_utf8(body.to_vec()).map_err(|_| ApiError::Bad("the file is not UTF-8: save it as UTF-8".to_owned()))
}

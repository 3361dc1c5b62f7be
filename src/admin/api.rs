//! What each route does: read the report, ask control, write the answer.
//!
//! Nothing is decided or changed here: a change is a [`Command`] in the inbox, and its answer says what is in force.
//! Reading never waits for control; only history, series and traces do, which lie
//! in the store and with control.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use super::auth::{AdminCaller, AdminListener, identify, may_change_from};
use super::dto::{ChangeReply, ConfigReply, HistoryReply, Process, SeriesReply, StatusReply};
use super::events::LiveEvents;
use super::reply::{ApiError, Reply, json, text};
use super::route::{Change, Route, find};
use super::series::{self, Range};
use super::sse::StreamLimit;
use super::{change, ofrep};
use crate::clock;
use crate::decide::policy::Role;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::timestamp::Timestamp;
use crate::describe::stable_fault;
use crate::state::inbox::{Command, CommandError, Inbox};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::StatusCell;
use crate::telemetry::metrics;

/// How long control may take: it waits for the disk before it calls a command durable.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of history where none was said, and at most.
const HISTORY: (u32, u32) = (50, 1000);

/// Everything that the operators' ports show and reach.
#[derive(Debug)]
pub struct ApiContext {
    /// Which process this is; `draining` is taken from elsewhere.
    pub process: Process,
    /// The report in force.
    pub status: Arc<StatusCell>,
    /// What is in force.
    pub shared: Arc<SnapshotCell>,
    /// Where changes are asked for.
    pub inbox: Inbox,
    /// Set once the process is stopping: it wants no more traffic.
    pub draining: Arc<AtomicBool>,
    /// How many event streams may still be opened.
    pub streams: StreamLimit,
    /// What is pushed to those who listen.
    pub live: LiveEvents,
}

/// Answers one request whose body was read.
pub(super) async fn answer(view: &ApiContext, listener: &AdminListener, head: &Parts, body: &[u8]) -> Reply {
    match respond(view, listener, head, body).await {
        Ok(reply) => reply,
        Err(problem) => problem.reply(),
    }
}

async fn respond(view: &ApiContext, listener: &AdminListener, head: &Parts, body: &[u8]) -> Result<Reply, ApiError> {
    let route = find(listener, &head.method, head.uri.path())?;
    // Health tells what keeps users from being served and no more; a kubelet asks by the pod's address and without a
    // token.
    match route {
        Route::Health => return Ok(text(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned())),
        Route::Ready => return Ok(ready(view)),
        _ => {}
    }
    let snapshot = view.shared.load();
    let caller = identify(listener, head, &snapshot.policy.tokens)?;
    match route {
        Route::Flag(name) => {
            caller.may(Role::Flags)?;
            return Ok(ofrep::one(&snapshot, &name, body));
        }
        Route::Flags => {
            caller.may(Role::Flags)?;
            return Ok(ofrep::all(&snapshot, head, body));
        }
        Route::Change(rollout, change) => {
            may_change_from(head)?;
            return make(view, &caller, rollout, change, body).await;
        }
        _ => caller.may(Role::Read)?,
    }
    Ok(match route {
        Route::Metrics => {
            text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics::render(&view.status.load()))
        }
        Route::Events => view.live.listen(&view.streams, || status(view))?,
        Route::History => json(StatusCode::OK, &history(view, head.uri.query().unwrap_or_default()).await?),
        Route::Series(rollout) => {
            json(StatusCode::OK, &series(view, rollout, head.uri.query().unwrap_or_default()).await?)
        }
        Route::Trace(rollout) => text(StatusCode::OK, "application/x-ndjson", trace(view, rollout).await?),
        Route::Config => json(StatusCode::OK, &config(view)),
        _ => json(StatusCode::OK, &status(view)),
    })
}

/// Where a stable does not serve, the body says so. Only one that Serin itself cannot ask makes the process unready:
/// any other may be an outage, and every replica has it alike.
fn ready(view: &ApiContext) -> Reply {
    let report = view.status.load();
    let faults = || report.rollouts.iter().filter_map(|rollout| Some((rollout, rollout.stable_fault.as_ref()?)));
    let (status, word) = if view.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if faults().any(|(_, fault)| fault.is_unusable()) {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    } else {
        (StatusCode::OK, "ready\n")
    };
    let lines =
        faults().map(|(rollout, fault)| format!("stable of {}: {}\n", rollout.name, stable_fault::sentence(fault)));
    text(status, "text/plain; charset=utf-8", lines.fold(word.to_owned(), |all, line| all + &line))
}

fn status(view: &ApiContext) -> StatusReply {
    let status = view.status.load();
    let draining = status.draining || view.draining.load(Ordering::Relaxed);
    StatusReply::new(Process { draining, ..view.process.clone() }, &status)
}

/// Feeds the event streams for as long as it is polled.
pub(super) async fn feed_event_streams(view: Rc<ApiContext>) {
    view.live.run(view.shared.history.subscribe(), || status(&view)).await;
}

fn config(view: &ApiContext) -> ConfigReply {
    let status = view.status.load();
    ConfigReply {
        path: status.flags.path.clone(),
        generation: status.flags.generation,
        accepted_at: Timestamp(status.flags.accepted_at),
        text: status.flags.shown.to_string(),
    }
}

async fn history(view: &ApiContext, query: &str) -> Result<HistoryReply, ApiError> {
    let (rollout, limit) = history_query(query)?;
    let events = tokio::time::timeout(PATIENCE, view.inbox.history(rollout, limit))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))?
        .map_err(ApiError::Store)?;
    Ok(HistoryReply { events: events.into_iter().map(Into::into).collect() })
}

async fn series(view: &ApiContext, rollout: String, query: &str) -> Result<SeriesReply, ApiError> {
    let range = Range::read(query, clock::unix())?;
    let Range { from, to, step } = range;
    let asked = async {
        let points = view.inbox.series(rollout.clone(), step, from, to).await.map_err(ApiError::Store)?;
        let events = view.inbox.history(Some(rollout.clone()), HISTORY.1).await.map_err(ApiError::Store)?;
        Ok::<_, ApiError>((points, events))
    };
    let (points, events) =
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    let status = view.status.load();
    let known = status.rollouts.iter().find(|known| known.name == rollout);
    // One that has left the file is still told of, as long as anything is kept of it.
    if known.is_none() && points.is_empty() {
        let known: Vec<&str> = status.rollouts.iter().map(|known| known.name.as_str()).collect();
        return Err(CommandError::Unknown { name: rollout, known: known.join(", ") }.into());
    }
    let bound = known.and_then(|known| known.guard.as_ref()).map(|guard| guard.bound);
    let events = events.into_iter().filter(|event| (from..to).contains(&event.at)).map(Into::into).collect();
    Ok(series::reply(rollout, range, &points, bound, events))
}

/// A line of JSON for each, oldest first.
async fn trace(view: &ApiContext, rollout: String) -> Result<String, ApiError> {
    let lines = tokio::time::timeout(PATIENCE, view.inbox.trace(rollout))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    // Plain numbers with names: serialising them cannot fail.
    let text = lines.iter().filter_map(|line| serde_json::to_string(line).ok());
    Ok(text.fold(String::new(), |all, line| all + &line + "\n"))
}

fn history_query(query: &str) -> Result<(Option<String>, u32), ApiError> {
    let (mut rollout, mut limit) = (None, HISTORY.0);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "rollout" => rollout = Some(value.to_owned()),
            "limit" => {
                limit = value.parse().ok().filter(|limit| (1..=HISTORY.1).contains(limit)).ok_or_else(|| {
                    ApiError::Bad(format!("`limit={value}`: the limit is a number from 1 to {}", HISTORY.1))
                })?;
            }
            _ => return Err(ApiError::Bad(format!("unknown parameter `{name}`; history takes rollout and limit"))),
        }
    }
    Ok((rollout, limit))
}

async fn make(
    view: &ApiContext,
    caller: &AdminCaller,
    rollout: Option<String>,
    asked: Change,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let safer = matches!(asked, Change::Rollback | Change::Pause);
    caller.may(if safer { Role::Rollback } else { Role::Change })?;
    let (verb, reason) = change::read(asked, body)?;
    if let RolloutCommand::Rollback { to } = verb {
        // A rollback that raises a share is a change like any other.
        let raises = view.status.load().rollouts.iter().any(|known| {
            known.canary.is_some() && rollout.as_ref().is_none_or(|name| *name == known.name) && to > known.percent
        });
        caller.may(if raises { Role::Change } else { Role::Rollback })?;
    }
    let command = Command { rollout, verb, actor: caller.actor.clone(), reason };
    let receipt = tokio::time::timeout(PATIENCE, view.inbox.ask(command))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    let status = if receipt.seen_by_all_cores { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(json(status, &ChangeReply::from(receipt)))
}

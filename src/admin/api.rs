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
use http::header::{ACCEPT, HeaderValue, VARY};
use http::request::Parts;

use super::auth::{AdminCaller, AdminListener, identify, may_change_from};
use super::change::ChangeRequest;
use super::dto::{
    ChangeReply, ComparisonReply, ConfigReply, DryRunReply, FeedbackReply, FlagsReply, HistoryReply, Process,
    SeriesReply, StatusReply,
};
use super::events::LiveEvents;
use super::history_query::{self, HistoryQuery};
use super::ofrep::{self, FlagVersions, Ticket, origins};
use super::plan::{self, PlanReader};
use super::reply::{ApiError, Reply, json, text};
use super::route::{Change, Route, find};
use super::series::{self, Range};
use super::sse::StreamLimit;
use super::{change, dashboard, feedback as verdicts, incidents, notify};
use crate::clock;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::policy::Role;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::timestamp::Timestamp;
use crate::describe::stable_fault;
use crate::state::inbox::{Command, CommandError, EndOnCanary, Inbox};
use crate::state::snapshot::SnapshotCell;
use crate::state::status::StatusCell;
use crate::telemetry::exposition::Format;
use crate::telemetry::metrics;
use crate::wire::accept;

/// How long control may take: it waits for the disk before it calls a command durable.
const PATIENCE: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text";

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
    /// Reads the files that plans are asked for.
    pub plans: PlanReader,
    /// Set once the process is stopping: it wants no more traffic.
    pub draining: Arc<AtomicBool>,
    /// How many event streams may still be opened.
    pub streams: StreamLimit,
    /// The version of the flags, for those who are told of changes.
    pub flag_versions: Arc<FlagVersions>,
    /// What is pushed to those who listen.
    pub live: LiveEvents,
}

/// Answers one request whose body was read.
pub(super) async fn answer(view: &ApiContext, listener: &AdminListener, head: &Parts, body: &[u8]) -> Reply {
    match respond(view, listener, head, body).await {
        Ok(reply) => reply,
        Err(problem) => ofrep::in_its_shape(head.uri.path(), &problem),
    }
}

/// The longest body that is read of this request, where it is a file for a plan or a list of verdicts: both are long,
/// and are read from those only who may send them.
pub(super) fn body_limit(view: &ApiContext, listener: &AdminListener, head: &Parts) -> Option<usize> {
    let route = find(listener, &head.method, head.uri.path()).ok()?;
    let caller = identify(listener, head, &view.shared.load().policy.tokens, false).ok()?;
    match route {
        Route::Plan => caller.may(Role::Read).is_ok().then_some(plan::BODY),
        Route::Feedback => caller.may(Role::Feedback).is_ok().then_some(verdicts::BODY),
        _ => None,
    }
}

async fn respond(view: &ApiContext, listener: &AdminListener, head: &Parts, body: &[u8]) -> Result<Reply, ApiError> {
    let route = find(listener, &head.method, head.uri.path())?;
    // Health tells what keeps users from being served and no more; a kubelet asks by the pod's address and without a
    // token.
    match route {
        Route::Health => return Ok(text(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned())),
        Route::Ready => return Ok(ready(view)),
        // A page without data: what it shows it asks for, with the caller's own token.
        Route::Dashboard(asset) => return Ok(dashboard::serve(asset, head)),
        _ => {}
    }
    let snapshot = view.shared.load();
    let policy = &snapshot.policy;
    let has_ticket = || Ticket::of_request(head, &policy.tokens).is_some_and(|ticket| ticket.is_good(&policy.tokens));
    if route == Route::FlagChanges && has_ticket() {
        return changes(view, listener, head);
    }
    let caller = identify(listener, head, &policy.tokens, origins::is_listed(head, policy))?;
    match route {
        Route::FlagChanges => {
            caller.may(Role::Flags)?;
            return changes(view, listener, head);
        }
        Route::FlagList => {
            caller.may(Role::Flags).or_else(|_| caller.may(Role::Read))?;
            return Ok(json(StatusCode::OK, &FlagsReply::new(policy)));
        }
        Route::Flag(name) => {
            caller.may(Role::Flags)?;
            return Ok(ofrep::one(&snapshot, &name, body));
        }
        Route::Flags => {
            caller.may(Role::Flags)?;
            let ticket = Ticket::of_token(head, &policy.tokens);
            return Ok(ofrep::all(&snapshot, head, body, ticket.as_ref()));
        }
        Route::Feedback => {
            may_change_from(head)?;
            caller.may(Role::Feedback)?;
            return Ok(json(StatusCode::OK, &feedback(view, body).await?));
        }
        Route::Change(rollout, change) => {
            may_change_from(head)?;
            return make(view, &caller, rollout, change, body).await;
        }
        Route::TestNotify => {
            may_change_from(head)?;
            caller.may(Role::Change)?;
            return notify::test(&view.inbox, body).await;
        }
        _ => caller.may(Role::Read)?,
    }
    Ok(match route {
        Route::Metrics => scrape(view, head),
        Route::Events => view.live.listen(&view.streams, || status(view), still_reads(view, listener, head))?,
        Route::Incidents(id) => return incidents::answer(&view.inbox, id, head.uri.query().unwrap_or_default()).await,
        Route::History => json(StatusCode::OK, &history(view, head.uri.query().unwrap_or_default()).await?),
        Route::Series(rollout) => {
            json(StatusCode::OK, &series(view, rollout, head.uri.query().unwrap_or_default()).await?)
        }
        Route::Comparison(rollout) => json(StatusCode::OK, &comparison(view, rollout)?),
        Route::Trace(rollout) => text(StatusCode::OK, "application/x-ndjson", trace(view, rollout).await?),
        Route::Plan => plan::answer(&view.plans, &view.status, &view.inbox, head, body).await?,
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

/// Whether the caller of this request may still read: a token may leave the file while a stream is open.
fn still_reads(view: &ApiContext, listener: &AdminListener, head: &Parts) -> impl Fn() -> bool + 'static {
    let (shared, listener, head) = (Arc::clone(&view.shared), listener.clone(), head.clone());
    move || {
        let policy = &shared.load().policy;
        identify(&listener, &head, &policy.tokens, origins::is_listed(&head, policy))
            .is_ok_and(|caller| caller.may(Role::Read).is_ok())
    }
}

fn changes(view: &ApiContext, listener: &AdminListener, head: &Parts) -> Result<Reply, ApiError> {
    let read = (Arc::clone(&view.shared), Arc::clone(&view.flag_versions));
    ofrep::open_changes(&view.streams, read, listener, head)
}

/// The metrics, as OpenMetrics for those who would rather have that.
fn scrape(view: &ApiContext, head: &Parts) -> Reply {
    let accepts = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accept = accepts.collect::<Vec<_>>().join(",");
    // Whoever takes anything has not asked for it.
    let named = accept.to_ascii_lowercase().contains(OPENMETRICS);
    let open = accept::weight(&accept, OPENMETRICS, |version| version == "1.0.0").filter(|_| named);
    let plain = accept::weight(&accept, "text/plain", |version| version == "0.0.4").unwrap_or_default();
    let open = open.is_some_and(|open| open > 0 && open >= plain);
    let format = if open { Format::OpenMetrics } else { Format::Prometheus };
    let mut reply = text(StatusCode::OK, format.media_type(), metrics::render(&view.status.load(), format));
    reply.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    reply
}

fn status(view: &ApiContext) -> StatusReply {
    let status = view.status.load();
    let draining = status.draining || view.draining.load(Ordering::Relaxed);
    StatusReply::new(Process { draining, ..view.process.clone() }, &status, clock::now())
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
    let HistoryQuery { filter, limit } = history_query::read(query)?;
    let events = tokio::time::timeout(PATIENCE, view.inbox.history(filter, limit))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))?
        .map_err(ApiError::Store)?;
    Ok(HistoryReply { events: events.into_iter().map(Into::into).collect() })
}

async fn feedback(view: &ApiContext, body: &[u8]) -> Result<FeedbackReply, ApiError> {
    let verdicts = verdicts::read(body)?;
    let results = tokio::time::timeout(PATIENCE, view.inbox.feedback(verdicts))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    Ok(FeedbackReply::from(results))
}

async fn series(view: &ApiContext, rollout: String, query: &str) -> Result<SeriesReply, ApiError> {
    let range = Range::read(query, clock::unix())?;
    let Range { from, to, step } = range;
    let asked = async {
        let points = view.inbox.series(rollout.clone(), step, from, to).await.map_err(ApiError::Store)?;
        let filter = HistoryFilter {
            rollout: Some(rollout.clone()),
            since: Some(from),
            until: Some(to),
            ..HistoryFilter::default()
        };
        let events = view.inbox.history(filter, history_query::LINES.1).await.map_err(ApiError::Store)?;
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

/// What copies have shown.
fn comparison(view: &ApiContext, rollout: String) -> Result<ComparisonReply, ApiError> {
    let status = view.status.load();
    let Some(known) = status.rollouts.iter().find(|known| known.name == rollout) else {
        let known: Vec<&str> = status.rollouts.iter().map(|known| known.name.as_str()).collect();
        return Err(CommandError::Unknown { name: rollout, known: known.join(", ") }.into());
    };
    ComparisonReply::new(known, clock::unix()).ok_or(ApiError::NoCopies(rollout))
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

async fn make(
    view: &ApiContext,
    caller: &AdminCaller,
    rollout: Option<String>,
    asked: Change,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let safer = matches!(asked, Change::Rollback | Change::Pause);
    caller.may(if safer { Role::Rollback } else { Role::Change })?;
    let ChangeRequest { verb, reason, dry_run, hard } = change::read(asked, body)?;
    if let RolloutCommand::Rollback { to } = verb {
        // A rollback that raises a share is a change like any other.
        let raises = view.status.load().rollouts.iter().any(|known| {
            known.canary.is_some() && rollout.as_ref().is_none_or(|name| *name == known.name) && to > known.percent
        });
        caller.may(if raises { Role::Change } else { Role::Rollback })?;
    }
    let command = Command { rollout, verb, actor: caller.actor.clone(), reason };
    if dry_run {
        let mut runs = tokio::time::timeout(PATIENCE, view.inbox.dry_run(command))
            .await
            .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
        runs.iter_mut().for_each(|run| run.hard = hard);
        return Ok(json(StatusCode::OK, &DryRunReply::from(&runs[..])));
    }
    let wish = hard.then(|| EndOnCanary {
        rollout: command.rollout.clone(),
        actor: command.actor.clone(),
        reason: command.reason.clone(),
    });
    let receipt = tokio::time::timeout(PATIENCE, view.inbox.ask(command))
        .await
        .map_err(|_| ApiError::Unanswered(PATIENCE.as_secs()))??;
    let status = if receipt.seen_by_all_cores { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut reply = ChangeReply::from(receipt);
    if let Some(wish) = wish {
        end_on_canary(view, wish, &mut reply).await;
    }
    Ok(json(status, &reply))
}

/// Ends what is under way, once the rollback is in force. What fails of that takes nothing back.
async fn end_on_canary(view: &ApiContext, wish: EndOnCanary, reply: &mut ChangeReply) {
    match tokio::time::timeout(PATIENCE, view.inbox.end_on_canary(wish)).await {
        Ok(Ok(ended)) => {
            (reply.ended_on_canary, reply.open_on_canary, reply.websockets_on_canary) = (ended, 0, 0);
        }
        Ok(Err(error)) => reply.notes.push(format!("the requests on the canary were not ended: {error}")),
        Err(_) => reply.notes.push("the requests on the canary were not ended in time".to_owned()),
    }
}

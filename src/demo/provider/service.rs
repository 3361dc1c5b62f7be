//! One request to a provider: read, count, decide whether to fail, answer.
//!
//! Owns the routes and how a failure is brought about; what is said lies in the files beside it. A request is counted
//! once it has been read whole. Bodies are read up to a bound and refused beyond it.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde_json::Value;

use super::answer::{self, GenerationRequest};
use super::behaviour::{Behaviour, Failure};
use super::endpoint::Endpoint;
use super::feed::{End, Feed};
use super::kept::{self, Kept};
use super::request_counts::RequestCounts;
use crate::clock;

const LARGEST_BODY: usize = 64 << 20;

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// What a provider's thread and its handle share; the locks are held for a few instructions.
#[derive(Debug)]
pub(super) struct Shared {
    name: String,
    behaviour: Mutex<Behaviour>,
    tally: Mutex<RequestCounts>,
}

impl Shared {
    pub(super) fn new(name: &str, behaviour: Behaviour) -> Shared {
        Shared { name: name.to_owned(), behaviour: Mutex::new(behaviour), tally: Mutex::default() }
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tally(&self) -> RequestCounts {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a request; for a generating one, gives its number and whether it fails.
    fn count(&self, method: &Method, path: &str, asks: Option<&Value>, behaviour: &Behaviour) -> (u64, bool) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        RequestCounts::count(&mut tally.by_path, &format!("{method} {path}"));
        let Some(body) = asks else { return (tally.requests, false) };
        let number = tally.generating;
        tally.generating += 1;
        let fails = behaviour.fails(number);
        tally.failed += u64::from(fails);
        RequestCounts::count(&mut tally.by_model, body["model"].as_str().unwrap_or_default());
        if let Some(user) = user(body) {
            RequestCounts::count(&mut tally.by_user, user);
        }
        (number, fails)
    }
}

fn user(body: &Value) -> Option<&str> {
    [&body["safety_identifier"], &body["user"], &body["metadata"]["user_id"]].into_iter().find_map(Value::as_str)
}

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn answer(shared: Arc<Shared>, kept: Rc<Kept>, request: Request<Incoming>) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method, head.uri.path().to_owned());
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        return Ok(json(413, &answer::error(&shared.name, 413)));
    };
    let (body, behaviour) = (body.to_bytes(), shared.behaviour());
    let Some(endpoint) = Endpoint::of(&path).filter(|_| method == Method::POST) else {
        shared.count(&method, &path, None, &behaviour);
        return Ok(stored(&shared.name, &kept, &method, &path, &head.headers, &body));
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (number, fails) = shared.count(&method, &path, Some(&body), &behaviour);
    let question = ask(&shared.name, number, body, &behaviour);
    if question.body.is_null() {
        return Ok(json(400, &endpoint.error(&shared.name, 400)));
    }
    if behaviour.latency.0 > 0 {
        tokio::time::sleep(behaviour.latency.duration()).await;
    }
    if endpoint == Endpoint::Responses && !fails {
        if let Some((status, problem)) = kept.lacks(&question.body) {
            return Ok(json(status, &problem));
        }
        if question.body["store"] != false {
            let response = super::responses::response(&question);
            kept.responses.keep(response["id"].as_str().unwrap_or_default(), response.clone());
        }
    }
    generated(endpoint, &question, &behaviour, fails.then_some(behaviour.failure)).await
}

fn ask(provider: &str, number: u64, body: Value, behaviour: &Behaviour) -> GenerationRequest {
    GenerationRequest {
        provider: provider.to_owned(),
        number,
        created: clock::unix().0 / 1000,
        model: body["model"].as_str().unwrap_or("demo-large").to_owned(),
        prompt: prompt(&body),
        words: behaviour.words,
        include_usage: body["stream_options"]["include_usage"] == true,
        body,
    }
}

/// The last text that the user said, wherever the dialect has it.
fn prompt(body: &Value) -> String {
    let said = match (&body["messages"], &body["input"], &body["prompt"]) {
        (Value::Array(messages), ..) => messages.last().map_or(&Value::Null, |last| &last["content"]),
        (_, Value::Array(items), _) => items.last().map_or(&Value::Null, |last| match &last["content"] {
            Value::Null => last,
            content => content,
        }),
        (_, Value::String(_), _) => &body["input"],
        _ => &body["prompt"],
    };
    match said {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

async fn generated(
    endpoint: Endpoint,
    question: &GenerationRequest,
    behaviour: &Behaviour,
    failure: Option<Failure>,
) -> io::Result<Answer> {
    let stream = endpoint.stream(question).filter(|_| question.body["stream"] == true);
    let end = match failure {
        Some(Failure::Status(status)) => return Ok(json(status, &endpoint.error(&question.provider, status))),
        Some(Failure::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Failure::Silent) => std::future::pending().await,
        Some(Failure::ErrorEvent) if stream.is_none() => {
            return Ok(json(500, &endpoint.error(&question.provider, 500)));
        }
        Some(Failure::Cut) => End::Cut,
        Some(Failure::Stall) => End::Stall,
        Some(Failure::ErrorEvent) | None => End::Complete,
    };
    let Some(mut events) = stream else {
        let (kind, whole) = endpoint.whole(question);
        return Ok(match end {
            End::Complete => respond(200, kind, Full::new(whole).map_err(|never| match never {}).boxed_unsync()),
            end => {
                let half = whole.slice(..whole.len() / 2);
                respond(200, kind, Feed::new(vec![half], behaviour.gap.duration(), end).boxed_unsync())
            }
        });
    };
    if failure.is_some() {
        events.truncate(events.len() / 2);
    }
    if failure == Some(Failure::ErrorEvent) {
        events.push(endpoint.error_event(&question.provider));
    }
    let pieces = events.into_iter().map(Bytes::from).collect();
    let mut response = respond(
        200,
        "text/event-stream; charset=utf-8",
        Feed::new(pieces, behaviour.gap.duration(), end).boxed_unsync(),
    );
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Models, files, and what was kept: what is not generated.
fn stored(name: &str, kept: &Kept, method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Answer {
    let files = &kept.files;
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        (&Method::GET, ["v1", "models"]) => json(200, &answer::models(name)),
        (&Method::GET, ["v1", "models", id]) => json(200, &answer::model(name, id)),
        (&Method::GET, ["v1", "files"]) => json(200, &files.list()),
        (&Method::POST, ["v1", "files"]) => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            match files.keep(name, kind, body, clock::unix().0 / 1000) {
                Some(file) => json(200, &file.described()),
                None => json(400, &answer::error(name, 400)),
            }
        }
        (&Method::GET, ["v1", "files", id]) => match files.find(id) {
            Some(file) => json(200, &file.described()),
            None => json(404, &kept::no_file(id)),
        },
        (&Method::DELETE, ["v1", "files", id]) => deleted("file", id, files.remove(id), &kept::no_file(id)),
        (_, ["v1", "responses", id, rest @ ..]) => match (kept.responses.get(id), method, rest) {
            (None, ..) => json(404, &kept::no_response(id)),
            (Some(response), &Method::GET, []) => json(200, &response),
            (Some(_), &Method::DELETE, []) => {
                deleted("response", id, kept.responses.remove(id), &kept::no_response(id))
            }
            (Some(response), &Method::GET, ["input_items"]) => {
                json(200, &serde_json::json!({ "object": "list", "data": response["output"], "has_more": false }))
            }
            (Some(_), ..) => json(400, &answer::error(name, 400)),
        },
        (&Method::POST, ["v1", "conversations"]) => {
            let id = format!("conv_{name}_{}", kept.conversations.number());
            let made = clock::unix().0 / 1000;
            let conversation =
                serde_json::json!({ "id": id, "object": "conversation", "created_at": made, "metadata": {} });
            kept.conversations.keep(&id, conversation.clone());
            json(200, &conversation)
        }
        (_, ["v1", "conversations", id, ..]) => match (kept.conversations.get(id), method) {
            (Some(conversation), &Method::GET) => json(200, &conversation),
            (Some(_), &Method::DELETE) => {
                deleted("conversation.deleted", id, kept.conversations.remove(id), &Value::Null)
            }
            _ => json(404, &kept::missing(&format!("Conversation with id '{id}' not found."), None, None)),
        },
        (&Method::GET, ["v1", "files", id, "content"]) => match files.find(id) {
            Some(file) => {
                let content = Full::new(file.content).map_err(|never| match never {}).boxed_unsync();
                respond(200, "application/octet-stream", content)
            }
            None => json(404, &kept::no_file(id)),
        },
        _ => json(404, &answer::error(name, 404)),
    }
}

fn deleted(object: &str, id: &str, was_there: bool, otherwise: &Value) -> Answer {
    match was_there {
        true => json(200, &serde_json::json!({ "id": id, "object": object, "deleted": true })),
        false => json(404, otherwise),
    }
}

fn json(status: u16, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut response = respond(status, "application/json", body);
    if status == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

fn respond(status: u16, kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

//! Ids in paths, and which paths are about what a provider keeps.
//!
//! Owns the collections of all APIs: `/responses/{id}`, `/threads/{id}/runs`, `/messages/batches/{id}`. A path is given
//! as it is below the mount, in its plain spelling. The first id of a path decides: what lies below it is kept with it.

use super::id::is_id;

/// An id in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId<'a> {
    pub id: &'a str,
    /// Whether the path ends with it.
    pub last: bool,
}

/// The shortest id in a path.
const SHORTEST: usize = 6;

/// Words that stand where an id would.
const NO_IDS: [&str; 6] = ["input_tokens", "compact", "runs", "search", "items", "content"];

/// The path behind the name of a collection; `None`: it is about no collection of ids.
fn below_collection(path: &str) -> Option<impl Iterator<Item = &str>> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    match parts.next()? {
        "responses" | "conversations" | "files" | "batches" | "vector_stores" | "assistants" | "threads"
        | "containers" | "uploads" | "videos" => Some(parts),
        "messages" => (parts.next()? == "batches").then_some(parts),
        "chat" => (parts.next()? == "completions").then_some(parts),
        "fine_tuning" => (parts.next()? == "jobs").then_some(parts),
        "realtime" => matches!(parts.next()?, "sessions" | "calls" | "transcription_sessions").then_some(parts),
        _ => None,
    }
}

/// Whether a part of a path can be an id: a provider made it, and no word of an API has a digit.
fn is_made(part: &str) -> bool {
    part.len() >= SHORTEST && part.bytes().any(|byte| byte.is_ascii_digit()) && is_id(part.as_bytes())
}

/// The id that a path is about.
#[must_use]
pub fn in_path(path: &str) -> Option<PathId<'_>> {
    let mut parts = below_collection(path)?;
    let id = parts.next().filter(|id| !NO_IDS.contains(id) && is_made(id))?;
    Some(PathId { id, last: parts.next().is_none() })
}

/// The id of a call that a connection joins: `/realtime?call_id=rtc_1`.
#[must_use]
pub fn in_query<'a>(path: &str, query: Option<&'a str>) -> Option<&'a str> {
    if path != "/realtime" {
        return None;
    }
    query?.split('&').find_map(|pair| pair.strip_prefix("call_id=")).filter(|id| is_id(id.as_bytes()))
}

/// The id that a `Location` header is about, whatever stands before the path that is known: `/v1/realtime/calls/rtc_1`.
#[must_use]
pub fn in_location(location: &str) -> Option<&str> {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    location.match_indices('/').find_map(|(at, _)| in_path(&location[at..])).map(|found| found.id)
}

/// Whether a request to this path counts the tokens of a message, which names what a message does.
#[must_use]
pub fn counts_tokens(path: &str) -> bool {
    path.strip_prefix('/') == Some("messages/count_tokens")
}

/// Whether the JSON body of a request to this path may name ids, besides those of the APIs that generate.
#[must_use]
pub fn body_names(path: &str) -> bool {
    let first = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    first != "chat" && below_collection(path).is_some()
}

/// Whether an answer from this path speaks of what its provider keeps. Contents and results are the application's own.
#[must_use]
pub fn answer_makes(path: &str) -> bool {
    body_names(path) && !matches!(path.rsplit('/').find(|part| !part.is_empty()), Some("content" | "results"))
}

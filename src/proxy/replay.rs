//! Holds a JSON body whole, so that the split can read it and a request can be sent again; within bounds.
//!
//! Only JSON that the split (or a translation of model names) has to read is held, up to `limits.replay_body` each
//! and `limits.replay_memory` in all; what is larger goes on as it comes, what was read of it first. Other bodies are
//! never held. Invariant: memory is taken from the budget before a byte is kept, and given back when the request has
//! been answered or given up.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::RequestBody;
use super::error::Problem;
use super::hush::Hush;
use crate::decide::policy::Limits;

/// What cores take from the process's budget at a time, and keep at most twice of.
const LEASE: u64 = 1 << 20;

/// The process's memory for held bodies.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    leased: AtomicU64,
}

impl Budget {
    fn lease(&self, bytes: u64, limit: u64) -> bool {
        let fits = |leased: u64| leased.checked_add(bytes).filter(|sum| *sum <= limit);
        self.leased.try_update(Relaxed, Relaxed, fits).is_ok()
    }
}

/// A core's share of it: what is leased and not in use.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    spare: Cell<u64>,
}

impl Share {
    /// Nothing leased yet.
    pub(crate) fn of(budget: Arc<Budget>) -> Share {
        Share { budget, spare: Cell::new(0) }
    }

    fn take(&self, bytes: u64, limit: u64) -> bool {
        let spare = self.spare.get();
        if spare >= bytes {
            self.spare.set(spare - bytes);
            return true;
        }
        let short = bytes - spare;
        for ask in [short.max(LEASE), short] {
            if self.budget.lease(ask, limit) {
                self.spare.set(spare + ask - bytes);
                return true;
            }
        }
        false
    }

    fn give(&self, bytes: u64) {
        let mut spare = self.spare.get() + bytes;
        if spare > 2 * LEASE {
            self.budget.leased.fetch_sub(spare - LEASE, Relaxed);
            spare = LEASE;
        }
        self.spare.set(spare);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.leased.fetch_sub(self.spare.get(), Relaxed);
    }
}

/// Memory of the budget that one body occupies.
#[derive(Debug)]
struct Loan<'a> {
    share: &'a Share,
    bytes: u64,
}

impl Loan<'_> {
    fn extend(&mut self, bytes: usize, limit: u64) -> bool {
        let bytes = bytes as u64;
        let taken = self.share.take(bytes, limit);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

/// A request's body, as far as it is held.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    /// What is sent.
    pub(crate) body: RequestBody,
    /// The whole of a JSON body, as the client sent it.
    pub(crate) json: Option<Bytes>,
    /// Whether it is a JSON body that could not be held: nothing of it can be read, nor can it be sent again.
    pub(crate) unheld: bool,
    _loan: Option<Loan<'a>>,
}

impl Held<'_> {
    /// A body that goes on as it comes.
    pub(crate) fn passing(body: Incoming) -> Held<'static> {
        let body = if body.is_end_stream() { RequestBody::Empty } else { RequestBody::Streaming(body) };
        Held { body, json: None, unheld: false, _loan: None }
    }
}

/// Whether a body may be JSON. Without a content type its first byte decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Yes,
    No,
    Maybe,
    Encoded,
}

impl Json {
    /// By a request's headers.
    pub(crate) fn by(headers: &HeaderMap) -> Json {
        let json = match headers.get(header::CONTENT_TYPE) {
            None => Json::Maybe,
            Some(kind) if is_json(kind.as_bytes()) => Json::Yes,
            Some(_) => return Json::No,
        };
        match headers.get(header::CONTENT_ENCODING) {
            Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => match json {
                Json::Yes => Json::Encoded,
                _ => Json::No,
            },
            _ => json,
        }
    }
}

fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let ends =
        |with: &[u8]| essence.len() >= with.len() && essence[essence.len() - with.len()..].eq_ignore_ascii_case(with);
    essence.eq_ignore_ascii_case(b"application/json") || ends(b"+json")
}

/// Reads a body whole if it is JSON and fits; else what was read of it goes before the rest.
pub(crate) async fn hold<'a>(
    share: &'a Share,
    limits: &Limits,
    headers: &HeaderMap,
    mut body: Incoming,
    hush: &Arc<Hush>,
) -> Result<Held<'a>, Problem> {
    if body.is_end_stream() {
        return Ok(Held::passing(body));
    }
    let json = Json::by(headers);
    match json {
        Json::No => return Ok(Held::passing(body)),
        Json::Encoded => return Ok(Held { unheld: true, ..Held::passing(body) }),
        Json::Yes | Json::Maybe => {}
    }
    if body.size_hint().lower() > limits.replay_body {
        return Ok(Held { unheld: true, ..Held::passing(body) });
    }
    let mut loan = Loan { share, bytes: 0 };
    let mut gathered = Gathered::default();
    while let Some(frame) = poll_fn(|context| hush.take(&mut body, context)).await {
        let frame = frame.map_err(|error| Problem::BrokenBody(cause(&error)))?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let json = gathered.whole();
                let body = match frame.into_trailers() {
                    Ok(trailers) => RequestBody::Trailed(json.clone(), Box::new(trailers)),
                    Err(_) => RequestBody::Whole(json.clone()),
                };
                return Ok(Held { body, json: Some(json), unheld: false, _loan: Some(loan) });
            }
        };
        let sniffed = gathered.is_empty() && json == Json::Maybe && !begins_object(&data);
        let fits = gathered.len() + data.len() as u64 <= limits.replay_body;
        if sniffed || !fits || !loan.extend(data.len(), limits.replay_memory) {
            gathered.add(data);
            let body = RequestBody::Prefixed(gathered.whole(), body);
            return Ok(Held { body, json: None, unheld: !sniffed, _loan: Some(loan) });
        }
        gathered.add(data);
        if body.is_end_stream() {
            break;
        }
    }
    let json = gathered.whole();
    Ok(Held { body: RequestBody::Whole(json.clone()), json: Some(json), unheld: false, _loan: Some(loan) })
}

fn begins_object(data: &[u8]) -> bool {
    data.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

// The words of the innermost error: what hyper wraps around it says nothing more.
fn cause(error: &hyper::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Pieces of a body. A single piece, which is the usual case, is never copied.
#[derive(Debug, Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.all.is_empty()
    }

    fn len(&self) -> u64 {
        (self.first.len() + self.all.len()) as u64
    }

    fn add(&mut self, piece: Bytes) {
        if self.is_empty() {
            self.first = piece;
            return;
        }
        if !self.first.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_comes_back() {
        let budget = Arc::new(Budget::default());
        let limit = 3 * LEASE;
        let (one, two) = (Share::of(Arc::clone(&budget)), Share::of(Arc::clone(&budget)));
        let mut first = Loan { share: &one, bytes: 0 };
        assert!(first.extend(2 << 20, limit));
        let mut second = Loan { share: &two, bytes: 0 };
        assert!(second.extend(1 << 20, limit));
        assert!(!second.extend(1, limit), "the budget is used up");
        assert_eq!(budget.leased.load(Relaxed), limit);
        drop(first);
        assert!(second.bytes == 1 << 20);
        drop(second);
        drop((one, two));
        assert_eq!(budget.leased.load(Relaxed), 0);
    }

    #[test]
    fn a_budget_below_a_lease_still_serves_small_bodies() {
        let share = Share::of(Arc::default());
        assert!(share.take(300, 1000));
        assert!(share.take(700, 1000));
        assert!(!share.take(1, 1000));
    }

    #[test]
    fn json_is_told_by_its_content_type() {
        let by = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(n, v)| (header::HeaderName::from_static(n), header::HeaderValue::from_static(v)));
            Json::by(&pairs.collect())
        };
        assert_eq!(by(&[("content-type", "application/json")]), Json::Yes);
        assert_eq!(by(&[("content-type", "Application/JSON; charset=utf-8")]), Json::Yes);
        assert_eq!(by(&[("content-type", "application/vnd.api+json")]), Json::Yes);
        assert_eq!(by(&[("content-type", "application/jsonl")]), Json::No);
        assert_eq!(by(&[("content-type", "multipart/form-data; boundary=x")]), Json::No);
        assert_eq!(by(&[]), Json::Maybe);
        assert_eq!(by(&[("content-type", "application/json"), ("content-encoding", "gzip")]), Json::Encoded);
        assert_eq!(by(&[("content-type", "application/json"), ("content-encoding", "identity")]), Json::Yes);
    }
}

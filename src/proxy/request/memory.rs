//! Holds a body whole, so that the split can read it and a request can be sent again; within bounds.
//!
//! Only JSON and forms that the split (or a rewriting for a provider) has to read are held, up to `limits.replay_body`
//! each and `limits.replay_memory` in all. A larger body goes on as it comes, after what was read of it. Other bodies
//! are never held. Answers that are buffered use the same memory. Invariant: memory is reserved before a byte is kept,
//! and given back when the request has been answered or given up.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::RequestBody;
use crate::decide::policy::Limits;
use crate::proxy::downstream::wake_filter::WakeFilter;
use crate::proxy::response::error::ProxyError;
use crate::wire::media;
use crate::wire::multipart::boundary;

/// What a core takes from the process's memory at a time. It keeps at most twice as much.
const LEASE: u64 = 1 << 20;

/// The process's memory for held bodies.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory {
    leased: AtomicU64,
}

impl BodyMemory {
    fn lease(&self, bytes: u64, limit: u64) -> bool {
        let fits = |leased: u64| leased.checked_add(bytes).filter(|sum| *sum <= limit);
        self.leased.try_update(Relaxed, Relaxed, fits).is_ok()
    }
}

/// A core's share of it: what is leased and not in use.
#[derive(Debug)]
pub(crate) struct CoreShare {
    budget: Arc<BodyMemory>,
    spare: Cell<u64>,
}

impl CoreShare {
    /// With nothing leased yet.
    pub(crate) fn of(budget: Arc<BodyMemory>) -> CoreShare {
        CoreShare { budget, spare: Cell::new(0) }
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

impl Drop for CoreShare {
    fn drop(&mut self) {
        self.budget.leased.fetch_sub(self.spare.get(), Relaxed);
    }
}

/// Memory of the budget that one body occupies.
#[derive(Debug)]
pub(crate) struct Reservation {
    share: Rc<CoreShare>,
    bytes: u64,
}

impl Reservation {
    /// Of no bytes yet.
    pub(crate) fn of(share: &Rc<CoreShare>) -> Reservation {
        Reservation { share: Rc::clone(share), bytes: 0 }
    }

    /// Takes more, unless all bodies together would exceed `limit`.
    pub(crate) fn extend(&mut self, bytes: usize, limit: u64) -> bool {
        let bytes = bytes as u64;
        let taken = self.share.take(bytes, limit);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

/// A request's body, as far as it is held, and the memory that it occupies.
#[derive(Debug, Default)]
pub(crate) struct HeldBody {
    /// What is sent; `None` once it was given away.
    pub(crate) body: RefCell<Option<RequestBody>>,
    /// All of it, where it was held and can be read.
    pub(crate) whole: Option<WholeBody>,
    /// Whether it should be read and could not be held. Then it cannot be sent again.
    pub(crate) unheld: bool,
    _reservation: Option<Reservation>,
}

/// A whole body that can be read. Kept beside what is sent, since that is given away.
#[derive(Debug)]
pub(crate) struct WholeBody {
    /// As the client sent it.
    pub(crate) bytes: Bytes,
    /// Of a form; else it is JSON.
    pub(crate) boundary: Option<String>,
}

impl HeldBody {
    /// A body that goes on as it comes.
    pub(crate) fn passing(body: Incoming) -> HeldBody {
        let body = if body.is_end_stream() { RequestBody::Empty } else { RequestBody::streaming(body) };
        HeldBody { body: RefCell::new(Some(body)), whole: None, unheld: false, _reservation: None }
    }
}

/// How a body may be read. Without a content type its first byte decides.
#[derive(Clone, Debug, PartialEq, Eq)]
enum BodyFormat {
    Json,
    Maybe,
    /// With this boundary.
    Form(String),
    /// Something to be read, in an encoding.
    Encoded,
    Other,
}

impl BodyFormat {
    fn by(headers: &HeaderMap) -> BodyFormat {
        let kind = match headers.get(header::CONTENT_TYPE) {
            None => BodyFormat::Maybe,
            Some(kind) if media::is_json(kind.as_bytes()) => BodyFormat::Json,
            Some(kind) => match kind.to_str().ok().and_then(boundary) {
                Some(boundary) => BodyFormat::Form(boundary),
                None => return BodyFormat::Other,
            },
        };
        match headers.get(header::CONTENT_ENCODING) {
            Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => match kind {
                BodyFormat::Maybe => BodyFormat::Other,
                _ => BodyFormat::Encoded,
            },
            _ => kind,
        }
    }
}

/// Whether a body is JSON, as far as its head says.
pub(super) fn may_be_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|kind| media::is_json(kind.as_bytes()))
}

/// Reads a body whole if it can be read and fits; else what was read of it goes before the rest.
pub(crate) async fn hold(
    share: &Rc<CoreShare>,
    limits: &Limits,
    headers: &HeaderMap,
    mut body: Incoming,
    wake_filter: &Arc<WakeFilter>,
) -> Result<HeldBody, ProxyError> {
    if body.is_end_stream() {
        return Ok(HeldBody::passing(body));
    }
    let (boundary, sniff) = match BodyFormat::by(headers) {
        BodyFormat::Other => return Ok(HeldBody::passing(body)),
        BodyFormat::Encoded => return Ok(HeldBody { unheld: true, ..HeldBody::passing(body) }),
        BodyFormat::Json => (None, false),
        BodyFormat::Maybe => (None, true),
        BodyFormat::Form(boundary) => (Some(boundary), false),
    };
    if body.size_hint().lower() > limits.replay_body {
        return Ok(HeldBody { unheld: true, ..HeldBody::passing(body) });
    }
    let mut reservation = Reservation::of(share);
    let mut gathered = Gathered::default();
    let mut trailers = None;
    while let Some(frame) = poll_fn(|context| wake_filter.take(&mut body, context)).await {
        let frame = frame.map_err(|error| ProxyError::BrokenBody(cause(&error)))?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok().map(Box::new);
                break;
            }
        };
        let unread = gathered.is_empty() && sniff && !begins_object(&data);
        let fits = gathered.len() + data.len() as u64 <= limits.replay_body;
        if unread || !fits || !reservation.extend(data.len(), limits.replay_memory) {
            gathered.add(data);
            let body = RequestBody::prefixed(gathered.whole(), body);
            return Ok(HeldBody {
                body: RefCell::new(Some(body)),
                whole: None,
                unheld: !unread,
                _reservation: Some(reservation),
            });
        }
        gathered.add(data);
        if body.is_end_stream() {
            break;
        }
    }
    let bytes = gathered.whole();
    let body = match trailers {
        Some(trailers) => RequestBody::Trailed(bytes.clone(), trailers),
        None => RequestBody::Whole(bytes.clone()),
    };
    let whole = Some(WholeBody { bytes, boundary });
    Ok(HeldBody { body: RefCell::new(Some(body)), whole, unheld: false, _reservation: Some(reservation) })
}

fn begins_object(data: &[u8]) -> bool {
    data.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

// The message of the innermost error: what hyper wraps around it adds nothing.
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
        let budget = Arc::new(BodyMemory::default());
        let limit = 3 * LEASE;
        let (one, two) = (Rc::new(CoreShare::of(Arc::clone(&budget))), Rc::new(CoreShare::of(Arc::clone(&budget))));
        let mut first = Reservation::of(&one);
        assert!(first.extend(2 << 20, limit));
        let mut second = Reservation::of(&two);
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
        let share = CoreShare::of(Arc::default());
        assert!(share.take(300, 1000));
        assert!(share.take(700, 1000));
        assert!(!share.take(1, 1000));
    }

    #[test]
    fn what_can_be_read_is_told_by_its_content_type() {
        let by = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(n, v)| (header::HeaderName::from_static(n), header::HeaderValue::from_static(v)));
            BodyFormat::by(&pairs.collect())
        };
        assert_eq!(by(&[("content-type", "application/json")]), BodyFormat::Json);
        assert_eq!(by(&[("content-type", "Application/JSON; charset=utf-8")]), BodyFormat::Json);
        assert_eq!(by(&[("content-type", "application/problem+json; charset=utf-8")]), BodyFormat::Json);
        assert_eq!(by(&[("content-type", "application/jsonl")]), BodyFormat::Other);
        assert_eq!(by(&[("content-type", "multipart/form-data; boundary=x")]), BodyFormat::Form("x".to_owned()));
        assert_eq!(by(&[]), BodyFormat::Maybe);
        assert_eq!(by(&[("content-type", "application/json"), ("content-encoding", "gzip")]), BodyFormat::Encoded);
        assert_eq!(by(&[("content-type", "application/json"), ("content-encoding", "identity")]), BodyFormat::Json);
    }
}

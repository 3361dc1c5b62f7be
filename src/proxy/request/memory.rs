//! Holds a body whole, so that the split can read it and a request can be sent again; within bounds.
//!
//! Only JSON and forms that the split (or a rewriting for a provider) has to read are held, up to `limits.replay_body`
//! each and `limits.replay_memory` in all. A larger body goes on as it comes, after what was read of it. Other bodies
//! are never held. Answers that are buffered use the same memory. Invariant: memory is reserved before a byte is kept,
//! and given back when the request has been answered or given up.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::RequestBody;
use super::reservation::{CoreShare, Reservation};
use crate::decide::policy::Limits;
use crate::proxy::downstream::wake_filter::WakeFilter;
use crate::proxy::response::error::ProxyError;
use crate::wire::media;
use crate::wire::multipart::boundary;

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
    /// The whole body of a request that is copied, whose memory is accounted for elsewhere.
    pub(super) fn of_copy(bytes: Bytes) -> HeldBody {
        let body = RefCell::new(Some(RequestBody::Whole(bytes.clone())));
        HeldBody { body, whole: Some(WholeBody { bytes, boundary: None }), unheld: false, _reservation: None }
    }

    /// A body that goes on as it comes.
    pub(crate) fn passing(body: Incoming) -> HeldBody {
        let body = if body.is_end_stream() { RequestBody::Empty } else { RequestBody::streaming(body) };
        HeldBody { body: RefCell::new(Some(body)), ..HeldBody::default() }
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
    Ok(HeldBody { body: RefCell::new(Some(body)), whole, _reservation: Some(reservation), ..HeldBody::default() })
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

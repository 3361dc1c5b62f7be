//! A request as its attempts see it: what was read of it, with the fields of its body.
//!
//! The fields are those that the version of the file in force needs. They are read anew for each plan and borrowed from
//! the body, so they cannot be a part of the [`ReadRequest`]. A body that streams is given away once, one that is held
//! is lent as often as it is needed. Invariant: nothing of what the client sent is changed.

use bytes::Bytes;
use http::header::ACCEPT;

use super::body::RequestBody;
use super::named_state::NamedState;
use super::read::ReadRequest;
use crate::wire::body::Peek;

/// A request as its attempts see it.
#[derive(Debug)]
pub(crate) struct ClientRequest<'a> {
    pub(crate) request: &'a ReadRequest,
    /// The whole body and its fields, where it was read.
    pub(crate) read: Option<(&'a Bytes, &'a Peek<'a>)>,
    /// Whether a streamed answer is asked for: by the body where it was read, else by the accepted type.
    pub(crate) streaming: bool,
    /// The state that it names.
    pub(crate) named: &'a NamedState,
}

impl<'a> ClientRequest<'a> {
    pub(crate) fn of(request: &'a ReadRequest, peek: Option<&'a Peek<'a>>, named: &'a NamedState) -> ClientRequest<'a> {
        let accepts_stream = |accept: &http::HeaderValue| accept.as_bytes().starts_with(b"text/event-stream");
        let streaming = match peek {
            Some(peek) => peek.stream(),
            None => request.parts.headers.get(ACCEPT).is_some_and(accepts_stream),
        };
        ClientRequest {
            request,
            read: request.held.whole.as_ref().map(|whole| &whole.bytes).zip(peek),
            streaming,
            named,
        }
    }

    /// The model's name, as the application wrote it.
    pub(crate) fn model(&self) -> Option<&str> {
        self.read.and_then(|(_, peek)| peek.model())
    }

    /// Whether it can be sent to another candidate after this one.
    pub(crate) fn can_be_sent_again(&self) -> bool {
        if let Some(recorder) = &*self.request.recorder.borrow() {
            return recorder.is_complete();
        }
        self.request.held.body.borrow().as_ref().is_some_and(RequestBody::is_held)
    }

    pub(crate) fn can_be_sent(&self) -> bool {
        if let Some(recorder) = &*self.request.recorder.borrow() {
            return recorder.is_complete();
        }
        self.request.held.body.borrow().is_some()
    }

    /// Takes a body back of which nothing was sent.
    pub(crate) fn give_back(&self, body: RequestBody) {
        // A recording is there in any case.
        if !matches!(body, RequestBody::Recorded(_)) {
            self.request.held.body.borrow_mut().get_or_insert(body);
        }
    }

    pub(super) fn take_body(&self) -> Option<RequestBody> {
        if let Some(recorder) = &*self.request.recorder.borrow() {
            return recorder.is_complete().then(|| RequestBody::Recorded(recorder.read()));
        }
        let mut body = self.request.held.body.borrow_mut();
        match body.as_ref()?.replay() {
            Some(copy) => Some(copy),
            None => body.take(),
        }
    }
}

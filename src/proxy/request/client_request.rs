//! A request as the client sent it: what every attempt is made from.
//!
//! One value for all that an attempt reads of the request, so that attempts need not know how it was read. Everything
//! in it is borrowed but the body: a body that streams is given away once, one that is held is lent as often as it is
//! needed. Invariant: nothing of what the client sent is changed.

use std::cell::RefCell;

use bytes::Bytes;
use http::request;

use super::body::RequestBody;
use super::head::RequestHead;
use crate::wire::body::Peek;
use crate::wire::dialect::Dialect;

/// A request as the client sent it.
#[derive(Debug)]
pub(crate) struct ClientRequest<'a> {
    pub(crate) request_head: RequestHead,
    pub(crate) parts: &'a request::Parts,
    /// The whole body and its fields, where it was read.
    pub(crate) read: Option<(&'a Bytes, &'a Peek<'a>)>,
    /// `None` once it was given away.
    pub(crate) body: &'a RefCell<Option<RequestBody>>,
    /// Whether a streamed answer is asked for.
    pub(crate) streaming: bool,
    pub(crate) dialect: Dialect,
}

impl ClientRequest<'_> {
    /// The model's name, as the application wrote it.
    pub(crate) fn model(&self) -> Option<&str> {
        self.read.and_then(|(_, peek)| peek.model())
    }

    /// The path below the mount.
    pub(crate) fn below(&self) -> &str {
        self.request_head.below(&self.parts.uri)
    }

    /// Whether it can be sent to another candidate after this one.
    pub(crate) fn can_be_sent_again(&self) -> bool {
        self.body.borrow().as_ref().is_some_and(RequestBody::is_held)
    }

    pub(crate) fn can_be_sent(&self) -> bool {
        self.body.borrow().is_some()
    }

    /// Takes a body back of which nothing was sent.
    pub(crate) fn give_back(&self, body: RequestBody) {
        self.body.borrow_mut().get_or_insert(body);
    }

    pub(super) fn take_body(&self) -> Option<RequestBody> {
        let mut body = self.body.borrow_mut();
        match body.as_ref()?.replay() {
            Some(copy) => Some(copy),
            None => body.take(),
        }
    }
}

//! Makes a request fit for one provider, from what the client sent, anew for every attempt.
//!
//! Headers, path, key, model name and fields of the body, all by what was prepared for the provider. What the client
//! sent is only read, so nothing of one provider can reach the next: neither its key, nor its headers, nor its names
//! for models. A body that streams is given away once; one that is held is lent as often as it is asked for.

use std::cell::RefCell;

use bytes::Bytes;
use http::{Request, request};

use super::body::RequestBody;
use super::head::RequestHead;
use super::headers::{self, HeaderRules};
use super::prepared::{Prepared, PreparedProvider};
use super::presentation::Key;
use crate::proxy::response::error::Problem;
use crate::wire::body::{Peek, rewrite};
use crate::wire::dialect::Dialect;

/// A request as the client sent it: what every attempt is made from.
#[derive(Debug)]
pub(crate) struct ClientRequest<'a> {
    /// What its head says.
    pub(crate) request_head: RequestHead,
    /// Its head.
    pub(crate) parts: &'a request::Parts,
    /// The whole body and its fields, where it was read.
    pub(crate) read: Option<(&'a Bytes, &'a Peek<'a>)>,
    /// What it carries; `None` once it was given away.
    pub(crate) body: &'a RefCell<Option<RequestBody>>,
    /// Whether a streamed answer is asked for.
    pub(crate) streaming: bool,
    /// What it speaks.
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

    /// Whether it can be sent to somebody else after this.
    pub(crate) fn can_be_sent_again(&self) -> bool {
        self.body.borrow().as_ref().is_some_and(RequestBody::is_held)
    }

    /// Whether it can be sent at all.
    pub(crate) fn can_be_sent(&self) -> bool {
        self.body.borrow().is_some()
    }

    /// Takes a body back of which nothing was sent.
    pub(crate) fn give_back(&self, body: RequestBody) {
        self.body.borrow_mut().get_or_insert(body);
    }

    fn take_body(&self) -> Option<RequestBody> {
        let mut body = self.body.borrow_mut();
        match body.as_ref()?.replay() {
            Some(copy) => Some(copy),
            None => body.take(),
        }
    }
}

/// The request for a provider, with this key of Serin's; `None` once its body was given away.
pub(crate) fn build(
    original: &ClientRequest<'_>,
    prepared: &Prepared,
    to: &PreparedProvider,
    key: Option<&Key>,
    entitled: bool,
) -> Result<Option<Request<RequestBody>>, Problem> {
    let parts = original.parts;
    let known_as = original.model().map(|model| (model, to.provider.models.get(model)));
    let model = known_as.map(|(model, known_as)| known_as.map_or(model, String::as_str));
    let Some(uri) = to.uri(&parts.uri, original.below(), entitled, key, model) else {
        return Err(Problem::Unusable {
            provider: to.provider.name.clone(),
            reason: "its base_url and this request's path make no URI together".to_owned(),
        });
    };
    let Some(mut body) = original.take_body() else { return Ok(None) };
    let mut length = None;
    if let Some((whole, peek)) = original.read {
        let new = known_as.and_then(|(_, known_as)| known_as).map(String::as_str);
        if new.is_some() || !to.provider.fields.is_empty() {
            let rewritten = rewrite(whole, peek, new, &to.provider.fields);
            if rewritten != *whole {
                length = Some(rewritten.len());
                body = body.with_whole(rewritten);
            }
        }
    }
    let passage = HeaderRules {
        to,
        key,
        entitled,
        private: &prepared.private,
        upgrade: original.request_head.upgrade,
        connection: original.request_head.connection,
        plain_answer: original.streaming && original.dialect.generates(),
        new_length: length,
    };
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = parts.version;
    *request.headers_mut() = headers::outbound(&parts.headers, passage);
    Ok(Some(request))
}

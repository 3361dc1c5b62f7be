//! What is known of a request when it is accepted.
//!
//! One value, since it is made at the first stop of the [pipeline](super::pipeline) and used at the third and the last.
//! The request counts as open from here on. Refuses to judge the request.

use std::rc::Rc;
use std::time::Instant;

use http::{Request, Version};

use super::head::RareHeaders;
use super::request_id::RequestId;
use crate::clock;
use crate::proxy::downstream::client_connection::{ClientConnection, OpenRequest};

/// A request that was accepted.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(super) open_request: OpenRequest,
    pub(super) id: RequestId,
    pub(super) at: Instant,
    pub(super) version: Version,
    pub(super) rare_headers: RareHeaders,
}

/// Accepts a request: it has an id and a time from here on.
pub(super) fn accept<B>(connection: &Rc<ClientConnection>, request: &Request<B>) -> Arrival {
    Arrival {
        open_request: OpenRequest::new(connection),
        id: connection.core.request_ids.next(),
        at: clock::instant(),
        version: request.version(),
        rare_headers: RareHeaders::of(request.headers()),
    }
}

//! The body of whatever a client is answered with.
//!
//! Hyper polls a [`Reply`] and drops it when the last byte has been handed over or the client has left; until then its
//! request is open. Owns no byte: they are Serin's own, or a [`Relay`] provides them. Invariant: a request ends with
//! its reply, whatever the reply is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::BodyError;
use super::grpc::relay::CallRelay;
use super::relay::Relay;
use crate::proxy::downstream::client_connection::OpenRequest;

/// A reply's body, and the request that stays open until it is dropped.
#[derive(Debug)]
pub(crate) struct Reply {
    body: ReplyBody,
    _open_request: OpenRequest,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// From Serin, or there are none.
    Own(Bytes),
    /// From a provider.
    Relayed(Box<Relay>),
    /// From the provider of a call of gRPC.
    Call(Box<CallRelay>),
}

impl Reply {
    pub(crate) fn new(body: ReplyBody, open_request: OpenRequest) -> Reply {
        Reply { body, _open_request: open_request }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.body {
            ReplyBody::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            ReplyBody::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ReplyBody::Relayed(relay) => relay.poll(context),
            ReplyBody::Call(relay) => relay.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            ReplyBody::Own(bytes) => bytes.is_empty(),
            ReplyBody::Relayed(relay) => relay.is_over(),
            ReplyBody::Call(relay) => relay.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            ReplyBody::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ReplyBody::Relayed(relay) => relay.size_hint(),
            ReplyBody::Call(_) => SizeHint::new(),
        }
    }
}

//! An answer on its way to the client: frame by frame, as it comes.
//!
//! Nothing is held, joined or parsed; a frame that came is a frame that goes, and its write is flushed at once. What
//! passes is observed for the account only. An answer that breaks off is never completed as if it were whole: the
//! error goes on to the client's connection, which is aborted (a dialect that can say so in its own words will, at
//! `Relay::broken`). Dropping the relay drops the provider's connection or stream, so a client that left cancels it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;

use super::body::{AnswerBody, BodyError};
use super::core::Ticket;
use super::door::Door;
use super::error::Problem;
use super::exchange::Exchange;
use super::{headers, upgrade};
use crate::decide::outcome::BodyEnd;
use crate::decide::units::Arm;

const X_SERIN_PROVIDER: HeaderName = HeaderName::from_static("x-serin-provider");
const X_SERIN_ROLLOUT: HeaderName = HeaderName::from_static("x-serin-rollout");
const X_SERIN_ARM: HeaderName = HeaderName::from_static("x-serin-arm");
const X_SERIN_GENERATION: HeaderName = HeaderName::from_static("x-serin-generation");

/// A provider's answer, on Serin's side of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As it came.
    pub(crate) response: Response<AnswerBody>,
    /// Its account.
    pub(crate) exchange: Exchange,
    /// The client's end of the connection, where it asked to leave HTTP.
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// Turns a provider's answer into the client's.
pub(crate) fn answer(door: &Rc<Door>, answer: Answer) -> Result<Response<ReplyBody>, Problem> {
    let Answer { response, mut exchange, upgrade } = answer;
    let (mut parts, body) = response.into_parts();
    let switching = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    exchange.answered(parts.status.as_u16());
    headers::inbound(&mut parts.headers, switching, exchange.plan().arm == Some(Arm::Canary));
    introduce(&exchange, &mut parts.headers);
    parts.version = Version::HTTP_11;
    let body = if switching {
        match (upgrade, parts.extensions.remove::<OnUpgrade>()) {
            (Some(client), Some(provider)) => upgrade::carry(client, provider, body, exchange, Ticket::new(door)),
            _ => return Err(exchange.unasked_upgrade()),
        }
        ReplyBody::Own(Bytes::new())
    } else {
        Relay::of(body, exchange)
    };
    Ok(Response::from_parts(parts, body))
}

/// Says who served the request, and by which version of the file.
fn introduce(exchange: &Exchange, headers: &mut HeaderMap) {
    let (plan, in_use) = (exchange.plan(), exchange.in_use());
    let prepared = &in_use.prepared;
    if !prepared.policy.response_headers {
        return;
    }
    headers.insert(X_SERIN_PROVIDER, prepared.outbound(plan.provider).name.clone());
    if let Some(rollout) = plan.rollout {
        headers.insert(X_SERIN_ROLLOUT, prepared.rollouts[usize::from(rollout.0)].clone());
    }
    if let Some(arm) = plan.arm {
        headers.insert(X_SERIN_ARM, HeaderValue::from_static(arm.as_str()));
    }
    headers.insert(X_SERIN_GENERATION, prepared.generation.clone());
}

/// Where this is the connection's last answer, tells an HTTP/1 client so. HTTP/2 has its own way.
pub(crate) fn say_goodbye(last: bool, version: Version, headers: &mut HeaderMap) {
    if last && version <= Version::HTTP_11 && !headers.contains_key(header::UPGRADE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// What a client is answered with; the request is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Reply {
    body: ReplyBody,
    _ticket: Ticket,
}

/// Whose words they are.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Serin's own, or none.
    Own(Bytes),
    /// A provider's.
    Relayed(Relay),
}

impl Reply {
    /// An answer to the request of this ticket.
    pub(crate) fn new(body: ReplyBody, ticket: Ticket) -> Reply {
        Reply { body, _ticket: ticket }
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
            ReplyBody::Own(words) if words.is_empty() => Poll::Ready(None),
            ReplyBody::Own(words) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(words))))),
            ReplyBody::Relayed(relay) => relay.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            ReplyBody::Own(words) => words.is_empty(),
            ReplyBody::Relayed(relay) => relay.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            ReplyBody::Own(words) => SizeHint::with_exact(words.len() as u64),
            ReplyBody::Relayed(relay) => relay.body.size_hint(),
        }
    }
}

/// A provider's answer, and its account.
#[derive(Debug)]
pub(crate) struct Relay {
    body: AnswerBody,
    exchange: Exchange,
    /// What is missing to the announced length.
    remaining: Option<u64>,
}

impl Relay {
    // An empty answer is accounted for here: nobody will poll it.
    fn of(body: AnswerBody, mut exchange: Exchange) -> ReplyBody {
        if body.is_end_stream() {
            exchange.body_ended(BodyEnd::Complete);
            return ReplyBody::Own(Bytes::new());
        }
        let remaining = body.size_hint().exact();
        ReplyBody::Relayed(Relay { body, exchange, remaining })
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.passed(frame),
            Some(Err(error)) => self.broken(error),
            None => self.exchange.body_ended(BodyEnd::Complete),
        }
        Poll::Ready(frame)
    }

    fn passed(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else {
            // Trailers are the last frame.
            self.exchange.body_ended(BodyEnd::Complete);
            return;
        };
        if data.is_empty() {
            return;
        }
        let last = self.remaining.as_mut().is_some_and(|remaining| {
            *remaining = remaining.saturating_sub(data.len() as u64);
            // The client's side stops reading at this length and may never ask for the end.
            *remaining == 0
        });
        self.exchange.output(last);
    }

    fn broken(&mut self, error: &BodyError) {
        self.exchange.body_ended(error.end());
    }
}

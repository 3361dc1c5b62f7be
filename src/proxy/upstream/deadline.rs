//! The wait for a response's head, and its time limit.
//!
//! The timer counts the provider's time only: it is stopped while a streamed request waits for its client, and starts
//! anew whenever the provider has taken another piece of the request. A client that pauses within its request has a
//! limit of its own. Invariant: it expires only after the provider alone was waited for, for the whole limit, or at the
//! moment at which another candidate is asked.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::stream::StreamActivity;
use super::timer::DeadlineTimer;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::request::body::RequestBody;
use crate::proxy::request::upload::Upload;
use crate::proxy::response::body::BodyClocks;

/// What hyper makes of a request.
pub(super) type SendResult = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// How long the provider may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendLimits {
    /// From the request's last byte to the head.
    pub(crate) head: Millis,
    /// By when the head must have come, whatever the provider has taken of the request by then.
    pub(crate) deadline: Option<Deadline>,
    /// For a client that has to send more of a body that streams.
    pub(crate) client: Millis,
    pub(crate) body: BodyClocks,
}

/// The wait for a response's head.
pub(super) struct Wait<'a> {
    /// Of the connection or stream.
    pub(super) timer: &'a mut DeadlineTimer,
    pub(super) upload: Option<&'a Upload>,
    pub(super) activity: Option<&'a StreamActivity>,
    pub(super) limits: &'a SendLimits,
}

/// Which side took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimedOut {
    /// The provider, with its answer or with taking the request.
    Provider,
    /// The provider, up to the moment at which another candidate is asked.
    GivenUp,
    /// The client, with the rest of its request.
    Client,
}

impl Wait<'_> {
    /// The head, or the side that took too long.
    pub(super) async fn head(
        self,
        mut answer: Pin<&mut impl Future<Output = SendResult>>,
    ) -> Result<SendResult, TimedOut> {
        let mut waits_for = TimedOut::Provider;
        poll_fn(|cx| {
            if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
                self.timer.clear();
                return Poll::Ready(Ok(sent));
            }
            loop {
                let moved = self.last_movement();
                let now = match self.upload {
                    Some(upload) if upload.waits_for_client() => {
                        upload.register_waker(cx);
                        TimedOut::Client
                    }
                    _ => TimedOut::Provider,
                };
                if now != waits_for {
                    waits_for = now;
                    self.timer.clear();
                }
                let limit = if waits_for == TimedOut::Client { self.limits.client } else { self.limits.head };
                let by = if waits_for == TimedOut::Provider { self.until() } else { None };
                if !self.timer.is_set() {
                    self.timer.set(limit.duration());
                    self.timer.no_later(by);
                }
                if self.timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if by.is_some_and(|by| clock::instant() >= by) {
                    return Poll::Ready(Err(TimedOut::GivenUp));
                }
                // Time is over, unless the request was still moving meanwhile.
                let quiet = moved.map(|moved| clock::now().since(moved));
                match quiet {
                    Some(quiet) if quiet < limit => {
                        self.timer.set(limit.since(quiet).duration());
                        self.timer.no_later(by);
                    }
                    _ => return Poll::Ready(Err(waits_for)),
                }
            }
        })
        .await
    }

    /// When another candidate is asked.
    fn until(&self) -> Option<Instant> {
        let deadline = self.limits.deadline?;
        self.upload.map_or_else(|| deadline.at(), |upload| upload.until(deadline, clock::instant()))
    }

    fn last_movement(&self) -> Option<Millis> {
        let moved = self.upload.map(Upload::moved).filter(|moved| moved.0 > 0);
        moved.max(self.activity.and_then(StreamActivity::last_write))
    }
}

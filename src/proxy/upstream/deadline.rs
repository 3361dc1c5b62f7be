//! The wait for a response's head, and its time limit.
//!
//! The timer counts the provider's time only: it is stopped while a streamed request waits for its client, and starts
//! anew whenever the provider has taken another piece of the request. A client that pauses within its request has a
//! limit of its own. Invariant: it expires only after the provider alone was waited for, for the whole limit, or at the
//! moment at which another candidate is asked.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::response_source::ResponseSource;
use super::stream::StreamActivity;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::request::body::{RequestBody, Upload};

/// What hyper makes of a request.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// The wait for a response's head.
pub(super) struct Wait<'a> {
    pub(super) source: &'a mut ResponseSource,
    pub(super) upload: Option<&'a Upload>,
    pub(super) activity: Option<&'a StreamActivity>,
    pub(super) limit: Millis,
    /// When the wait ends even if the limit is not over.
    pub(super) by: Option<Instant>,
    pub(super) client: Millis,
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
    pub(super) async fn head(&mut self, answer: impl Future<Output = Sent>) -> Result<Sent, TimedOut> {
        let mut answer = pin!(answer);
        let mut waits_for = TimedOut::Provider;
        poll_fn(|cx| {
            if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
                if let Some(timer) = self.source.timer() {
                    timer.clear();
                }
                return Poll::Ready(Ok(sent));
            }
            loop {
                let moved = self.last_movement();
                let Some(timer) = self.source.timer() else { return Poll::Ready(Err(TimedOut::Provider)) };
                let now = match self.upload {
                    Some(upload) if upload.is_starved() => {
                        upload.wake_when_fed(cx);
                        TimedOut::Client
                    }
                    _ => TimedOut::Provider,
                };
                if now != waits_for {
                    waits_for = now;
                    timer.clear();
                }
                let limit = if waits_for == TimedOut::Client { self.client } else { self.limit };
                let by = self.by.filter(|_| waits_for == TimedOut::Provider);
                if !timer.is_set() {
                    timer.set(limit.duration());
                    timer.no_later(by);
                }
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if by.is_some_and(|by| clock::instant() >= by) {
                    return Poll::Ready(Err(TimedOut::GivenUp));
                }
                // Time is over, unless the request was still moving meanwhile.
                let quiet = moved.map(|moved| clock::now().since(moved));
                match quiet {
                    Some(quiet) if quiet < limit => {
                        timer.set(limit.since(quiet).duration());
                        timer.no_later(by);
                    }
                    _ => return Poll::Ready(Err(waits_for)),
                }
            }
        })
        .await
    }

    fn last_movement(&self) -> Option<Millis> {
        let moved = self.upload.map(Upload::moved).filter(|moved| moved.0 > 0);
        moved.max(self.activity.and_then(StreamActivity::last_write))
    }
}

//! The wait for an answer's head, and the clock that runs meanwhile.
//!
//! The clock is the provider's: it stands still while a streamed request waits for its client, and starts anew whenever
//! the provider has taken another piece of the request. Invariant: it rings only after the provider alone was waited
//! for, for the whole limit, or at the moment at which somebody else is asked. A client that pauses within its request has
//! a limit of its own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::lease::ResponseSource;
use super::stream::Activity;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::response::body::{Outgoing, Upload};

/// What hyper makes of a request.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

/// The wait for an answer's head, and its clock.
pub(super) struct Wait<'a> {
    pub(super) line: &'a mut ResponseSource,
    pub(super) upload: Option<&'a Upload>,
    pub(super) activity: Option<&'a Activity>,
    pub(super) limit: Millis,
    /// When the provider is waited for no more, though its limit be not over.
    pub(super) by: Option<Instant>,
    pub(super) client: Millis,
}

/// Who took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimedOut {
    /// The provider, with its answer or with taking the request.
    Provider,
    /// The provider, beyond the moment at which somebody else is asked.
    GivenUp,
    /// The client, with the rest of its request.
    Client,
}

impl Wait<'_> {
    /// What came, or who was late.
    pub(super) async fn head(&mut self, answer: impl Future<Output = Sent>) -> Result<Sent, TimedOut> {
        let mut answer = pin!(answer);
        let mut turn = TimedOut::Provider;
        poll_fn(|cx| {
            if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
                if let Some(alarm) = self.line.alarm() {
                    alarm.lift();
                }
                return Poll::Ready(Ok(sent));
            }
            loop {
                let moved = self.last_movement();
                let Some(alarm) = self.line.alarm() else { return Poll::Ready(Err(TimedOut::Provider)) };
                let now = match self.upload {
                    Some(upload) if upload.is_starved() => {
                        upload.wake_when_fed(cx);
                        TimedOut::Client
                    }
                    _ => TimedOut::Provider,
                };
                if now != turn {
                    turn = now;
                    alarm.lift();
                }
                let limit = if turn == TimedOut::Client { self.client } else { self.limit };
                let by = self.by.filter(|_| turn == TimedOut::Provider);
                if !alarm.is_set() {
                    alarm.set(limit.duration());
                    alarm.no_later(by);
                }
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if by.is_some_and(|by| clock::instant() >= by) {
                    return Poll::Ready(Err(TimedOut::GivenUp));
                }
                // Time is over, unless the request was still moving meanwhile.
                let quiet = moved.map(|moved| clock::now().since(moved));
                match quiet {
                    Some(quiet) if quiet < limit => {
                        alarm.set(limit.since(quiet).duration());
                        alarm.no_later(by);
                    }
                    _ => return Poll::Ready(Err(turn)),
                }
            }
        })
        .await
    }

    fn last_movement(&self) -> Option<Millis> {
        let moved = self.upload.map(Upload::moved).filter(|moved| moved.0 > 0);
        moved.max(self.activity.and_then(Activity::last_write))
    }
}

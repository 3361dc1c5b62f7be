//! The wait for an answer's head, and the clock that runs meanwhile.
//!
//! The clock is the provider's: it stands still while a streamed request waits for its client, and starts anew whenever
//! the provider has taken another piece of the request. Invariant: it rings only after the provider alone was waited
//! for, for the whole limit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::line::Line;
use super::wire::Pulse;
use crate::clock;
use crate::decide::units::Millis;
use crate::proxy::body::{Outgoing, Upload};

/// What hyper makes of a request.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

/// The wait for an answer's head, and its clock.
pub(super) struct Wait<'a> {
    pub(super) line: &'a mut Line,
    pub(super) upload: Option<&'a Upload>,
    pub(super) pulse: Option<&'a Pulse>,
    pub(super) limit: Millis,
}

impl Wait<'_> {
    /// `None` when it did not come in time.
    pub(super) async fn head(&mut self, answer: impl Future<Output = Sent>) -> Option<Sent> {
        let mut answer = pin!(answer);
        poll_fn(|cx| {
            if let Poll::Ready(sent) = answer.as_mut().poll(cx) {
                if let Some(alarm) = self.line.alarm() {
                    alarm.lift();
                }
                return Poll::Ready(Some(sent));
            }
            loop {
                let moved = self.last_movement();
                let Some(alarm) = self.line.alarm() else { return Poll::Ready(None) };
                if let Some(upload) = self.upload
                    && upload.is_starved()
                {
                    alarm.lift();
                    upload.wake_when_fed(cx);
                    return Poll::Pending;
                }
                if !alarm.is_set() {
                    alarm.set(self.limit.duration());
                }
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                // Time is over, unless the provider was still taking the request meanwhile.
                let quiet = moved.map(|moved| clock::now().since(moved));
                match quiet {
                    Some(quiet) if quiet < self.limit => alarm.set(self.limit.since(quiet).duration()),
                    _ => return Poll::Ready(None),
                }
            }
        })
        .await
    }

    fn last_movement(&self) -> Option<Millis> {
        let moved = self.upload.map(Upload::moved).filter(|moved| moved.0 > 0);
        moved.max(self.pulse.and_then(Pulse::last_write))
    }
}

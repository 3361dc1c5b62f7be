//! What a failed attempt comes to, and what the client gets of it if all candidates fail.
//!
//! Reads an error or a bad answer, and says how the attempt ended, what may follow, and which response it leaves for
//! the client: the provider's own where it says anything, else a problem of Serin's. Decides nothing about what
//! follows.

use http::StatusCode;

use super::{Failover, FailureResponse};
use crate::clock;
use crate::decide::grpc::GrpcAbout;
use crate::decide::outcome::{BodyEnd, Ending, is_about_the_request};
use crate::decide::retry::FailedAttempt;
use crate::decide::units::Millis;
use crate::proxy::attempt::cause;
use crate::proxy::attempt::refusal::Refusal;
use crate::proxy::attempt::send::{self, Failure};
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::observe::Summary;
use crate::proxy::upstream::send_error::SendError;
use crate::wire::complaint::{About, Complaint};
use crate::wire::grpc::GrpcCode;
use crate::wire::rate_headers::{Pause, read_rate_report, retry_after};
use crate::wire::shape::Shape;

impl Failover<'_> {
    /// A failure without an answer.
    pub(super) fn no_answer(&mut self, failure: Failure) -> (Ending, FailedAttempt, FailureResponse) {
        let Failure { ending, fault } = failure;
        if let Some(cause) = fault.cause() {
            self.account.note_cause(cause, None);
        }
        // A provider may accept connections for upgrades in another way than all others.
        if fault.is_unreachable() && !self.client_request.request.upgrade {
            self.account.attempt_mut().note_unreachable();
        }
        let failed = FailedAttempt {
            outcome: self.account.attempt().outcome_of(ending),
            retry_after: None,
            rejected: false,
            too_long: false,
            cut: false,
            at_once: fault.is_refusal(),
        };
        let problem = match fault {
            send::Fault::Send(SendError::ClientPaused(limit)) => ProxyError::Paused(limit),
            send::Fault::RolledBack => ProxyError::RolledBack,
            fault => self.problem(ending, fault.to_string()),
        };
        (ending, failed, FailureResponse::Error(problem))
    }

    /// An answer that does not go out as it is.
    pub(super) fn bad_answer(
        &mut self,
        buffered_response: Box<BufferedResponse>,
    ) -> (Ending, FailedAttempt, FailureResponse) {
        // It does not reach the client, so what it cost is not counted.
        self.account.note_summary(buffered_response.summary.map(|summary| Summary { usage: None, ..summary }));
        let status = buffered_response.head.status.as_u16();
        let ending = buffered_response.ending.unwrap_or(Ending::NoHead);
        let oversized = is_oversized(&buffered_response);
        let pause = asked_pause(&buffered_response).filter(|_| !oversized);
        let failed = FailedAttempt {
            outcome: self.account.attempt().outcome_of(ending),
            // What is asked for as long as that is not waited for.
            retry_after: pause.map(|pause| Millis(pause.worth_waiting().unwrap_or(u64::MAX))),
            rejected: match ending.grpc() {
                Some(end) if end.about != GrpcAbout::Refused => end.is_about_the_request(),
                _ => is_about_the_request(status) && !ending.is_by_policy(),
            },
            too_long: oversized || self.is_too_long(status, ending, &buffered_response),
            cut: buffered_response.broke.is_some() || ending.is_cut(),
            at_once: false,
        };
        if !oversized {
            self.learn_of_key(ending, failed.outcome, pause);
        }
        self.note_cause(ending, &buffered_response);
        let success = buffered_response.head.status.is_success();
        let passes_on = match ending {
            _ if success && self.client_request.request.begins_by_success() => false,
            // A malformed answer goes out only where no other candidate could be asked, and a redirect never.
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => {
                !buffered_response.recoverable && shape != Shape::Redirect
            }
            Ending::Answered { body: BodyEnd::ErrorEvent | BodyEnd::Filtered | BodyEnd::Grpc(_), .. } => true,
            _ => !success,
        };
        let response = if passes_on {
            FailureResponse::Answer(buffered_response)
        } else {
            let detail = match (&buffered_response.broke, ending) {
                (Some(broke), _) => broke.to_string(),
                (None, Ending::Answered { body: BodyEnd::Malformed(shape), .. }) => {
                    cause::of_malformed(shape, cause::detail(shape, &buffered_response.head.headers)).to_string()
                }
                (None, _) => "its response ended in the middle of its content".to_owned(),
            };
            FailureResponse::Error(self.problem(ending, detail))
        };
        (ending, failed, response)
    }

    /// Whether a provider of a plain route refused the request for its length alone.
    fn is_too_long(&self, status: u16, ending: Ending, buffered_response: &BufferedResponse) -> bool {
        let plain = self.rollout.is_some_and(|rollout| rollout.canary.is_none());
        let refused = matches!(status, 400 | 413 | 422) && !ending.is_by_policy();
        let about = buffered_response.complaint.as_deref().filter(|_| plain && refused).and_then(Complaint::about);
        about == Some(About::ContextLength)
    }

    /// Notes for the record why an answer ended so.
    pub(super) fn note_cause(&mut self, ending: Ending, buffered_response: &BufferedResponse) {
        let headers = &buffered_response.head.headers;
        let detail = match ending {
            Ending::Answered { body: BodyEnd::Malformed(shape), .. } => cause::detail(shape, headers),
            _ => None,
        };
        if let Some(cause) =
            cause::of_answer(ending, buffered_response.complaint.as_deref(), buffered_response.broke.as_ref(), detail)
        {
            self.account.note_cause(cause, cause::request_id(headers));
        }
    }

    /// What a refusal says, for people.
    pub(super) fn refusal(&self, ending: Ending, response: &FailureResponse) -> Refusal {
        let status = match ending {
            // Its HTTP status is that of a success.
            Ending::Answered { body: BodyEnd::Grpc(end), .. } if end.code == GrpcCode::UNIMPLEMENTED => 404,
            Ending::Answered { status, .. } => status,
            _ => StatusCode::BAD_REQUEST.as_u16(),
        };
        let complaint = match response {
            FailureResponse::Answer(buffered_response) => buffered_response.complaint.as_deref(),
            FailureResponse::Error(_) => None,
        };
        Refusal::of(status, complaint, self.client_request.model(), self.client_request.request.below())
    }
}

/// Whether a 429 is about this request alone, which is larger than the provider's limits.
fn is_oversized(buffered_response: &BufferedResponse) -> bool {
    buffered_response.head.status == StatusCode::TOO_MANY_REQUESTS
        && buffered_response.complaint.as_deref().is_some_and(Complaint::is_oversized)
}

/// For how long the provider asks not to be asked again. Only a 429 is about its limits.
fn asked_pause(buffered_response: &BufferedResponse) -> Option<Pause> {
    if let Some(call) = &buffered_response.call {
        return call.pause;
    }
    let (headers, now) = (&buffered_response.head.headers, clock::unix().0);
    let in_body = buffered_response.complaint.as_deref().and_then(Complaint::asked_wait);
    if buffered_response.head.status != StatusCode::TOO_MANY_REQUESTS {
        return retry_after(headers, now).or(in_body).map(Pause::For);
    }
    read_rate_report(headers, now).pause(in_body)
}

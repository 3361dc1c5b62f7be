//! The rest of the answer to a call, on its way to the client: as it comes, byte for byte, and then its status.
//!
//! What was held goes first, then piece by piece what follows. A slow client does not ask for the next piece, so the
//! provider is held back by the windows of HTTP/2. Where the provider's answer breaks off, falls silent or has to end,
//! the client gets trailers of Serin's own. Invariant: a call that began ends with one status, and with OK only where
//! the provider said so at the end of a message. Dropping the relay resets the provider's stream in both directions.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tokio::time::Sleep;

use super::CallAnswer;
use super::own_status::{OwnStatus, after_head};
use crate::decide::outcome::{BodyEnd, Ending};
use crate::decide::units::Millis;
use crate::proxy::attempt::account::{Account, Part};
use crate::proxy::attempt::cause;
use crate::proxy::request::call::Expiry;
use crate::proxy::request::recording::Recorder;
use crate::proxy::request::reservation::Reservation;
use crate::proxy::response::body::{BodyError, ProviderBody};
use crate::proxy::response::error::ProxyError;
use crate::proxy::response::pieces::Pieces;
use crate::wire::complaint::Complaint;
use crate::wire::grpc::GrpcCode;

const STOPPING: &str = "Serin was stopped before this call was complete; send it again";
const ROLLED_BACK: &str = "the provider of this call was rolled back before it was complete; send it again";
const EXPIRED: &str = "the call's grpc-timeout was over before it was complete";

/// A call's answer on its way, and its account.
#[derive(Debug)]
pub(crate) struct CallRelay {
    /// What was held.
    pieces: Pieces,
    /// What goes out last.
    trailers: Option<HeaderMap>,
    rest: Option<ProviderBody>,
    answer: Box<CallAnswer>,
    account: Box<Account>,
    /// The provider's id of the request.
    request_id: Option<Box<str>>,
    /// Runs until the client stops waiting.
    timer: Option<Pin<Box<Sleep>>>,
    over: bool,
    /// The memory that what was held occupies, until it went out.
    loan: Option<Reservation>,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl CallRelay {
    /// For what was held, and what follows.
    pub(crate) fn new(
        (mut pieces, rest, loan): (Pieces, Option<ProviderBody>, Reservation),
        answer: Box<CallAnswer>,
        account: Box<Account>,
        request_id: Option<Box<str>>,
    ) -> Box<CallRelay> {
        // An answer has begun: nobody else is asked.
        if let Some(recorder) = &answer.recorder {
            recorder.keep_no_more();
            if answer.messages.has_begun() {
                recorder.answered();
            }
        }
        let trailers = pieces.trailers.take().map(|trailers| *trailers);
        let loan = Some(loan);
        let over = rest.is_none();
        let relay = CallRelay { pieces, trailers, rest, answer, account, request_id, timer: None, over, loan };
        Box::write(Box::new_uninit(), relay)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over && self.pieces.is_empty() && self.trailers.is_none()
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        loop {
            if let Some(piece) = self.pieces.take() {
                if self.pieces.is_empty() {
                    self.loan = None;
                }
                self.passes(&piece);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.over {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            if let Some((ending, own)) = self.must_end(context) {
                self.says(&own);
                self.account.end(ending);
                continue;
            }
            let waits_for_client = self.waits_for_client(context);
            let Some(body) = &mut self.rest else {
                self.over = true;
                continue;
            };
            let moved = self.answer.recorder.as_ref().map_or(Millis(0), Recorder::moved);
            body.run_clock(!waits_for_client, moved);
            let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else { return Poll::Pending };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.sees(&data);
                        self.passes(&data);
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Err(frame) => self.ended(frame.into_trailers().ok()),
                },
                Some(Err(error)) => self.broke_off(error.end(), Some(&error)),
                None => self.ended(None),
            }
        }
    }

    /// This came from the provider.
    fn sees(&mut self, data: &Bytes) {
        let before = self.answer.messages.begun();
        self.answer.messages.see(data);
        if self.answer.messages.begun() > before
            && let Some(recorder) = &self.answer.recorder
        {
            recorder.answered();
        }
    }

    /// This goes to the client.
    fn passes(&mut self, piece: &Bytes) {
        if let Some(entry) = self.account.entry() {
            entry.add_bytes(piece.len());
        }
        if self.answer.messages.has_begun() {
            if let Some(body) = &mut self.rest {
                body.output_seen();
            }
            self.account.note_part(Part::Output);
        }
    }

    /// Whether it is for the client to send more, before the provider can go on.
    fn waits_for_client(&self, context: &Context<'_>) -> bool {
        let within = self.answer.messages.is_within();
        self.answer.recorder.as_ref().is_some_and(|recorder| {
            recorder.register_waker(context);
            recorder.waits_for_client() && !within
        })
    }

    /// How this call ends now; `None`: it does not.
    fn must_end(&mut self, context: &mut Context<'_>) -> Option<(Ending, OwnStatus)> {
        let scope = self.account.scope();
        if scope.core.ends_requests() {
            let cut = |label, words: &str| {
                Some((Ending::CutBySerin, after_head(GrpcCode::UNAVAILABLE, label, words.to_owned())))
            };
            if scope.core.is_cut() {
                return cut(ProxyError::Stopping.label(), STOPPING);
            }
            if scope.is_cut(self.account.attempt().candidate.id) {
                return cut(ProxyError::RolledBack.label(), ROLLED_BACK);
            }
        }
        let at = self.answer.expiry.and_then(Expiry::at)?;
        self.expires(at, context).then(|| {
            // A stream that was under way when the time was over says nothing about its provider.
            let ending = if self.answer.messages.has_begun() { Ending::ClientLeft } else { self.account.expired() };
            let label = ProxyError::Expired.label();
            (ending, after_head(GrpcCode::DEADLINE_EXCEEDED, label, EXPIRED.to_owned()))
        })
    }

    fn expires(&mut self, at: Instant, context: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
        timer.as_mut().poll(context).is_ready()
    }

    /// The provider's answer ended, with these trailers.
    fn ended(&mut self, trailers: Option<HeaderMap>) {
        let end = trailers.as_ref().and_then(|trailers| self.answer.end(trailers));
        match end {
            Some(end) if matches!(end.body, BodyEnd::Grpc(_)) => {
                self.account_for(end.body, end.complaint.as_deref(), None);
                self.over = true;
                self.rest = None;
                self.trailers = trailers;
            }
            _ => self.broke_off(BodyEnd::Early, None),
        }
    }

    /// It ended before its end, or fell silent.
    fn broke_off(&mut self, body: BodyEnd, error: Option<&BodyError>) {
        let outcome = self.account.attempt().outcome_of_body(body);
        let message = self.account.scope().break_message(self.account.attempt().candidate.id, body);
        self.says(&after_head(GrpcCode::UNAVAILABLE, outcome.as_str(), message));
        self.account_for(body, None, error);
    }

    fn account_for(&mut self, body: BodyEnd, said: Option<&Complaint>, error: Option<&BodyError>) {
        if let Some(ending) = self.account.attempt().ending_of(body)
            && let Some(cause) = cause::of_answer(ending, said, error, None)
        {
            self.account.note_cause(cause, self.request_id.take());
        }
        self.account.body_ended(body);
    }

    /// Serin ends the call.
    fn says(&mut self, own: &OwnStatus) {
        let mut trailers = HeaderMap::new();
        own.write(&mut trailers);
        if let Some(entry) = self.account.entry() {
            entry.ended_by_serin(own.code);
        }
        (self.over, self.rest, self.trailers) = (true, None, Some(trailers));
        // The client is not listened to any more.
        self.answer.recorder = None;
    }
}

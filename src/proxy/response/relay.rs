//! The body of a provider's answer on its way to the client: as it comes, byte for byte.
//!
//! What was held goes first, then piece by piece what follows; each piece that comes goes out, and its write is flushed
//! at once. Of a stream whose events can be told apart, only whole events go out (an unfinished one is held, within a
//! bound), so that an answer that breaks off can be ended by an event of Serin's own, on which the official libraries
//! raise. Where that is impossible, the connection is aborted. Invariant: an answer that broke off never looks whole.
//! Dropping the relay drops the provider's connection or stream, so a client that left cancels it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use super::body::{BodyError, ProviderBody};
use super::error::ProxyError;
use super::observe::{ResponseObserver, Summary};
use super::pieces::Pieces;
use crate::decide::outcome::{BodyEnd, Ending};
use crate::proxy::attempt::account::{Account, Part};
use crate::proxy::attempt::cause;
use crate::proxy::attempt::refusal::Refusal;
use crate::proxy::request::reservation::Reservation;

/// What the client of a stream gets when Serin ends.
const STOPPING: &str = "Serin was stopped before this response was complete; send the request again (from Serin)";

/// What the client of a stream gets when an operator has ended what was under way on the canary.
const ROLLED_BACK: &str =
    "the provider of this response was rolled back before it was complete; send the request again (from Serin)";

/// The largest unfinished event that is held until its end.
pub(super) const MOST_UNFINISHED: usize = 16 * 1024;

/// A provider's answer on its way, and its account.
#[derive(Debug)]
pub(crate) struct Relay {
    /// What was held.
    pub(super) pieces: Pieces,
    /// An event's beginning, until its end has come.
    pub(super) unfinished: BytesMut,
    /// Whether the beginning of an event went out without its end.
    pub(super) midway: bool,
    /// What goes out next, before anything is read.
    pub(super) next: Option<Bytes>,
    pub(super) rest: Option<ProviderBody>,
    /// Why nothing follows.
    pub(super) broke: Option<BodyError>,
    pub(super) observer: Option<Box<ResponseObserver>>,
    pub(super) account: Box<Account>,
    /// The provider's id of the request.
    pub(super) request_id: Option<Box<str>>,
    /// How many bytes of the announced length are still to come.
    pub(super) remaining: Option<u64>,
    pub(super) pace: Pace,
    pub(super) over: bool,
    /// The memory that what was held occupies, until it went out.
    pub(super) loan: Option<Reservation>,
}

/// Which side is slow. Where pieces are there before they are polled for, it is the client, and the times between
/// outputs say nothing about the provider.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    waits: bool,
    pieces: u32,
    waited_for: u32,
}

impl Pace {
    fn came(&mut self) {
        self.pieces = self.pieces.saturating_add(1);
        self.waited_for += u32::from(std::mem::take(&mut self.waits));
    }

    const fn is_the_providers(self) -> bool {
        self.waited_for >= self.pieces / 2
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Relay {
    /// `None`: nothing is to be relayed. Such an answer is accounted for here, since hyper does not poll an empty body.
    pub(super) fn begin(mut relay: Relay) -> Option<Box<Relay>> {
        let empty = relay.pieces.is_empty() && relay.broke.is_none() && relay.pieces.trailers.is_none();
        if empty && relay.rest.as_ref().is_none_or(ProviderBody::is_end_stream) {
            // Where nothing can be said to the client, there is nothing to abort either.
            let _ = relay.ended(BodyEnd::Complete, None);
            relay.next.as_ref()?;
        }
        Some(Box::new(relay))
    }

    pub(super) fn is_over(&self) -> bool {
        let nothing_held = self.pieces.is_empty() && self.next.is_none();
        self.over
            || (nothing_held && self.observer.is_none() && self.rest.as_ref().is_some_and(ProviderBody::is_end_stream))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.rest {
            // Nothing is added to an answer whose length was announced.
            Some(rest) if self.remaining.is_some() && self.pieces.is_empty() => rest.size_hint(),
            _ => SizeHint::new(),
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        loop {
            let held = self.pieces.take();
            if let Some(piece) = &held {
                self.note_bytes(piece);
            }
            if let Some(piece) = held.or_else(|| self.next.take()) {
                let part = self.observer.as_deref().map_or(Part::Output, part);
                self.account.note_part(part);
                if self.pieces.is_empty() {
                    self.loan = None;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.over {
                return Poll::Ready(None);
            }
            if self.account.scope().core.ends_requests()
                && self.rest.is_some()
                && let Some(words) = self.must_end()
            {
                match self.cut(words) {
                    Some(error) => return Poll::Ready(Some(Err(error))),
                    None => continue,
                }
            }
            let Some(body) = &mut self.rest else { return Poll::Ready(self.ended_before()) };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
                self.pace.waits = true;
                return Poll::Pending;
            };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        if let Some(piece) = self.passed(data) {
                            return Poll::Ready(Some(Ok(Frame::data(piece))));
                        }
                    }
                    Err(trailers) => {
                        // They are the last frame.
                        let error = self.ended(BodyEnd::Complete, None);
                        if error.is_none() && self.next.is_none() {
                            return Poll::Ready(Some(Ok(trailers)));
                        }
                        self.broke = error;
                    }
                },
                Some(Err(error)) => self.broke = self.ended(error.end(), Some(error)),
                None => self.broke = self.ended(BodyEnd::Complete, None),
            }
            if let Some(error) = self.broke.take() {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Notes for the access log that this goes to the client.
    fn note_bytes(&mut self, piece: &Bytes) {
        if let Some(entry) = self.account.entry() {
            entry.add_bytes(piece.len());
        }
    }

    /// What follows the held pieces of an answer that had ended before it was relayed.
    fn ended_before(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.over = true;
        if let Some(trailers) = self.pieces.trailers.take() {
            return Some(Ok(Frame::trailers(*trailers)));
        }
        self.broke.take().map(Err)
    }

    /// A piece came; returns what of it goes out now.
    fn passed(&mut self, data: Bytes) -> Option<Bytes> {
        let length = data.len();
        if let Some(entry) = self.account.entry() {
            entry.add_piece(&data);
        }
        self.pace.came();
        let (whole, part) = match &mut self.observer {
            Some(observer) => {
                let whole = observer.see(&data);
                let part = part(observer);
                if part == Part::Output
                    && let Some(body) = &mut self.rest
                {
                    body.output_seen();
                }
                (if observer.takes_error_event() { whole } else { length }, part)
            }
            None => (length, Part::Output),
        };
        let last = self.remaining.as_mut().is_some_and(|remaining| {
            *remaining = remaining.saturating_sub(length as u64);
            // The client's side stops reading at this length and may never ask for the end.
            *remaining == 0
        });
        if last {
            let end = self.seen(BodyEnd::Complete, None);
            self.note_summary();
            if end == BodyEnd::Complete { self.account.note_part(Part::Last) } else { self.account.body_ended(end) }
        } else {
            self.account.note_part(part);
        }
        self.whole_events(data, whole)
    }

    /// What goes out of a piece whose last whole event ends after `whole` bytes. A second part of it goes next.
    fn whole_events(&mut self, mut data: Bytes, whole: usize) -> Option<Bytes> {
        if whole == data.len() && self.unfinished.is_empty() {
            self.midway = false;
            return Some(data);
        }
        if whole == 0 {
            if !self.midway && self.unfinished.len() + data.len() <= MOST_UNFINISHED {
                self.unfinished.extend_from_slice(&data);
                return None;
            }
            self.midway = true;
        } else {
            let waits = data.len() - whole <= MOST_UNFINISHED;
            self.midway = !waits;
            if waits {
                let tail = data.split_off(whole);
                let before = std::mem::replace(&mut self.unfinished, BytesMut::from(&tail[..]));
                return Some(self.first_of(before.freeze(), data));
            }
        }
        let before = self.unfinished.split().freeze();
        Some(self.first_of(before, data))
    }

    fn first_of(&mut self, before: Bytes, data: Bytes) -> Bytes {
        if before.is_empty() {
            return data;
        }
        self.next = Some(data);
        before
    }

    fn note_summary(&mut self) {
        if let Some(observer) = &self.observer {
            let summary = observer.summary();
            let outputs = if self.pace.is_the_providers() { summary.outputs } else { 0 };
            self.account.note_summary(Some(Summary { outputs, ..summary }));
        }
    }

    /// What an end of the transport amounts to. Notes the cause where the end is not good.
    fn seen(&mut self, end: BodyEnd, broke: Option<&BodyError>) -> BodyEnd {
        let end = self.observer.as_mut().map_or(end, |observer| observer.end(end));
        let observer = self.observer.as_deref();
        let (said, detail) =
            (observer.and_then(ResponseObserver::failure), observer.and_then(ResponseObserver::detail));
        if end != BodyEnd::Complete
            && let Some(ending) = self.account.attempt().ending_of(end)
            && let Some(cause) = cause::of_answer(ending, said, broke, detail)
        {
            self.account.note_cause(cause, self.request_id.take());
        }
        if end == BodyEnd::Filtered {
            // A filter is known by its name alone.
            self.account.report_refusal(Refusal::of(StatusCode::OK.as_u16(), said, None, ""));
        }
        end
    }

    /// Why this answer ends now, as label and message; `None`: it does not.
    fn must_end(&self) -> Option<(&'static str, &'static str)> {
        let scope = self.account.scope();
        if scope.core.is_cut() {
            return Some((ProxyError::Stopping.label(), STOPPING));
        }
        let rolled_back = scope.is_cut(self.account.attempt().candidate.id);
        rolled_back.then_some((ProxyError::RolledBack.label(), ROLLED_BACK))
    }

    /// Serin ends the answer before its end. A stream gets an event that says so, unless its last event is out already.
    fn cut(&mut self, (label, words): (&str, &str)) -> Option<BodyError> {
        if self.observer.as_deref().is_some_and(ResponseObserver::is_decided) {
            return self.ended(BodyEnd::Early, None);
        }
        self.over = true;
        self.rest = None;
        self.note_summary();
        let open = self.observer.as_deref().filter(|observer| observer.takes_error_event());
        self.next = open.map(|observer| observer.error_event(self.midway, label, words));
        self.account.end(Ending::CutBySerin);
        if self.next.is_some() { None } else { Some(BodyError::Cut) }
    }

    /// The answer ended: accounts for it, and sets what the client must still get. Returns the error where the
    /// connection has to be aborted.
    fn ended(&mut self, end: BodyEnd, error: Option<BodyError>) -> Option<BodyError> {
        self.over = true;
        self.rest = None;
        let end = self.seen(end, error.as_ref());
        self.note_summary();
        let Some(observer) = &self.observer else {
            self.account.body_ended(end);
            return error;
        };
        let unfinished = self.unfinished.split().freeze();
        let said = matches!(
            end,
            BodyEnd::Complete | BodyEnd::Empty | BodyEnd::ErrorEvent | BodyEnd::Filtered | BodyEnd::Malformed(_)
        );
        if said {
            self.account.body_ended(end);
            self.next = (!unfinished.is_empty()).then_some(unfinished);
            return if observer.takes_error_event() || error.is_none() { None } else { error };
        }
        let outcome = self.account.attempt().outcome_of_body(end);
        if observer.takes_error_event() {
            let words = self.account.scope().break_message(self.account.attempt().candidate.id, end);
            self.next = Some(observer.error_event(self.midway, outcome.as_str(), &words));
        }
        self.account.body_ended(end);
        if observer.takes_error_event() { None } else { error.or(Some(BodyError::Cut)) }
    }
}

/// What the piece that goes out is, as far as is known.
fn part(observer: &ResponseObserver) -> Part {
    if observer.has_output() { Part::Output } else { Part::Frame }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // What was generated was paid for, even if the client left before its end.
        self.note_summary();
        // After its last event an answer has ended, even where the connection has not.
        if let Some(observer) = &self.observer
            && observer.is_decided()
        {
            let end = self.seen(BodyEnd::Early, None);
            self.account.body_ended(end);
        }
    }
}

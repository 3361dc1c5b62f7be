//! An answer on its way to the client: as it comes, byte for byte.
//!
//! What was held goes first, then piece by piece what follows; a piece that came is a piece that goes, and its write is
//! flushed at once. Of a stream whose events can be told apart, only whole events go out (an unfinished one waits, within
//! a bound), so that an answer that breaks off can be ended by an event of Serin's own, on which the official libraries
//! raise. Where that cannot be, the connection is aborted. Invariant: an answer that broke off never looks whole.
//! Dropping the relay drops the provider's connection or stream, so a client that left cancels it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;

use super::buffer::BufferedResponse;
use super::error::Problem;
use super::observe::{Observer, Summary};
use super::pieces::Pieces;
use super::upgrade;
use crate::decide::cause::Cause;
use crate::decide::outcome::{BodyEnd, Ending};
use crate::proxy::attempt::account::{Account, Part};
use crate::proxy::attempt::cause;
use crate::proxy::attempt::refusal::Refusal;
use crate::proxy::body::{AnswerBody, BodyError};
use crate::proxy::core::OpenRequest;
use crate::proxy::downstream::lifetime::ClientConnection;
use crate::proxy::request::headers;
use crate::proxy::request::memory::Reservation;

const X_SERIN_PROVIDER: HeaderName = HeaderName::from_static("x-serin-provider");
const X_SERIN_ROLLOUT: HeaderName = HeaderName::from_static("x-serin-rollout");
const X_SERIN_ARM: HeaderName = HeaderName::from_static("x-serin-arm");
const X_SERIN_GENERATION: HeaderName = HeaderName::from_static("x-serin-generation");
const X_SERIN_ATTEMPTS: HeaderName = HeaderName::from_static("x-serin-attempts");

/// What the client of a stream is told when Serin ends.
const STOPPING: &str = "Serin was stopped before this response was complete; send the request again (from Serin)";

/// The largest unfinished event that waits for its end.
const MOST_UNFINISHED: usize = 16 * 1024;

/// A provider's answer, on Serin's side of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As far as it was seen.
    pub(crate) buffered_response: Box<BufferedResponse>,
    /// Its account.
    pub(crate) account: Box<Account>,
}

/// Turns a provider's answer into the client's. `upgrade`: the client's end of the connection, where it asked to leave
/// HTTP.
pub(crate) fn answer(
    conn: &Rc<ClientConnection>,
    answer: Answer,
    upgrade: Option<OnUpgrade>,
) -> Result<Response<ReplyBody>, Problem> {
    let Answer { buffered_response, account } = answer;
    let BufferedResponse { mut head, mut pieces, rest, broke, observer, unfinished, loan, .. } = *buffered_response;
    let switching = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let scope = account.scope();
    let entitled = scope.is_entitled(account.attempt().candidate.id);
    let observed = observer.is_some() && rest.is_some();
    let request_id = if observed { cause::request_id(&head.headers) } else { None };
    headers::inbound(&mut head.headers, switching, entitled);
    introduce(&account, &mut head.headers);
    head.version = Version::HTTP_11;
    let body = match (switching, rest) {
        (true, Some(body)) => {
            let (Some(client), Some(provider)) = (upgrade, head.extensions.remove::<OnUpgrade>()) else {
                return Err(unasked_upgrade(account));
            };
            upgrade::carry(client, provider, body, account, OpenRequest::new(conn));
            ReplyBody::Own(Bytes::new())
        }
        (_, None) if broke.is_none() && pieces.is_one() => ReplyBody::Own(pieces.take().unwrap_or_default()),
        (_, rest) => {
            let framed = observer.as_ref().is_some_and(|observer| observer.can_be_told());
            let midway = framed && rest.is_some() && unfinished > 0;
            let waits = midway && unfinished <= MOST_UNFINISHED;
            let unfinished = if waits { pieces.split_off(unfinished) } else { BytesMut::new() };
            Relay::of(Relay {
                remaining: rest.as_ref().and_then(|rest| rest.size_hint().exact()),
                pieces,
                unfinished,
                midway: midway && !waits,
                next: None,
                rest,
                broke,
                observer,
                account,
                request_id,
                pace: Pace::default(),
                over: false,
                loan: Some(loan),
            })
        }
    };
    Ok(Response::from_parts(head, body))
}

/// The provider switched to a protocol that nobody asked for.
fn unasked_upgrade(mut account: Box<Account>) -> Problem {
    let said = "it answered 101 to a request that asked for no upgrade";
    let problem = account.scope().problem(account.attempt().candidate.id, Ending::NoHead, said.to_owned());
    account.because(Cause::NotHttp { error: said.to_owned() }, None);
    if let Some(draft) = account.draft() {
        draft.answered_by_serin(&problem);
    }
    account.end(Ending::NoHead);
    problem
}

/// Says who served the request, and by which version of the file.
fn introduce(account: &Account, headers: &mut HeaderMap) {
    let (plan, prepared) = (&account.scope().plan, &account.scope().in_use.prepared);
    if !prepared.policy.response_headers {
        return;
    }
    headers.insert(X_SERIN_PROVIDER, prepared.outbound(account.attempt().candidate.id).name.clone());
    if let Some(rollout) = plan.rollout {
        headers.insert(X_SERIN_ROLLOUT, prepared.rollouts[usize::from(rollout.0)].clone());
    }
    if let Some(arm) = plan.arm {
        headers.insert(X_SERIN_ARM, HeaderValue::from_static(arm.as_str()));
    }
    headers.insert(X_SERIN_GENERATION, prepared.generation.clone());
    if account.attempts() > 1 {
        headers.insert(X_SERIN_ATTEMPTS, HeaderValue::from(account.attempts() as u64));
    }
}

/// Where this is the connection's last answer, tells an HTTP/1 client so. HTTP/2 has its own way.
pub(crate) fn announce_close(last: bool, version: Version, headers: &mut HeaderMap) {
    if last && version <= Version::HTTP_11 && !headers.contains_key(header::UPGRADE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// What a client is answered with; the request is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Reply {
    body: ReplyBody,
    _ticket: OpenRequest,
}

/// Whose words they are.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Serin's own, or none.
    Own(Bytes),
    /// A provider's.
    Relayed(Box<Relay>),
}

impl Reply {
    /// An answer to the request of this open_request.
    pub(crate) fn new(body: ReplyBody, open_request: OpenRequest) -> Reply {
        Reply { body, _ticket: open_request }
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
            ReplyBody::Relayed(relay) => relay.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            ReplyBody::Own(words) => SizeHint::with_exact(words.len() as u64),
            ReplyBody::Relayed(relay) => relay.size_hint(),
        }
    }
}

/// A provider's answer, and its account.
#[derive(Debug)]
pub(crate) struct Relay {
    /// What was held.
    pieces: Pieces,
    /// An event's beginning, until its end has come.
    unfinished: BytesMut,
    /// Whether the beginning of an event went out without its end.
    midway: bool,
    /// What goes out next, before anything is read.
    next: Option<Bytes>,
    /// What follows.
    rest: Option<AnswerBody>,
    /// Why nothing does.
    broke: Option<BodyError>,
    observer: Option<Box<Observer>>,
    account: Box<Account>,
    /// By which the provider knows it.
    request_id: Option<Box<str>>,
    /// What is missing to the announced length.
    remaining: Option<u64>,
    pace: Pace,
    over: bool,
    /// The memory that what was held occupies, until it went out.
    loan: Option<Reservation>,
}

/// Whether the provider was waited for, or the client: where pieces are there before they are asked for, it is the client
/// that is slow, and the times between outputs are its own.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
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
    // An empty answer is accounted for here: nobody will poll it.
    fn of(mut relay: Relay) -> ReplyBody {
        let empty = relay.pieces.is_empty() && relay.broke.is_none() && relay.pieces.trailers.is_none();
        if empty && relay.rest.as_ref().is_none_or(AnswerBody::is_end_stream) {
            // Where nothing can be said to the client, there is nothing to abort either.
            let _ = relay.ended(BodyEnd::Complete, None);
            if relay.next.is_none() {
                return ReplyBody::Own(Bytes::new());
            }
        }
        ReplyBody::Relayed(Box::new(relay))
    }

    fn is_over(&self) -> bool {
        let nothing_held = self.pieces.is_empty() && self.next.is_none();
        self.over
            || (nothing_held && self.observer.is_none() && self.rest.as_ref().is_some_and(AnswerBody::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            // Nothing is added to an answer whose length was announced.
            Some(rest) if self.remaining.is_some() && self.pieces.is_empty() => rest.size_hint(),
            _ => SizeHint::new(),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        loop {
            let held = self.pieces.take();
            if let Some(piece) = &held {
                self.passes(piece);
            }
            if let Some(piece) = held.or_else(|| self.next.take()) {
                let part = self.part();
                self.account.came(part);
                if self.pieces.is_empty() {
                    self.loan = None;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let Some(body) = &mut self.rest else { return Poll::Ready(self.ended_before()) };
            if self.account.scope().core.is_cut() {
                match self.cut() {
                    Some(error) => return Poll::Ready(Some(Err(error))),
                    None => continue,
                }
            }
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

    /// For the access log: this goes to the client.
    fn passes(&mut self, piece: &Bytes) {
        if let Some(draft) = self.account.draft() {
            draft.passed(piece.len());
        }
    }

    /// What is known of the answer by now.
    fn part(&self) -> Part {
        match &self.observer {
            Some(observer) if !observer.has_output() => Part::Frame,
            _ => Part::Output,
        }
    }

    /// What follows what was held, where the answer had ended by then.
    fn ended_before(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.over = true;
        if let Some(trailers) = self.pieces.trailers.take() {
            return Some(Ok(Frame::trailers(*trailers)));
        }
        self.broke.take().map(Err)
    }

    /// A piece came; gives what goes out of it now.
    fn passed(&mut self, data: Bytes) -> Option<Bytes> {
        let length = data.len();
        self.passes(&data);
        self.pace.came();
        let whole = match &mut self.observer {
            Some(observer) => {
                let whole = observer.see(&data);
                if observer.has_output()
                    && let Some(body) = &mut self.rest
                {
                    body.output_seen();
                }
                if observer.can_be_told() { whole } else { length }
            }
            None => length,
        };
        let last = self.remaining.as_mut().is_some_and(|remaining| {
            *remaining = remaining.saturating_sub(length as u64);
            // The client's side stops reading at this length and may never ask for the end.
            *remaining == 0
        });
        if last {
            let end = self.seen(BodyEnd::Complete, None);
            self.note_summary();
            if end == BodyEnd::Complete { self.account.came(Part::Last) } else { self.account.body_ended(end) }
        } else {
            let part = self.part();
            self.account.came(part);
        }
        self.whole_events(data, whole)
    }

    /// What goes out of a piece whose last whole event ends after so many bytes; a second part of it is put next.
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
            self.account.says(Some(Summary { outputs, ..summary }));
        }
    }

    /// What an end in the eyes of the transport amounts to. Why it is no good end is told.
    fn seen(&mut self, end: BodyEnd, broke: Option<&BodyError>) -> BodyEnd {
        let end = self.observer.as_mut().map_or(end, |observer| observer.end(end));
        let observer = self.observer.as_deref();
        let (said, detail) = (observer.and_then(Observer::failure), observer.and_then(Observer::detail));
        if end != BodyEnd::Complete
            && let Some(ending) = self.account.attempt().ending_of(end)
            && let Some(cause) = cause::of_answer(ending, said, broke, detail)
        {
            self.account.because(cause, self.request_id.take());
        }
        if end == BodyEnd::Filtered {
            // A filter is known by its name alone.
            self.account.refused(Refusal::of(StatusCode::OK.as_u16(), said, None, ""));
        }
        end
    }

    /// Serin ends before the answer does, which is nobody else's fault. A stream ends by an event that says so; one whose
    /// last event is out has ended.
    fn cut(&mut self) -> Option<BodyError> {
        if self.observer.as_deref().is_some_and(Observer::is_decided) {
            return self.ended(BodyEnd::Early, None);
        }
        self.over = true;
        self.rest = None;
        self.note_summary();
        let told = self.observer.as_deref().filter(|observer| observer.can_be_told());
        self.next = told.map(|observer| observer.error_event(self.midway, Problem::Stopping.label(), STOPPING));
        self.account.end(Ending::CutBySerin);
        if self.next.is_some() { None } else { Some(BodyError::Cut) }
    }

    /// The answer ended: accounts for it, and puts next what the client must still get. Gives the error back where the
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
            return if observer.can_be_told() || error.is_none() { None } else { error };
        }
        let outcome = self.account.attempt().outcome_of_body(end);
        if observer.can_be_told() {
            let words = self.account.scope().words_for(self.account.attempt().candidate.id, end);
            self.next = Some(observer.error_event(self.midway, outcome.as_str(), &words));
        }
        self.account.body_ended(end);
        if observer.can_be_told() { None } else { error.or(Some(BodyError::Cut)) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // What was generated was paid for, whether or not the client stayed to its end.
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

//! How much of an answer is seen before any of it goes out.
//!
//! Until an answer is certain enough, another candidate can still be asked. It is held within bounds of bytes and time,
//! and out of the one memory for held bodies. All attempts take the same path. Refuses to decide what a failure leads
//! to. Invariant: what was held goes out byte for byte and in order, or not at all.

mod clock;
mod conclude;
mod hold;
mod response_facts;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;

use super::buffered_response::BufferedResponse;
use super::declared::{self, DeclaredKind};
use super::observe::{ReadAs, ResponseObserver};
use crate::decide::outcome::BodyEnd;
use crate::wire::coding;
use crate::wire::dialect::Dialect;
use crate::wire::shape::Shape;
use clock::{Clock, Expired, WaitsFor};
use conclude::malformed;
use hold::{HoldUntil, MOST_JSON, MOST_PREAMBLE};
use response_facts::{BufferingEnd, Form, ResponseFacts};

pub(crate) use hold::BufferRules;

/// Buffers as much of an answer as it takes to be certain. `output` is called when output is seen in what is held.
pub(crate) async fn buffer(
    mut buffered_response: Box<BufferedResponse>,
    rules: BufferRules,
    mut output: impl FnMut(),
) -> Box<BufferedResponse> {
    let head = &buffered_response.head;
    let (read_as, status) = (rules.read_as, head.status);
    let refused = status.is_client_error() || status.is_server_error();
    if rules.websocket && status != StatusCode::SWITCHING_PROTOCOLS && !refused {
        // Where a strict candidate points to is nobody's to follow, not even instead of a refusal.
        let redirects = read_as.strict && status.is_redirection();
        let shape = if redirects { Shape::Redirect } else { Shape::NoUpgrade };
        buffered_response.ending = Some(malformed(status, shape));
        return buffered_response;
    }
    let kind = DeclaredKind::of(&head.headers);
    let announced = buffered_response.rest.as_ref().map_or(0, |body| body.size_hint().lower());
    let encoded = declared::coding(&head.headers);
    let plain = encoded.is_none();
    let generated = status.is_success() && read_as.dialect.generates();
    let embedded = status.is_success() && read_as.dialect == Dialect::Embeddings && kind == DeclaredKind::Json;
    let observed = (generated || embedded) && encoded.is_none_or(coding::is_read);
    let form = if observed { Form::Unseen } else { Form::Label(HoldUntil::by_label(status, kind, announced, &rules)) };
    // A redirect is followed only by clients of stable.
    let redirect = (read_as.dialect != Dialect::Plain && status.is_redirection()).then_some(Shape::Redirect);
    // What cannot be read is known by its content type alone.
    let page = || {
        if generated && !observed && read_as.strict { declared::page(&buffered_response.head.headers) } else { None }
    };
    if let Some(shape) = redirect.or_else(page) {
        buffered_response.observer =
            ResponseObserver::malformed(read_as, status, &buffered_response.head.headers, shape);
        if read_as.strict {
            buffered_response.ending = Some(malformed(status, shape));
            buffered_response.rest = None;
        }
        return buffered_response;
    }
    // White space is no output, whatever was asked for.
    if observed && let Some(body) = &mut buffered_response.rest {
        body.await_output();
    }
    match form {
        Form::Label(HoldUntil::Nothing) => return buffered_response,
        // Nothing would be held whatever it is.
        Form::Unseen if !rules.recoverable && kind != DeclaredKind::Json => {
            buffered_response.observer = ResponseObserver::of(read_as, status, &buffered_response.head.headers);
            return buffered_response;
        }
        _ => {}
    }
    // An answer that is read whole has its output at its end; any other that cannot be read has it with its first
    // piece.
    let blind = matches!(form, Form::Label(_)) && !(kind == DeclaredKind::Json && read_as.dialect != Dialect::Plain);
    let mut look = ResponseFacts { form, kind, announced, plain };
    let mut clock = Clock::new(rules.hold, rules.deadline);
    let mut came = |seen: bool| {
        if seen || blind {
            output();
        }
    };
    let seen = poll_fn(|context| buffered_response.poll(&mut look, &rules, &mut clock, &mut came, context)).await;
    buffered_response.conclude(seen, &look, &rules);
    buffered_response
}

impl BufferedResponse {
    fn poll(
        &mut self,
        look: &mut ResponseFacts,
        rules: &BufferRules,
        clock: &mut Clock,
        came: &mut impl FnMut(bool),
        context: &mut Context<'_>,
    ) -> Poll<BufferingEnd> {
        loop {
            let Some(body) = &mut self.rest else { return Poll::Ready(BufferingEnd::End(BodyEnd::Complete)) };
            let frame = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let end = error.end();
                    self.rest = None;
                    self.broke = Some(error);
                    return Poll::Ready(BufferingEnd::End(end));
                }
                Poll::Ready(None) => {
                    self.rest = None;
                    return Poll::Ready(BufferingEnd::End(BodyEnd::Complete));
                }
                Poll::Pending => {
                    let waits = self.waits(look, rules);
                    return clock.poll(waits, context).map(|expired| match expired {
                        Expired::Commit => BufferingEnd::Enough,
                        Expired::GiveUp => BufferingEnd::End(BodyEnd::NoOutput),
                    });
                }
            };
            let last = body.is_end_stream();
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.pieces.trailers = frame.into_trailers().ok().map(Box::new);
                    self.rest = None;
                    return Poll::Ready(BufferingEnd::End(BodyEnd::Complete));
                }
            };
            let fits = self.loan.extend(size_of::<Bytes>() + data.len(), rules.most.1);
            if !data.is_empty() {
                self.look(&data, look, rules.read_as);
                came(self.observer.as_deref().is_some_and(ResponseObserver::has_output));
            }
            self.pieces.add(data);
            if last {
                self.rest = None;
                return Poll::Ready(BufferingEnd::End(BodyEnd::Complete));
            }
            if !fits || self.is_enough(self.hold(look, rules)) {
                self.note_length(look, rules.read_as);
                return Poll::Ready(BufferingEnd::Enough);
            }
        }
    }

    /// Finds out what it is, and reads the events of a stream.
    fn look(&mut self, data: &[u8], look: &mut ResponseFacts, read_as: ReadAs) {
        if self.observer.is_none() && look.form == Form::Unseen {
            if look.plain && data[0] == b'{' {
                look.form = Form::Object;
                if let Some(body) = &mut self.rest {
                    body.output_seen();
                }
                return;
            }
            self.observer = ResponseObserver::of(read_as, self.head.status, &self.head.headers);
        }
        if let Some(observer) = &mut self.observer {
            self.unfinished = match observer.see(data) {
                0 => self.unfinished + data.len(),
                whole => data.len() - whole,
            };
            if observer.has_output()
                && let Some(body) = &mut self.rest
            {
                body.output_seen();
            }
            // An encoded object is decoded once, when it is whole.
            if !look.plain && observer.is_object() {
                look.form = Form::Object;
                self.observer = None;
            }
        }
    }

    /// Of an object that is too long to be held it matters only whether one was asked for.
    fn note_length(&mut self, look: &ResponseFacts, read_as: ReadAs) {
        if look.form == Form::Object && read_as.strict && read_as.stream == Some(true) {
            self.observer = ResponseObserver::long(read_as, self.head.status, &self.head.headers);
        }
    }

    fn hold(&self, look: &ResponseFacts, rules: &BufferRules) -> HoldUntil {
        match (look.form, &self.observer) {
            (Form::Label(hold), _) => hold,
            (Form::Unseen, Some(observer)) if observer.is_stream() => HoldUntil::of_stream(look.announced, rules),
            (Form::Unseen, Some(observer)) if observer.is_unsure() && rules.recoverable => HoldUntil::Beginning,
            (Form::Unseen, Some(observer)) if !observer.is_object() => HoldUntil::FirstByte,
            _ => HoldUntil::whole(MOST_JSON, look.announced, rules),
        }
    }

    fn is_enough(&self, hold: HoldUntil) -> bool {
        let length = self.pieces.length();
        match hold {
            HoldUntil::Nothing => true,
            HoldUntil::FirstByte => length > 0,
            HoldUntil::Beginning => length >= MOST_PREAMBLE,
            // The connection may end long after the last event.
            HoldUntil::Whole(most) => {
                length >= most || self.observer.as_deref().is_some_and(ResponseObserver::is_decided)
            }
            HoldUntil::Output => {
                length > MOST_PREAMBLE || self.observer.as_deref().is_none_or(ResponseObserver::is_settled)
            }
        }
    }

    /// What is waited for while no piece comes.
    fn waits(&self, look: &ResponseFacts, rules: &BufferRules) -> WaitsFor {
        if self.pieces.length() == 0 {
            return WaitsFor::FirstByte;
        }
        if self.observer.as_deref().is_some_and(|observer| !observer.has_begun()) && rules.deadline.is_some() {
            return WaitsFor::Beginning;
        }
        match self.hold(look, rules) {
            // A stream that is assembled may begin late, and a provider that is asked in another's place is held
            // as long as a further candidate is left.
            HoldUntil::Beginning if rules.buffered || rules.read_as.strict => WaitsFor::End,
            // Stable's white space keeps a connection open that others would close, so it is not held for long.
            HoldUntil::Beginning | HoldUntil::Output => WaitsFor::Output,
            HoldUntil::Nothing | HoldUntil::FirstByte | HoldUntil::Whole(_) => WaitsFor::End,
        }
    }
}

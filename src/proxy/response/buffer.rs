//! How much of an answer is seen before any of it goes out: until it is certain enough, everything can be recovered.
//!
//! While somebody else could still answer, frames without output, white space and comments are held, an error's body and
//! a JSON answer are held until they are whole, and anything else until its first byte; within bounds of bytes and time,
//! and out of the one memory for held bodies. What a generated answer is, its first bytes tell and not its label. One path
//! for every attempt. Refuses to decide what a failure leads to. Invariant: what was held goes out byte for byte and in
//! order, or not at all.

mod clock;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::observe::{self, DeclaredKind, Label, Observer, ReadAs, Summary};
use super::pieces::Pieces;
use crate::decide::outcome::{BodyEnd, Ending, Grounds};
use crate::decide::units::Millis;
use crate::proxy::attempt::deadline::Deadline;
use crate::proxy::body::{AnswerBody, BodyError};
use crate::proxy::request::memory::{CoreShare, Reservation};
use crate::wire::coding;
use crate::wire::complaint::{Complaint, read_complaint};
use crate::wire::dialect::Dialect;
use crate::wire::shape::Shape;
use bytes::Bytes;
use clock::{Clock, Expired, WaitsFor};
use http::{Response, StatusCode, response};
use http_body::Body as _;

/// Of frames without output.
const MOST_PREAMBLE: u64 = 16 * 1024;
/// Of an error's body.
const MOST_ERROR: u64 = 64 * 1024;
/// Of a JSON answer.
const MOST_JSON: u64 = 1024 * 1024;

/// How a response is buffered.
#[derive(Debug)]
pub(crate) struct BufferRules {
    /// By what it is read.
    pub(crate) asked: ReadAs,
    /// Whether somebody else could still answer.
    pub(crate) recoverable: bool,
    /// Whether a stream is assembled before it goes out.
    pub(crate) buffered: bool,
    /// How long frames without output are held at most, and white space that no deadline holds for.
    pub(crate) hold: Millis,
    /// By when more than white space and comments must have come.
    pub(crate) deadline: Option<Deadline>,
    /// How much of it one answer may have, and all held bodies together.
    pub(crate) most: (u64, u64),
}

/// An answer, as far as it was seen.
#[derive(Debug)]
pub(crate) struct BufferedResponse {
    /// Its head.
    pub(crate) head: response::Parts,
    /// What was seen of its body.
    pub(crate) pieces: Pieces,
    /// Its rest; `None` once it ended.
    pub(crate) rest: Option<AnswerBody>,
    /// Why there is no rest, where it broke off.
    pub(crate) broke: Option<BodyError>,
    /// What reads the rest.
    pub(crate) observer: Option<Box<Observer>>,
    /// How the attempt ended; `None`: well so far, and the rest is to come.
    pub(crate) ending: Option<Ending>,
    /// What an error says.
    pub(crate) complaint: Option<Box<Complaint>>,
    /// What a whole answer says of itself.
    pub(crate) summary: Option<Summary>,
    /// How many of the last bytes belong to an event that is not whole.
    pub(crate) unfinished: usize,
    /// Whether somebody else could still answer.
    pub(crate) recoverable: bool,
    /// The memory that what is held occupies.
    pub(crate) loan: Reservation,
}

/// What an answer is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It goes at once.
    Nothing,
    /// Until its first byte.
    FirstByte,
    /// Until there is more than white space.
    Beginning,
    /// Until there is output.
    Output,
    /// Until it is whole, up to so many bytes.
    Whole(u64),
}

impl Hold {
    /// By how an answer is called, where its bytes are not asked. `announced`: how long the body is at least.
    fn by_label(status: StatusCode, kind: DeclaredKind, announced: u64, scales: &BufferRules) -> Hold {
        if status.is_client_error() || status.is_server_error() {
            return Hold::whole(MOST_ERROR, announced, scales);
        }
        match kind {
            _ if !status.is_success() => Hold::Nothing,
            DeclaredKind::Json if scales.asked.dialect != Dialect::Plain || scales.recoverable => {
                Hold::whole(MOST_JSON, announced, scales)
            }
            _ if !scales.recoverable => Hold::Nothing,
            DeclaredKind::Json | DeclaredKind::Events | DeclaredKind::Opaque => Hold::FirstByte,
        }
    }

    /// Of a stream.
    fn of_stream(announced: u64, scales: &BufferRules) -> Hold {
        match scales {
            BufferRules { recoverable: false, .. } => Hold::Nothing,
            BufferRules { buffered: true, .. } => Hold::whole(scales.most.0, announced, scales),
            _ => Hold::Output,
        }
    }

    /// What is longer than may be held is not held in part: its first byte commits it.
    fn whole(most: u64, announced: u64, scales: &BufferRules) -> Hold {
        match announced > most {
            false => Hold::Whole(most),
            true if scales.recoverable => Hold::FirstByte,
            true => Hold::Nothing,
        }
    }
}

/// How it is found out what an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// By its first byte, which is to come; by an observer, if that is no brace.
    Unseen,
    /// It is one JSON object.
    Object,
    /// By how it is called.
    Label(Hold),
}

/// Sees as much of an answer as it takes to be certain. `output` is called as soon as output is seen in what is held.
pub(crate) async fn buffer(
    mut buffered_response: Box<BufferedResponse>,
    scales: BufferRules,
    mut output: impl FnMut(),
) -> Box<BufferedResponse> {
    let head = &buffered_response.head;
    let (asked, status) = (scales.asked, head.status);
    let kind = DeclaredKind::of(&head.headers);
    let announced = buffered_response.rest.as_ref().map_or(0, |body| body.size_hint().lower());
    let encoded = observe::coding(&head.headers);
    let plain = encoded.is_none();
    let generated = status.is_success() && asked.dialect.generates();
    let embedded = status.is_success() && asked.dialect == Dialect::Embeddings && kind == DeclaredKind::Json;
    let observed = (generated || embedded) && encoded.is_none_or(coding::is_read);
    let form = if observed { Form::Unseen } else { Form::Label(Hold::by_label(status, kind, announced, &scales)) };
    // Where a redirect points to, nobody but stable's clients may follow it.
    let redirect = (asked.dialect != Dialect::Plain && status.is_redirection()).then_some(Shape::Redirect);
    // What cannot be read is known by its label alone.
    let page =
        || if generated && !observed && asked.strict { observe::page(&buffered_response.head.headers) } else { None };
    if let Some(shape) = redirect.or_else(page) {
        buffered_response.observer = Observer::strange(asked, status, &buffered_response.head.headers, shape);
        if asked.strict {
            buffered_response.ending = Some(malformed(status, shape));
            buffered_response.rest = None;
        }
        return buffered_response;
    }
    // White space is no sign of life, whatever was asked for.
    if observed && let Some(body) = &mut buffered_response.rest {
        body.await_output();
    }
    match form {
        Form::Label(Hold::Nothing) => return buffered_response,
        // Nothing would be held whatever it is.
        Form::Unseen if !scales.recoverable && kind != DeclaredKind::Json => {
            buffered_response.observer = Observer::of(asked, status, &buffered_response.head.headers);
            return buffered_response;
        }
        _ => {}
    }
    // As where nothing is held: an answer that is read whole has its output then, any other that cannot be read at once.
    let blind = matches!(form, Form::Label(_)) && !(kind == DeclaredKind::Json && asked.dialect != Dialect::Plain);
    let mut look = Look { form, kind, announced, plain };
    let mut clock = Clock::new(&scales);
    let mut came = |seen: bool| {
        if seen || blind {
            output();
        }
    };
    let seen = poll_fn(|context| buffered_response.poll(&mut look, &scales, &mut clock, &mut came, context)).await;
    buffered_response.conclude(seen, &look, &scales);
    buffered_response
}

/// How the looking goes on.
#[derive(Debug)]
struct Look {
    form: Form,
    /// How it is called.
    kind: DeclaredKind,
    announced: u64,
    /// Whether its bytes are as they are read.
    plain: bool,
}

/// How the looking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Enough of it, or more than may be held.
    Enough,
    /// Its end.
    End(BodyEnd),
}

fn malformed(status: StatusCode, shape: Shape) -> Ending {
    Ending::Answered { status: status.as_u16(), grounds: Grounds::default(), body: BodyEnd::Malformed(shape) }
}

impl BufferedResponse {
    /// An answer of which nothing was seen but its head. It is large, and lies in one place from here on.
    pub(crate) fn unseen(
        response: Response<AnswerBody>,
        memory: &Rc<CoreShare>,
        recoverable: bool,
    ) -> Box<BufferedResponse> {
        let place = Box::new_uninit();
        let (head, body) = response.into_parts();
        Box::write(
            place,
            BufferedResponse {
                head,
                pieces: Pieces::default(),
                rest: Some(body),
                broke: None,
                observer: None,
                ending: None,
                complaint: None,
                summary: None,
                unfinished: 0,
                recoverable,
                loan: Reservation::of(memory),
            },
        )
    }

    fn poll(
        &mut self,
        look: &mut Look,
        scales: &BufferRules,
        clock: &mut Clock,
        came: &mut impl FnMut(bool),
        context: &mut Context<'_>,
    ) -> Poll<Seen> {
        loop {
            let Some(body) = &mut self.rest else { return Poll::Ready(Seen::End(BodyEnd::Complete)) };
            let frame = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let end = error.end();
                    self.rest = None;
                    self.broke = Some(error);
                    return Poll::Ready(Seen::End(end));
                }
                Poll::Ready(None) => {
                    self.rest = None;
                    return Poll::Ready(Seen::End(BodyEnd::Complete));
                }
                Poll::Pending => {
                    let waits = self.waits(look, scales);
                    return clock.poll(waits, context).map(|rings| match rings {
                        Expired::Commit => Seen::Enough,
                        Expired::GiveUp => Seen::End(BodyEnd::NoOutput),
                    });
                }
            };
            let last = body.is_end_stream();
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.pieces.trailers = frame.into_trailers().ok().map(Box::new);
                    self.rest = None;
                    return Poll::Ready(Seen::End(BodyEnd::Complete));
                }
            };
            let fits = self.loan.extend(size_of::<Bytes>() + data.len(), scales.most.1);
            if !data.is_empty() {
                self.look(&data, look, scales.asked);
                came(self.observer.as_deref().is_some_and(Observer::has_output));
            }
            self.pieces.add(data);
            if last {
                self.rest = None;
                return Poll::Ready(Seen::End(BodyEnd::Complete));
            }
            if !fits || self.is_enough(self.hold(look, scales)) {
                self.note_length(look, scales.asked);
                return Poll::Ready(Seen::Enough);
            }
        }
    }

    /// Finds out what it is, and reads on if it is a stream.
    fn look(&mut self, data: &[u8], look: &mut Look, asked: ReadAs) {
        if self.observer.is_none() && look.form == Form::Unseen {
            if look.plain && data[0] == b'{' {
                look.form = Form::Object;
                if let Some(body) = &mut self.rest {
                    body.output_seen();
                }
                return;
            }
            self.observer = Observer::of(asked, self.head.status, &self.head.headers);
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
            // One encoded object is decoded once, when it is whole.
            if !look.plain && observer.is_object() {
                look.form = Form::Object;
                self.observer = None;
            }
        }
    }

    /// Of an object that is too long to be held it matters only whether one was asked for.
    fn note_length(&mut self, look: &Look, asked: ReadAs) {
        if look.form == Form::Object && asked.strict && asked.stream == Some(true) {
            self.observer = Observer::long(asked, self.head.status, &self.head.headers);
        }
    }

    fn hold(&self, look: &Look, scales: &BufferRules) -> Hold {
        match (look.form, &self.observer) {
            (Form::Label(hold), _) => hold,
            (Form::Unseen, Some(observer)) if observer.is_stream() => Hold::of_stream(look.announced, scales),
            (Form::Unseen, Some(observer)) if observer.is_unsure() && scales.recoverable => Hold::Beginning,
            (Form::Unseen, Some(observer)) if !observer.is_object() => Hold::FirstByte,
            _ => Hold::whole(MOST_JSON, look.announced, scales),
        }
    }

    fn is_enough(&self, hold: Hold) -> bool {
        let length = self.pieces.length();
        match hold {
            Hold::Nothing => true,
            Hold::FirstByte => length > 0,
            Hold::Beginning => length >= MOST_PREAMBLE,
            // The connection may end long after the last event.
            Hold::Whole(most) => length >= most || self.observer.as_deref().is_some_and(Observer::is_decided),
            Hold::Output => length > MOST_PREAMBLE || self.observer.as_deref().is_none_or(Observer::is_settled),
        }
    }

    /// What is waited for while nothing comes.
    fn waits(&self, look: &Look, scales: &BufferRules) -> WaitsFor {
        if self.pieces.length() == 0 {
            return WaitsFor::FirstByte;
        }
        if self.observer.as_deref().is_some_and(|observer| !observer.has_begun()) && scales.deadline.is_some() {
            return WaitsFor::Beginning;
        }
        match self.hold(look, scales) {
            // What a stream is assembled for may begin late.
            Hold::Beginning if scales.buffered => WaitsFor::End,
            // Whoever sends white space keeps a connection open that others would close.
            Hold::Beginning | Hold::Output => WaitsFor::Output,
            Hold::Nothing | Hold::FirstByte | Hold::Whole(_) => WaitsFor::End,
        }
    }

    fn conclude(&mut self, seen: Seen, look: &Look, scales: &BufferRules) {
        let status = self.head.status;
        if status.is_client_error() || status.is_server_error() {
            return self.conclude_error(seen);
        }
        let asked = scales.asked;
        let read = self.is_read(look, asked);
        let end = match (seen, &mut self.observer) {
            (Seen::End(BodyEnd::NoOutput), _) if self.rest.is_some() => {
                self.rest = None;
                Some(BodyEnd::NoOutput)
            }
            (Seen::Enough, Some(observer)) if observer.failure().is_some() => {
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(observer.end(BodyEnd::Early))
            }
            (Seen::Enough, Some(observer)) if scales.recoverable && asked.strict => {
                let unreadable = observer.is_unreadable().then_some(Shape::Invalid);
                let unasked = observer.is_unasked_stream().then_some(Shape::Stream);
                observer.mismatch().or(unreadable).or(unasked).map(BodyEnd::Malformed)
            }
            (Seen::Enough, _) => None,
            (Seen::End(BodyEnd::Complete), Some(observer)) if observer.is_object() => {
                Some(self.read_whole(look, asked))
            }
            (Seen::End(end), Some(observer)) => {
                let end = observer.end(end);
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(match end {
                    // Nothing of it has gone out, and somebody else may say it in a way that can be read.
                    BodyEnd::Complete | BodyEnd::Empty if observer.is_unreadable() => {
                        BodyEnd::Malformed(Shape::Invalid)
                    }
                    end => end,
                })
            }
            (Seen::End(BodyEnd::Complete), None) if read => Some(self.read_whole(look, asked)),
            (Seen::End(end), None) => Some(end),
        };
        if seen == Seen::Enough && matches!(end, Some(BodyEnd::Malformed(_))) {
            // Whatever follows of it, nobody waits for it.
            self.rest = None;
        }
        self.ending = end.map(|body| Ending::Answered { status: status.as_u16(), grounds: Grounds::default(), body });
    }

    fn conclude_error(&mut self, seen: Seen) {
        let status = self.head.status;
        let body = observe::plain_error(&self.head.headers, self.pieces.whole().to_vec());
        let complaint = read_complaint(&body);
        let grounds = if complaint.is_content_filter() {
            Grounds::ContentFilter
        } else if complaint.is_quota() {
            Grounds::Quota
        } else {
            Grounds::Other
        };
        self.complaint = Some(Box::new(complaint));
        let body = if let Seen::End(end) = seen { end } else { BodyEnd::Complete };
        self.ending = Some(Ending::Answered { status: status.as_u16(), grounds, body });
    }

    fn is_read(&self, look: &Look, asked: ReadAs) -> bool {
        match look.form {
            Form::Object => true,
            Form::Unseen => asked.dialect.generates(),
            Form::Label(_) => {
                look.kind == DeclaredKind::Json && (asked.dialect.generates() || self.pieces.length() > 0)
            }
        }
    }

    fn read_whole(&mut self, look: &Look, asked: ReadAs) -> BodyEnd {
        let label = Label {
            kind: look.kind,
            status: self.head.status,
            coding: if look.plain { None } else { observe::coding(&self.head.headers) },
            announced: look.announced > 0,
        };
        let whole = observe::read_whole(asked, label, self.pieces.whole());
        self.summary = Some(whole.summary);
        self.complaint = whole.complaint;
        whole.end
    }
}

//! What an answer says, read from a copy as it passes.
//!
//! What it is shows in its first bytes; its label decides only where they do not. Owns no bytes and changes none: the
//! relay forwards what came whether or not it was understood. An answer that is none of its dialect is told by its
//! [`Shape`]; whoever is not stable also has to send a stream where one was asked for, and one whole answer where none was.
//! Invariant: an answer whose coding cannot be undone is judged by its status, its framing and its label alone, and is
//! never called broken for that.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::decide::outcome::BodyEnd;
use crate::proxy::attempt::cause;
use crate::wire::answer::{AnswerReading, read_answer};
use crate::wire::coding::Decoder;
use crate::wire::complaint::Complaint;
use crate::wire::dialect::{Dialect, DoneMarker};
use crate::wire::finish::Finish;
use crate::wire::media;
use crate::wire::shape::{Opening, Shape, Sniffer, opening};
use crate::wire::stream::StreamReader;
use crate::wire::usage::Usage;

/// The most that is kept of a whole answer which goes out as it comes; a longer one is taken for whole.
const MOST_UNHELD: usize = 64 * 1024;

/// By what an answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAs {
    /// What the request speaks.
    pub(crate) dialect: Dialect,
    /// What ends a stream.
    pub(crate) done: DoneMarker,
    /// Whether a stream was asked for; `None`: the request was not read.
    pub(crate) stream: Option<bool>,
    /// Whether it has to be what was asked for: of any provider but stable.
    pub(crate) strict: bool,
    /// Whether every event of a stream has to be one that can be read.
    pub(crate) thorough: bool,
}

/// What kind of answer it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredKind {
    /// Server-sent events.
    Events,
    /// One JSON value.
    Json,
    /// Anything else.
    Opaque,
}

impl DeclaredKind {
    /// By its content type.
    pub(crate) fn of(headers: &HeaderMap) -> DeclaredKind {
        let Some(kind) = headers.get(CONTENT_TYPE) else { return DeclaredKind::Opaque };
        if media::is_events(kind.as_bytes()) {
            DeclaredKind::Events
        } else if media::is_json(kind.as_bytes()) {
            DeclaredKind::Json
        } else {
            DeclaredKind::Opaque
        }
    }
}

/// What an answer that was read says of itself, besides how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The tokens that it speaks of.
    pub(crate) usage: Option<Usage>,
    /// Whether it was generated: only then it is told how it ended.
    pub(crate) generated: bool,
    /// Why it ended, as far as it says.
    pub(crate) finish: Option<Finish>,
    /// How many outputs it was streamed in; 0 where their times are not the provider's.
    pub(crate) outputs: u32,
}

/// Reads one answer that goes out as it comes, or of which it does not show at once what it is.
#[derive(Debug)]
pub(crate) struct Observer {
    asked: ReadAs,
    label: DeclaredKind,
    status: StatusCode,
    /// The header that tells more of what is no answer.
    detail: Option<HeaderValue>,
    reading: Reading,
    /// What reads it if it is a stream.
    reader: StreamReader,
    /// Where it is encoded: its bytes as they are read.
    decoder: Option<(Decoder, Vec<u8>)>,
    /// Whether something can be put at its end.
    open_ended: bool,
    /// What one whole answer said, once it was read.
    whole: Option<(Option<Usage>, Option<Finish>)>,
}

/// What it was found to be.
#[derive(Debug)]
enum Reading {
    /// It has not shown yet.
    Unsure(Sniffer),
    /// A stream.
    Events,
    /// One JSON object: what is kept of it.
    Object {
        /// Its bytes, unless it is too long.
        body: Vec<u8>,
        /// Whether it is.
        long: bool,
    },
    /// No answer at all.
    Strange(Shape),
}

impl Observer {
    /// For the answer of this head; `None`: its coding cannot be undone.
    pub(crate) fn of(asked: ReadAs, status: StatusCode, headers: &HeaderMap) -> Option<Box<Observer>> {
        let decoder = match coding(headers) {
            None => None,
            Some(coding) => Some((Decoder::for_coding(coding)?, Vec::new())),
        };
        let reader = StreamReader::new(asked.dialect, asked.done);
        let open_ended = decoder.is_none() && !headers.contains_key(CONTENT_LENGTH);
        Some(Box::new(Observer {
            asked,
            label: DeclaredKind::of(headers),
            status,
            detail: headers.get(CONTENT_TYPE).cloned(),
            reading: Reading::Unsure(Sniffer::default()),
            reader: if asked.thorough { reader.thorough() } else { reader },
            decoder,
            open_ended,
            whole: None,
        }))
    }

    /// For an answer that is none, whatever its body.
    pub(crate) fn strange(
        asked: ReadAs,
        status: StatusCode,
        headers: &HeaderMap,
        shape: Shape,
    ) -> Option<Box<Observer>> {
        let mut observer = Observer::of(asked, status, headers)?;
        observer.reading = Reading::Strange(shape);
        observer.detail = cause::detail(shape, headers).cloned();
        Some(observer)
    }

    /// For one JSON object that is too long to be held.
    pub(crate) fn long(asked: ReadAs, status: StatusCode, headers: &HeaderMap) -> Option<Box<Observer>> {
        let mut observer = Observer::of(asked, status, headers)?;
        observer.reading = Reading::Object { body: Vec::new(), long: true };
        Some(observer)
    }

    /// Reads the next piece; says how many of its bytes lie before the end of its last whole event. All of them where
    /// that cannot be told.
    pub(crate) fn see(&mut self, piece: &[u8]) -> usize {
        let Some((decoder, plain)) = &mut self.decoder else { return self.read(piece) };
        plain.clear();
        decoder.feed(piece, plain);
        let plain = std::mem::take(plain);
        self.read(&plain);
        if let Some((_, buffer)) = &mut self.decoder {
            *buffer = plain;
        }
        piece.len()
    }

    fn read(&mut self, piece: &[u8]) -> usize {
        match &mut self.reading {
            Reading::Events => self.reader.read(piece),
            Reading::Unsure(sniffer) => {
                let opening = sniffer.see(piece);
                let blank = sniffer.is_blank();
                match opening {
                    // It may be the beginning of an event.
                    None => {
                        let whole = self.reader.read(piece);
                        if blank { piece.len() } else { whole }
                    }
                    Some(opening) => {
                        self.settle(opening);
                        self.read(piece)
                    }
                }
            }
            Reading::Object { body, long } => {
                if body.len() + piece.len() > MOST_UNHELD {
                    (*body, *long) = (Vec::new(), true);
                }
                if !*long {
                    body.extend_from_slice(piece);
                }
                piece.len()
            }
            Reading::Strange(_) => piece.len(),
        }
    }

    fn settle(&mut self, opening: Opening) {
        self.reading = match opening {
            Opening::Events => Reading::Events,
            Opening::Object => Reading::Object { body: Vec::new(), long: false },
            // A field that is not known may stand first.
            Opening::Other(Shape::Text) if self.label == DeclaredKind::Events => Reading::Events,
            Opening::Other(shape) => Reading::Strange(shape),
        };
    }

    /// Whether it has not shown yet what it is.
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self.reading, Reading::Unsure(_)) && !self.is_blind()
    }

    /// Whether it is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.reading, Reading::Events)
    }

    /// Whether it is one JSON object.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.reading, Reading::Object { .. })
    }

    /// Whether more came than white space and comments.
    pub(crate) fn has_begun(&self) -> bool {
        match &self.reading {
            Reading::Unsure(_) => self.is_blind(),
            Reading::Events => self.reader.has_begun(),
            Reading::Object { .. } | Reading::Strange(_) => true,
        }
    }

    /// Whether there was output in it; what cannot be read while it comes counts as some.
    pub(crate) fn has_output(&self) -> bool {
        let seen = match &self.reading {
            Reading::Unsure(_) => false,
            Reading::Events => self.reader.has_output(),
            Reading::Object { .. } | Reading::Strange(_) => true,
        };
        seen || self.is_blind()
    }

    /// Whether there was output as its dialect has it, or whatever follows changes nothing.
    pub(crate) fn is_settled(&self) -> bool {
        (self.has_output() && !(self.asked.strict && self.reader.is_foreign())) || self.is_decided()
    }

    fn is_blind(&self) -> bool {
        self.decoder.as_ref().is_some_and(|(decoder, _)| decoder.is_blind())
    }

    /// Whether it said that it failed.
    pub(crate) fn failure(&self) -> Option<&Complaint> {
        self.reader.failure()
    }

    /// Whether its terminal was seen or it said that it failed, so that whatever follows changes nothing.
    pub(crate) fn is_decided(&self) -> bool {
        self.reader.is_done() || self.failure().is_some()
    }

    /// Whether every event has to be one that can be read, and one is not.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.asked.thorough && self.reader.is_unreadable()
    }

    /// What it says so far.
    pub(crate) fn summary(&self) -> Summary {
        let outputs = self.reader.outputs();
        let (usage, finish) = self.whole.unwrap_or_else(|| (self.reader.usage(), self.reader.finish()));
        Summary { usage, generated: self.asked.dialect.generates(), finish, outputs }
    }

    /// The header that tells more of it, where it is no answer.
    pub(crate) fn detail(&self) -> Option<&HeaderValue> {
        self.detail.as_ref()
    }

    /// Whether an event of Serin's own can be put at its end.
    pub(crate) fn can_be_told(&self) -> bool {
        let stream = match self.reading {
            Reading::Events => true,
            Reading::Unsure(_) => self.label == DeclaredKind::Events,
            Reading::Object { .. } | Reading::Strange(_) => false,
        };
        self.open_ended && stream
    }

    /// What is known by now to be no answer to what was asked.
    pub(crate) fn mismatch(&self) -> Option<Shape> {
        if self.is_blind() {
            return None;
        }
        let stream = self.asked.stream.filter(|_| self.asked.strict);
        match &self.reading {
            Reading::Strange(shape) => Some(*shape),
            Reading::Events if stream == Some(false) && self.reader.has_output() => Some(Shape::Stream),
            Reading::Object { .. } if stream == Some(true) => Some(Shape::Whole),
            _ => None,
        }
    }

    /// Whether it is a stream where one whole answer was asked for, whether or not there is output in it.
    pub(crate) fn is_unasked_stream(&self) -> bool {
        self.asked.strict && self.asked.stream == Some(false) && self.is_stream() && self.has_begun()
    }

    /// What it amounts to when it ends so in the eyes of the transport.
    pub(crate) fn end(&mut self, seen: BodyEnd) -> BodyEnd {
        if seen == BodyEnd::Complete {
            self.close();
        }
        let blind = self.is_blind();
        match &self.reading {
            Reading::Unsure(_) | Reading::Strange(_) if blind => seen,
            Reading::Unsure(sniffer) if seen == BodyEnd::Complete => match sniffer.end() {
                Opening::Other(Shape::Empty) => nothing(self.label, self.status),
                Opening::Other(shape) => BodyEnd::Malformed(shape),
                Opening::Events | Opening::Object => BodyEnd::Early,
            },
            Reading::Strange(shape) if seen == BodyEnd::Complete => BodyEnd::Malformed(*shape),
            Reading::Object { body, long } if seen == BodyEnd::Complete => {
                let end = if *long || blind {
                    BodyEnd::Complete
                } else {
                    let answer = read_answer(self.asked.dialect, body, false);
                    self.whole = Some((answer.usage, answer.finish));
                    end_of(&answer)
                };
                answers(end, self.mismatch())
            }
            Reading::Events => self.end_of_stream(seen),
            Reading::Unsure(_) | Reading::Strange(_) | Reading::Object { .. } => seen,
        }
    }

    /// The body ended properly.
    fn close(&mut self) {
        if let Reading::Unsure(sniffer) = &self.reading {
            match sniffer.end() {
                Opening::Other(Shape::Empty | Shape::Blank) => {}
                opening => self.settle(opening),
            }
        }
        if self.is_stream() {
            self.reader.end();
        }
    }

    fn end_of_stream(&self, seen: BodyEnd) -> BodyEnd {
        if let Some(complaint) = self.failure() {
            return failed(complaint);
        }
        let complete = seen == BodyEnd::Complete;
        if complete && self.reader.is_foreign() && !self.is_blind() {
            return BodyEnd::Malformed(Shape::Events);
        }
        let whole = self.reader.is_done() || (complete && (self.reader.is_complete() || self.is_blind()));
        let end = match (whole, self.has_output()) {
            (true, true) => BodyEnd::Complete,
            (true, false) => BodyEnd::Empty,
            (false, _) if complete => BodyEnd::Early,
            (false, _) => seen,
        };
        answers(end, self.mismatch())
    }

    /// The event that tells the client that its answer broke off. `midway`: part of an event went out already.
    pub(crate) fn error_event(&self, midway: bool, code: &str, message: &str) -> bytes::Bytes {
        self.reader.error_event(midway, code, message)
    }
}

/// What an answer without a body amounts to, by how it is called.
fn nothing(label: DeclaredKind, status: StatusCode) -> BodyEnd {
    match label {
        DeclaredKind::Events => BodyEnd::Early,
        DeclaredKind::Json if status == StatusCode::OK => BodyEnd::Empty,
        DeclaredKind::Json | DeclaredKind::Opaque => BodyEnd::Malformed(Shape::Empty),
    }
}

/// A good answer that is not of the kind that was asked for is none.
fn answers(end: BodyEnd, mismatch: Option<Shape>) -> BodyEnd {
    match (end, mismatch) {
        (BodyEnd::Complete | BodyEnd::Empty, Some(shape)) => BodyEnd::Malformed(shape),
        (end, _) => end,
    }
}

/// What the head of a whole answer says of its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a> {
    pub(crate) kind: DeclaredKind,
    pub(crate) status: StatusCode,
    /// How it is encoded; `None`: not at all.
    pub(crate) coding: Option<&'a str>,
    /// Whether its length was announced, so that it is known to be whole.
    pub(crate) announced: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct WholeAnswer {
    /// What it amounts to.
    pub(crate) end: BodyEnd,
    /// What it says besides.
    pub(crate) summary: Summary,
    /// What it complains of, where it says that it failed.
    pub(crate) complaint: Option<Box<Complaint>>,
}

/// Reads a whole answer.
pub(crate) fn read_whole(asked: ReadAs, label: Label<'_>, body: &[u8]) -> WholeAnswer {
    let Label { kind, status, coding, announced } = label;
    let generates = asked.dialect.generates();
    let summary = |usage, finish| Summary { usage, generated: generates, finish, outputs: 0 };
    let mut whole = WholeAnswer { end: BodyEnd::Complete, summary: summary(None, None), complaint: None };
    if body.is_empty() && generates {
        whole.end = nothing(kind, status);
        return whole;
    }
    let mut plain = Vec::new();
    let body = match coding {
        None => body,
        Some(coding) => match Decoder::for_coding(coding) {
            Some(mut decoder) => {
                decoder.feed(body, &mut plain);
                if decoder.is_blind() {
                    return whole;
                }
                &plain[..]
            }
            None => return whole,
        },
    };
    // Encoded, it may turn out to be anything.
    if coding.is_some() && generates && opening(body, true) == Some(Opening::Events) {
        let mut observer = Observer {
            asked,
            label: DeclaredKind::Events,
            status,
            detail: None,
            reading: Reading::Events,
            reader: StreamReader::new(asked.dialect, asked.done),
            decoder: None,
            open_ended: false,
            whole: None,
        };
        observer.see(body);
        let end = observer.end(BodyEnd::Complete);
        let summary = Summary { outputs: 0, ..observer.summary() };
        return WholeAnswer { end, summary, complaint: observer.failure().cloned().map(Box::new) };
    }
    let answer = read_answer(asked.dialect, body, announced && coding.is_none());
    let instead = generates && asked.strict && asked.stream == Some(true);
    let end = answers(end_of(&answer), instead.then_some(Shape::Whole));
    WholeAnswer { end, summary: summary(answer.usage, answer.finish), complaint: answer.failure }
}

fn end_of(answer: &AnswerReading) -> BodyEnd {
    if let Some(complaint) = &answer.failure {
        failed(complaint)
    } else if let Some(shape) = answer.malformed {
        BodyEnd::Malformed(shape)
    } else if answer.cut {
        BodyEnd::Early
    } else if answer.output {
        BodyEnd::Complete
    } else {
        BodyEnd::Empty
    }
}

fn failed(complaint: &Complaint) -> BodyEnd {
    if complaint.is_content_filter() { BodyEnd::Filtered } else { BodyEnd::ErrorEvent }
}

/// An error's body in plain bytes, as far as it can be read.
pub(crate) fn plain_error(headers: &HeaderMap, body: Vec<u8>) -> Vec<u8> {
    let Some(coding) = coding(headers) else { return body };
    let mut plain = Vec::new();
    if let Some(mut decoder) = Decoder::for_coding(coding) {
        decoder.feed(&body, &mut plain);
    }
    plain
}

/// How a body is encoded; `None`: not at all. Some call it by a character set, which is no coding.
pub(crate) fn coding(headers: &HeaderMap) -> Option<&str> {
    let coding = headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("?").trim();
    let is_none = ["", "identity", "none", "utf-8"].iter().any(|none| coding.eq_ignore_ascii_case(none));
    (!is_none).then_some(coding)
}

/// What an answer is by its label alone, where that calls it a page.
pub(crate) fn page(headers: &HeaderMap) -> Option<Shape> {
    let label = headers.get(CONTENT_TYPE)?.as_bytes();
    let is_one = |names: [&str; 2]| names.iter().any(|name| media::is(label, name));
    if is_one(["text/html", "application/xhtml+xml"]) {
        Some(Shape::Html)
    } else {
        is_one(["text/xml", "application/xml"]).then_some(Shape::Xml)
    }
}

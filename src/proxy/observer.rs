//! What an answer says, read from a copy as it passes.
//!
//! Chosen by what the answer is (its status, type and coding), never by what the request asked for. Owns no bytes and
//! changes none: the relay forwards what came whether or not it was understood. Invariant: an answer that cannot be read
//! is judged by its status and its framing alone, and is never called broken for that.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use crate::decide::outcome::BodyEnd;
use crate::wire::answer::read_answer;
use crate::wire::coding::Decoder;
use crate::wire::complaint::Complaint;
use crate::wire::dialect::{Dialect, DoneMarker};
use crate::wire::finish::Finish;
use crate::wire::stream::StreamReader;
use crate::wire::usage::Usage;

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Server-sent events.
    Events,
    /// One JSON value.
    Json,
    /// Anything else.
    Opaque,
}

impl Kind {
    /// By its content type.
    pub(crate) fn of(headers: &HeaderMap) -> Kind {
        let Some(kind) = headers.get(CONTENT_TYPE) else { return Kind::Opaque };
        let kind = kind.as_bytes();
        let is = |name: &[u8]| {
            kind.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                && matches!(kind.get(name.len()), None | Some(b';' | b' '))
        };
        if is(b"text/event-stream") {
            Kind::Events
        } else if is(b"application/json") {
            Kind::Json
        } else {
            Kind::Opaque
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

/// Reads one streamed answer.
#[derive(Debug)]
pub(crate) struct Observer {
    reader: StreamReader,
    /// Where it is encoded: its bytes as they are read.
    decoder: Option<(Decoder, Vec<u8>)>,
    /// Whether an event of Serin's own can be put at its end.
    pub(crate) can_be_told: bool,
}

impl Observer {
    /// For the events of a 2xx; `None`: nothing in it can be read.
    pub(crate) fn of(dialect: Dialect, done: DoneMarker, headers: &HeaderMap) -> Option<Box<Observer>> {
        let decoder = match coding(headers) {
            None => None,
            Some(coding) => Some((Decoder::for_coding(coding)?, Vec::new())),
        };
        let can_be_told = decoder.is_none() && !headers.contains_key(CONTENT_LENGTH);
        Some(Box::new(Observer { reader: StreamReader::new(dialect, done), decoder, can_be_told }))
    }

    /// Reads the next piece; says how many of its bytes lie before the end of its last whole event. All of them where
    /// that cannot be told.
    pub(crate) fn see(&mut self, piece: &[u8]) -> usize {
        match &mut self.decoder {
            None => self.reader.read(piece),
            Some((decoder, plain)) => {
                plain.clear();
                decoder.feed(piece, plain);
                self.reader.read(plain);
                piece.len()
            }
        }
    }

    /// Whether there was output in it; what cannot be decoded counts as some.
    pub(crate) fn has_output(&self) -> bool {
        self.reader.has_output() || self.is_blind()
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

    /// What it says so far. Only generated answers are read.
    pub(crate) fn summary(&self) -> Summary {
        let (usage, finish, outputs) = (self.reader.usage(), self.reader.finish(), self.reader.outputs());
        Summary { usage, generated: true, finish, outputs }
    }

    /// What it amounts to when it ends so in the eyes of the transport.
    pub(crate) fn end(&self, seen: BodyEnd) -> BodyEnd {
        if let Some(complaint) = self.failure() {
            return failed(complaint);
        }
        let whole =
            self.reader.is_done() || (seen == BodyEnd::Complete && (self.reader.is_complete() || self.is_blind()));
        match (whole, self.has_output()) {
            (true, true) => BodyEnd::Complete,
            (true, false) => BodyEnd::Empty,
            (false, _) if seen == BodyEnd::Complete => BodyEnd::Early,
            (false, _) => seen,
        }
    }

    /// The event that tells the client that its answer broke off. `midway`: part of an event went out already.
    pub(crate) fn error_event(&self, midway: bool, code: &str, message: &str) -> bytes::Bytes {
        self.reader.error_event(midway, code, message)
    }
}

/// A whole JSON answer.
#[derive(Debug)]
pub(crate) struct WholeAnswer {
    /// What it amounts to.
    pub(crate) end: BodyEnd,
    /// What it says besides.
    pub(crate) summary: Summary,
    /// What it complains of, where it says that it failed.
    pub(crate) complaint: Option<Complaint>,
}

/// Reads a whole JSON answer.
pub(crate) fn read_whole(dialect: Dialect, headers: &HeaderMap, body: &[u8]) -> WholeAnswer {
    let summary = |usage, finish| Summary { usage, generated: dialect.generates(), finish, outputs: 0 };
    let unread = WholeAnswer { end: BodyEnd::Complete, summary: summary(None, None), complaint: None };
    let mut plain = Vec::new();
    let coding = coding(headers);
    let body = match coding {
        None => body,
        Some(coding) => match Decoder::for_coding(coding) {
            Some(mut decoder) => {
                decoder.feed(body, &mut plain);
                if decoder.is_blind() {
                    return unread;
                }
                &plain[..]
            }
            None => return unread,
        },
    };
    let announced = coding.is_none() && headers.contains_key(CONTENT_LENGTH);
    let answer = read_answer(dialect, body, announced);
    let end = if let Some(complaint) = &answer.failure {
        failed(complaint)
    } else if answer.cut {
        BodyEnd::Early
    } else if answer.output {
        BodyEnd::Complete
    } else {
        BodyEnd::Empty
    };
    WholeAnswer { end, summary: summary(answer.usage, answer.finish), complaint: answer.failure }
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

fn coding(headers: &HeaderMap) -> Option<&str> {
    let coding = headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("?");
    (!coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

//! Reads a copy of an answer as it passes.
//!
//! What an answer is, its first bytes show; its content type decides only where they do not. Owns no bytes and changes
//! none: the relay forwards what came whether or not it was understood. An answer that is not of its dialect is known
//! by its [`Shape`]; any provider but stable also has to send a stream where one was asked for, and one whole answer
//! where none was. Invariant: an answer whose coding cannot be undone is judged by its status, its framing and its
//! content type alone, and never counts as broken for that.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::body_end::{as_asked, of_failure, of_whole, without_body};
use super::declared::{DeclaredKind, coding};
use crate::decide::outcome::BodyEnd;
use crate::proxy::attempt::cause;
use crate::wire::answer::read_answer;
use crate::wire::coding::Decoder;
use crate::wire::complaint::Complaint;
use crate::wire::dialect::{Dialect, DoneMarker};
use crate::wire::finish::Finish;
use crate::wire::shape::{Opening, Shape, Sniffer};
use crate::wire::stream::StreamReader;
use crate::wire::usage::Usage;

/// The most bytes that are kept of an object that goes out as it comes; a longer one counts as complete.
const MOST_UNHELD: usize = 64 * 1024;

/// How an answer is read: what the request asked for, and how strictly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAs {
    /// The API of the request.
    pub(crate) dialect: Dialect,
    /// What ends a stream.
    pub(crate) done: DoneMarker,
    /// Whether a stream was asked for; `None`: the request was not read.
    pub(crate) stream: Option<bool>,
    /// Whether it has to be what was asked for: from any provider but stable.
    pub(crate) strict: bool,
    /// Whether every event of a stream has to be one that can be read.
    pub(crate) thorough: bool,
}

/// What an answer that was read says of itself, besides how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The tokens that it reports.
    pub(crate) usage: Option<Usage>,
    /// Whether it was generated: only then it is recorded how it finished.
    pub(crate) generated: bool,
    /// Why it ended, as far as it says.
    pub(crate) finish: Option<Finish>,
    /// How many outputs it was streamed in; 0 where their times are not the provider's.
    pub(crate) outputs: u32,
}

/// Reads one answer that goes out as it comes, or of which it does not show at once what it is.
#[derive(Debug)]
pub(crate) struct ResponseObserver {
    read_as: ReadAs,
    label: DeclaredKind,
    status: StatusCode,
    /// The header that says more of a malformed answer.
    detail: Option<HeaderValue>,
    reading: DetectedForm,
    /// What reads it if it is a stream.
    reader: StreamReader,
    /// Where it is encoded: its bytes as they are read.
    decoder: Option<(Decoder, Vec<u8>)>,
    /// Whether something can be put at its end.
    open_ended: bool,
    /// What one whole answer said, once it was read.
    whole: Option<(Option<Usage>, Option<Finish>)>,
}

/// What the answer was found to be.
#[derive(Debug)]
enum DetectedForm {
    /// Not known yet.
    Unsure(Sniffer),
    Events,
    /// One JSON object.
    Object {
        /// Its bytes, unless it is too long.
        body: Vec<u8>,
        long: bool,
    },
    /// No answer of the dialect.
    Malformed(Shape),
}

impl ResponseObserver {
    /// For the answer of this head; `None`: its coding cannot be undone.
    pub(crate) fn of(read_as: ReadAs, status: StatusCode, headers: &HeaderMap) -> Option<Box<ResponseObserver>> {
        let decoder = match coding(headers) {
            None => None,
            Some(coding) => Some((Decoder::for_coding(coding)?, Vec::new())),
        };
        let reader = StreamReader::new(read_as.dialect, read_as.done);
        let open_ended = decoder.is_none() && !headers.contains_key(CONTENT_LENGTH);
        Some(Box::new(ResponseObserver {
            read_as,
            label: DeclaredKind::of(headers),
            status,
            detail: headers.get(CONTENT_TYPE).cloned(),
            reading: DetectedForm::Unsure(Sniffer::default()),
            reader: if read_as.thorough { reader.thorough() } else { reader },
            decoder,
            open_ended,
            whole: None,
        }))
    }

    /// For an answer that is malformed, whatever its body.
    pub(crate) fn malformed(
        read_as: ReadAs,
        status: StatusCode,
        headers: &HeaderMap,
        shape: Shape,
    ) -> Option<Box<ResponseObserver>> {
        let mut observer = ResponseObserver::of(read_as, status, headers)?;
        observer.reading = DetectedForm::Malformed(shape);
        observer.detail = cause::detail(shape, headers).cloned();
        Some(observer)
    }

    /// For one JSON object that is too long to be held.
    pub(crate) fn long(read_as: ReadAs, status: StatusCode, headers: &HeaderMap) -> Option<Box<ResponseObserver>> {
        let mut observer = ResponseObserver::of(read_as, status, headers)?;
        observer.reading = DetectedForm::Object { body: Vec::new(), long: true };
        Some(observer)
    }

    /// For a stream that was held whole.
    pub(super) fn of_stream(read_as: ReadAs, status: StatusCode) -> ResponseObserver {
        ResponseObserver {
            read_as,
            label: DeclaredKind::Events,
            status,
            detail: None,
            reading: DetectedForm::Events,
            reader: StreamReader::new(read_as.dialect, read_as.done),
            decoder: None,
            open_ended: false,
            whole: None,
        }
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
            DetectedForm::Events => self.reader.read(piece),
            DetectedForm::Unsure(sniffer) => {
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
            DetectedForm::Object { body, long } => {
                if body.len() + piece.len() > MOST_UNHELD {
                    (*body, *long) = (Vec::new(), true);
                }
                if !*long {
                    body.extend_from_slice(piece);
                }
                piece.len()
            }
            DetectedForm::Malformed(_) => piece.len(),
        }
    }

    fn settle(&mut self, opening: Opening) {
        self.reading = match opening {
            Opening::Events => DetectedForm::Events,
            Opening::Object => DetectedForm::Object { body: Vec::new(), long: false },
            // A field that is not known may stand first.
            Opening::Other(Shape::Text) if self.label == DeclaredKind::Events => DetectedForm::Events,
            Opening::Other(shape) => DetectedForm::Malformed(shape),
        };
    }

    /// Whether it is not known yet what it is.
    pub(super) fn is_unsure(&self) -> bool {
        matches!(self.reading, DetectedForm::Unsure(_)) && !self.is_blind()
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.reading, DetectedForm::Events)
    }

    /// Whether it is one JSON object.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.reading, DetectedForm::Object { .. })
    }

    /// Whether more came than white space and comments.
    pub(crate) fn has_begun(&self) -> bool {
        match &self.reading {
            DetectedForm::Unsure(_) => self.is_blind(),
            DetectedForm::Events => self.reader.has_begun(),
            DetectedForm::Object { .. } | DetectedForm::Malformed(_) => true,
        }
    }

    /// Whether there was output in it; what cannot be read while it comes counts as some.
    pub(crate) fn has_output(&self) -> bool {
        let seen = match &self.reading {
            DetectedForm::Unsure(_) => false,
            DetectedForm::Events => self.reader.has_output(),
            DetectedForm::Object { .. } | DetectedForm::Malformed(_) => true,
        };
        seen || self.is_blind()
    }

    /// Whether there was output as its dialect has it, or whatever follows changes nothing.
    pub(super) fn is_settled(&self) -> bool {
        (self.has_output() && !(self.read_as.strict && self.reader.is_foreign())) || self.is_decided()
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
        self.read_as.thorough && self.reader.is_unreadable()
    }

    /// What it says so far.
    pub(crate) fn summary(&self) -> Summary {
        let outputs = self.reader.outputs();
        let (usage, finish) = self.whole.unwrap_or_else(|| (self.reader.usage(), self.reader.finish()));
        Summary { usage, generated: self.read_as.dialect.generates(), finish, outputs }
    }

    /// The header that says more of a malformed answer.
    pub(crate) fn detail(&self) -> Option<&HeaderValue> {
        self.detail.as_ref()
    }

    /// Whether an event of Serin's own can be put at its end.
    pub(super) fn takes_error_event(&self) -> bool {
        let stream = match self.reading {
            DetectedForm::Events => true,
            DetectedForm::Unsure(_) => self.label == DeclaredKind::Events,
            DetectedForm::Object { .. } | DetectedForm::Malformed(_) => false,
        };
        self.open_ended && stream
    }

    /// Why it is known by now not to be what was asked for.
    pub(super) fn mismatch(&self) -> Option<Shape> {
        if self.is_blind() {
            return None;
        }
        let stream = self.read_as.stream.filter(|_| self.read_as.strict);
        match &self.reading {
            DetectedForm::Malformed(shape) => Some(*shape),
            DetectedForm::Events if stream == Some(false) && self.reader.has_output() => Some(Shape::Stream),
            DetectedForm::Object { .. } if stream == Some(true) => Some(Shape::Whole),
            _ => None,
        }
    }

    /// Whether it is a stream where one whole answer was asked for, whether or not there is output in it.
    pub(super) fn is_unasked_stream(&self) -> bool {
        self.read_as.strict && self.read_as.stream == Some(false) && self.is_stream() && self.has_begun()
    }

    /// How it ended, where the transport saw this end.
    pub(crate) fn end(&mut self, seen: BodyEnd) -> BodyEnd {
        if seen == BodyEnd::Complete {
            self.close();
        }
        let blind = self.is_blind();
        match &self.reading {
            DetectedForm::Unsure(_) | DetectedForm::Malformed(_) if blind => seen,
            DetectedForm::Unsure(sniffer) if seen == BodyEnd::Complete => match sniffer.end() {
                Opening::Other(Shape::Empty) => without_body(self.label, self.status),
                Opening::Other(shape) => BodyEnd::Malformed(shape),
                Opening::Events | Opening::Object => BodyEnd::Early,
            },
            DetectedForm::Malformed(shape) if seen == BodyEnd::Complete => BodyEnd::Malformed(*shape),
            DetectedForm::Object { body, long } if seen == BodyEnd::Complete => {
                let end = if *long || blind {
                    BodyEnd::Complete
                } else {
                    let answer = read_answer(self.read_as.dialect, body, false);
                    self.whole = Some((answer.usage, answer.finish));
                    of_whole(&answer)
                };
                as_asked(end, self.mismatch())
            }
            DetectedForm::Events => self.end_of_stream(seen),
            DetectedForm::Unsure(_) | DetectedForm::Malformed(_) | DetectedForm::Object { .. } => seen,
        }
    }

    /// The body ended properly.
    fn close(&mut self) {
        if let DetectedForm::Unsure(sniffer) = &self.reading {
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
            return of_failure(complaint);
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
        as_asked(end, self.mismatch())
    }

    /// The event by which the client learns that its answer broke off. `midway`: part of an event went out already.
    pub(crate) fn error_event(&self, midway: bool, code: &str, message: &str) -> bytes::Bytes {
        self.reader.error_event(midway, code, message)
    }
}

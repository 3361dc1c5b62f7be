//! Reads an answer that was held whole.
//!
//! Undoes its encoding, and says how it ended, what it cost and what it complains of. Refuses to keep its bytes.
//! Invariant: an answer whose encoding cannot be undone counts as complete.

use http::StatusCode;

use super::body_end::{as_asked, of_whole, without_body};
use super::declared::DeclaredKind;
use super::observe::{ReadAs, ResponseObserver, Summary};
use crate::decide::outcome::BodyEnd;
use crate::wire::answer::read_answer;
use crate::wire::coding::Decoder;
use crate::wire::complaint::Complaint;
use crate::wire::shape::{Opening, Shape, opening};

/// What the head of a whole answer declares, without the rest of the head: its body is read with nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a> {
    pub(crate) kind: DeclaredKind,
    pub(crate) status: StatusCode,
    /// How it is encoded; `None`: not at all.
    pub(crate) coding: Option<&'a str>,
    /// Whether its length was announced, so that it is known to be whole.
    pub(crate) announced: bool,
}

/// What a whole answer amounts to. One value, since its bytes are decoded and read only once for all of it.
#[derive(Debug)]
pub(crate) struct WholeAnswer {
    /// What it amounts to.
    pub(crate) end: BodyEnd,
    /// What else it says.
    pub(crate) summary: Summary,
    /// Its error, where it says that it failed.
    pub(crate) complaint: Option<Box<Complaint>>,
}

pub(super) fn read_whole(read_as: ReadAs, label: Label<'_>, body: &[u8]) -> WholeAnswer {
    let Label { kind, status, coding, announced } = label;
    let generates = read_as.dialect.generates();
    let summary = |usage, finish| Summary { usage, generated: generates, finish, outputs: 0 };
    let mut whole = WholeAnswer { end: BodyEnd::Complete, summary: summary(None, None), complaint: None };
    if body.is_empty() && generates {
        whole.end = without_body(kind, status);
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
    // What was encoded may be a stream.
    if coding.is_some() && generates && opening(body, true) == Some(Opening::Events) {
        let mut observer = ResponseObserver::of_stream(read_as, status);
        observer.see(body);
        let end = observer.end(BodyEnd::Complete);
        let summary = Summary { outputs: 0, ..observer.summary() };
        return WholeAnswer { end, summary, complaint: observer.failure().cloned().map(Box::new) };
    }
    let answer = read_answer(read_as.dialect, body, announced && coding.is_none());
    let instead = generates && read_as.strict && read_as.stream == Some(true);
    let end = as_asked(of_whole(&answer), instead.then_some(Shape::Whole));
    WholeAnswer { end, summary: summary(answer.usage, answer.finish), complaint: answer.failure }
}

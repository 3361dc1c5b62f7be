//! What a buffered answer amounts to.
//!
//! Reads what was held of it: an error's words, a whole answer, or what the observer saw of a stream. Refuses to decide
//! what follows from a failure. Invariant: an answer that is still to come has no ending, unless it is already known to
//! be bad.

use http::StatusCode;

use super::hold::BufferRules;
use super::response_facts::{BufferingEnd, Form, ResponseFacts};
use crate::decide::outcome::{BodyEnd, Ending, ErrorClass};
use crate::proxy::response::buffered_response::BufferedResponse;
use crate::proxy::response::declared::{self, DeclaredKind};
use crate::proxy::response::observe::ReadAs;
use crate::proxy::response::whole_answer::{Label, read_whole};
use crate::wire::complaint::read_complaint;
use crate::wire::shape::Shape;

pub(super) fn malformed(status: StatusCode, shape: Shape) -> Ending {
    Ending::Answered { status: status.as_u16(), grounds: ErrorClass::default(), body: BodyEnd::Malformed(shape) }
}

impl BufferedResponse {
    pub(super) fn conclude(&mut self, seen: BufferingEnd, look: &ResponseFacts, rules: &BufferRules) {
        let status = self.head.status;
        if status.is_client_error() || status.is_server_error() {
            return self.conclude_error(seen);
        }
        let read_as = rules.read_as;
        let read = self.is_read(look, read_as);
        let end = match (seen, &mut self.observer) {
            (BufferingEnd::End(BodyEnd::NoOutput), _) if self.rest.is_some() => {
                self.rest = None;
                Some(BodyEnd::NoOutput)
            }
            (BufferingEnd::Enough, Some(observer)) if observer.failure().is_some() => {
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(observer.end(BodyEnd::Early))
            }
            (BufferingEnd::Enough, Some(observer)) if rules.recoverable && read_as.strict => {
                let unreadable = observer.is_unreadable().then_some(Shape::Invalid);
                let unasked = observer.is_unasked_stream().then_some(Shape::Stream);
                observer.mismatch().or(unreadable).or(unasked).map(BodyEnd::Malformed)
            }
            (BufferingEnd::Enough, _) => None,
            (BufferingEnd::End(BodyEnd::Complete), Some(observer)) if observer.is_object() => {
                Some(self.read_whole(look, read_as))
            }
            (BufferingEnd::End(end), Some(observer)) => {
                let end = observer.end(end);
                self.summary = Some(observer.summary());
                self.complaint = observer.failure().cloned().map(Box::new);
                Some(match end {
                    // Nothing of it has gone out, and another candidate may send an answer that can be read.
                    BodyEnd::Complete | BodyEnd::Empty if observer.is_unreadable() => {
                        BodyEnd::Malformed(Shape::Invalid)
                    }
                    end => end,
                })
            }
            (BufferingEnd::End(BodyEnd::Complete), None) if read => Some(self.read_whole(look, read_as)),
            (BufferingEnd::End(end), None) => Some(end),
        };
        if seen == BufferingEnd::Enough && matches!(end, Some(BodyEnd::Malformed(_))) {
            // The rest of it is not waited for.
            self.rest = None;
        }
        self.ending =
            end.map(|body| Ending::Answered { status: status.as_u16(), grounds: ErrorClass::default(), body });
    }

    fn conclude_error(&mut self, seen: BufferingEnd) {
        let status = self.head.status;
        let body = declared::plain_error(&self.head.headers, self.pieces.whole().to_vec());
        let complaint = read_complaint(&body);
        let grounds = if complaint.is_content_filter() {
            ErrorClass::ContentFilter
        } else if complaint.is_quota() {
            ErrorClass::Quota
        } else if complaint.is_about_key() {
            ErrorClass::Key
        } else {
            ErrorClass::Other
        };
        self.complaint = Some(Box::new(complaint));
        let body = if let BufferingEnd::End(end) = seen { end } else { BodyEnd::Complete };
        self.ending = Some(Ending::Answered { status: status.as_u16(), grounds, body });
    }

    fn is_read(&self, look: &ResponseFacts, read_as: ReadAs) -> bool {
        match look.form {
            Form::Object => true,
            Form::Unseen => read_as.dialect.generates(),
            Form::Label(_) => {
                look.kind == DeclaredKind::Json && (read_as.dialect.generates() || self.pieces.length() > 0)
            }
        }
    }

    fn read_whole(&mut self, look: &ResponseFacts, read_as: ReadAs) -> BodyEnd {
        let label = Label {
            kind: look.kind,
            status: self.head.status,
            coding: if look.plain { None } else { declared::coding(&self.head.headers) },
            announced: look.announced > 0,
        };
        let whole = read_whole(read_as, label, self.pieces.whole());
        self.summary = Some(whole.summary);
        self.complaint = whole.complaint;
        whole.end
    }
}

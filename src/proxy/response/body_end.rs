//! How the end of an answer is called.
//!
//! Pure rules that streams and whole answers share: an answer without a body, one that is not of the kind that was
//! asked for, one that says that it failed. Reads no bytes.

use http::StatusCode;

use super::declared::DeclaredKind;
use crate::decide::outcome::BodyEnd;
use crate::wire::answer::AnswerReading;
use crate::wire::complaint::Complaint;
use crate::wire::shape::Shape;

/// Of an answer without a body.
pub(super) fn without_body(label: DeclaredKind, status: StatusCode) -> BodyEnd {
    match label {
        DeclaredKind::Events => BodyEnd::Early,
        DeclaredKind::Json if status == StatusCode::OK => BodyEnd::Empty,
        DeclaredKind::Json | DeclaredKind::Opaque => BodyEnd::Malformed(Shape::Empty),
    }
}

/// A good answer that is not of the kind that was asked for is malformed.
pub(super) fn as_asked(end: BodyEnd, mismatch: Option<Shape>) -> BodyEnd {
    match (end, mismatch) {
        (BodyEnd::Complete | BodyEnd::Empty, Some(shape)) => BodyEnd::Malformed(shape),
        (end, _) => end,
    }
}

pub(super) fn of_whole(answer: &AnswerReading) -> BodyEnd {
    if let Some(complaint) = &answer.failure {
        of_failure(complaint)
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

pub(super) fn of_failure(complaint: &Complaint) -> BodyEnd {
    if complaint.is_content_filter() { BodyEnd::Filtered } else { BodyEnd::ErrorEvent }
}

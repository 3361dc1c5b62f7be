//! One whole answer that is no stream, read once before it is let through.
//!
//! Owns what the body of a 2xx means: that it holds output or none, that it says it failed, that it was cut, that it is
//! no answer of its dialect at all, and what it took. Where an official SDK reads it and gets output, it is one,
//! whatever it lacks; white space and a byte-order mark in front make no difference. Nothing is copied and no values
//! are built; only a complaint, once found, is.

use serde::de::{IgnoredAny, MapAccess};

use super::complaint::{Complaint, read_complaint};
use super::dialect::Dialect;
use super::finish::Finish;
use super::json::{self, Member, Object, Said, Strange, chat, messages, responses};
use super::shape::{self, Opening, Shape};
use super::usage::Usage;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerReading {
    /// It holds output; what cannot be read counts as some.
    pub output: bool,
    /// It says that the provider failed, in spite of the status.
    pub failure: Option<Box<Complaint>>,
    /// It is no answer of its dialect, but this.
    pub malformed: Option<Shape>,
    /// It is JSON that ended too early.
    pub cut: bool,
    /// Why it ended, if it says so.
    pub finish: Option<Finish>,
    /// What it took, if it says so.
    pub usage: Option<Usage>,
}

impl AnswerReading {
    /// One that says nothing but this.
    const fn of(output: bool) -> AnswerReading {
        AnswerReading { output, failure: None, malformed: None, cut: false, finish: None, usage: None }
    }
}

/// Reads the whole body of a 2xx. `announced`: it is as long as it was announced to be, and so can be trusted to be
/// whole.
#[must_use]
pub fn read_answer(dialect: Dialect, body: &[u8], announced: bool) -> AnswerReading {
    if announced
        && dialect == Dialect::ChatCompletions
        && let Some(said) = chat::glance(body)
    {
        return AnswerReading { finish: said.finish, usage: said.counts.usage(), ..AnswerReading::of(true) };
    }
    let body = shape::without_mark(body);
    let text = body.trim_ascii_start();
    if text.is_empty() {
        let nothing = if body.is_empty() { Shape::Empty } else { Shape::Blank };
        let malformed = dialect.generates().then_some(nothing);
        return AnswerReading { malformed, ..AnswerReading::of(!dialect.generates()) };
    }
    match parse(dialect, body) {
        Ok(said) => judged(dialect, body, &said),
        Err(error) => {
            let cut = matches!(text.first(), Some(b'{' | b'[')) && (error.is_eof() || ends_in_a_number(body));
            if cut || !dialect.generates() {
                return AnswerReading { cut, ..AnswerReading::of(true) };
            }
            // A character that is none spoils no answer for a client that reads over it.
            let mended = str::from_utf8(body).is_err().then(|| String::from_utf8_lossy(body).into_owned());
            match mended
                .as_deref()
                .map(|text| parse(dialect, text.as_bytes()).map(|said| judged(dialect, text.as_bytes(), &said)))
            {
                Some(Ok(reading)) => reading,
                _ => AnswerReading { malformed: Some(malformed_shape(body)), ..AnswerReading::of(true) },
            }
        }
    }
}

fn parse(dialect: Dialect, body: &[u8]) -> serde_json::Result<Said<'_>> {
    match dialect {
        Dialect::ChatCompletions | Dialect::Completions => chat::read(body).map(|(said, _)| said),
        Dialect::Responses => responses::answer(body),
        Dialect::Messages => messages::answer(body),
        Dialect::Embeddings => embeddings(body),
        Dialect::Plain => serde_json::from_slice::<IgnoredAny>(body).map(|_| Said { output: true, ..Said::default() }),
    }
}

fn judged(dialect: Dialect, body: &[u8], said: &Said<'_>) -> AnswerReading {
    // An error beside output is a remark; beside none it is the answer. Some say themselves that they failed.
    let tells = dialect == Dialect::Responses || said.finish == Some(Finish::Error);
    let failure = said.error.filter(|_| !said.output || tells).map(|error| Box::new(read_complaint(error)));
    let malformed = (dialect.generates() && !said.shaped && failure.is_none()).then(|| malformed_shape(body));
    AnswerReading {
        failure,
        malformed,
        finish: said.finish,
        usage: said.counts.usage(),
        ..AnswerReading::of(said.output || said.foreign)
    }
}

/// What a body is that is no answer.
fn malformed_shape(body: &[u8]) -> Shape {
    match shape::opening(body, true) {
        Some(Opening::Other(shape)) => shape,
        Some(Opening::Events) => Shape::Events,
        Some(Opening::Object) | None => {
            let mut object = Strange::default();
            match json::read(body, &mut object) {
                Err(_) => Shape::Invalid,
                Ok(()) if object.job => Shape::Job,
                Ok(()) if object.members => Shape::Object,
                Ok(()) => Shape::NoMembers,
            }
        }
    }
}

/// Whether JSON is cut within a number, which its reader calls invalid: with one more digit it would be cut behind it.
fn ends_in_a_number(body: &[u8]) -> bool {
    matches!(body.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
        && serde_json::from_slice::<IgnoredAny>(&[body, b"0"].concat()).is_err_and(|error| error.is_eof())
}

/// An answer that is not generated: it is output, unless it is nothing but an error.
fn embeddings(body: &[u8]) -> serde_json::Result<Said<'_>> {
    let mut top = Embeddings::default();
    json::read(body, &mut top)?;
    top.said.output = top.data || top.said.error.is_none();
    Ok(top.said)
}

#[derive(Default)]
struct Embeddings<'a> {
    said: Said<'a>,
    data: bool,
}

impl<'a> Object<'a> for Embeddings<'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"data" => {
                self.data = true;
                value.skip()?;
            }
            b"usage" => value.object(&mut self.said.counts)?,
            b"error" => chat::note_error(value.raw()?, &mut self.said.error),
            _ => value.skip()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! One whole answer that is no stream, read once before it is let through.
//!
//! Owns what a 2xx body in JSON means: that it holds output or none, that it says it failed, that it was cut, and what
//! it took. What is no JSON, or JSON of another shape, is somebody else's to read: it counts as output. Nothing is
//! copied and no values are built; only a complaint, once found, is.

use serde::de::{IgnoredAny, MapAccess};

use super::complaint::{Complaint, read_complaint};
use super::dialect::Dialect;
use super::finish::Finish;
use super::json::{self, Member, Object, Said, chat, messages, responses};
use super::usage::Usage;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerReading {
    /// It holds output; what cannot be read counts as some.
    pub output: bool,
    /// It says that the provider failed, in spite of the status.
    pub failure: Option<Complaint>,
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
        AnswerReading { output, failure: None, cut: false, finish: None, usage: None }
    }
}

/// Reads the whole body of a 2xx. `announced`: it is as long as it was announced to be, and so can be trusted to be whole.
#[must_use]
pub fn read_answer(dialect: Dialect, body: &[u8], announced: bool) -> AnswerReading {
    if announced
        && dialect == Dialect::ChatCompletions
        && let Some(said) = chat::glance(body)
    {
        return AnswerReading { finish: said.finish, usage: said.counts.usage(), ..AnswerReading::of(true) };
    }
    let text = body.trim_ascii_start();
    if text.is_empty() {
        return AnswerReading::of(!dialect.generates());
    }
    let said = match dialect {
        Dialect::ChatCompletions | Dialect::Completions => chat::read(body).map(|(said, _)| said),
        Dialect::Responses => responses::answer(body),
        Dialect::Messages => messages::answer(body),
        Dialect::Embeddings => embeddings(body),
        Dialect::Plain => serde_json::from_slice::<IgnoredAny>(body).map(|_| Said { output: true, ..Said::default() }),
    };
    match said {
        Ok(said) if said.foreign => AnswerReading { usage: said.counts.usage(), ..AnswerReading::of(true) },
        Ok(said) => {
            // An error beside output is a remark; beside none it is the answer. Some say themselves that they failed.
            let tells = dialect == Dialect::Responses || said.finish == Some(Finish::Error);
            let failed = said.error.filter(|_| !said.output || tells);
            let failure = failed.map(read_complaint);
            AnswerReading { failure, finish: said.finish, usage: said.counts.usage(), ..AnswerReading::of(said.output) }
        }
        Err(error) => {
            let cut = matches!(text.first(), Some(b'{' | b'[')) && (error.is_eof() || ends_in_a_number(body));
            AnswerReading { cut, ..AnswerReading::of(true) }
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

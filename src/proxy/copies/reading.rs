//! Two answers to one request, read alike.
//!
//! Undoes their encoding, and reads of both the same. What cannot be read has no digest. Decides nothing: what is
//! compared is [`decide::comparison`](crate::decide::comparison)'s. Keeps no text.

use crate::decide::comparison::digest::{AnswerTimes, Digest, GoodAnswer};
use crate::decide::comparison::request::Expected;
use crate::wire::answer::read_answer;
use crate::wire::coding::Decoder;
use crate::wire::dialect::{Dialect, DoneMarker};
use crate::wire::stream::StreamReader;
use crate::wire::structure::read_structure;

/// The bytes of an answer without their encoding; `None`: it cannot be undone.
pub(super) fn decoded(body: Vec<u8>, coding: Option<&str>) -> Option<Vec<u8>> {
    let Some(coding) = coding else { return Some(body) };
    let (mut decoder, mut plain) = (Decoder::for_coding(coding)?, Vec::new());
    decoder.feed(&body, &mut plain);
    (!decoder.is_blind()).then_some(plain)
}

/// What a good answer is for a comparison.
pub(super) fn read(dialect: Dialect, body: &[u8], expected: &Expected, times: AnswerTimes) -> GoodAnswer {
    let structure = read_structure(dialect, body);
    let (finish, usage) = if body.trim_ascii_start().first() == Some(&b'{') {
        let answer = read_answer(dialect, body, false);
        (answer.finish, answer.usage)
    } else {
        let mut reader = StreamReader::new(dialect, DoneMarker::Optional);
        reader.read(body);
        reader.end();
        (reader.finish(), reader.usage())
    };
    GoodAnswer { digest: Digest::of(&structure, finish, expected), times, usage }
}

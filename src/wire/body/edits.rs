//! A few places of a body replaced by other texts, in one copy.
//!
//! Owns the copying only: which places are replaced is for those who call it to know. Invariant: every byte outside of
//! these places stays as it is; places that do not ascend, or lie outside of the body, give nothing.

use std::ops::Range;

use bytes::Bytes;

/// The body with other texts in these places, which ascend.
pub(super) fn replaced(body: &[u8], edits: &[(Range<usize>, &str)]) -> Option<Bytes> {
    let more = edits.iter().map(|(_, text)| text.len()).sum::<usize>();
    let mut after = Vec::with_capacity(body.len() + more);
    let mut copied = 0;
    for (range, text) in edits {
        after.extend_from_slice(body.get(copied..range.start)?);
        after.extend_from_slice(text.as_bytes());
        copied = range.end;
    }
    after.extend_from_slice(body.get(copied..)?);
    Some(Bytes::from(after))
}

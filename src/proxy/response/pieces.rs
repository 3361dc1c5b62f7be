//! What is held of an answer's body, byte for byte and in order, until it goes out or is thrown away.
//!
//! Owns the pieces as they came and the trailers behind them. The usual answer is one piece, which is never copied;
//! several are put together only where they have to be read as one. Knows nothing of what the bytes mean.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// What is held of an answer.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// What came after the last of them.
    pub(crate) trailers: Option<Box<HeaderMap>>,
    length: u64,
}

impl Pieces {
    /// Takes the next of them.
    pub(crate) fn add(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.push_back(piece);
        }
    }

    /// The next of them.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        self.rest.pop_front()
    }

    /// Whether nothing of them is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_empty()
    }

    /// Whether one piece is all there is, or nothing.
    pub(crate) fn is_one(&self) -> bool {
        self.rest.is_empty() && self.trailers.is_none()
    }

    /// Takes so many of the last bytes off.
    pub(crate) fn split_off(&mut self, bytes: usize) -> BytesMut {
        let mut all = BytesMut::from(&self.whole()[..]);
        let end = all.split_off(all.len().saturating_sub(bytes));
        self.first = all.freeze();
        end
    }

    /// How many bytes came.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// All in one, where that is all there is.
    pub(crate) fn whole(&mut self) -> &Bytes {
        if !self.rest.is_empty() {
            let mut all = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or_default());
            all.extend_from_slice(&self.first);
            self.rest.drain(..).for_each(|piece| all.extend_from_slice(&piece));
            self.first = all.freeze();
        }
        &self.first
    }
}

//! A decoded copy of an answer's body, so that what is relayed encoded can be read too.
//!
//! Owns the undoing of `gzip` and `deflate` piece by piece; other codings are not read. It is for observing only: what
//! cannot be decoded, or decodes to more than [`MOST_PER_PIECE`] from one piece, makes it blind for good, and never an
//! error. Invariant: work and memory for one piece are bounded, whatever it unpacks to.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// The most bytes that one piece is decoded to.
pub const MOST_PER_PIECE: usize = 1024 * 1024;

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder(State);

#[derive(Debug)]
enum State {
    Gzip(Box<GzDecoder<Room>>),
    /// `deflate`, of which the first bytes tell whether it is wrapped as it should be, or bare as some send it.
    Unsure(Vec<u8>),
    Wrapped(Box<ZlibDecoder<Room>>),
    Bare(Box<DeflateDecoder<Room>>),
    Blind,
}

impl Decoder {
    /// For a `content-encoding`; `None` for one that is not read, and for none at all.
    #[must_use]
    pub fn for_coding(coding: &str) -> Option<Decoder> {
        let coding = coding.trim();
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            Some(Decoder(State::Gzip(Box::new(GzDecoder::new(Room::default())))))
        } else if coding.eq_ignore_ascii_case("deflate") {
            Some(Decoder(State::Unsure(Vec::new())))
        } else {
            None
        }
    }

    /// Decodes the next piece and appends to `out` all that is known by then.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if let State::Unsure(begin) = &mut self.0 {
            begin.extend_from_slice(piece);
            let &[first, second, ..] = begin.as_slice() else { return };
            let begin = std::mem::take(begin);
            self.0 = if is_wrapped(first, second) {
                State::Wrapped(Box::new(ZlibDecoder::new(Room::default())))
            } else {
                State::Bare(Box::new(DeflateDecoder::new(Room::default())))
            };
            return self.feed(&begin, out);
        }
        let sees = match &mut self.0 {
            State::Gzip(decoder) => {
                let sees = write(decoder, piece).is_ok();
                out.append(&mut decoder.get_mut().drain());
                sees
            }
            State::Wrapped(decoder) => {
                let sees = write(decoder, piece).is_ok();
                out.append(&mut decoder.get_mut().drain());
                sees
            }
            State::Bare(decoder) => {
                let sees = write(decoder, piece).is_ok();
                out.append(&mut decoder.get_mut().drain());
                sees
            }
            State::Unsure(_) | State::Blind => true,
        };
        if !sees {
            self.0 = State::Blind;
        }
    }

    /// Whether it has given up: what came out is a beginning, and its end says nothing about the body's.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        matches!(self.0, State::Blind)
    }
}

/// Whether these begin a zlib stream (RFC 1950): its method is deflate and its check holds.
const fn is_wrapped(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

fn write(decoder: &mut impl Write, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match decoder.write(piece)? {
            // The body has ended; what follows belongs to nothing.
            0 => break,
            taken => piece = &piece[taken..],
        }
    }
    decoder.flush()
}

/// Takes what was decoded, as far as there is room for it.
#[derive(Debug, Default)]
struct Room(Vec<u8>);

impl Room {
    fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MOST_PER_PIECE - self.0.len() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

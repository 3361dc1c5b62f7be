//! A decoded copy of an answer's body, so that what is relayed encoded can be read too.
//!
//! Owns the undoing of `gzip`, `deflate`, `br` and `zstd` piece by piece; other codings are not read. It is for
//! observing only: what cannot be decoded, or decodes to more than [`MOST_PER_PIECE`] from one piece, makes it blind
//! for good, and never an error. Invariant: work and memory for one piece are bounded, whatever it unpacks to, and what
//! a provider flushed is there as soon as it came.

use std::fmt;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// The most bytes that one piece is decoded to.
pub const MOST_PER_PIECE: usize = 1024 * 1024;
/// The largest window of a `zstd` body, 8 MiB (RFC 9659). That of `br` is at most 16 MiB (RFC 7932).
const LARGEST_WINDOW_LOG: u32 = 23;
/// What `br` is decoded through.
const BUFFER: usize = 4 * 1024;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn named(name: &str) -> Option<Coding> {
        let name = name.trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("gzip") || is("x-gzip") {
            Some(Coding::Gzip)
        } else if is("deflate") {
            Some(Coding::Deflate)
        } else if is("br") {
            Some(Coding::Brotli)
        } else if is("zstd") {
            Some(Coding::Zstd)
        } else {
            None
        }
    }
}

/// Whether a body of this `content-encoding` can be read.
#[must_use]
pub fn is_read(coding: &str) -> bool {
    Coding::named(coding).is_some()
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder(State);

enum State {
    Reading(Box<dyn Undo>),
    /// `deflate`, of which the first bytes tell whether it is wrapped as it should be, or bare as some send it.
    Unsure(Vec<u8>),
    Blind,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Reading(_) => "Reading",
            State::Unsure(_) => "Unsure",
            State::Blind => "Blind",
        })
    }
}

/// What undoes one coding: takes the encoded, and puts the plain bytes into its room.
trait Undo: Write + Send {
    fn room(&mut self) -> &mut Room;
}

impl Undo for GzDecoder<Room> {
    fn room(&mut self) -> &mut Room {
        self.get_mut()
    }
}

impl Undo for ZlibDecoder<Room> {
    fn room(&mut self) -> &mut Room {
        self.get_mut()
    }
}

impl Undo for DeflateDecoder<Room> {
    fn room(&mut self) -> &mut Room {
        self.get_mut()
    }
}

impl Undo for DecompressorWriter<Room> {
    fn room(&mut self) -> &mut Room {
        self.get_mut()
    }
}

impl Undo for zstd::stream::write::Decoder<'_, Room> {
    fn room(&mut self) -> &mut Room {
        self.get_mut()
    }
}

impl Decoder {
    /// For a `content-encoding`; `None` for one that is not read, and for none at all.
    #[must_use]
    pub fn for_coding(coding: &str) -> Option<Decoder> {
        Coding::named(coding).map(|coding| {
            Decoder(match coding {
                Coding::Gzip => State::Reading(Box::new(GzDecoder::new(Room::default()))),
                Coding::Deflate => State::Unsure(Vec::new()),
                Coding::Brotli => State::Reading(Box::new(DecompressorWriter::new(Room::default(), BUFFER))),
                // Fails where there is no memory only.
                Coding::Zstd => zstd().map_or(State::Blind, |decoder| State::Reading(Box::new(decoder))),
            })
        })
    }

    /// Decodes the next piece and appends to `out` all that is known by then.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        if let State::Unsure(begin) = &mut self.0 {
            begin.extend_from_slice(piece);
            let &[first, second, ..] = begin.as_slice() else { return };
            let begin = std::mem::take(begin);
            self.0 = State::Reading(if is_wrapped(first, second) {
                Box::new(ZlibDecoder::new(Room::default()))
            } else {
                Box::new(DeflateDecoder::new(Room::default()))
            });
            return self.feed(&begin, out);
        }
        let State::Reading(decoder) = &mut self.0 else { return };
        let sees = write(decoder, piece).is_ok();
        out.append(&mut decoder.room().drain());
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

fn zstd() -> io::Result<zstd::stream::write::Decoder<'static, Room>> {
    let mut decoder = zstd::stream::write::Decoder::new(Room::default())?;
    decoder.window_log_max(LARGEST_WINDOW_LOG)?;
    Ok(decoder)
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

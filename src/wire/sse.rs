//! Finding the events in a stream of server-sent events, whatever pieces it comes in.
//!
//! Owns the framing and nothing else: lines end with LF, CRLF or CR, a blank line ends an event, several `data` lines
//! join with LF, comments and unknown fields mean nothing, a leading byte-order mark is passed over, and what no blank
//! line follows is no event unless the stream has ended properly. An event that lies whole in one piece is lent out of
//! that piece; only one that is cut is copied, up to [`LARGEST_EVENT`]. Invariant: how the stream is cut into pieces
//! changes no event and no boundary.

use memchr::{memchr, memchr2};

/// The lines of an event are kept up to this many bytes; of a longer one only the beginning is told.
pub const LARGEST_EVENT: usize = 64 * 1024;
/// How much of the data of an event that is too long is told.
pub const HEAD: usize = 256;

/// Buffers up to this size serve the next event too.
const LARGEST_KEPT: usize = 16 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The value of its last `event` field; empty without one.
    pub name: &'a [u8],
    /// Its `data` lines, joined with LF.
    pub data: &'a [u8],
    /// False when it was too long: then `data` is its first [`HEAD`] bytes.
    pub whole: bool,
}

/// Reads a stream piece by piece.
#[derive(Debug, Default)]
pub struct Framer {
    /// A line whose end has not come.
    line: Vec<u8>,
    /// What earlier pieces held of the event that has not ended.
    name: Vec<u8>,
    data: Vec<u8>,
    /// How many `data` fields it has so far.
    data_fields: usize,
    /// How long its ended lines are together.
    size: usize,
    too_long: bool,
    /// Whether a line of it has ended that is more than a comment.
    in_event: bool,
    /// Whether the last piece ended with CR, which an LF may still complete.
    after_cr: bool,
    /// Whether the first line, which may begin with a byte-order mark, has ended.
    begun: bool,
}

/// What the line or piece at hand holds of the event that has not ended.
#[derive(Default)]
struct Lent<'p> {
    name: Option<&'p [u8]>,
    data: Option<&'p [u8]>,
}

impl Framer {
    /// Reads the next piece and tells its events. Returns how many bytes of it lie before the last boundary known by
    /// now: the end of a blank line, or of a comment that stands outside of any event; 0 when there is none.
    ///
    /// A line that ends with a CR has ended at once, even at the end of a piece. Should the next piece begin with LF,
    /// that belongs to the same line, and so the boundary, if the line was one, lies behind it.
    pub fn read(&mut self, piece: &[u8], mut tell: impl FnMut(Event<'_>)) -> usize {
        let mut lent = Lent::default();
        let mut boundary = 0;
        let mut at = 0;
        if self.after_cr && !piece.is_empty() {
            self.after_cr = false;
            if piece[0] == b'\n' {
                at = 1;
                boundary = usize::from(!self.in_event);
            }
        }
        while at < piece.len() {
            let rest = &piece[at..];
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.keep(rest);
                break;
            };
            at += end + 1;
            if rest[end] == b'\r' {
                match piece.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.line.is_empty() {
                self.end_line(&rest[..end], &mut lent, &mut tell);
            } else {
                // Begun in an earlier piece, so it is the first of this one and nothing has been lent yet.
                self.keep(&rest[..end]);
                let line = std::mem::take(&mut self.line);
                let mut own = Lent::default();
                self.end_line(&line, &mut own, &mut tell);
                self.copy(&own);
                self.line = emptied(line);
            }
            if !self.in_event {
                boundary = at;
            }
        }
        self.copy(&lent);
        boundary
    }

    /// The stream ended properly: what no blank line follows is an event all the same, so that a last one counts.
    pub fn end(&mut self, mut tell: impl FnMut(Event<'_>)) {
        let line = std::mem::take(&mut self.line);
        let mut lent = Lent::default();
        if !line.is_empty() {
            self.end_line(&line, &mut lent, &mut tell);
        }
        self.end_event(&mut lent, &mut tell);
    }

    /// Keeps the beginning of a line, as far as the event may grow and one byte more, which tells that it is too long.
    fn keep(&mut self, bytes: &[u8]) {
        let most = if self.too_long { 1 } else { LARGEST_EVENT + 1 - self.size };
        let room = most.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line<'l>(&mut self, line: &'l [u8], lent: &mut Lent<'l>, tell: &mut impl FnMut(Event<'_>)) {
        let first = !std::mem::replace(&mut self.begun, true);
        let marked = first && line.starts_with(BYTE_ORDER_MARK);
        if line.len() == if marked { BYTE_ORDER_MARK.len() } else { 0 } {
            return self.end_event(lent, tell);
        }
        if self.too_long {
            return;
        }
        let fits = line.len().min(LARGEST_EVENT - self.size);
        self.too_long = fits < line.len();
        self.size += fits;
        let line = &line[..fits];
        let line = if marked { &line[BYTE_ORDER_MARK.len()..] } else { line };
        if line.first() == Some(&b':') {
            if !self.in_event {
                self.size = 0;
                self.too_long = false;
            }
            return;
        }
        self.in_event = true;
        let (field, value) = match memchr(b':', line) {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => self.add_data(value, lent),
            b"event" => lent.name = Some(value),
            // llama.cpp's own, for an error.
            b"error" if value.starts_with(b"{") && self.data_fields == 0 => {
                lent.name = Some(field);
                self.add_data(value, lent);
            }
            _ => {}
        }
    }

    fn add_data<'l>(&mut self, value: &'l [u8], lent: &mut Lent<'l>) {
        self.data_fields += 1;
        if self.data_fields == 1 {
            lent.data = Some(value);
            return;
        }
        if let Some(before) = lent.data.take() {
            self.data.extend_from_slice(before);
        }
        self.data.push(b'\n');
        self.data.extend_from_slice(value);
    }

    fn end_event(&mut self, lent: &mut Lent<'_>, tell: &mut impl FnMut(Event<'_>)) {
        if !self.in_event {
            return;
        }
        let name = lent.name.take().unwrap_or(&self.name);
        let data = lent.data.take().unwrap_or(&self.data);
        if self.data_fields > 0 || !name.is_empty() {
            let data = if self.too_long { &data[..data.len().min(HEAD)] } else { data };
            tell(Event { name, data, whole: !self.too_long });
        }
        self.name.clear();
        self.data = emptied(std::mem::take(&mut self.data));
        self.data_fields = 0;
        self.size = 0;
        self.too_long = false;
        self.in_event = false;
    }

    /// Copies what was lent out of a piece that ends.
    fn copy(&mut self, lent: &Lent<'_>) {
        if let Some(name) = lent.name {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        if let Some(data) = lent.data {
            self.data.extend_from_slice(data);
        }
    }
}

/// The buffer, empty; a large one is given back, since a stream has few large events.
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > LARGEST_KEPT {
        return Vec::new();
    }
    buffer.clear();
    buffer
}

#[cfg(test)]
mod tests;

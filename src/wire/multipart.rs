//! Reading `multipart/form-data`: the boundary from its header, and the parts with their names and places.
//!
//! Owns the form of RFC 2046 and RFC 7578 as clients of today write it: CRLF everywhere, names in the first header of
//! their part. It refuses to guess: what two readers might take differently (bare line feeds, a longer line that begins
//! with the boundary, no end) is [`Malformed`], and the form counts as unread. Values are places in the body, whatever
//! bytes they hold; nothing is copied, and every byte is looked at a bounded number of times.

use std::borrow::Cow;
use std::ops::Range;

/// What RFC 2046 allows a boundary.
const LONGEST: usize = 70;

/// The boundary that a `Content-Type` of `multipart/form-data` names; `None` for other types, and for a boundary that
/// is missing, named twice or not allowed.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for parameter in Parameters(parameters.as_bytes()) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case(b"boundary") && found.replace(value).is_some() {
            return None;
        }
    }
    let boundary = String::from_utf8(found?.into_owned()).ok()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
    let fits = (1..=LONGEST).contains(&boundary.len()) && boundary.chars().all(allowed) && !boundary.ends_with(' ');
    fits.then_some(boundary)
}

/// Why a form was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No line is the boundary, or the last one is not marked as the end.
    #[error("its closing boundary is missing")]
    Open,
    /// A line begins with the boundary and goes on.
    #[error("a line begins with the boundary and goes on")]
    Line,
    /// The headers of a part do not end, are folded, or name it twice.
    #[error("the headers of a part are not readable")]
    Headers,
}

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field it is a value of; `None` where it does not say.
    pub name: Option<Cow<'a, [u8]>>,
    /// Whether it is a file, or encoded: its bytes are not the field's text.
    pub opaque: bool,
    /// Where its bytes lie in the body.
    pub value: Range<usize>,
    /// Where its own `Content-Length`, which few clients send, has its number.
    pub length: Option<Range<usize>>,
}

/// Reads a form part by part. Nothing may be believed of it before it has ended without [`Malformed`].
#[derive(Debug)]
pub struct Parts<'a> {
    body: &'a [u8],
    delimiter: Delimiter,
    /// Behind the boundary that was read last; `None`: the end was read, or what cannot be.
    at: Option<usize>,
    begun: bool,
}

impl<'a> Parts<'a> {
    /// For a whole body and the boundary that its header names.
    #[must_use]
    pub fn new(body: &'a [u8], boundary: &str) -> Parts<'a> {
        Parts { body, delimiter: Delimiter::new(boundary), at: Some(0), begun: false }
    }

    fn read(&mut self) -> Result<Option<Part<'a>>, Malformed> {
        let Some(mut at) = self.at.take() else { return Ok(None) };
        if !self.begun {
            self.begun = true;
            // The first boundary may be the first line; before it may be a preamble, which means nothing.
            at = match self.body.strip_prefix(self.delimiter.line()) {
                Some(rest) => self.body.len() - rest.len(),
                None => self.delimiter.find(self.body, 0).ok_or(Malformed::Open)?.end,
            };
        }
        let Some(start) = self.line_end(at)? else { return Ok(None) };
        let (mut part, value) = headers(self.body, start)?;
        // An empty value has its boundary right behind the headers, whose last line break is then the boundary's.
        let end = self.delimiter.find(self.body, value.saturating_sub(2)).ok_or(Malformed::Open)?;
        if end.start < value {
            return Err(Malformed::Headers);
        }
        part.value = value..end.start;
        self.at = Some(end.end);
        Ok(Some(part))
    }

    /// Where the line of a boundary ends; `None` when it is the last one.
    fn line_end(&self, at: usize) -> Result<Option<usize>, Malformed> {
        let rest = self.body.get(at..).ok_or(Malformed::Open)?;
        if let Some(rest) = rest.strip_prefix(b"--") {
            let ends = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')).is_none_or(|byte| *byte == b'\r');
            return if ends { Ok(None) } else { Err(Malformed::Line) };
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(padding..) {
            Some([b'\r', b'\n', ..]) => Ok(Some(at + padding + 2)),
            Some([]) | Some([b'\r']) | None => Err(Malformed::Open),
            _ => Err(Malformed::Line),
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// `\r\n--boundary`, and how far a search may jump.
#[derive(Debug)]
struct Delimiter {
    bytes: Vec<u8>,
    /// By the byte under the delimiter's last one.
    jumps: Box<[usize; 256]>,
}

impl Delimiter {
    fn new(boundary: &str) -> Delimiter {
        let bytes = [b"\r\n--", boundary.as_bytes()].concat();
        let mut jumps = Box::new([bytes.len(); 256]);
        for (index, byte) in bytes.iter().enumerate().take(bytes.len() - 1) {
            jumps[usize::from(*byte)] = bytes.len() - 1 - index;
        }
        Delimiter { bytes, jumps }
    }

    /// Without the line break before it.
    fn line(&self) -> &[u8] {
        &self.bytes[2..]
    }

    /// Its first place from `at` on. It has one carriage return, its first byte, so that two places where it nearly
    /// fits cannot overlap: however a body is made, it is compared once.
    fn find(&self, body: &[u8], mut at: usize) -> Option<Range<usize>> {
        loop {
            let window = body.get(at..at.checked_add(self.bytes.len())?)?;
            if window == self.bytes {
                return Some(at..at + self.bytes.len());
            }
            at += self.jumps[usize::from(*window.last()?)];
        }
    }
}

/// What the headers of a part say, and where its value begins.
fn headers(body: &[u8], mut at: usize) -> Result<(Part<'_>, usize), Malformed> {
    let mut part = Part { name: None, opaque: false, value: at..at, length: None };
    let mut disposed = false;
    loop {
        let rest = body.get(at..).ok_or(Malformed::Headers)?;
        let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Malformed::Headers)?;
        let (line, behind) = rest.split_at(length);
        if !behind.starts_with(b"\r\n") {
            return Err(Malformed::Headers);
        }
        if line.is_empty() {
            return Ok((part, at + 2));
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed::Headers)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err(Malformed::Headers);
        }
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if std::mem::replace(&mut disposed, true) {
                return Err(Malformed::Headers);
            }
            disposition(value, &mut part)?;
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = [&b"7bit"[..], b"8bit", b"binary"];
            part.opaque |= plain.iter().all(|plain| !value.trim_ascii().eq_ignore_ascii_case(plain));
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let start = at + colon + 1 + (value.len() - value.trim_ascii_start().len());
            part.length = Some(start..start + value.trim_ascii().len());
        }
        at += length + 2;
    }
}

fn disposition<'a>(value: &'a [u8], part: &mut Part<'a>) -> Result<(), Malformed> {
    let (kind, parameters) = match value.iter().position(|byte| *byte == b';') {
        Some(end) => (&value[..end], &value[end + 1..]),
        None => (value, &b""[..]),
    };
    if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Ok(());
    }
    for parameter in Parameters(parameters) {
        let (name, value) = parameter.ok_or(Malformed::Headers)?;
        if name.eq_ignore_ascii_case(b"name") {
            if part.name.replace(value).is_some() {
                return Err(Malformed::Headers);
            }
        } else if name.eq_ignore_ascii_case(b"filename") || name.eq_ignore_ascii_case(b"filename*") {
            part.opaque = true;
        }
    }
    Ok(())
}

/// `; name=value; name="quoted \" value"`, one by one; `None` for one that cannot be read, which ends it.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a [u8], Cow<'a, [u8]>)>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((b';' | b' ' | b'\t', rest)) = self.0.split_first() {
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let read = self.parameter();
        if read.is_none() {
            self.0 = b"";
        }
        Some(read)
    }
}

impl<'a> Parameters<'a> {
    fn parameter(&mut self) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
        let text = self.0;
        let equals = text.iter().position(|byte| matches!(byte, b'=' | b';'))?;
        let (name, value) = (text[..equals].trim_ascii(), text[equals..].strip_prefix(b"=")?.trim_ascii_start());
        let (value, rest) = match value.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, rest) = value.split_at(value.iter().position(|b| *b == b';').unwrap_or(value.len()));
                (Cow::Borrowed(value.trim_ascii_end()), rest)
            }
        };
        self.0 = rest.trim_ascii_start();
        (!name.is_empty() && (self.0.is_empty() || self.0.starts_with(b";"))).then_some((name, value))
    }
}

/// A quoted text behind its opening quote, and what follows the closing one.
fn unquoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    if text[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_vec();
    let mut rest = &text[end..];
    loop {
        match rest {
            [b'"', behind @ ..] => return Some((Cow::Owned(value), behind)),
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                value.push(*byte);
                rest = behind;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests;

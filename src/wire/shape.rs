//! What the body of an answer is, told from its first bytes and not from its label.
//!
//! Owns [`Opening`] (server-sent events, a JSON object, or anything else) and [`Shape`], the few names for what is no
//! answer. A name says what kind of thing came and never what stood in it, so that it can be shown anywhere. Invariant:
//! in whatever pieces the first bytes come, they are told to be the same; at most [`MOST`] of them are kept.

use serde::{Deserialize, Serialize};

/// How many bytes, behind white space, are looked at.
pub const MOST: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What an answer is that is none of its dialect's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// No byte at all.
    Empty,
    /// White space alone.
    Blank,
    /// A web page.
    Html,
    /// XML that is no web page.
    Xml,
    Text,
    /// Neither text nor markup.
    Binary,
    /// JSON's `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    Number,
    /// A JSON text.
    String,
    /// A JSON list.
    Array,
    NoMembers,
    /// An object that tells of a job which is under way.
    Job,
    /// An object without what answers of the dialect have.
    Object,
    /// It begins like an object and is no valid JSON.
    Invalid,
    /// Events, none of them in the dialect.
    Events,
    /// A good answer, whole, where a stream was asked for.
    Whole,
    /// A good stream, where one whole answer was asked for.
    Stream,
    Redirect,
    /// An answer by which a WebSocket does not begin.
    NoUpgrade,
}

impl Shape {
    /// In words that fit behind a media type.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Shape::Empty => "no body",
            Shape::Blank => "only white space",
            Shape::Html => "`<!doctype html>`",
            Shape::Xml => "XML",
            Shape::Text => "text",
            Shape::Binary => "binary data",
            Shape::Null => "`null`",
            Shape::Boolean => "`true` or `false`",
            Shape::Number => "a number",
            Shape::String => "a JSON text",
            Shape::Array => "a JSON list",
            Shape::NoMembers => "`{}`",
            Shape::Job => "a job's status",
            Shape::Object => "JSON that is not a response of this API",
            Shape::Invalid => "invalid JSON",
            Shape::Events => "events of an unknown kind",
            Shape::Whole => "one complete response instead of a stream",
            Shape::Stream => "a stream instead of one complete response",
            Shape::Redirect => "a redirect",
            Shape::NoUpgrade => "a response that begins no WebSocket",
        }
    }
}

/// How a body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// As server-sent events.
    Events,
    /// As a JSON object.
    Object,
    /// As something else.
    Other(Shape),
}

/// Finds out how a body begins, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Sniffer {
    head: Vec<u8>,
    begun: bool,
}

impl Sniffer {
    /// Looks at the next piece; `None` while it cannot be told.
    pub fn see(&mut self, piece: &[u8]) -> Option<Opening> {
        if self.head.is_empty() && !self.begun {
            self.begun = !piece.is_empty();
            if let Some(opening) = opening(piece, false) {
                return Some(opening);
            }
        }
        for byte in piece {
            // Of white space in front only the last byte matters: whether a line begins behind it.
            if byte.is_ascii_whitespace() && without_mark(&self.head).iter().all(u8::is_ascii_whitespace) {
                self.head.clear();
            }
            self.head.push(*byte);
            if self.head.len() > MOST {
                break;
            }
        }
        opening(&self.head, false)
    }

    /// Whether nothing but white space came.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.head.trim_ascii().is_empty()
    }

    /// What it is if it ends here.
    #[must_use]
    pub fn end(&self) -> Opening {
        let blank = Opening::Other(if self.begun { Shape::Blank } else { Shape::Empty });
        opening(&self.head, true).unwrap_or(blank)
    }
}

/// How a body begins; `ended`: that is all of it. `None` while it cannot be told.
#[must_use]
pub fn opening(body: &[u8], ended: bool) -> Option<Opening> {
    if !ended && BYTE_ORDER_MARK.starts_with(body) {
        return None;
    }
    let body = without_mark(body);
    let text = body.trim_ascii_start();
    let before = &body[..body.len() - text.len()];
    let head = &text[..text.len().min(MOST)];
    let sure = ended || text.len() >= MOST;
    match head.first()? {
        b'{' => Some(Opening::Object),
        b'[' => Some(Opening::Other(Shape::Array)),
        b'"' => Some(Opening::Other(Shape::String)),
        b'<' => markup(head, sure).map(Opening::Other),
        // A field stands at the start of its line.
        _ if before.last().is_none_or(|byte| matches!(byte, b'\n' | b'\r')) => match field(head, sure) {
            Field::Yes => Some(Opening::Events),
            Field::Perhaps => None,
            Field::No => scalar(head, sure).map(Opening::Other),
        },
        _ => scalar(head, sure).map(Opening::Other),
    }
}

/// The body without a byte-order mark in front.
#[must_use]
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

enum Field {
    Yes,
    No,
    Perhaps,
}

/// Whether a line of server-sent events begins here.
fn field(head: &[u8], sure: bool) -> Field {
    const FIELDS: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b"error"];
    if head[0] == b':' {
        return Field::Yes;
    }
    for name in FIELDS {
        match head.strip_prefix(name) {
            Some(rest) if name == b"error" => {
                // llama.cpp's own; a text may begin with the same word.
                let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
                match value.map(<[u8]>::first) {
                    Some(Some(b'{')) => return Field::Yes,
                    Some(None) if !sure => return Field::Perhaps,
                    None if rest.is_empty() && !sure => return Field::Perhaps,
                    _ => {}
                }
            }
            Some([b':' | b'\n' | b'\r', ..]) => return Field::Yes,
            Some([]) if !sure => return Field::Perhaps,
            None if !sure && name.starts_with(head) => return Field::Perhaps,
            _ => {}
        }
    }
    Field::No
}

fn markup(head: &[u8], sure: bool) -> Option<Shape> {
    const PAGES: [&[u8]; 7] = [b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<script", b"<center"];
    let lower = head.to_ascii_lowercase();
    if PAGES.iter().any(|page| lower.starts_with(page)) {
        return Some(Shape::Html);
    }
    let undecided = !sure && PAGES.iter().any(|page| page.starts_with(&lower));
    (!undecided).then_some(Shape::Xml)
}

/// A JSON value that is neither object nor list nor text, or no JSON at all.
fn scalar(head: &[u8], sure: bool) -> Option<Shape> {
    let text = head.trim_ascii_end();
    for (word, shape) in [(&b"null"[..], Shape::Null), (b"true", Shape::Boolean), (b"false", Shape::Boolean)] {
        // White space may follow it, and anything may follow that.
        if word == text {
            return sure.then_some(shape);
        }
        if word.starts_with(head) && !sure {
            return None;
        }
    }
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    if matches!(text[0], b'0'..=b'9' | b'-') && text.iter().all(numeric) {
        return sure.then_some(Shape::Number);
    }
    // The first byte is all that there may be to go by.
    let binary = matches!(head[0], 0..0x20 | 0x7f..0xc2 | 0xf5..);
    Some(if binary { Shape::Binary } else { Shape::Text })
}

#[cfg(test)]
mod tests;

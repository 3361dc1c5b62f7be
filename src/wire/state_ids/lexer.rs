//! Reads the strings of JSON as it comes in pieces: each with its role, in the object that it stands in.
//!
//! One pass over JSON or events with JSON in them, without building values. Strings that matter to nobody are skipped,
//! not kept. What is nested deeper than [`MOST_FRAMES`] is skipped too. It takes no part in judging an answer: what is
//! no JSON names no ids, and a line break inside a string, which JSON does not have, begins anew. Invariant: what is
//! kept is bounded, whatever comes.

use memchr::memchr3;

use super::id::LONGEST;
use super::rules::{KeyRole, LONGEST_KEY, ObjectType, object_type, role};

/// Ids that matter stand far above this depth.
const MOST_FRAMES: usize = 24;

/// An object or a list that is open.
#[derive(Debug, Default)]
pub(super) struct Frame {
    is_object: bool,
    /// Whether a string that begins now is a key.
    awaits_key: bool,
    /// The role of the last key.
    key: KeyRole,
    /// The role of the key that this stands below; a list passes it on to what it holds.
    pub(super) below: KeyRole,
    opaque: bool,
    /// The object's own id and type, as far as they came.
    pub(super) id: Option<Box<[u8]>>,
    pub(super) kind: ObjectType,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// A string below a key with this role.
    Value(KeyRole, &'a [u8]),
    /// An object's id or type came.
    Object(&'a mut Frame),
}

#[derive(Debug, Default)]
pub(super) struct Lexer {
    stack: Vec<Frame>,
    /// How many are open beyond the deepest frame.
    beyond: u32,
    string: Option<OpenString>,
    text: Vec<u8>,
}

/// A string whose end has not come.
#[derive(Clone, Copy, Debug)]
struct OpenString {
    escaped: bool,
    /// How many bytes of it may be kept; a longer one matters to nobody.
    most: usize,
    is_key: bool,
}

impl Lexer {
    /// Reads the next piece.
    pub(super) fn feed(&mut self, mut piece: &[u8], mut read: impl FnMut(Read<'_>)) {
        while let Some(&first) = piece.first() {
            if let Some(string) = self.string {
                piece = self.in_string(string, piece, &mut read);
                continue;
            }
            piece = &piece[1..];
            match first {
                b'"' => self.open_string(),
                b'{' => self.open(true),
                b'[' => self.open(false),
                b'}' | b']' => match self.beyond {
                    0 => drop(self.stack.pop()),
                    _ => self.beyond -= 1,
                },
                b',' | b':' if self.beyond == 0 => {
                    if let Some(frame) = self.stack.last_mut() {
                        frame.awaits_key = first == b',' && frame.is_object;
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, is_object: bool) {
        if self.beyond > 0 || self.stack.len() >= MOST_FRAMES {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        let (below, opaque) = self.stack.last().map_or((KeyRole::Other, false), |parent| {
            let below = if parent.is_object { parent.key } else { parent.below };
            let hides = below == KeyRole::Opaque || (parent.is_object && is_object && below == KeyRole::OpaqueObject);
            (below, parent.opaque || hides)
        });
        self.stack.push(Frame { is_object, awaits_key: is_object, below, opaque, ..Frame::default() });
    }

    fn open_string(&mut self) {
        self.text.clear();
        let (mut most, mut is_key) = (0, false);
        if let Some(frame) = self.stack.last().filter(|frame| self.beyond == 0 && !frame.opaque) {
            is_key = frame.awaits_key;
            let of = if frame.is_object { frame.key } else { frame.below };
            most = match of {
                _ if is_key => LONGEST_KEY,
                KeyRole::Reference(_) => LONGEST,
                KeyRole::Holder(_) | KeyRole::Id | KeyRole::Type if frame.is_object => LONGEST,
                _ => 0,
            };
        }
        self.string = Some(OpenString { escaped: false, most, is_key });
    }

    /// Goes on in a string; what follows it.
    fn in_string<'p>(&mut self, mut string: OpenString, piece: &'p [u8], read: &mut impl FnMut(Read<'_>)) -> &'p [u8] {
        if string.escaped {
            string.escaped = false;
            self.string = Some(string);
            return &piece[1..];
        }
        let end = memchr3(b'"', b'\\', b'\n', piece);
        let (text, rest) = piece.split_at(end.unwrap_or(piece.len()));
        if self.text.len() + text.len() <= string.most {
            self.text.extend_from_slice(text);
        } else {
            string.most = 0;
        }
        self.string = Some(string);
        let Some((&byte, rest)) = rest.split_first() else { return rest };
        match byte {
            b'"' => {
                self.string = None;
                if string.is_key || string.most > 0 {
                    self.close_string(string, read);
                }
            }
            // No key and no id has an escape.
            b'\\' => self.string = Some(OpenString { escaped: true, most: 0, ..string }),
            _ => *self = Lexer { text: std::mem::take(&mut self.text), ..Lexer::default() },
        }
        rest
    }

    fn close_string(&mut self, string: OpenString, read: &mut impl FnMut(Read<'_>)) {
        let Some(frame) = self.stack.last_mut() else { return };
        if string.is_key {
            frame.key = if string.most > 0 { role(&self.text) } else { KeyRole::Other };
            frame.awaits_key = false;
            return;
        }
        match if frame.is_object { frame.key } else { frame.below } {
            KeyRole::Id => {
                frame.id = Some(self.text.as_slice().into());
                read(Read::Object(frame));
            }
            KeyRole::Type => {
                // Of `object` and `type`, the one that says something.
                let kind = object_type(&self.text);
                if kind != ObjectType::Other {
                    frame.kind = kind;
                    read(Read::Object(frame));
                }
            }
            role @ (KeyRole::Reference(_) | KeyRole::Holder(_)) => read(Read::Value(role, &self.text)),
            _ => {}
        }
    }
}

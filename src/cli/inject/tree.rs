//! A stream of YAML documents as trees in which every value knows its place in the text.
//!
//! Differs from the reader of flags.yaml in what it takes: several documents, tags, merge keys and aliases, since most
//! documents of a stream are not ours to judge. Resolves nothing: an alias stays an alias, so that nobody edits a value
//! in the belief that it stands where it is used. Invariant: places are bytes of the text that was given.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use crate::flags::{FlagsError, explain_yaml};

/// How deep values may be nested. A pod needs about twelve.
const DEEPEST: usize = 100;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Its line, from 1.
    pub(super) line: usize,
    /// Its column, from 0, in characters.
    pub(super) column: usize,
    /// The byte where it begins, with its anchor and tag.
    pub(super) start: usize,
    /// The byte where it ends, of a text on one line without quotes; where it begins, of a list or map in blocks
    /// without an anchor; else somewhere behind.
    pub(super) end: usize,
    /// The number of its anchor; 0: none.
    pub(super) anchor: usize,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text.
    Scalar { text: String, style: ScalarStyle },
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Vec<Entry>),
    /// A value that stands elsewhere.
    Alias,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key; its text is empty where it is no text.
    pub(super) key: Node,
    /// What it holds.
    pub(super) value: Node,
}

/// One document of the stream.
#[derive(Debug)]
pub(super) struct Document {
    /// Its value.
    pub(super) root: Node,
    /// The anchors that are used again, and on which line.
    pub(super) repeated: HashMap<usize, usize>,
}

impl Node {
    /// Its text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is no value at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, style: ScalarStyle::Plain } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// Its entries, if it is a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Its items, if it is a list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of this key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text() == Some(key))
    }

    /// The value of this key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text at the end of these keys.
    pub(super) fn text_at(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().try_fold(self, |node, key| node.get(key))?.text()
    }
}

/// Reads every document of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, FlagsError> {
    read(text).or_else(|error| {
        // The parser refuses a tab behind a colon, which YAML allows. Spaces of the same number move no place; texts
        // that have such a tab within are read with a space, and are written as they were.
        let spaced = text.contains(":\t").then(|| without_tabs(text));
        spaced.map_or(Err(error), |spaced| read(&spaced))
    })
}

/// The text with spaces for the tabs behind colons.
fn without_tabs(text: &str) -> String {
    let mut behind = false;
    let spaced = text.chars().map(|c| {
        behind = c == ':' || behind && c == '\t';
        if behind && c == '\t' { ' ' } else { c }
    });
    spaced.collect()
}

fn read(text: &str) -> Result<Vec<Document>, FlagsError> {
    let bytes = Bytes::of(text);
    let mut reading = Reading { bytes, open: Vec::new(), root: None, repeated: HashMap::new() };
    let mut documents = Vec::new();
    let mut parser = Parser::<StrInput<'_>>::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let number = documents.len() + 1;
        let (event, span) = event.map_err(|error| {
            let at = error.marker();
            let explained = explain_yaml(text, at.line().max(1), at.col() + 1, error.info());
            FlagsError { path: format!("document {number}"), ..explained }
        })?;
        documents.extend(reading.take(event, span.start, span.end)?);
    }
    Ok(documents)
}

/// Bytes of characters, which the parser counts.
struct Bytes(Option<Vec<usize>>);

impl Bytes {
    fn of(text: &str) -> Bytes {
        let ends = || text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Bytes((!text.is_ascii()).then(ends))
    }

    fn at(&self, marker: Marker) -> usize {
        match &self.0 {
            None => marker.index(),
            Some(starts) => starts.get(marker.index()).or(starts.last()).copied().unwrap_or(0),
        }
    }
}

struct Reading {
    bytes: Bytes,
    /// Lists and maps that are not closed yet, and the key that waits for its value.
    open: Vec<(Node, Option<Node>)>,
    root: Option<Node>,
    repeated: HashMap<usize, usize>,
}

impl Reading {
    /// Takes an event; gives back the document that it ends.
    fn take(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Result<Option<Document>, FlagsError> {
        let place = |anchor, kind| Node {
            line: start.line().max(1),
            column: start.col(),
            start: self.bytes.at(start),
            end: self.bytes.at(end),
            anchor,
            kind,
        };
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let node = place(anchor, Kind::Scalar { text: text.into_owned(), style });
                self.attach(node);
            }
            Event::SequenceStart(anchor, _) => {
                let node = place(anchor, Kind::List(Vec::new()));
                self.descend(node)?;
            }
            Event::MappingStart(anchor, _) => {
                let node = place(anchor, Kind::Map(Vec::new()));
                self.descend(node)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.attach(node);
                }
            }
            Event::Alias(anchor) => {
                let node = place(0, Kind::Alias);
                self.repeated.insert(anchor, node.line);
                self.attach(node);
            }
            Event::DocumentEnd => {
                let repeated = std::mem::take(&mut self.repeated);
                return Ok(self.root.take().map(|root| Document { root, repeated }));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
        Ok(None)
    }

    fn descend(&mut self, node: Node) -> Result<(), FlagsError> {
        if self.open.len() >= DEEPEST {
            let (what, remedy) = (format!("nested more than {DEEPEST} levels deep"), "check the brackets");
            return Err(super::problem::problem(node.line, node.column, what, remedy));
        }
        self.open.push((node, None));
        Ok(())
    }

    fn attach(&mut self, node: Node) {
        let Some((parent, waiting)) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match waiting.take() {
                None => *waiting = Some(node),
                Some(key) => entries.push(Entry { key, value: node }),
            },
            Kind::Scalar { .. } | Kind::Alias => {}
        }
    }
}

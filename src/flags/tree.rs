//! A file as a tree in which every value knows its place.
//!
//! Built from parser events and by nobody else. It refuses what could mean different things to different readers (tags,
//! merge keys, several documents, maps as keys) and bounds what an alias may multiply. Texts are kept as they are
//! written; what they mean is for later stages.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::error::FlagsError;
use super::syntax;
use super::text::{DEEPEST, MOST_VALUES, Spot, too_deep, too_many};

/// How many values all aliases together may repeat.
const REPEATED: usize = 10_000;

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) spot: Spot,
    /// Which characters of the text it is; for scalars only.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    /// Whether it has a key that is not known: it may be any that is missing there.
    pub(super) has_unknown_key: bool,
    /// How many values it is made of, itself included.
    size: usize,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text, and whether it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    /// A map, with every key that is written, duplicates too.
    Map(Vec<Entry>),
    /// Not what its key takes, which is an error already. No parser gives it.
    Unfit,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key is.
    pub(super) spot: Spot,
    /// What it holds.
    pub(super) value: Rc<Node>,
}

impl Node {
    /// Something else at the same place.
    pub(super) fn with(&self, kind: Kind) -> Node {
        Node { spot: self.spot, span: self.span.clone(), kind, has_unknown_key: false, size: self.size }
    }

    /// The text of a single value.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether YAML reads it as no value at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain: true } => matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }
}

/// A map or list that is not closed yet.
struct Open {
    spot: Spot,
    /// Whether it is written with a bracket.
    flow: bool,
    anchor: usize,
    size: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>, Option<(String, Spot)>),
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Rc<Node>, FlagsError> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::<StrInput<'_>>::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax::explain(text, spot(*error.marker()), error.info()))?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| {
        FlagsError::whole("the file contains only comments", "begin with `providers:`; the README has a whole example")
    })
}

struct Builder {
    /// The text, where some line of it has a tab in its indentation; else nothing.
    tabbed: Vec<char>,
    /// The lines with a tab in their indentation, and its column.
    tabs: HashMap<usize, usize>,
    /// Where the text ends without a line break.
    unbroken_end: Option<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    repeated: usize,
    values: usize,
    root: Option<Rc<Node>>,
    documents: usize,
}

impl Builder {
    fn new(text: &str) -> Builder {
        let tabs: HashMap<usize, usize> = syntax::tabs_in_indentation(text).collect();
        Builder {
            tabbed: if tabs.is_empty() { Vec::new() } else { text.chars().collect() },
            tabs,
            unbroken_end: (!text.ends_with(['\n', '\r'])).then(|| text.chars().count()),
            open: Vec::new(),
            anchors: HashMap::new(),
            repeated: 0,
            values: 0,
            root: None,
            documents: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), FlagsError> {
        let spot = spot(span.start);
        if matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(..)) {
            self.no_tab_before(spot)?;
        }
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(FlagsError::at(
                        spot.line,
                        spot.column,
                        "a second document begins here",
                        "keep one document in the file: remove the `---` and what follows it",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), spot)?;
                // Between brackets this parser takes them for a text, and others for an error.
                if let Some(first) =
                    text.chars().next().filter(|first| style == ScalarStyle::Plain && "|>".contains(*first))
                {
                    let problem = format!("a text cannot begin with `{first}`");
                    return Err(FlagsError::at(spot.line, spot.column, problem, "put it in quotes"));
                }
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && text.ends_with('\n') && self.unbroken_end.is_some_and(|end| span.end.index() >= end) {
                    return Err(FlagsError::at(
                        spot.line,
                        spot.column,
                        "the file ends within this text, without a line break",
                        "end the file with a line break, or write the text in quotes",
                    ));
                }
                let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let range = span.start.index()..span.end.index();
                self.complete(Node { spot, span: range, kind, has_unknown_key: false, size: 1 }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.is_some(), spot)?;
                self.descend(span.start, anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.is_some(), spot)?;
                self.descend(span.start, anchor, Inside::Map(Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { spot, anchor, size, inside, .. }) = self.open.pop() {
                    let kind = match inside {
                        Inside::List(items) => Kind::List(items),
                        Inside::Map(entries, _) => Kind::Map(entries),
                    };
                    self.complete(Node { spot, span: 0..0, kind, has_unknown_key: false, size: size + 1 }, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).map(Rc::clone) else {
                    return Err(FlagsError::at(
                        spot.line,
                        spot.column,
                        "this alias is part of the value that it repeats",
                        "write the value out",
                    ));
                };
                self.repeated += node.size;
                if self.repeated > REPEATED {
                    return Err(FlagsError::at(
                        spot.line,
                        spot.column,
                        format!("aliases repeat more than {REPEATED} values"),
                        "write the values out, or use fewer aliases",
                    ));
                }
                self.attach(node, spot)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Readers of YAML do not agree on tabs in the indentation of a block; between brackets they mean nothing.
    fn no_tab_before(&self, spot: Spot) -> Result<(), FlagsError> {
        match self.tabs.get(&spot.line) {
            Some(column) if self.open.last().is_none_or(|open| !open.flow) => {
                Err(syntax::tab_in_indentation(spot.line, *column))
            }
            _ => Ok(()),
        }
    }

    fn descend(&mut self, begin: Marker, anchor: usize, inside: Inside) -> Result<(), FlagsError> {
        let spot = spot(begin);
        let flow = matches!(self.tabbed.get(begin.index()), Some('[' | '{'));
        if self.open.len() >= DEEPEST {
            return Err(too_deep(spot.line, spot.column));
        }
        self.open.push(Open { spot, flow, anchor, size: 0, inside });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), FlagsError> {
        let spot = node.spot;
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(too_many(spot.line, spot.column));
        }
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, spot)
    }

    fn attach(&mut self, node: Rc<Node>, spot: Spot) -> Result<(), FlagsError> {
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        parent.size += node.size;
        match &mut parent.inside {
            Inside::List(items) => items.push(node),
            Inside::Map(_, key @ None) => *key = Some((key_text(&node, spot)?, spot)),
            Inside::Map(entries, key) => {
                if let Some((key, spot)) = key.take() {
                    entries.push(Entry { key, spot, value: node });
                }
            }
        }
        Ok(())
    }
}

fn key_text(node: &Node, spot: Spot) -> Result<String, FlagsError> {
    let error = |problem: &str, remedy: &str| Err(FlagsError::at(spot.line, spot.column, problem, remedy));
    match &node.kind {
        Kind::Scalar { text, plain: true } if text == "<<" => {
            error("merge keys (`<<`) are not read", "write the keys out here, or repeat a whole value with an alias")
        }
        _ if node.is_null() => error("a key without a name", "give the key a name, or remove the line"),
        Kind::Scalar { text, .. } => Ok(text.clone()),
        Kind::List(_) | Kind::Map(_) | Kind::Unfit => {
            error("a list or a map cannot be a key", "write a name before the colon; `{` and `[` need quotes in a name")
        }
    }
}

fn refuse_tag(tagged: bool, spot: Spot) -> Result<(), FlagsError> {
    if !tagged {
        return Ok(());
    }
    Err(FlagsError::at(spot.line, spot.column, "tags (`!...`) are not read", "remove the tag; quotes make a text"))
}

fn spot(marker: Marker) -> Spot {
    Spot { line: marker.line().max(1), column: marker.col() + 1 }
}

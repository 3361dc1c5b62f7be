//! Holds a tree against the schema: keys that do not exist, keys written twice, values of the wrong kind or none.
//!
//! Gives back the tree with what fits, so that the compiler can still judge the rest and one reading finds everything.
//! One mistake is one error: a key whose meaning is plain is told of and then taken for what it means, and where a key
//! is no known one, what may be missing for it is not told besides. Texts are not judged here.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::bounds::MOST_ERRORS;
use super::error::FlagsError;
use super::place::push_key;
use super::text::Spot;
use super::tree::{Entry, Kind, Node};
use super::{later, mask, schema};
use crate::decide::suggest;
use expected::{allows, expected, takes_anything, write};
use roles::{Role, place_of, roles};

mod expected;
mod roles;

/// The longest text that a value or a name may be, in bytes.
const LONGEST_TEXT: usize = 8192;

/// Checks a tree, and tells what is wrong. Gives the tree of what fits; `None`: the root is no map.
pub(super) fn check(tree: &Rc<Node>, errors: &mut Vec<FlagsError>) -> Option<Rc<Node>> {
    let root = schema::json().as_object()?;
    Check { errors }.value(tree, root, &Trail::ROOT)
}

/// The way from the root, spelt out only for an error.
struct Trail<'t> {
    up: Option<&'t Trail<'t>>,
    step: Step<'t>,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Root,
    Key { name: &'t str, chosen: bool },
    Item(usize),
}

impl Trail<'_> {
    const ROOT: Trail<'static> = Trail { up: None, step: Step::Root };

    fn may_hold_secret(&self) -> bool {
        matches!(self.step, Step::Key { name, .. } if mask::may_hold_secret(name))
            || self.up.is_some_and(|up| up.is_map_of_headers() || up.may_hold_secret())
    }

    fn is_map_of_headers(&self) -> bool {
        matches!(self.step, Step::Key { name, .. } if name == mask::HEADERS)
    }

    fn is_in(&self, key: &str) -> bool {
        matches!(self.step, Step::Key { name, .. } if name == key) || self.up.is_some_and(|up| up.is_in(key))
    }

    /// A value that stands here, as an error may quote it.
    fn quoted(&self, text: &str) -> String {
        if self.may_hold_secret() { "this".to_owned() } else { format!("`{}`", mask::short(text)) }
    }

    fn path(&self) -> String {
        let mut path = self.up.map(Trail::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key { name, .. } => push_key(&mut path, name),
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
        path
    }

    /// The place with `*` for names that users choose and `[]` for items.
    fn kind(&self) -> String {
        let mut path = self.up.map(Trail::kind).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key { chosen: true, .. } => path.push_str(".*"),
            Step::Key { name, .. } => push_key(&mut path, name),
            Step::Item(_) => path.push_str("[]"),
        }
        path
    }
}

struct Check<'e> {
    errors: &'e mut Vec<FlagsError>,
}

impl Check<'_> {
    fn error(&mut self, spot: Spot, trail: &Trail<'_>, problem: String, remedy: String) {
        if self.errors.len() <= MOST_ERRORS {
            let error = FlagsError::at(spot.line, spot.column, problem, remedy);
            self.errors.push(FlagsError { path: trail.path(), ..error });
        }
    }

    fn value(&mut self, node: &Rc<Node>, schema: &Map<String, Value>, trail: &Trail<'_>) -> Option<Rc<Node>> {
        match &node.kind {
            _ if takes_anything(schema) => self.anything(node, trail).map(|()| Rc::clone(node)),
            Kind::Scalar { text, plain } => self.scalar(node, text, *plain, schema, trail).map(|()| Rc::clone(node)),
            Kind::List(items) if allows(schema, "array") => {
                self.bounded(items.len(), "maxItems", node, schema, trail)?;
                let inner = schema.get("items").and_then(Value::as_object)?;
                let mut fitting = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let trail = Trail { up: Some(trail), step: Step::Item(index) };
                    fitting.push(self.value(item, inner, &trail).or_else(|| nothing(item, inner)));
                }
                // Every place in the list is kept, so that what follows is told by its right index; a list of texts
                // with a hole in it says nothing.
                let all = fitting.into_iter().collect::<Option<Vec<_>>>()?;
                Some(Rc::new(node.with(Kind::List(all))))
            }
            Kind::Map(entries) if allows(schema, "object") => {
                self.bounded(entries.len(), "maxProperties", node, schema, trail)?;
                Some(Rc::new(self.map(node, entries, schema, trail)))
            }
            Kind::List(_) => self.wrong_kind(node, schema, trail, "a list"),
            Kind::Map(_) => self.wrong_kind(node, schema, trail, "keys with values"),
            Kind::Unfit => None,
        }
    }

    /// A value of any shape.
    fn anything(&mut self, node: &Node, trail: &Trail<'_>) -> Option<()> {
        match &node.kind {
            Kind::Scalar { .. } if node.is_null() => {
                let field = trail.is_in("set_fields");
                let remedy = if field { "write a value; use `drop_fields` to remove a field" } else { "write a value" };
                self.error(node.spot, trail, "there is no value".to_owned(), remedy.to_owned());
                None
            }
            Kind::Scalar { text, plain } => {
                self.not_too_long(node, text, trail)?;
                self.no_leading_zeros(node, text, *plain, trail)
            }
            Kind::List(items) => {
                let mut all = Some(());
                for (index, item) in items.iter().enumerate() {
                    all = self.anything(item, &Trail { up: Some(trail), step: Step::Item(index) }).and(all);
                }
                all
            }
            Kind::Map(entries) => {
                let (mut all, mut seen) = (Some(()), HashMap::new());
                for entry in entries {
                    let here = Trail { up: Some(trail), step: Step::Key { name: &entry.key, chosen: true } };
                    all = self.first_of_its_name(entry, &mut seen, &here).and(all);
                    all = self.anything(&entry.value, &here).and(all);
                }
                all
            }
            Kind::Unfit => None,
        }
    }

    /// Whether there are not more entries than the schema lets there be: each would cost its share of every reading.
    fn bounded(
        &mut self,
        entries: usize,
        bound: &str,
        node: &Node,
        schema: &Map<String, Value>,
        trail: &Trail<'_>,
    ) -> Option<()> {
        let most = schema.get(bound).and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
        match most {
            Some(most) if entries > most => {
                let problem = format!("there are {entries} entries, and at most {most} are allowed");
                self.error(node.spot, trail, problem, "remove those that are not used".to_owned());
                None
            }
            _ => Some(()),
        }
    }

    fn scalar(
        &mut self,
        node: &Node,
        text: &str,
        plain: bool,
        schema: &Map<String, Value>,
        trail: &Trail<'_>,
    ) -> Option<()> {
        if node.is_null() {
            let remedy = format!("{}, or remove this", write(schema));
            self.error(node.spot, trail, "there is no value".to_owned(), remedy);
            return None;
        }
        self.not_too_long(node, text, trail)?;
        if !allows(schema, "string") {
            return self.wrong_kind(node, schema, trail, "a single value");
        }
        self.no_leading_zeros(node, text, plain, trail)?;
        // A number or a switch that stands for a text could be meant as either.
        let typed = plain && matches!(text.to_ascii_lowercase().as_str(), "true" | "false");
        let number = plain && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
        let only_text = !["boolean", "integer", "number", "object"].iter().any(|kind| allows(schema, kind));
        if only_text && (typed || (number && allows(schema, "array"))) {
            let choices = schema.get("enum").and_then(Value::as_array);
            let remedy = match (choices, expected(schema).as_str()) {
                (Some(choices), _) => {
                    let words: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
                    format!("write one of: {}", words.join(", "))
                }
                (None, "a text") if trail.may_hold_secret() => {
                    "if this is the text that was meant, write it in quotes".to_owned()
                }
                (None, "a text") => format!("if this is the text that was meant, write it in quotes: \"{text}\""),
                (None, _) => write(schema),
            };
            self.error(node.spot, trail, format!("{} is not a text", trail.quoted(text)), remedy);
            return None;
        }
        Some(())
    }

    fn not_too_long(&mut self, node: &Node, text: &str, trail: &Trail<'_>) -> Option<()> {
        if text.len() <= LONGEST_TEXT {
            return Some(());
        }
        let problem = format!("this text is longer than {LONGEST_TEXT} bytes");
        self.error(node.spot, trail, problem, "close the quotes, or write something shorter".to_owned());
        None
    }

    fn no_leading_zeros(&mut self, node: &Node, text: &str, plain: bool, trail: &Trail<'_>) -> Option<()> {
        if !plain || !has_leading_zeros(text) {
            return Some(());
        }
        let written = if trail.may_hold_secret() { String::new() } else { format!(": \"{text}\"") };
        let remedy = format!("write it without them; if it is a name or an id, write it in quotes{written}");
        self.error(node.spot, trail, format!("{} has leading zeros", trail.quoted(text)), remedy);
        None
    }

    fn first_of_its_name<'n>(
        &mut self,
        entry: &'n Entry,
        seen: &mut HashMap<&'n str, Spot>,
        here: &Trail<'_>,
    ) -> Option<()> {
        if entry.key.len() > LONGEST_TEXT {
            let problem = format!("this name is longer than {LONGEST_TEXT} bytes");
            self.error(entry.spot, here, problem, "write a shorter one".to_owned());
            return None;
        }
        if let Some(first) = seen.get(entry.key.as_str()) {
            let problem = format!("`{}` is written twice; first on line {}", mask::short(&entry.key), first.line);
            self.error(entry.spot, here, problem, "keep one of the two".to_owned());
            return None;
        }
        seen.insert(&entry.key, entry.spot);
        Some(())
    }

    fn map(&mut self, node: &Node, entries: &[Entry], schema: &Map<String, Value>, trail: &Trail<'_>) -> Node {
        let mut fitting = Vec::with_capacity(entries.len());
        let mut has_unknown_key = false;
        let mut seen: HashMap<&str, Spot> = HashMap::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let chosen = schema.get("additionalProperties").and_then(Value::as_object);
        let roles = roles(entries, schema, &|key| later::is_later(&trail.kind(), key));
        for (index, entry) in entries.iter().enumerate() {
            if self.errors.len() > MOST_ERRORS {
                break;
            }
            let step = |name| Step::Key { name, chosen: properties.is_none_or(|map| !map.contains_key(name)) };
            let here = Trail { up: Some(trail), step: step(&entry.key) };
            if self.first_of_its_name(entry, &mut seen, &here).is_none() || roles[index] == Role::Outdented {
                continue;
            }
            let name = match roles[index] {
                Role::Meant(name) => {
                    self.unknown(entry, Some(name), properties, trail, &here);
                    seen.insert(name, entry.spot);
                    name
                }
                _ => entry.key.as_str(),
            };
            let inner = properties.and_then(|map| map.get(name)).and_then(Value::as_object).or(chosen);
            let Some(inner) = inner else {
                self.unknown(entry, None, properties, trail, &here);
                let is_clear =
                    later::is_later(&trail.kind(), &entry.key) || place_of(&entry.key, schema::json(), "").is_some();
                has_unknown_key |= !is_clear;
                continue;
            };
            let here = Trail { up: Some(trail), step: step(name) };
            // A value that is not there has no place of its own worth showing.
            let value = if entry.value.is_null() {
                let below = entries.get(index + 1).filter(|_| roles.get(index + 1) == Some(&Role::Outdented));
                let remedy = match below {
                    Some(below) => format!("indent the lines that belong to it, from line {} on", below.spot.line),
                    None => format!("give it a value, such as `{}`, or remove the key", schema::example(inner)),
                };
                self.error(entry.spot, &here, format!("`{}` has no value", mask::short(&entry.key)), remedy);
                None
            } else {
                self.value(&entry.value, inner, &here)
            };
            // A name that users chose is there, whatever is wrong below it: who refers to it must not be told otherwise.
            let value = value.or_else(|| nothing(&entry.value, inner).filter(|_| properties.is_none()));
            let value = value.unwrap_or_else(|| Rc::new(entry.value.with(Kind::Unfit)));
            fitting.push(Entry { key: name.to_owned(), spot: entry.spot, value });
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !seen.contains_key(key)) {
            let example = properties.and_then(|map| map.get(key)).and_then(Value::as_object);
            let example = example.map_or_else(String::new, schema::example);
            let remedy = format!("add `{key}`, such as `{key}: {example}`");
            self.error(node.spot, trail, format!("`{key}` is missing"), remedy);
        }
        let mut map = node.with(Kind::Map(fitting));
        map.has_unknown_key = has_unknown_key;
        map
    }

    fn unknown(
        &mut self,
        entry: &Entry,
        meant: Option<&str>,
        known: Option<&Map<String, Value>>,
        map: &Trail<'_>,
        here: &Trail<'_>,
    ) {
        if self.errors.len() > MOST_ERRORS {
            return;
        }
        let key = mask::short(&entry.key);
        if later::is_later(&map.kind(), &entry.key) {
            let remedy = "remove it: a later version will read it".to_owned();
            return self.error(entry.spot, here, format!("`{key}` is not in this version"), remedy);
        }
        let names = || known.into_iter().flat_map(Map::keys).map(String::as_str);
        let remedy = if let Some(meant) = meant.or_else(|| suggest::nearest(&entry.key, names())) {
            format!("did you mean `{meant}`?")
        } else if let Some(place) = place_of(&entry.key, schema::json(), "") {
            format!("it belongs under `{place}`")
        } else {
            format!("remove it; there are: {}", names().collect::<Vec<_>>().join(", "))
        };
        self.error(entry.spot, here, format!("there is no key `{key}` here"), remedy);
    }

    fn wrong_kind<T>(&mut self, node: &Node, schema: &Map<String, Value>, trail: &Trail<'_>, found: &str) -> Option<T> {
        let place = if trail.up.is_none() { "the file" } else { "this" };
        let verb = if found == "keys with values" { "has" } else { "is" };
        let should = if expected(schema) == "keys with values" { "have" } else { "be" };
        let problem = format!("{place} {verb} {found} and should {should} {}", expected(schema));
        self.error(node.spot, trail, problem, write(schema));
        None
    }
}

/// An empty map in the place of one that has keys of its own and does not fit.
fn nothing(node: &Node, schema: &Map<String, Value>) -> Option<Rc<Node>> {
    schema.contains_key("properties").then(|| Rc::new(node.with(Kind::Map(Vec::new()))))
}

fn has_leading_zeros(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes()[1].is_ascii_digit()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

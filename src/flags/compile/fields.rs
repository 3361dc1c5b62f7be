//! The rules for JSON bodies: which fields are dropped, renamed, set or limited for a provider.
//!
//! Each kind of rule is read by itself. Then no two rules may concern the same field, or a field and a part of it, since
//! the order of their execution would decide silently. No rule may concern `model` or `stream`: `models` translates the
//! one, and the form of the response depends on the other.

use std::collections::BTreeMap;

use crate::decide::policy::FieldRules;

use super::super::place::{At, push_key};
use super::super::scalar::{Wrong, json, limit, wrong};
use super::super::tree::{Kind, Node};
use super::super::{bounds, mask};
use super::findings::Findings;

/// What a rule does to its field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Renamed,
    Dropped,
    Set,
    Limited,
}

impl Deed {
    const fn word(self) -> &'static str {
        match self {
            Deed::Renamed => "renamed",
            Deed::Dropped => "dropped",
            Deed::Set => "set",
            Deed::Limited => "limited",
        }
    }
}

/// What was said of which field so far.
type Said = BTreeMap<Vec<String>, Deed>;

/// All rules of a provider, which is at `at`.
pub(super) fn rules(at: &At, findings: &mut Findings<'_>) -> FieldRules {
    let mut said = Said::new();
    let mut rules = FieldRules::default();
    for (field, here) in at.key("rename_fields").named() {
        let Some(path) = named(field, Deed::Renamed, &here, &mut said, findings) else { continue };
        if let Some(to) = findings.given(&here, |text| new_name(text, &path)) {
            rules.rename.push((path, to));
        }
    }
    for here in at.key("drop_fields").items() {
        let Some(path) = findings.given(&here, |text| free(text, Deed::Dropped)) else { continue };
        if agrees(&path, Deed::Dropped, &here, &mut said, findings) {
            rules.drop.push(path);
        }
    }
    for (field, here) in at.key("set_fields").named() {
        let Some(path) = named(field, Deed::Set, &here, &mut said, findings) else { continue };
        rules.set.extend(value(&here, findings).map(|value| (path, value)));
    }
    if rules.set.iter().map(|(_, value)| value.len()).sum::<usize>() > bounds::MOST_SET {
        let problem = format!("more than {} KiB would be added to every request", bounds::MOST_SET / 1024);
        findings.error(&at.key("set_fields"), problem, "set less");
    }
    for (field, here) in at.key("max_fields").named() {
        let Some(path) = named(field, Deed::Limited, &here, &mut said, findings) else { continue };
        rules.max.extend(findings.given(&here, limit).map(|most| (path, most)));
    }
    for (path, to) in &rules.rename {
        new_place(path, to, at, &said, findings);
    }
    rules
}

/// The path of a rule whose field is a key of the file, if it may be ruled on and nothing else rules on it.
fn named(field: &str, deed: Deed, at: &At, said: &mut Said, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    match free(field, deed) {
        Ok(path) => agrees(&path, deed, &at.name(), said, findings).then_some(path),
        Err(Wrong { problem, remedy }) => {
            let written =
                if field.is_empty() { "an empty text".to_owned() } else { format!("`{}`", mask::short(field)) };
            findings.error(&at.name(), format!("{written} {problem}"), remedy);
            None
        }
    }
}

/// The path of a field that rules may change.
fn free(text: &str, deed: Deed) -> Result<Vec<String>, Wrong> {
    let path = path(text)?;
    match path.first().map(String::as_str) {
        Some("model") => wrong(
            format!("cannot be {}: Serin matches and counts requests by it, and translates it", deed.word()),
            "map the names under `models`",
        ),
        Some("stream") => wrong(
            format!("cannot be {}: the application reads the response in the form that it asked for", deed.word()),
            "remove this; `stream_options` and its fields may be changed",
        ),
        _ => Ok(path),
    }
}

/// `metadata.team`, taken apart.
fn path(text: &str) -> Result<Vec<String>, Wrong> {
    const EXAMPLE: &str = "write a name, or names with one dot between them, such as `metadata.team`";
    if text.starts_with("$.") || text.starts_with('/') {
        return wrong("is not a field", EXAMPLE);
    }
    if text.contains("${") {
        return wrong("has a reference, which is not resolved in a field's name", "write the name itself");
    }
    if text.contains(['[', ']', '*']) {
        return wrong("points into a list", "fields in lists cannot be changed: name a field outside of lists");
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return wrong(if text.is_empty() { "is not a field" } else { "has an empty part" }, EXAMPLE);
    }
    if parts.len() > bounds::DEEPEST_FIELD {
        return wrong(format!("has more than {} parts", bounds::DEEPEST_FIELD), EXAMPLE);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("contains white space", EXAMPLE);
    }
    Ok(parts.into_iter().map(str::to_owned).collect())
}

/// The last name that a field gets in place of its own.
fn new_name(text: &str, old: &[String]) -> Result<String, Wrong> {
    let to = path(text)?;
    match (to.as_slice(), old) {
        ([name], [.., last]) if name == last => wrong("is the name that the field has already", "remove this"),
        ([name], [_]) if name == "model" || name == "stream" => {
            wrong("cannot be a field's new name: Serin reads it", "choose another name, or remove this")
        }
        ([name], _) => Ok(name.clone()),
        (path, _) => {
            let last = path.last().map_or("", String::as_str);
            wrong(
                "has a dot: a renamed field keeps its position",
                format!("write the last name only, such as `{last}`"),
            )
        }
    }
}

/// Whether no other rule speaks of this field, of what it lies in, or of what lies in it. Takes it down.
fn agrees(path: &[String], deed: Deed, at: &At, said: &mut Said, findings: &mut Findings<'_>) -> bool {
    let field = path.join(".");
    let field = mask::short(&field);
    let within = (1..path.len()).find_map(|length| said.get_key_value(&path[..length]));
    let inside = said.range(path.to_vec()..).find(|(other, _)| other.as_slice() != path);
    let inside = inside.filter(|(other, _)| other.starts_with(path));
    let (problem, remedy) = if let Some(other) = said.get(path) {
        if *other == deed {
            (format!("`{field}` is {} twice", deed.word()), "keep one of the two".to_owned())
        } else {
            (format!("`{field}` is {} and {}", other.word(), deed.word()), both(*other, deed))
        }
    } else if let Some((outer, other)) = within {
        let problem = format!("`{field}` is part of `{}`, which is {}", mask::short(&outer.join(".")), other.word());
        (problem, "keep one of the two".to_owned())
    } else if let Some((inner, other)) = inside {
        let problem = format!("`{}` is part of `{field}` and is {}", mask::short(&inner.join(".")), other.word());
        (problem, "keep one of the two".to_owned())
    } else {
        said.insert(path.to_vec(), deed);
        return true;
    };
    findings.error(at, problem, remedy);
    false
}

/// What to do about two rules for one field.
fn both(first: Deed, second: Deed) -> String {
    match (first, second) {
        (Deed::Renamed, Deed::Limited) => "write the limit for the new name",
        (Deed::Dropped, Deed::Set) => "remove it from `drop_fields`: a field that is set replaces the present value",
        _ => "keep one of the two",
    }
    .to_owned()
}

/// Another rule may limit what a renamed field becomes, and nothing else.
fn new_place(old: &[String], to: &str, at: &At, said: &Said, findings: &mut Findings<'_>) {
    let mut new = old.to_vec();
    if let Some(last) = new.last_mut() {
        to.clone_into(last);
    }
    if let Some(deed) = said.get(&new).filter(|deed| **deed != Deed::Limited) {
        let old = old.join(".");
        findings.error(
            &at.key("rename_fields").key(&old),
            format!("`{}` becomes `{}`, which is {} itself", mask::short(&old), mask::short(to), deed.word()),
            if *deed == Deed::Dropped { "drop the field under its old name" } else { "keep one of the two" },
        );
    }
}

/// The JSON text of what stands at this place.
pub(super) fn value(at: &At, findings: &mut Findings<'_>) -> Option<String> {
    let node = at.node().filter(|_| at.fits())?;
    let mut written = Written { path: at.path.clone(), json: String::new(), errors: Vec::new() };
    written.value(node);
    let Written { json, errors, .. } = written;
    let good = errors.is_empty();
    for (at, Wrong { problem, remedy }) in errors {
        findings.error(&at, problem, remedy);
    }
    good.then_some(json)
}

/// A value as JSON, as far as it is written.
struct Written {
    /// Where the writer is.
    path: String,
    json: String,
    errors: Vec<(At, Wrong)>,
}

impl Written {
    fn value(&mut self, node: &Node) {
        // Whoever is beyond the bound is refused for it; aliases could make much more of little.
        if self.json.len() > bounds::MOST_SET {
            return;
        }
        let length = self.path.len();
        match &node.kind {
            Kind::Scalar { text, plain } => match json(text, *plain) {
                Ok(text) => self.json.push_str(&text),
                Err(Wrong { problem, remedy }) => {
                    let problem = format!("`{}` {problem}", mask::short(text));
                    self.errors.push((At::exactly(node.spot, self.path.clone()), Wrong { problem, remedy }));
                }
            },
            Kind::List(items) => {
                self.json.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.json.push_str(if index == 0 { "" } else { "," });
                    self.path.push_str(&format!("[{index}]"));
                    self.value(item);
                    self.path.truncate(length);
                }
                self.json.push(']');
            }
            Kind::Map(entries) => {
                self.json.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    self.json.push_str(if index == 0 { "" } else { "," });
                    self.json.push_str(&serde_json::Value::from(entry.key.as_str()).to_string());
                    self.json.push(':');
                    push_key(&mut self.path, &entry.key);
                    self.value(&entry.value);
                    self.path.truncate(length);
                }
                self.json.push('}');
            }
            Kind::Unfit => {}
        }
    }
}

//! The pages of docs/configuration: a page for each section of flags.yaml, and the list of all keys.
//!
//! Every key is on exactly one page, that of the longest section that it lies in. What a key means, its default and its
//! examples are the schema's; nothing about a single key is written here.

use serde_json::{Map, Value};
use serin::flags::schema;

use super::filled;
use super::kinds::kind;
use super::sections::{SECTIONS, Section};

/// A key of the file.
struct Key {
    /// Dotted, with `NAME` for a name that users choose and `[]` for an entry of a list.
    path: String,
    required: bool,
    schema: Map<String, Value>,
}

/// The pages by their path below docs/.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    collect(schema::json(), "", &mut keys);
    let mut pages: Vec<(String, String)> = SECTIONS
        .iter()
        .map(|section| (format!("configuration/{}.md", section.file), page(section, &of(section, &keys))))
        .collect();
    pages.push(("configuration/keys.md".to_owned(), list(&keys)));
    pages
}

fn collect(node: &Value, path: &str, keys: &mut Vec<Key>) {
    let required = node["required"].as_array();
    for (name, inner) in node["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let required = required.is_some_and(|names| names.iter().any(|required| required == name));
        if let Some(schema) = inner.as_object() {
            keys.push(Key { path: path.clone(), required, schema: schema.clone() });
        }
        collect(inner, &path, keys);
    }
    if node["additionalProperties"].is_object() {
        collect(&node["additionalProperties"], &format!("{path}.NAME"), keys);
    }
    if node["items"].is_object() {
        collect(&node["items"], &format!("{path}[]"), keys);
    }
}

/// How much of a key's path lies in a section; `None`: the key is not in it.
fn depth(section: &Section, path: &str) -> Option<usize> {
    section.roots.iter().filter(|root| path.starts_with(**root)).map(|root| root.len()).max()
}

fn of<'k>(section: &Section, keys: &'k [Key]) -> Vec<&'k Key> {
    keys.iter().filter(|key| std::ptr::eq(section_of(key), section)).collect()
}

/// The section that a key is described in: the longest, which the top level is not.
fn section_of(key: &Key) -> &'static Section {
    let deepest = SECTIONS.iter().filter_map(|section| Some((depth(section, &key.path)?, section)));
    deepest.max_by_key(|(depth, _)| *depth).map_or(&SECTIONS[0], |(_, section)| section)
}

/// The page of its own that the keys below this one have.
fn page_below(key: &Key) -> Option<&'static Section> {
    let below = [".", "[].", ".NAME."].map(|step| format!("{}{step}", key.path));
    SECTIONS.iter().find(|section| section.roots.iter().any(|root| below.iter().any(|path| path == root)))
}

fn page(section: &Section, keys: &[&Key]) -> String {
    let Section { title, intro, example, .. } = section;
    let intro = intro.split("\n\n").map(filled).collect::<Vec<_>>().join("\n\n");
    let mut text = format!("# {title}\n\n{intro}\n\n```yaml\n{}\n```\n\n", example.trim());
    text.push_str("| Key | Default |\n|---|---|\n");
    for key in keys {
        text.push_str(&format!("| [`{}`](#{}) | {} |\n", key.path, anchor(&key.path), default(key)));
    }
    for key in keys {
        text.push_str(&format!("\n## `{}`\n\n{}\n\n", key.path, filled(&sentences(key).0)));
        let kind = match page_below(key) {
            Some(page) => format!("see [{}]({}.md)", page.title, page.file),
            None => kind(&key.schema),
        };
        text.push_str(&format!("- Value: {kind}\n- Default: {}\n", default(key)));
        let name = key.path.rsplit('.').next().unwrap_or(&key.path);
        match schema::example(&key.schema).as_str() {
            "..." | "{}" => {}
            example => text.push_str(&format!("- Example: `{name}: {example}`\n")),
        }
    }
    text
}

/// The description without the default that it may name at its end, and that default.
fn sentences(key: &Key) -> (String, Option<String>) {
    let all = key.schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let Some((before, after)) = all.split_once(" Default: ") else { return (all.to_owned(), None) };
    let (default, rest) = after.split_once(". ").unwrap_or((after.trim_end_matches('.'), ""));
    (format!("{before} {rest}").trim_end().to_owned(), Some(default.to_owned()))
}

fn default(key: &Key) -> String {
    match (key.schema.get("default"), sentences(key).1) {
        (Some(Value::String(text)), _) if text.is_empty() => "empty".to_owned(),
        (Some(Value::String(text)), _) => format!("`{text}`"),
        (Some(Value::Array(items)), _) => {
            items.iter().map(|item| format!("`{}`", schema::scalar(item))).collect::<Vec<_>>().join(", ")
        }
        (Some(value), _) => format!("`{value}`"),
        (None, Some(told)) => told,
        (None, None) if key.required => "required".to_owned(),
        (None, None) if key.schema.contains_key("properties") => "those of its keys".to_owned(),
        (None, None) => "none".to_owned(),
    }
}

/// The anchor of a heading that is a path in backticks.
fn anchor(path: &str) -> String {
    path.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect()
}

fn list(keys: &[Key]) -> String {
    let mut keys: Vec<&Key> = keys.iter().collect();
    keys.sort_by(|a, b| a.path.cmp(&b.path));
    let mut text = String::from(
        "# Every key\n\nAll keys of flags.yaml in alphabetical order. `NAME` is a name that you choose, `[]` an entry \
         of a list. `serin schema --defaults` prints the same keys as YAML.\n\n| Key | Default | Section |\n|---|---|---|\n",
    );
    for key in keys {
        let Section { file, title, .. } = section_of(key);
        let (path, anchor, default) = (&key.path, anchor(&key.path), default(key));
        text.push_str(&format!("| [`{path}`]({file}.md#{anchor}) | {default} | [{title}]({file}.md) |\n"));
    }
    text
}

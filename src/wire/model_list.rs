//! The list of models that a provider gives out: one page of it, in any form that is known.
//!
//! Owns the telling of OpenAI's form (`{"object": "list", "data": [...]}`) from Anthropic's (`has_more`, `last_id`) and
//! from other lists of models. A list may be cut by whoever read it: what stands in it by then counts. Refuses to guess
//! names. Invariant: a page has at most [`MOST`] names, each printable and no longer than [`LONGEST`] characters.

use serde::de::MapAccess;

use super::body::string;
use super::json::{self, Member, Object};
use super::printable::printable_start;
use super::shape::{self, Opening, Shape};

/// The most names of a page.
pub const MOST: usize = 20_000;
/// The most characters of a name.
const LONGEST: usize = 200;

/// Whose form a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListForm {
    OpenAi,
    Anthropic,
    /// Anybody else's.
    Other,
}

/// Who gave out a list, where its entries show that: such a provider tells a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOrigin {
    DeepSeek,
    OpenRouter,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPage {
    pub form: ListForm,
    pub ids: Vec<String>,
    pub origin: Option<ListOrigin>,
    /// What the next page comes after; `None`: this is the last one.
    pub next_after: Option<String>,
    /// Whether more may have stood in it: the body was not read to its end, or it has too many entries.
    pub cut: bool,
}

/// Why there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoList {
    /// JSON that is no list of models.
    OtherJson,
    /// No JSON object or list at all.
    Foreign(Shape),
}

/// Reads a page. `whole`: the body was read to its end.
///
/// # Errors
/// What it is instead.
pub fn read_model_page(body: &[u8], whole: bool) -> Result<ModelPage, NoList> {
    let body = shape::without_mark(body);
    match shape::opening(body, true) {
        Some(Opening::Object) => {}
        // A list that stands alone.
        Some(Opening::Other(Shape::Array)) => return bare(body, whole),
        Some(Opening::Other(shape)) => return Err(NoList::Foreign(shape)),
        Some(Opening::Events) => return Err(NoList::Foreign(Shape::Events)),
        None => return Err(NoList::Foreign(if body.is_empty() { Shape::Empty } else { Shape::Blank })),
    }
    let text = String::from_utf8_lossy(body);
    let mut top = Top::default();
    let read = json::read(text.as_bytes(), &mut top);
    let cut = !whole || top.entries.many || read.as_ref().is_err_and(serde_json::Error::is_eof);
    if read.is_err() && !cut {
        return Err(NoList::Foreign(Shape::Invalid));
    }
    // Of a list that was cut the reader has not said that it is one.
    if !top.is_list && (read.is_ok() || top.entries.ids.is_empty()) {
        return Err(NoList::OtherJson);
    }
    let next_after = if top.has_more { top.last_id } else { None };
    // Some who speak OpenAI's say that there is no more.
    let of_openai = top.says_list || top.entries.of_openai;
    let form = match (top.entries.of_anthropic || top.pages, top.is_data) {
        (true, _) if !of_openai => ListForm::Anthropic,
        (_, true) => ListForm::OpenAi,
        (_, false) => ListForm::Other,
    };
    Ok(ModelPage { form, origin: top.entries.origin(), ids: top.entries.ids, next_after, cut })
}

fn bare(body: &[u8], whole: bool) -> Result<ModelPage, NoList> {
    let text = String::from_utf8_lossy(body);
    let mut entries = Entries::default();
    let read = json::read_list(text.as_bytes(), |entry: Entry| entries.take(entry));
    let cut = !whole || entries.many || read.as_ref().is_err_and(serde_json::Error::is_eof);
    if read.is_err() && !cut {
        return Err(NoList::Foreign(Shape::Invalid));
    }
    if entries.ids.is_empty() {
        return Err(NoList::OtherJson);
    }
    Ok(ModelPage { form: ListForm::Other, origin: entries.origin(), ids: entries.ids, next_after: None, cut })
}

/// The name of the model that a body describes: an answer to the question for one model.
#[must_use]
pub fn read_model_name(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(shape::without_mark(body));
    let mut entry = Entry::default();
    json::read(text.as_bytes(), &mut entry).ok()?;
    entry.id
}

#[derive(Default)]
struct Entries {
    ids: Vec<String>,
    many: bool,
    of_openai: bool,
    of_anthropic: bool,
    of_deepseek: usize,
    of_openrouter: usize,
}

impl Entries {
    fn take(&mut self, entry: Entry) {
        let Some(id) = entry.id else { return };
        if self.ids.len() >= MOST {
            self.many = true;
            return;
        }
        self.of_openai |= entry.of_openai;
        self.of_anthropic |= entry.of_anthropic;
        self.of_deepseek += usize::from(entry.of_deepseek);
        self.of_openrouter += usize::from(entry.of_openrouter);
        self.ids.push(id);
    }

    /// Only where every entry says the same: a gateway lists models of many.
    fn origin(&self) -> Option<ListOrigin> {
        match self.ids.len() {
            0 => None,
            all if all == self.of_deepseek => Some(ListOrigin::DeepSeek),
            all if all == self.of_openrouter => Some(ListOrigin::OpenRouter),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Top {
    entries: Entries,
    is_list: bool,
    is_data: bool,
    says_list: bool,
    pages: bool,
    has_more: bool,
    last_id: Option<String>,
}

impl<'a> Object<'a> for Top {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"data" | b"models" => {
                self.is_data |= key == b"data";
                self.is_list |= value.list(|entry: Entry| self.entries.take(entry))?;
            }
            b"object" => self.says_list = value.raw()? == "\"list\"",
            b"has_more" => {
                self.pages = true;
                self.has_more = value.raw()? == "true";
            }
            b"last_id" => self.last_id = text(value.raw()?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Entry {
    id: Option<String>,
    of_openai: bool,
    of_anthropic: bool,
    of_deepseek: bool,
    of_openrouter: bool,
}

impl<'a> Object<'a> for Entry {
    fn member<M: MapAccess<'a>>(&mut self, key: &[u8], value: Member<'_, M>) -> Result<(), M::Error> {
        match key {
            b"id" => self.id = text(value.raw()?),
            // Google's, with a folder in front, and Ollama's.
            b"name" if self.id.is_none() => {
                self.id = text(value.raw()?).map(|name| name.strip_prefix("models/").unwrap_or(&name).to_owned());
            }
            b"object" => self.of_openai = value.raw()? == "\"model\"",
            b"type" => self.of_anthropic = value.raw()? == "\"model\"",
            b"owned_by" => self.of_deepseek = value.raw()? == "\"deepseek\"",
            b"canonical_slug" => {
                self.of_openrouter = true;
                value.skip()?;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

fn text(raw: &str) -> Option<String> {
    string(raw).filter(|name| !name.is_empty()).map(|name| printable_start(&name, LONGEST))
}

#[cfg(test)]
mod tests;

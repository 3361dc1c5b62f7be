//! What each key of a map is taken for: the key it is, another one that was meant, or none.
//!
//! A key that is no known one is most likely a slip, and a file is better told of the slip than of all that follows
//! from it. Only where a single key can be meant is one taken for another; the slip itself is an error all the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::bounds::MOST_ERRORS;
use super::super::schema;
use super::super::tree::{Entry, Kind};
use super::expected::allows;
use crate::decide::suggest;

/// What an entry of a map is, beside its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role<'s> {
    /// A key of the schema, or a name that users choose.
    Known,
    /// No key, and most likely this one.
    Meant(&'s str),
    /// No key.
    Unknown,
    /// No key here, and most likely one of the entry above it, which has no value.
    Outdented,
}

/// What each entry of a map is. A near name is one slip; so is another word where just one key is missing.
pub(super) fn roles<'s>(
    entries: &[Entry],
    schema: &'s Map<String, Value>,
    is_later: &dyn Fn(&str) -> bool,
) -> Vec<Role<'s>> {
    let properties = match (schema.get("properties").and_then(Value::as_object), schema.get("additionalProperties")) {
        (Some(properties), None | Some(Value::Bool(false))) => properties,
        _ => return vec![Role::Known; entries.len()],
    };
    let mut roles: Vec<Role<'s>> = Vec::with_capacity(entries.len());
    let mut open = false;
    for entry in entries {
        let inner = properties.get(&entry.key).and_then(Value::as_object);
        let role = match inner {
            Some(_) => Role::Known,
            None if open && !is_later(&entry.key) => Role::Outdented,
            None => Role::Unknown,
        };
        open = role == Role::Outdented
            || (entry.value.is_null() && inner.is_some_and(|inner| allows(inner, "object") || allows(inner, "array")));
        roles.push(role);
    }
    let mut written: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let fits = |entry: &Entry, name: &str| {
        let inner = properties.get(name).and_then(Value::as_object);
        inner.is_some_and(|inner| match &entry.value.kind {
            Kind::Scalar { .. } => allows(inner, "string"),
            Kind::List(_) => allows(inner, "array"),
            Kind::Map(_) => allows(inner, "object"),
            Kind::Unfit => false,
        })
    };
    // Beyond so many nothing is told.
    let unknown = |(_, role): &(&Entry, &mut Role<'s>)| **role == Role::Unknown;
    for (entry, role) in entries.iter().zip(&mut roles).filter(unknown).take(MOST_ERRORS) {
        if !is_later(&entry.key)
            && let Some(name) = suggest::nearest(&entry.key, properties.keys().map(String::as_str))
            && fits(entry, name)
            && let Some((name, _)) = properties.get_key_value(name)
            && written.insert(name)
        {
            *role = Role::Meant(name);
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let mut missing = required.filter_map(Value::as_str).filter(|key| !written.contains(key));
    let mut puzzling = entries
        .iter()
        .zip(&mut roles)
        .filter(unknown)
        .take(MOST_ERRORS)
        .filter(|(entry, _)| !is_later(&entry.key) && place_of(&entry.key, schema::json(), "").is_none());
    if let (Some(name), None, Some((entry, role)), None) =
        (missing.next(), missing.next(), puzzling.next(), puzzling.next())
        && fits(entry, name)
    {
        *role = Role::Meant(name);
    }
    roles
}

/// The only place of the schema where a key stands, if there is just one.
pub(super) fn place_of(key: &str, schema: &Value, place: &str) -> Option<String> {
    let mut places = Vec::new();
    collect_places(key, schema, place, &mut places);
    match places.as_mut_slice() {
        [only] => Some(std::mem::take(only)),
        _ => None,
    }
}

fn collect_places(key: &str, schema: &Value, place: &str, places: &mut Vec<String>) {
    let join = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        if properties.contains_key(key) {
            places.push(if place.is_empty() { "the top level".to_owned() } else { place.to_owned() });
        }
        for (name, inner) in properties {
            collect_places(key, inner, &join(name), places);
        }
    }
    if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        collect_places(key, inner, &join("NAME"), places);
    }
    if let Some(inner) = schema.get("items") {
        collect_places(key, inner, &format!("{place}[]"), places);
    }
}

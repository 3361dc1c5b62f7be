//! The history as version 1 wrote it.
//!
//! Owns the fields of a line and the texts that its numbers were written as. What was said in a sentence stays that
//! sentence, and numbers become numbers where they can be read. Invariant: no field of a line is dropped.

use serde::Deserialize;
use serde_json::Value;

use crate::decide::event::{Action, Actor, Event, Figure, Reason};
use crate::decide::typed_json::read_typed;
use crate::decide::units::{Percent, UnixMillis};

/// A line of the history as version 1 wrote it.
#[derive(Deserialize)]
struct First {
    at: UnixMillis,
    rollout: Option<String>,
    actor: Actor,
    action: Action,
    reason: String,
    from: Percent,
    to: Percent,
    #[serde(default)]
    numbers: Vec<(String, String)>,
    generation: u64,
}

const KNOWN: [&str; 9] = ["at", "rollout", "actor", "action", "reason", "from", "to", "numbers", "generation"];

/// An event that version 1 wrote; `None`: it makes no sense.
pub(in crate::store) fn event(text: &str) -> Option<Event> {
    let Ok(Value::Object(members)) = serde_json::from_slice(text.as_bytes()) else { return None };
    let unknown = members.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    let others: Vec<(String, Figure)> =
        unknown.map(|(name, value)| (name.clone(), Figure::Text(value.to_string()))).collect();
    let First { at, rollout, actor, action, reason, from, to, numbers, generation } =
        read_typed(text.as_bytes()).ok()?;
    let numbers = numbers.into_iter().map(|(name, value)| {
        let figure = figure(&name, &value);
        (name, figure)
    });
    let numbers: Vec<(String, Figure)> = numbers.chain(others).collect();
    let reason = match numbers.is_empty() {
        true => Reason::Said { text: reason },
        false => Reason::Earlier { text: reason, numbers },
    };
    Some(Event { at, rollout, actor, action, reason, from, to, generation })
}

/// Numbers whose values are words.
const WORDS: [&str; 7] = ["rule", "counted", "kind", "would_change", "remedy", "refuses_most", "failed_as"];

pub(super) fn figure(name: &str, value: &str) -> Figure {
    let number = || value.parse().ok().or_else(|| value.strip_suffix('%')?.parse().ok()).or_else(|| seconds(value));
    match (!WORDS.contains(&name)).then(number).flatten().filter(|number: &f64| number.is_finite()) {
        Some(number) => Figure::Number(number),
        None => Figure::Text(value.to_owned()),
    }
}

/// A length of time in its largest whole unit, as limits were written: `30m`, `1499ms`.
fn seconds(value: &str) -> Option<f64> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let (number, unit) = units.iter().find_map(|(unit, length)| Some((value.strip_suffix(unit)?, length)))?;
    let number: u32 = number.parse().ok()?;
    Some(f64::from(number) * unit)
}

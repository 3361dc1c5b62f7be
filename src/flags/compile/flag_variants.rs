//! The variants of a flag: their names, the type of the flag, and each value in that type.
//!
//! The type is the given one, else the one that all values have. A value of another type is an error at its place, since
//! clients read a flag by its type. A flag without variants is a boolean with `on` and `off`.

use crate::decide::policy::{FlagType, FlagValue, Variant, VariantId};

use super::super::mask;
use super::super::place::At;
use super::super::scalar::{Wrong, wrong};
use super::fields;
use super::findings::{Findings, choose};
use super::names::there_are;

const TYPES: [(&str, FlagType); 5] = [
    ("boolean", FlagType::Boolean),
    ("string", FlagType::String),
    ("integer", FlagType::Integer),
    ("float", FlagType::Float),
    ("object", FlagType::Object),
];

/// Beyond this a client that reads numbers as doubles gets another one.
const LARGEST_EXACT: u64 = 9_007_199_254_740_991;

/// The variants of one flag, in the file's order.
pub(super) struct Variants {
    pub(super) flag_type: FlagType,
    pub(super) list: Vec<Variant>,
    /// Whether they are all of the file's: where not, none is told to be missing.
    pub(super) complete: bool,
}

impl Variants {
    /// The variant of this name.
    pub(super) fn find(&self, name: &str) -> Option<VariantId> {
        let index = self.list.iter().position(|variant| variant.name == name)?;
        u16::try_from(index).ok().map(VariantId)
    }

    /// The variant of this name, as something of the file names it.
    pub(super) fn named(&self, text: &str) -> Result<VariantId, Wrong> {
        let known: Vec<&str> = self.list.iter().map(|variant| variant.name.as_str()).collect();
        match self.find(text) {
            Some(id) => Ok(id),
            None if !self.complete => Ok(VariantId(0)),
            None => wrong("is not a variant", there_are("variant", text, &known)),
        }
    }
}

/// The variants of the flag at this place. With an error there is still one at least, so that the way goes on.
pub(super) fn variants(flag: &At, findings: &mut Findings<'_>) -> Variants {
    let at = flag.key("variants");
    let given = findings.given(&flag.key("type"), |text| choose(text, "is not a type", &TYPES));
    if !at.has_entries() {
        let flag_type = given.unwrap_or(FlagType::Boolean);
        if at.fits() {
            findings.error(&at, "there are no variants", "add one, such as `on: true`, or remove this");
        } else if flag_type != FlagType::Boolean && !flag.has("variants") {
            let remedy = format!("add `variants`, such as `variants: {{ low: {} }}`", example(flag_type));
            findings.error(flag, format!("`variants` is missing for a flag of type {}", flag_type.as_str()), remedy);
        }
        let on_and_off = [("on", true), ("off", false)];
        let list = on_and_off.map(|(name, value)| Variant { name: name.to_owned(), value: FlagValue::Boolean(value) });
        let complete = !flag.has("variants");
        return Variants { flag_type: FlagType::Boolean, list: list.into(), complete };
    }
    let mut values: Vec<(String, Option<serde_json::Value>, At)> = Vec::new();
    for (name, here) in at.named() {
        if let Err(problem) = variant_name(name) {
            findings.error(&here.name(), format!("`{}` {}", mask::short(name), problem.problem), problem.remedy);
        }
        let value = fields::value(&here, findings).and_then(|json| serde_json::from_slice(json.as_bytes()).ok());
        values.push((name.to_owned(), value, here));
    }
    let flag_type = given.unwrap_or_else(|| inferred(values.iter().filter_map(|(_, value, _)| value.as_ref())));
    let mut list = Vec::with_capacity(values.len());
    for (name, value, here) in values {
        let value = value.and_then(|value| match typed(&value, flag_type) {
            Ok(value) => Some(value),
            Err(Wrong { problem, remedy }) => {
                let written = here.text().map_or_else(|| "this".to_owned(), |text| format!("`{}`", mask::short(text)));
                let whence = if given.is_some() { "" } else { ", as the first variant is" };
                findings.error(&here, format!("{written} {problem}{whence}"), remedy);
                None
            }
        });
        list.push(Variant { name, value: value.unwrap_or(FlagValue::Boolean(false)) });
    }
    let complete = list.len() == at.entries().len();
    Variants { flag_type, list, complete }
}

/// The type of the first value; whole numbers beside others are floats.
fn inferred<'v>(values: impl Iterator<Item = &'v serde_json::Value> + Clone) -> FlagType {
    use serde_json::Value;
    match values.clone().next() {
        Some(Value::Number(_)) if values.into_iter().any(serde_json::Value::is_f64) => FlagType::Float,
        Some(Value::Number(_)) => FlagType::Integer,
        Some(Value::String(_)) => FlagType::String,
        Some(Value::Array(_) | Value::Object(_)) => FlagType::Object,
        Some(Value::Bool(_) | Value::Null) | None => FlagType::Boolean,
    }
}

fn typed(value: &serde_json::Value, flag_type: FlagType) -> Result<FlagValue, Wrong> {
    use serde_json::Value;
    let other = |remedy: &str| {
        let article = if matches!(flag_type, FlagType::Integer | FlagType::Object) { "an" } else { "a" };
        wrong(format!("is not {article} {}", flag_type.as_str()), remedy)
    };
    match (flag_type, value) {
        (FlagType::Boolean, Value::Bool(value)) => Ok(FlagValue::Boolean(*value)),
        (FlagType::Boolean, _) => other("write `true` or `false`, or set another `type`"),
        (FlagType::String, Value::String(value)) => Ok(FlagValue::String(value.clone())),
        (FlagType::String, _) => other("write it in quotes, or set another `type`"),
        (FlagType::Integer, Value::Number(number)) if !number.is_f64() => match number.as_i64() {
            Some(whole) if whole.unsigned_abs() <= LARGEST_EXACT => Ok(FlagValue::Integer(whole)),
            _ => wrong("is too large: not every client reads it exactly", "write it as a text, in quotes"),
        },
        (FlagType::Integer, _) => other("write a whole number, or set `type: float`"),
        (FlagType::Float, Value::Number(number)) => Ok(FlagValue::Float(number.as_f64().unwrap_or_default())),
        (FlagType::Float, _) => other("write a number, or set another `type`"),
        (FlagType::Object, Value::Object(_) | Value::Array(_)) => Ok(FlagValue::Object(value.clone())),
        (FlagType::Object, _) => other("write a map or a list, or set another `type`"),
    }
}

const fn example(flag_type: FlagType) -> &'static str {
    match flag_type {
        FlagType::Boolean => "false",
        FlagType::String => "short",
        FlagType::Integer => "512",
        FlagType::Float => "0.5",
        FlagType::Object => "{ tokens: 512 }",
    }
}

fn variant_name(text: &str) -> Result<(), Wrong> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(good) {
        return wrong("is not a variant's name", "use 1 to 64 letters, digits, dots, dashes and underscores");
    }
    Ok(())
}

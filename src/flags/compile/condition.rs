//! The condition of a flag's rule, from the tree.
//!
//! Conditions nest, which the schema does not follow, so their shape is judged here as well: which keys there are,
//! that one condition says one thing, and that every value has the type that its comparison needs.

use crate::decide::policy::{Comparison, Condition, Scalar};
use crate::decide::suggest;

use super::super::bounds::DEEPEST_CONDITION;
use super::super::mask;
use super::super::place::At;
use super::super::scalar::{Wrong, json, moment, wrong};
use super::super::tree::Kind;
use super::findings::Findings;

const JOINS: [&str; 3] = ["all", "any", "not"];
const COMPARISONS: [&str; 10] = ["is", "in", "starts_with", "ends_with", "<", "<=", ">", ">=", "before", "after"];
const EXAMPLE: &str = "write a condition such as `{ attribute: plan, is: pro }`";

/// The condition at this place; `None`: something in it is wrong, or not resolved here.
pub(super) fn condition(at: &At, findings: &mut Findings<'_>) -> Option<Condition> {
    within(at, 1, findings)
}

fn within(at: &At, depth: usize, findings: &mut Findings<'_>) -> Option<Condition> {
    if depth > DEEPEST_CONDITION {
        let problem = format!("conditions are nested deeper than {DEEPEST_CONDITION}");
        findings.error(at, problem, "combine them in fewer levels, or make several rules");
        return None;
    }
    match at.node().map(|node| &node.kind) {
        Some(Kind::List(_)) => several(at, depth, findings).map(Condition::All),
        Some(Kind::Map(_)) => one(at, depth, findings),
        Some(Kind::Scalar { .. }) => {
            findings.error(at, "this is not a condition", EXAMPLE);
            None
        }
        Some(Kind::Unfit) | None => None,
    }
}

fn several(at: &At, depth: usize, findings: &mut Findings<'_>) -> Option<Vec<Condition>> {
    if !matches!(at.node().map(|node| &node.kind), Some(Kind::List(_))) {
        findings.error(at, "this is not a list of conditions", format!("put it in brackets, or {EXAMPLE}"));
        return None;
    }
    let items = at.items();
    if items.is_empty() {
        findings.error(at, "there are no conditions", format!("{EXAMPLE}, or remove this"));
        return None;
    }
    let found: Vec<Option<Condition>> = items.iter().map(|at| within(at, depth + 1, findings)).collect();
    found.into_iter().collect()
}

fn one(at: &At, depth: usize, findings: &mut Findings<'_>) -> Option<Condition> {
    if !known_keys(at, findings) {
        return None;
    }
    let joins: Vec<&str> = JOINS.into_iter().filter(|key| at.has(key)).collect();
    let compares = at.has("attribute") || COMPARISONS.iter().any(|key| at.has(key));
    match (joins.as_slice(), compares) {
        (["not"], false) => within(&at.key("not"), depth + 1, findings).map(|inner| Condition::Not(Box::new(inner))),
        (["all"], false) => several(&at.key("all"), depth + 1, findings).map(Condition::All),
        (["any"], false) => several(&at.key("any"), depth + 1, findings).map(Condition::Any),
        ([], true) => attribute(at, findings),
        ([], false) => {
            findings.error(at, "this condition is empty", EXAMPLE);
            None
        }
        _ => {
            let problem = "this is more than one condition";
            findings.error(at, problem, "write `attribute` with comparisons, or one of `all`, `any` and `not`");
            None
        }
    }
}

fn known_keys(at: &At, findings: &mut Findings<'_>) -> bool {
    let known = || JOINS.into_iter().chain(["attribute"]).chain(COMPARISONS);
    let mut all = true;
    for entry in at.entries() {
        let key = entry.key.as_str();
        if known().any(|name| name == key) {
            continue;
        }
        all = false;
        let meant = match key {
            "==" | "=" | "equals" | "eq" => Some("is"),
            "one_of" => Some("in"),
            "and" => Some("all"),
            "or" => Some("any"),
            _ => suggest::nearest(key, known()),
        };
        let remedy = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("remove it; there are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        findings.error(&at.key(key).name(), format!("there is no key `{}` here", mask::short(key)), remedy);
    }
    all
}

fn attribute(at: &At, findings: &mut Findings<'_>) -> Option<Condition> {
    let given = COMPARISONS.into_iter().filter(|key| at.has(key));
    let comparisons: Vec<Option<Comparison>> = given.map(|key| comparison(key, &at.key(key), findings)).collect();
    if comparisons.is_empty() {
        findings.error(at, "this condition compares the attribute with nothing", EXAMPLE);
        return None;
    }
    if !at.has("attribute") {
        findings.error(at, "`attribute` is missing", "add it, such as `attribute: plan`");
        return None;
    }
    let name = findings.given(&at.key("attribute"), |text| match text {
        "" => wrong("is not an attribute", "name an attribute of the context, such as `plan` or `targetingKey`"),
        text => Ok(text.to_owned()),
    });
    if at.key("attribute").text().is_none() {
        findings.error(&at.key("attribute"), "this is not an attribute's name", "write a name such as `plan`");
    }
    Some(Condition::Attribute { name: name?, comparisons: comparisons.into_iter().collect::<Option<_>>()? })
}

fn comparison(key: &str, at: &At, findings: &mut Findings<'_>) -> Option<Comparison> {
    match key {
        "is" => scalar(at, findings).map(|value| Comparison::In(vec![value])),
        "in" => each(at, findings, scalar).map(Comparison::In),
        "starts_with" => each(at, findings, text).map(Comparison::StartsWith),
        "ends_with" => each(at, findings, text).map(Comparison::EndsWith),
        "<" => number(at, findings).map(Comparison::Below),
        "<=" => number(at, findings).map(Comparison::AtMost),
        ">" => number(at, findings).map(Comparison::Above),
        ">=" => number(at, findings).map(Comparison::AtLeast),
        "before" => single(at, findings, moment).map(Comparison::Before),
        _ => single(at, findings, moment).map(Comparison::After),
    }
}

/// A list, or a lone value in its place.
fn each<T>(at: &At, findings: &mut Findings<'_>, read: impl Fn(&At, &mut Findings<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = at.items();
    if items.is_empty() {
        findings.error(at, "there is nothing to compare with", "write a value, or a list of values");
        return None;
    }
    let found: Vec<Option<T>> = items.iter().map(|at| read(at, findings)).collect();
    found.into_iter().collect()
}

fn single<T>(at: &At, findings: &mut Findings<'_>, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
    if at.text().is_none() {
        findings.error(at, "this is not a single value", "write one value; `in` takes a list");
        return None;
    }
    findings.given(at, parse)
}

fn scalar(at: &At, findings: &mut Findings<'_>) -> Option<Scalar> {
    let Some(Kind::Scalar { plain, .. }) = at.node().map(|node| &node.kind) else {
        return single(at, findings, |_| Ok(Scalar::Boolean(false)));
    };
    single(at, findings, |text| Ok(of_json(&json(text, *plain)?)))
}

fn of_json(json: &str) -> Scalar {
    match serde_json::from_slice(json.as_bytes()) {
        Ok(serde_json::Value::Bool(value)) => Scalar::Boolean(value),
        Ok(serde_json::Value::Number(number)) => Scalar::Number(number.as_f64().unwrap_or_default()),
        Ok(serde_json::Value::String(text)) => Scalar::Text(text),
        _ => Scalar::Text(json.to_owned()),
    }
}

fn text(at: &At, findings: &mut Findings<'_>) -> Option<String> {
    match scalar(at, findings)? {
        Scalar::Text(text) if text.is_empty() => {
            findings.error(at, "every text begins and ends with nothing", "write a text");
            None
        }
        Scalar::Text(text) => Some(text),
        Scalar::Number(_) | Scalar::Boolean(_) => {
            findings.error(at, "this is not a text", "write it in quotes");
            None
        }
    }
}

fn number(at: &At, findings: &mut Findings<'_>) -> Option<f64> {
    match scalar(at, findings)? {
        Scalar::Number(number) => Some(number),
        Scalar::Text(_) | Scalar::Boolean(_) => {
            let remedy = "write a number without quotes; `before` and `after` compare moments";
            findings.error(at, "this is not a number", remedy);
            None
        }
    }
}

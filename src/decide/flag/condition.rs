//! Whether a rule's condition holds for a context.
//!
//! Types are compared strictly: the text "5" is not the number 5. An attribute that is absent, null, or of another type
//! makes its condition false, never an error. So `not` holds for a user of whom the attribute is not known.

use serde_json::Value;

use super::moment::moment;
use crate::decide::policy::{Attributes, Comparison, Condition, Scalar};

/// Whether it holds.
pub(super) fn holds(condition: &Condition, attributes: &Attributes) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|one| holds(one, attributes)),
        Condition::Any(any) => any.iter().any(|one| holds(one, attributes)),
        Condition::Not(one) => !holds(one, attributes),
        Condition::Attribute { name, comparisons } => {
            attribute(attributes, name).is_some_and(|found| comparisons.iter().all(|one| passes(one, found)))
        }
    }
}

/// An attribute of this very name, else one inside of objects: `plan.name`.
fn attribute<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Value> {
    let found = attributes.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(attributes.get(first)?, |value, part| value.as_object()?.get(part))
    });
    found.filter(|value| !value.is_null())
}

fn passes(comparison: &Comparison, attribute: &Value) -> bool {
    let text = |fits: &dyn Fn(&str) -> bool| attribute.as_str().is_some_and(fits);
    let number = |fits: &dyn Fn(f64) -> bool| attribute.as_f64().is_some_and(fits);
    match comparison {
        Comparison::In(values) => values.iter().any(|value| equals(value, attribute)),
        Comparison::StartsWith(starts) => text(&|text| starts.iter().any(|start| text.starts_with(start.as_str()))),
        Comparison::EndsWith(ends) => text(&|text| ends.iter().any(|end| text.ends_with(end.as_str()))),
        Comparison::Below(bound) => number(&|number| number < *bound),
        Comparison::AtMost(bound) => number(&|number| number <= *bound),
        Comparison::Above(bound) => number(&|number| number > *bound),
        Comparison::AtLeast(bound) => number(&|number| number >= *bound),
        Comparison::Before(bound) => moment(attribute).is_some_and(|moment| moment < *bound),
        Comparison::After(bound) => moment(attribute).is_some_and(|moment| moment > *bound),
    }
}

fn equals(value: &Scalar, attribute: &Value) -> bool {
    match (value, attribute) {
        (Scalar::Text(text), Value::String(attribute)) => text == attribute,
        (Scalar::Boolean(value), Value::Bool(attribute)) => value == attribute,
        // Both were written as decimals, and equal decimals are equal floats.
        (Scalar::Number(number), Value::Number(attribute)) => attribute.as_f64() == Some(*number),
        _ => false,
    }
}

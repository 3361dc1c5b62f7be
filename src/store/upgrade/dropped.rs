//! What of a stored state this version does not read.
//!
//! Owns the comparison of what was stored with what would be stored again. Changes nothing. Invariant: a field is named
//! by its path, unless what it holds says nothing.

use serde_json::Value;

use crate::decide::guard::analysis::Analysis;
use crate::decide::rollout::state::RolloutState;
use crate::decide::typed_json::read_typed;

/// What is dropped of a state that was read: the paths of what this version does not know.
pub(in crate::store) fn dropped(stored: &Value, state: &RolloutState) -> Vec<String> {
    let (mut found, mut stored) = (Vec::new(), stored.clone());
    if let Some(judge) = stored.as_object_mut().and_then(|members| members.remove("judge"))
        && let Ok(kept) = serde_json::to_value(&state.analysis)
    {
        if judge.is_null() || read_typed::<Analysis>(judge.to_string().as_bytes()).is_ok() {
            compare("judge", &judge, &kept, &mut found);
        } else {
            found.push("judge (all of the guard's evidence: it starts again)".to_owned());
        }
    }
    if let Ok(kept) = serde_json::to_value(state) {
        compare("", &stored, &kept, &mut found);
    }
    found
}

fn compare(path: &str, stored: &Value, kept: &Value, found: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (stored, kept) {
        // There was one threshold for all requests, with which each kind goes on.
        (Value::Object(one), Value::Object(kinds))
            if path.ends_with("slow_threshold") && kinds.contains_key("whole") && !one.contains_key("whole") => {}
        (Value::Object(stored), Value::Object(kept)) => {
            for (name, value) in stored {
                match kept.get(name) {
                    Some(kept) => compare(&below(name), value, kept, found),
                    None if is_nothing(value) => {}
                    None => found.push(below(name)),
                }
            }
        }
        (Value::Array(stored), Value::Array(kept)) => {
            if stored.len() > kept.len() {
                found.push(format!("{path} ({} of {})", stored.len() - kept.len(), stored.len()));
            }
            for (index, (stored, kept)) in stored.iter().zip(kept).enumerate() {
                compare(&below(&index.to_string()), stored, kept, found);
            }
        }
        _ => {}
    }
}

// What is left out where it says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

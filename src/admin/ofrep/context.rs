//! The context of an evaluation: what the application says about the user.
//!
//! Reads `{"context": {"targetingKey": ..., ...}}`. An empty body is an empty context, since flags that need none have a
//! value all the same. What is refused has OFREP's code word and says why.

use serde_json::Value;

use crate::decide::flag::TARGETING_KEY;
use crate::decide::policy::Attributes;

/// The attributes, `targetingKey` among them.
pub(super) fn attributes(body: &[u8]) -> Result<Attributes, (&'static str, String)> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Attributes::new());
    }
    let body: Value =
        serde_json::from_slice(body).map_err(|error| ("PARSE_ERROR", format!("the body is not JSON: {error}")))?;
    let invalid = |what: &str| ("INVALID_CONTEXT", what.to_owned());
    let Value::Object(mut body) = body else { return Err(invalid("the body is not an object")) };
    let context = match body.remove("context") {
        None | Some(Value::Null) => return Ok(Attributes::new()),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(invalid("`context` is not an object")),
    };
    match context.get(TARGETING_KEY) {
        None | Some(Value::Null | Value::String(_)) => Ok(context),
        Some(_) => Err(invalid("`context.targetingKey` is not a string")),
    }
}

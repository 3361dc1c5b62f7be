//! What an editor may take for a share, a length of time, a size or a number: the patterns of the schema.
//!
//! Each says of a text what [`scalar`](super::scalar) says of it, as far as a pattern can, so that an editor finds no fault
//! with what `check` takes and is silent on nothing that it refuses. What no pattern can say: how many decimals a number
//! without quotes has, a sum beyond ten years, a size beyond its bounds, what a reference leads to. No look-around is used,
//! which not every reader of schemas knows.

use schemars::{Schema, json_schema};
use serde_json::json;

/// A reference, with whatever stands around it.
const REFERENCE: &str = r".*\$\{.+\}.*";

/// A length of time in one or more parts.
pub(super) const LENGTH: &str = "((0|[1-9][0-9]*)(ms|s|m|h|d))+";

/// The same with a part that is not zero.
pub(super) const SOME_LENGTH: &str = "(0(ms|s|m|h|d))*[1-9][0-9]*(ms|s|m|h|d)((0|[1-9][0-9]*)(ms|s|m|h|d))*";

pub(super) const SIZE: &str = "(0|[1-9][0-9]*) *(B|kB|MB|GB|KiB|MiB|GiB)";
pub(super) const WHOLE: &str = "0|[1-9][0-9]*";
pub(super) const NUMBER: &str = r"(0|[1-9][0-9]*)(\.[0-9]+)?";

/// Two decimals, and zeros behind them.
const DECIMALS: &str = r"(\.[0-9]{1,2}0*)?";

/// A text of this pattern, or a reference.
pub(super) fn text(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": anchored(pattern)})
}

/// A value of this type, which may be quoted, or a reference.
pub(super) fn or_quoted(kind: &str, pattern: &str) -> Schema {
    let mut schema = json_schema!({"type": [kind, "string"], "pattern": anchored(pattern)});
    if kind != "boolean" {
        schema.insert("minimum".to_owned(), 0.into());
    }
    schema
}

/// A share from 0% or from above that, up to 10% or 100%; a bare number between 0 and 1 can be read in two ways. `word`
/// may stand in its place.
pub(super) fn share(least: u8, most: u8, word: Option<&str>) -> Schema {
    let (head, tail) = if most == 10 { ("[1-9]", "10") } else { ("[1-9][0-9]?", "100") };
    let mut bare = format!(r"{head}{DECIMALS}|{tail}(\.0+)?");
    if least == 0 {
        bare = format!(r"0(\.0+)?|{bare}");
    }
    let below_one = r"0\.(0[1-9]|[1-9][0-9]?)0* *%";
    let word = word.map_or_else(String::new, |word| format!("|{word}"));
    let mut schema = json_schema!({
        "type": ["string", "number"],
        "minimum": least,
        "maximum": most,
        "pattern": anchored(&format!("({bare})( *%)?|{below_one}{word}")),
    });
    if least == 0 {
        let ambiguous = json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1});
        schema.insert("not".to_owned(), ambiguous);
    }
    schema
}

fn anchored(pattern: &str) -> String {
    format!("^({pattern}|{REFERENCE})$")
}

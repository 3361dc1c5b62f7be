//! A share in a request's body: a string as flags.yaml has it (`"7.5%"`), or a number of percent (`7.5`).
//!
//! Owns no rule of its own: a number's digits are read as text by [`Percent`], so that a body, the command line and the
//! file accept the same shares and refuse the others for the same reasons.

use serde::{Deserialize, Deserializer};

use crate::decide::units::Percent;

/// A share in a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PercentField(pub(super) Percent);

impl<'de> Deserialize<'de> for PercentField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PercentField, D::Error> {
        // The number's own digits decide, so that no binary fraction rounds it.
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map(PercentField).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_hold_a_number_or_a_string() {
        for (json, hundredths) in [("10", 1000), ("\"10%\"", 1000), ("7.5", 750), ("10.0", 1000), ("0", 0)] {
            assert_eq!(serde_json::from_str::<PercentField>(json).unwrap().0.hundredths(), hundredths);
        }
    }

    #[test]
    fn anything_else_is_refused_in_the_words_of_the_file() {
        for json in ["null", "-1", "true", "[]", "\"ten\""] {
            let error = serde_json::from_str::<PercentField>(json).unwrap_err().to_string();
            assert!(error.contains("is not a share"), "{error}");
        }
    }
}

//! An outage of both providers, as it is stated: `30%:10m@2h`.
//!
//! Owns how one is written and read. Whether it lies in the time that is watched is [`inputs`](super::inputs)' to
//! check. Invariant: an outage has a length.

use crate::decide::units::{Millis, Percent};
use crate::flags::read_length;

/// Both providers fail for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatedOutage {
    pub(super) errors: Percent,
    pub(super) length: Millis,
    pub(super) from: Millis,
}

impl std::fmt::Display for StatedOutage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}@{}", self.errors, self.length, self.from)
    }
}

/// Reads `30%:10m@2h`.
pub(super) fn spell(text: &str) -> Result<StatedOutage, String> {
    let parts = text.split_once(':').and_then(|(errors, rest)| Some((errors, rest.split_once('@')?)));
    let Some((errors, (length, from))) = parts else {
        return Err(format!("`{text}` is not an outage; write rate, length and start, such as `30%:10m@2h`"));
    };
    let errors = errors.parse().map_err(|error: crate::decide::units::ParsePercentError| error.to_string())?;
    let spell = StatedOutage { errors, length: read_length(length)?, from: read_length(from)? };
    if spell.length == Millis(0) {
        return Err(format!("an outage of {length} has no effect; write its length, such as `{errors}:10m@{from}`"));
    }
    Ok(spell)
}

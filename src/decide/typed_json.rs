//! Values of Serin's own that come back from JSON: what the store has, and what the admin port answers.
//!
//! Everything that is read here is read by one kind of deserializer, the one that `serde` uses inside of tagged enums
//! anyway. Two kinds would put the code of each type into the binary twice. It is slower than reading directly, so a
//! request never waits for it, and its errors name no line, so a file that somebody wrote is read elsewhere.

use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Typed<T> {
    #[serde(flatten)]
    value: T,
}

/// Reads an object.
///
/// # Errors
/// Where it is no JSON, no object, or not one of this type.
pub fn read_typed<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    Ok(serde_json::from_slice::<Typed<T>>(json)?.value)
}

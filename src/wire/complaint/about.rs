//! What of a request a provider complains of: a parameter, the model, or its length.
//!
//! Owns the order of belief: the code, then the length in words (providers give it a parameter too), then the parameter
//! that is named, then one that is quoted in a known phrase, then the model in words. A name must look like the name of
//! a parameter, since it is shown to operators and written into suggestions.

use super::parts::Complaint;

/// What a refused request was refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A parameter, by its name or path: `prompt_cache_key`, `messages[0].name`.
    Parameter(String),
    /// The model: unknown, or not to be had.
    Model,
    /// More input than the model takes.
    ContextLength,
}

const LENGTH_NAMES: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];
const LENGTH_PHRASES: [&str; 7] = [
    "maximum context length",
    "exceed context limit",
    "context length exceeded",
    "context window",
    "prompt is too long",
    "reduce the length of the messages",
    "exceeds the available context size",
];

const MODEL_NAMES: [&str; 8] = [
    "model_not_found",
    "model_not_available",
    "model_decommissioned",
    "model_terms_required",
    "invalid_model",
    "unknown_model",
    "model_not_supported",
    "DeploymentNotFound",
];
const MODEL_PHRASES: [&str; 6] =
    ["does not exist", "not found", "not exist", "is not available", "is not a valid model", "has been decommissioned"];

/// A parameter follows these, perhaps quoted.
const BEFORE: [&str; 13] = [
    "unsupported parameter:",
    "unsupported value:",
    "unknown parameter:",
    "missing required parameter:",
    "unrecognized request argument supplied:",
    "unrecognized request arguments supplied:",
    "unknown name",
    "unknown field",
    "unrecognized field",
    "additional properties are not allowed (",
    "'loc': ('body',",
    "unexpected keyword argument",
    "invalid value for",
];

/// A parameter stands before these, perhaps quoted.
const AFTER: [&str; 7] = [
    ": extra inputs are not permitted",
    " is unsupported",
    " is not supported",
    " is not permitted",
    " was unexpected",
    " is deprecated",
    ": field required",
];

pub(super) fn names_model(complaint: &Complaint) -> bool {
    let anthropic = complaint.kind.as_deref() == Some("not_found_error") && complaint.message.starts_with("model:");
    complaint.is_named(&MODEL_NAMES) || anthropic
}

const MISSING_NAMES: [&str; 8] = [
    "not_found",
    "not_found_error",
    "resource_not_found",
    "previous_response_not_found",
    "response_not_found",
    "conversation_not_found",
    "file_not_found",
    "container_expired",
];
const MISSING_PHRASES: [&str; 8] = [
    "not found",
    "no such",
    "no response found",
    "no file found",
    "no thread found",
    "no assistant found",
    "container is expired",
    "could not find",
];

/// Whether it says that something is not there which the request names by its id; asked of a 400 or 404.
pub(super) fn names_missing(complaint: &Complaint) -> bool {
    let message = complaint.message.to_ascii_lowercase();
    let says = MISSING_PHRASES.iter().any(|phrase| message.contains(phrase));
    (complaint.is_named(&MISSING_NAMES) || says) && about(complaint) != Some(About::Model) && !names_model(complaint)
}

pub(super) fn about(complaint: &Complaint) -> Option<About> {
    let message = complaint.message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if complaint.is_named(&LENGTH_NAMES) {
        return Some(About::ContextLength);
    }
    if complaint.is_named(&MODEL_NAMES) {
        return Some(About::Model);
    }
    if says(&LENGTH_PHRASES) {
        return Some(About::ContextLength);
    }
    let given = complaint.param.as_deref().filter(|name| is_name(name));
    // Lower case has changed no byte's place, so the name is taken as it was written.
    if let Some(name) = given.or_else(|| quoted(&complaint.message, &message)) {
        return Some(if name == "model" { About::Model } else { About::Parameter(name.to_owned()) });
    }
    let refused =
        says(&MODEL_PHRASES) || message.find(" is not supported").is_some_and(|at| is_of_model(&message[..at]));
    let of_model = message.contains("model") && refused;
    let anthropic = complaint.kind.as_deref() == Some("not_found_error") && message.starts_with("model:");
    (of_model || anthropic).then_some(About::Model)
}

/// The parameter that a known phrase of the message names.
fn quoted<'m>(message: &'m str, lower: &str) -> Option<&'m str> {
    let after = BEFORE.iter().filter_map(|phrase| {
        let at = lower.find(phrase)? + phrase.len();
        let rest = message[at..].trim_start_matches(is_quote);
        Some(&rest[..rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len())])
    });
    let before = AFTER.iter().filter_map(|phrase| {
        let rest = message[..lower.find(phrase)?].trim_end_matches(is_quote);
        if is_of_model(rest) {
            return None;
        }
        let name = rest.rsplit(|c| !is_part_of_name(c)).next()?;
        // In a sentence without quotes only what no word of English is written like can be told from one.
        let marked = phrase.starts_with(':') || message[..rest.len() + 1].ends_with(['\'', '"', '`']);
        (marked || name.contains('_')).then_some(name)
    });
    after.chain(before).map(|name| name.trim_end_matches('.')).find(|name| is_name(name))
}

/// Whether a sentence ends with the name of a model: "the requested model `x`".
fn is_of_model(sentence: &str) -> bool {
    sentence.split_whitespace().rev().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("model"))
}

const fn is_quote(c: char) -> bool {
    matches!(c, ' ' | '\'' | '"' | '`' | ':')
}

const fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '-')
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(is_part_of_name)
}

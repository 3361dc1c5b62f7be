//! The body of a change, read strictly.
//!
//! A misspelt key is an error that names the right ones, and never a silent default: `{"too": "5%"}` must not take
//! everybody back. Owns the keys of each change and what a reason may be (the command line asks here too). Knows
//! nothing of rollouts: whether the change can be made is control's to say.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::percent::PercentField;
use super::reply::ApiError;
use super::route::Change;
use crate::decide::printable::is_printable;
use crate::decide::rollout::state::RolloutCommand;
use crate::decide::units::Percent;

/// Longest reason, in characters: it goes into the history and onto one line of a terminal.
pub const LONGEST_REASON: usize = 500;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rollback {
    to: Option<PercentField>,
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resume {
    at: Option<PercentField>,
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pause {
    reason: Option<String>,
}

/// What to do and why, from the body of a change; an empty body takes every default.
pub fn read(change: Change, body: &[u8]) -> Result<(RolloutCommand, String), ApiError> {
    let (verb, reason) = match change {
        Change::Rollback => {
            let Rollback { to, reason } = parse(body)?;
            (RolloutCommand::Rollback { to: to.map_or(Percent::ZERO, |share| share.0) }, reason)
        }
        Change::Resume => {
            let Resume { at, reason } = parse(body)?;
            (RolloutCommand::Resume { at: at.map(|share| share.0) }, reason)
        }
        Change::Pause => {
            let Pause { reason } = parse(body)?;
            (RolloutCommand::Pause, reason)
        }
        Change::Promote => {
            let Rollback { to, reason } = parse(body)?;
            (RolloutCommand::Promote { to: to.map(|share| share.0) }, reason)
        }
    };
    let reason = reason.unwrap_or_default();
    check_reason(&reason).map_err(ApiError::Bad)?;
    Ok((verb, reason.trim().to_owned()))
}

/// Whether a reason can be kept and shown.
pub fn check_reason(reason: &str) -> Result<(), String> {
    if reason.chars().count() > LONGEST_REASON {
        return Err(format!("the reason has more than {LONGEST_REASON} characters: shorten it"));
    }
    if !reason.chars().all(is_printable) {
        return Err("the reason has line breaks, control or format characters: write it in one line".to_owned());
    }
    Ok(())
}

pub(super) fn parse<T: Default + DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // A list would be read field by field.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::Bad("the body is a JSON list; send an object such as {\"reason\": \"...\"}".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::Bad(format!("the body is not valid: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: Change, body: &str) -> String {
        read(change, body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_body_takes_the_defaults() {
        for body in ["", " \n", "{}"] {
            let read = |change| read(change, body.as_bytes()).unwrap();
            assert_eq!(read(Change::Rollback), (RolloutCommand::Rollback { to: Percent::ZERO }, String::new()));
            assert_eq!(read(Change::Resume), (RolloutCommand::Resume { at: None }, String::new()));
            assert_eq!(read(Change::Pause), (RolloutCommand::Pause, String::new()));
            assert_eq!(read(Change::Promote), (RolloutCommand::Promote { to: None }, String::new()));
        }
    }

    #[test]
    fn shares_and_reasons_are_taken() {
        let body = br#"{"to": "5%", "reason": " errors "}"#;
        let five = Percent::from_hundredths(500).unwrap();
        assert_eq!(read(Change::Rollback, body).unwrap(), (RolloutCommand::Rollback { to: five }, "errors".into()));
        assert_eq!(read(Change::Promote, br#"{"to": 5}"#).unwrap().0, RolloutCommand::Promote { to: Some(five) });
        assert_eq!(read(Change::Resume, br#"{"at": 5}"#).unwrap().0, RolloutCommand::Resume { at: Some(five) });
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            error(Change::Rollback, r#"{"percent": 5}"#),
            "the body is not valid: unknown field `percent`, expected `to` or `reason` at line 1 column 10"
        );
        assert_eq!(
            error(Change::Resume, r#"{"to": 5}"#),
            "the body is not valid: unknown field `to`, expected `at` or `reason` at line 1 column 5"
        );
        assert_eq!(
            error(Change::Pause, r#"{"to": 5}"#),
            "the body is not valid: unknown field `to`, expected `reason` at line 1 column 5"
        );
        assert_eq!(
            error(Change::Promote, r#"{"to": 5, "to": 6}"#),
            "the body is not valid: duplicate field `to` at line 1 column 14"
        );
        let doubtful = error(Change::Rollback, r#"{"to": 0.1}"#);
        assert!(doubtful.starts_with("the body is not valid: `0.1` could be"), "{doubtful}");
        assert_eq!(
            error(Change::Rollback, "[5]"),
            "the body is a JSON list; send an object such as {\"reason\": \"...\"}"
        );
        assert!(error(Change::Rollback, "to=5").starts_with("the body is not valid: expected"));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let long = format!(r#"{{"reason": "{}"}}"#, "a".repeat(501));
        assert_eq!(error(Change::Pause, &long), "the reason has more than 500 characters: shorten it");
        assert_eq!(
            error(Change::Pause, r#"{"reason": "a\nb"}"#),
            "the reason has line breaks, control or format characters: write it in one line"
        );
    }
}

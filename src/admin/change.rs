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

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRequest {
    /// What to do.
    pub verb: RolloutCommand,
    /// Why; empty: not said.
    pub reason: String,
    /// Whether to say only what it would do.
    pub dry_run: bool,
    /// Whether a rollback ends what is under way on the canary.
    pub hard: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rollback {
    to: Option<PercentField>,
    hard: bool,
    reason: Option<String>,
    dry_run: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Promote {
    to: Option<PercentField>,
    reason: Option<String>,
    dry_run: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resume {
    at: Option<PercentField>,
    reason: Option<String>,
    dry_run: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pause {
    reason: Option<String>,
    dry_run: bool,
}

/// What to do and why, from the body of a change; an empty body takes every default.
pub fn read(change: Change, body: &[u8]) -> Result<ChangeRequest, ApiError> {
    let mut ends = false;
    let (verb, reason, dry_run) = match change {
        Change::Rollback => {
            let Rollback { to, hard, reason, dry_run } = parse(body)?;
            if hard && to.as_ref().is_some_and(|share| share.0 > Percent::ZERO) {
                let problem = "`hard` ends every request on the canary, so no users can stay on it: leave out `to`";
                return Err(ApiError::Bad(problem.to_owned()));
            }
            ends = hard;
            (RolloutCommand::Rollback { to: to.map_or(Percent::ZERO, |share| share.0) }, reason, dry_run)
        }
        Change::Resume => {
            let Resume { at, reason, dry_run } = parse(body)?;
            (RolloutCommand::Resume { at: at.map(|share| share.0) }, reason, dry_run)
        }
        Change::Pause => {
            let Pause { reason, dry_run } = parse(body)?;
            (RolloutCommand::Pause, reason, dry_run)
        }
        Change::Promote => {
            let Promote { to, reason, dry_run } = parse(body)?;
            (RolloutCommand::Promote { to: to.map(|share| share.0) }, reason, dry_run)
        }
    };
    let reason = reason.unwrap_or_default();
    check_reason(&reason).map_err(ApiError::Bad)?;
    Ok(ChangeRequest { verb, reason: reason.trim().to_owned(), dry_run, hard: ends })
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
            let with = |verb| ChangeRequest { verb, reason: String::new(), dry_run: false, hard: false };
            assert_eq!(read(Change::Rollback), with(RolloutCommand::Rollback { to: Percent::ZERO }));
            assert_eq!(read(Change::Resume), with(RolloutCommand::Resume { at: None }));
            assert_eq!(read(Change::Pause), with(RolloutCommand::Pause));
            assert_eq!(read(Change::Promote), with(RolloutCommand::Promote { to: None }));
        }
    }

    #[test]
    fn shares_and_reasons_are_taken() {
        let body = br#"{"to": "5%", "reason": " errors "}"#;
        let five = Percent::from_hundredths(500).unwrap();
        let ChangeRequest { verb, reason, dry_run, .. } = read(Change::Rollback, body).unwrap();
        assert_eq!((verb, reason.as_str(), dry_run), (RolloutCommand::Rollback { to: five }, "errors", false));
        assert_eq!(read(Change::Promote, br#"{"to": 5}"#).unwrap().verb, RolloutCommand::Promote { to: Some(five) });
        assert_eq!(read(Change::Resume, br#"{"at": 5}"#).unwrap().verb, RolloutCommand::Resume { at: Some(five) });
    }

    #[test]
    fn a_rollback_alone_can_be_hard_and_then_nobody_stays() {
        assert!(read(Change::Rollback, br#"{"hard": true}"#).unwrap().hard);
        assert!(read(Change::Rollback, br#"{"hard": true, "to": 0}"#).unwrap().hard);
        assert!(!read(Change::Rollback, br#"{"hard": false, "to": 5}"#).unwrap().hard);
        assert!(error(Change::Rollback, r#"{"hard": true, "to": 5}"#).contains("leave out `to`"));
        for change in [Change::Resume, Change::Pause, Change::Promote] {
            assert!(error(change, r#"{"hard": true}"#).contains("unknown field `hard`"));
        }
    }

    #[test]
    fn every_change_can_be_tried_first_and_only_by_a_yes_or_no() {
        for change in [Change::Rollback, Change::Resume, Change::Pause, Change::Promote] {
            assert!(read(change, br#"{"dry_run": true}"#).unwrap().dry_run);
            assert!(!read(change, br#"{"dry_run": false}"#).unwrap().dry_run);
            for wrong in [r#"{"dry_run": "true"}"#, r#"{"dry_run": null}"#, r#"{"dry_run": 1}"#, r#"{"dryrun": true}"#]
            {
                error(change, wrong);
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            error(Change::Rollback, r#"{"percent": 5}"#),
            "the body is not valid: unknown field `percent`, expected one of `to`, `hard`, `reason`, `dry_run` at line 1 column 10"
        );
        assert_eq!(
            error(Change::Resume, r#"{"to": 5}"#),
            "the body is not valid: unknown field `to`, expected one of `at`, `reason`, `dry_run` at line 1 column 5"
        );
        assert_eq!(
            error(Change::Pause, r#"{"to": 5}"#),
            "the body is not valid: unknown field `to`, expected `reason` or `dry_run` at line 1 column 5"
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

//! The body of `POST /api/v1/feedback`, read strictly: one verdict, or a list of them.
//!
//! `{"request_id": "...", "good": false}` or `{"user": "...", "rollout": "chat", "good": true, "weight": 0.5}`. One
//! mistake refuses the whole body and names the place, so that nothing is counted twice when it is sent again. Owns the
//! keys and the bounds; what a verdict is charged to is control's to say.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::ApiError;
use crate::decide::verdict::{Judged, MOST, Verdict, Weight};

/// The longest body, in bytes: room for as many verdicts as a list may have.
pub(super) const BODY: usize = 256 * 1024;
/// The longest user id, in bytes: as long as a header may be.
const LONGEST_USER: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    request_id: Option<String>,
    user: Option<String>,
    rollout: Option<String>,
    good: bool,
    weight: Option<f64>,
}

/// The verdicts of a body, in their order.
pub(super) fn read(body: &[u8]) -> Result<Vec<Verdict>, ApiError> {
    let given: Vec<&RawValue> = match body.trim_ascii_start().first() {
        None => return Err(ApiError::Bad(format!("the body is empty; {EXAMPLE}"))),
        Some(b'[') => serde_json::from_slice(body).map_err(|error| invalid(String::new(), &error))?,
        Some(_) => vec![serde_json::from_slice(body).map_err(|error| invalid(String::new(), &error))?],
    };
    let count = given.len();
    if count > MOST {
        return Err(ApiError::Bad(format!("the list has {count} verdicts; send at most {MOST} at once")));
    }
    let place = |index: usize| if count > 1 { format!("verdict {} of the list: ", index + 1) } else { String::new() };
    given.into_iter().enumerate().map(|(index, given)| one(given, place(index))).collect()
}

const EXAMPLE: &str = "send {\"request_id\": \"...\", \"good\": true}, or a list of such objects";

fn invalid(place: String, error: &serde_json::Error) -> ApiError {
    ApiError::Bad(format!("{place}the body is not valid: {error}; {EXAMPLE}"))
}

fn one(given: &RawValue, place: String) -> Result<Verdict, ApiError> {
    // A list would be read field by field.
    if !given.get().starts_with('{') {
        return Err(ApiError::Bad(format!("{place}a verdict is an object; {EXAMPLE}")));
    }
    let parsed = serde_json::from_slice(given.get().as_bytes()).map_err(|error| invalid(place.clone(), &error))?;
    verdict(parsed).map_err(|problem| ApiError::Bad(place + &problem))
}

fn verdict(Given { request_id, user, rollout, good, weight }: Given) -> Result<Verdict, String> {
    let on = match (request_id, user) {
        (Some(id), None) => Judged::Request(id),
        (None, Some(user)) if user.len() > LONGEST_USER => {
            return Err(format!("`user` has more than {LONGEST_USER} bytes"));
        }
        (None, Some(user)) => Judged::User(user),
        (Some(_), Some(_)) => return Err("it has `request_id` and `user`; send one of them".to_owned()),
        (None, None) => return Err("it has neither `request_id` nor `user`".to_owned()),
    };
    let weight = match weight {
        None => Weight::ONE,
        Some(given) => Weight::of(given).ok_or_else(|| {
            format!("`weight` is {given}; write a number from 0 to 1, since no verdict counts for more than one user")
        })?,
    };
    Ok(Verdict { on, rollout, good, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        read(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn one_verdict_and_a_list_are_read() {
        let one = Verdict { on: Judged::Request("ab".to_owned()), rollout: None, good: false, weight: Weight::ONE };
        assert_eq!(read(br#"{"request_id": "ab", "good": false}"#).unwrap(), std::slice::from_ref(&one));
        let of_user = Verdict {
            on: Judged::User("u".to_owned()),
            rollout: Some("chat".to_owned()),
            good: true,
            weight: Weight::of(0.25).unwrap(),
        };
        let list = br#" [{"request_id": "ab", "good": false}, {"user": "u", "rollout": "chat", "good": true, "weight": 0.25}]"#;
        assert_eq!(read(list).unwrap(), [one, of_user]);
        assert_eq!(read(b"[]").unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_place() {
        for (body, says) in [
            ("", "the body is empty; send {"),
            ("{}", "missing field `good`"),
            (r#"{"id": "a", "good": true}"#, "unknown field `id`, expected one of `request_id`, `user`"),
            (r#"{"request_id": 7, "good": true}"#, "invalid type: integer `7`, expected a string"),
            (r#"{"request_id": "a", "good": "yes"}"#, "expected a boolean"),
            (r#"{"good": true}"#, "neither `request_id` nor `user`"),
            (r#"{"request_id": "a", "user": "u", "good": true}"#, "send one of them"),
            (r#"{"request_id": "a", "good": true, "weight": 10}"#, "`weight` is 10; write a number from 0 to 1"),
            (r#"{"request_id": "a", "good": true, "weight": -1}"#, "`weight` is -1;"),
            (r#"[{"user": "u", "good": true}, {"good": true}]"#, "verdict 2 of the list: it has neither"),
            (r#"[{"user": "u", "good": true}] x"#, "trailing characters"),
            ("true", "a verdict is an object; send {"),
            (r#"[["a", null, null, true, null]]"#, "a verdict is an object"),
            (r#"{"user": "u", "user": "v", "good": true}"#, "duplicate field `user`"),
        ] {
            assert!(error(body).contains(says), "{body}: {}", error(body));
        }
        let list = |count: usize| format!("[{}]", vec![r#"{"user":"u","good":true}"#; count].join(","));
        assert!(read(list(MOST).as_bytes()).is_ok());
        assert_eq!(error(&list(MOST + 1)), "the list has 1001 verdicts; send at most 1000 at once");
        let long = format!(r#"{{"user": "{}", "good": true}}"#, "u".repeat(LONGEST_USER + 1));
        assert_eq!(error(&long), "`user` has more than 4096 bytes");
    }
}

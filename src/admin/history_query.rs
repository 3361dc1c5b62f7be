//! The query of the history, read strictly: which events, and how many.
//!
//! An unknown parameter, action or time is an error that names the right ones, and never an empty list. Owns how the
//! query is written. Which events fit is [`HistoryFilter`]'s to say.

use super::reply::ApiError;
use crate::decide::event::filter::HistoryFilter;
use crate::decide::event::{Action, Actor};
use crate::decide::suggest::nearest;
use crate::decide::timestamp::read_rfc3339;
use crate::decide::units::UnixMillis;
use crate::wire::query;

/// Lines where none was said, and at most.
pub(super) const LINES: (u32, u32) = (50, 1000);
/// So many actions or actors in one query.
const MOST: usize = 32;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HistoryQuery {
    pub(super) filter: HistoryFilter,
    pub(super) limit: u32,
}

/// Reads `rollout=`, `since=`, `until=`, `action=`, `actor=` (these two may be repeated) and `limit=`.
pub(super) fn read(text: &str) -> Result<HistoryQuery, ApiError> {
    let mut wanted = HistoryQuery { filter: HistoryFilter::default(), limit: LINES.0 };
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let [name, value] =
            [query::name(pair), query::value(pair)].map(|text| String::from_utf8_lossy(&text).into_owned());
        let filter = &mut wanted.filter;
        match name.as_str() {
            "rollout" => filter.rollout = Some(value),
            "until" => filter.until = Some(moment("until", &value)?),
            "since" => filter.since = Some(moment("since", &value)?),
            "action" => filter.actions.push(action(&value)?),
            "actor" => filter.actors.push(Actor::from(value)),
            "limit" => {
                wanted.limit = value.parse().ok().filter(|limit| (1..=LINES.1).contains(limit)).ok_or_else(|| {
                    ApiError::Bad(format!("`limit={value}`: the limit is a number from 1 to {}", LINES.1))
                })?;
            }
            _ => {
                let known = "history takes rollout, since, until, action, actor and limit";
                return Err(ApiError::Bad(format!("unknown parameter `{name}`; {known}")));
            }
        }
        if filter.actions.len() > MOST || filter.actors.len() > MOST {
            return Err(ApiError::Bad(format!("more than {MOST} times `{name}`: ask for fewer")));
        }
    }
    Ok(wanted)
}

/// A moment in a query: RFC 3339, or milliseconds since 1970.
pub(super) fn moment(name: &str, value: &str) -> Result<UnixMillis, ApiError> {
    let millis = (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())).then(|| value.parse().ok());
    millis.flatten().map(UnixMillis).or_else(|| read_rfc3339(value)).ok_or_else(|| {
        ApiError::Bad(format!(
            "`{name}={value}` is not a time: write it as 2026-11-21T07:56:02Z (a `+` of an offset as %2B), or as \
             milliseconds since 1970"
        ))
    })
}

fn action(word: &str) -> Result<Action, ApiError> {
    let action = Action::from(word.to_owned());
    let Action::Other(_) = action else { return Ok(action) };
    let words = || Action::ALL.iter().map(Action::as_str);
    let meant = nearest(word, words()).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let all = words().collect::<Vec<_>>().join(", ");
    Err(ApiError::Bad(format!("unknown action `{word}`{meant}; there are: {all}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn each_parameter_is_taken_and_two_may_be_repeated() {
        assert_eq!(read("").unwrap(), HistoryQuery { filter: HistoryFilter::default(), limit: 50 });
        let text = "rollout=chat&since=2026-11-21T09:56:02%2B02:00&until=1795247763000&action=rollback&action=hold&actor=uid+7&actor=guard&limit=7";
        let wanted = HistoryQuery {
            filter: HistoryFilter {
                rollout: Some("chat".to_owned()),
                since: Some(UnixMillis(1_795_247_762_000)),
                until: Some(UnixMillis(1_795_247_763_000)),
                actions: vec![Action::Rollback, Action::Hold],
                actors: vec![Actor::Human("uid 7".to_owned()), Actor::Guard],
            },
            limit: 7,
        };
        assert_eq!(read(text).unwrap(), wanted);
        assert_eq!(read("since=1795247762123").unwrap().filter.since, Some(UnixMillis(1_795_247_762_123)));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(
            error("max=3"),
            "unknown parameter `max`; history takes rollout, since, until, action, actor and limit"
        );
        assert!(error("since=yesterday").starts_with("`since=yesterday` is not a time: write it as 2026-"));
        assert!(error("since=").starts_with("`since=` is not a time"));
        let near = error("action=rolback");
        assert!(
            near.starts_with("unknown action `rolback` (did you mean `rollback`?); there are: start, promote,"),
            "{near}"
        );
        let far = error("action=explode");
        assert!(far.starts_with("unknown action `explode`; there are: start, promote,"), "{far}");
        assert_eq!(error(&"actor=a&".repeat(33)), "more than 32 times `actor`: ask for fewer");
    }
}

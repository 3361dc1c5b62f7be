//! What an answer's headers say of its provider's limits: how long to stay away, and how much is left.
//!
//! One reader for the forms of all providers. Trusts no number further than it goes: -1 and what cannot be read are
//! unknown, a reset of nought says nothing, and a reset is the time until all is back, hence the most that there is to
//! wait for. Whether a limit is a day's is told by its name, by its reset, or by how fast it comes back. Decides nothing
//! about keys, limits or retries. Invariant: what cannot be read is as good as absent.

mod name;
#[cfg(test)]
mod tests;
mod wait;

use http::HeaderMap;

use super::moment::http_date;
use name::{Field, Subject, read_name};
pub use name::{Measure, Window};
use wait::{Wait, number, read_millis, read_wait};

/// From here on a reset is a day's: nobody waits so long.
const HOUR: u64 = 3_600_000;
/// A limit of a minute is whole again by then.
const MINUTE: u64 = 60_000;
/// The shortest reset that tells how fast a limit comes back: a shorter one is rounded too much.
const TELLING_RESET: u64 = 50;
/// Limits that are kept of one answer.
const MOST_ALLOWANCES: usize = 12;

/// What an answer says of its provider's limits. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateReport {
    /// For how long it asks not to be asked again, in so many words.
    pub asked: Option<u64>,
    /// What is left of each limit that it tells of.
    pub allowances: Vec<Allowance>,
}

/// One limit of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub measure: Measure,
    pub window: Window,
    /// All of it.
    pub limit: Option<u64>,
    /// What is left of it; `None`: unknown.
    pub remaining: Option<u64>,
    /// How long until all of it is back, at most a day.
    pub reset: Option<u64>,
}

/// How long a provider that refused is to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// For so many milliseconds.
    For(u64),
    /// The allowance of a day or more is used up, or more than an hour is asked for: nobody waits for that.
    Long(Option<u64>),
}

/// The wait that an answer asks for in so many words; `now`: Serin's own clock, in milliseconds since 1970. A date
/// counts from the answer's own `Date` where there is one, so that two clocks that disagree do not matter.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: u64) -> Option<u64> {
    let millis = |name| read_millis(text(headers, name)?);
    let seconds = || read_wait(text(headers, "retry-after")?, own_date(headers, now)).map(|wait| wait.millis);
    millis("retry-after-ms").or_else(|| millis("x-ms-retry-after-ms")).or_else(seconds)
}

/// Reads all of it.
#[must_use]
pub fn read_rate_report(headers: &HeaderMap, now: u64) -> RateReport {
    let now_there = own_date(headers, now);
    let (mut found, mut by_day): (Vec<(Subject, Numbers)>, bool) = (Vec::new(), false);
    for (name, value) in headers {
        let name = name.as_str();
        // Groq counts requests by the day, and tokens by the minute.
        by_day |= name.starts_with("x-groq-");
        let Some((field, subject)) = read_name(name) else { continue };
        let Ok(value) = value.to_str() else { continue };
        let at = found.iter().position(|(other, _)| *other == subject).unwrap_or(found.len());
        if at == found.len() {
            if at == MOST_ALLOWANCES {
                continue;
            }
            found.push((subject, Numbers::default()));
        }
        let numbers = &mut found[at].1;
        match field {
            Field::Limit => numbers.limit = count(value),
            Field::Remaining => numbers.remaining = count(value),
            Field::Reset => numbers.reset = read_wait(value, now_there).filter(|wait| wait.millis > 0),
        }
    }
    let allowances = found.into_iter().map(|(subject, numbers)| numbers.of(subject, by_day)).collect();
    RateReport { asked: retry_after(headers, now), allowances }
}

impl RateReport {
    /// How long a provider that answered 429 is to be left alone; `in_body`: what its body asks for. `None`: it does
    /// not say. What is asked for in so many words counts; else the limits that are used up, and where none says so
    /// the one that takes the longest.
    #[must_use]
    pub fn pause(&self, in_body: Option<u64>) -> Option<Pause> {
        if let Some(asked) = self.asked.or(in_body) {
            return Some(if asked > HOUR { Pause::Long(Some(asked)) } else { Pause::For(asked) });
        }
        let spent = |window| self.allowances.iter().filter(move |one| one.window == window && one.remaining == Some(0));
        let longest = |resets: &mut dyn Iterator<Item = &Allowance>| resets.filter_map(|one| one.reset).max();
        if spent(Window::Long).next().is_some() {
            return Some(Pause::Long(longest(&mut spent(Window::Long))));
        }
        let any_spent = spent(Window::Short).next().is_some();
        let resets = if any_spent {
            longest(&mut spent(Window::Short))
        } else {
            longest(&mut self.allowances.iter().filter(|one| one.window == Window::Short))
        };
        resets.map(Pause::For)
    }

    /// Whether nothing is left of one of its limits. Otherwise a 429 is about what was asked for, and not about how much.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.allowances.iter().any(|one| one.remaining == Some(0))
    }

    /// The least that is left of a short limit; `None`: unknown.
    #[must_use]
    pub fn remaining(&self, measure: Measure) -> Option<u64> {
        self.short(measure).filter_map(|one| one.remaining).min()
    }

    /// The least that a short limit allows in all; `None`: unknown.
    #[must_use]
    pub fn limit(&self, measure: Measure) -> Option<u64> {
        self.short(measure).filter_map(|one| one.limit).min()
    }

    /// The least that may be sent in a minute; `None`: unknown. A limit that takes longer to come back is an hour's.
    #[must_use]
    pub fn per_minute(&self, measure: Measure) -> Option<u64> {
        let of_a_minute = self.short(measure).filter(|one| one.reset.is_none_or(|reset| reset <= MINUTE));
        of_a_minute.filter_map(|one| one.limit).min()
    }

    fn short(&self, measure: Measure) -> impl Iterator<Item = &Allowance> {
        self.allowances.iter().filter(move |one| one.measure == measure && one.window == Window::Short)
    }
}

impl Pause {
    /// In milliseconds, where it is worth waiting for.
    #[must_use]
    pub const fn worth_waiting(self) -> Option<u64> {
        match self {
            Pause::For(millis) => Some(millis),
            Pause::Long(_) => None,
        }
    }
}

/// The numbers of one limit, as they were sent.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Wait>,
}

impl Numbers {
    fn of(self, subject: Subject, by_day: bool) -> Allowance {
        let measure = subject.measure;
        let daily = (by_day && measure == Measure::Requests)
            || self.reset.is_some_and(|reset| reset.millis > HOUR)
            || (measure == Measure::Requests && self.refill().is_some_and(|whole| whole > HOUR));
        let window = subject.window.unwrap_or(if daily { Window::Long } else { Window::Short });
        Allowance {
            measure,
            window,
            limit: self.limit,
            remaining: self.remaining,
            reset: self.reset.map(|reset| reset.millis),
        }
    }

    /// How long all of it takes to come back, by how long the part takes that is gone.
    fn refill(self) -> Option<u64> {
        let reset = self.reset.filter(|reset| reset.as_duration && reset.millis >= TELLING_RESET)?;
        let (limit, gone) = (self.limit?, self.limit?.checked_sub(self.remaining?)?);
        u64::try_from(u128::from(reset.millis) * u128::from(limit) / u128::from(gone.max(1))).ok()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The provider's own time.
fn own_date(headers: &HeaderMap, now: u64) -> u64 {
    text(headers, "date").and_then(http_date).unwrap_or(now)
}

/// A count, alone or first in a list; `None` for -1 and for what is no number.
fn count(value: &str) -> Option<u64> {
    let first = value.split([',', ';']).next().unwrap_or_default().trim();
    let number = number(first).filter(|number| *number < 1e15)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Some(number as u64)
}

/// A wait that the body of an answer asks for: seconds as a number or as a text, or a duration.
pub(super) fn wait_in_body(raw: &str) -> Option<u64> {
    let text = raw.trim().trim_matches('"');
    read_wait(text, u64::MAX).map(|wait| wait.millis)
}

/// A wait that a sentence asks for: `Please try again in 6m0s.`
pub(super) fn wait_in_words(message: &str) -> Option<u64> {
    const PHRASES: [&str; 3] = ["try again in ", "retry in ", "retry after "];
    let lower = message.to_ascii_lowercase();
    let after = PHRASES.iter().find_map(|phrase| lower.split_once(phrase))?.1;
    let mut words = after.split(|c: char| c.is_whitespace() || c == ',');
    let first = words.next()?.trim_end_matches('.');
    let unit = words.next().unwrap_or_default().trim_end_matches(|c: char| !c.is_ascii_alphabetic());
    match unit {
        "second" | "seconds" => read_wait(first, u64::MAX).map(|wait| wait.millis),
        "minute" | "minutes" => wait::duration(&format!("{first}m")),
        "hour" | "hours" => wait::duration(&format!("{first}h")),
        _ => wait::duration(first),
    }
}

//! What a header's name says of the limit that its value is about.
//!
//! Owns the words of such names, in whatever order providers put them: `x-ratelimit-remaining-tokens`,
//! `anthropic-ratelimit-input-tokens-limit`, `x-ratelimit-reset-requests-day`. Invariant: a name with a word that is
//! not known here is about something else.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Requests,
    /// Read and written.
    Tokens,
    InputTokens,
    OutputTokens,
}

/// Over how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// An hour at most, mostly a minute: it can be waited for.
    Short,
    /// A day or more: nobody waits for it.
    Long,
}

/// Which of a limit's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Limit,
    Remaining,
    Reset,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) measure: Measure,
    /// As far as the name says it.
    pub(super) window: Option<Window>,
    /// Whether it is the second one of its kind: OpenAI has some for usage-based accounts.
    pub(super) second: bool,
}

const PREFIXES: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"];

/// Reads a name in lower case; `None`: it is about no limit that is known here.
pub(super) fn read_name(name: &str) -> Option<(Field, Subject)> {
    let words = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let (mut field, mut measure, mut window, mut second) = (None, None, None, false);
    for word in words.split(['-', '_']) {
        match word {
            "limit" => field = Some(Field::Limit),
            "remaining" => field = Some(Field::Remaining),
            "reset" => field = Some(Field::Reset),
            "requests" | "request" | "req" => measure = Some(Measure::Requests),
            "tokens" | "token" => measure = measure.or(Some(Measure::Tokens)),
            "input" => measure = Some(Measure::InputTokens),
            "output" => measure = Some(Measure::OutputTokens),
            "second" | "minute" | "hour" => window = Some(Window::Short),
            "day" | "month" => window = Some(Window::Long),
            "usage" | "based" => second = true,
            "after" => {}
            _ => return None,
        }
    }
    // Those who name no measure count requests.
    Some((field?, Subject { measure: measure.unwrap_or(Measure::Requests), window, second }))
}

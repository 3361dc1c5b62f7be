//! Sentences for models that a provider takes away.
//!
//! Used by `serin check`, `serin plan`, the status, the history and notifications, so that all of them say the same.
//! Which models are near is decided by [`retirement`](crate::decide::retirement); nothing is decided here.

use crate::decide::policy::Policy;
use crate::decide::retirement::{Retirement, near};
use crate::decide::timestamp::Timestamp;
use crate::decide::units::UnixMillis;

/// What happens when, and what to do about it.
#[must_use]
pub fn sentence(retirement: &Retirement) -> String {
    let Retirement { provider, model, at, notice, days } = retirement;
    let date = Timestamp(*at).to_string();
    let date = date.get(..10).unwrap_or(&date);
    let when = match (notice, days) {
        (0, 0) => format!("{provider} retires `{model}` today ({date})"),
        (0, 1) => format!("{provider} retired `{model}` on {date}, 1 day ago"),
        (0, days) => format!("{provider} retired `{model}` on {date}, {days} days ago"),
        (_, 1) => format!("{provider} retires `{model}` on {date}, in 1 day"),
        (_, days) => format!("{provider} retires `{model}` on {date}, in {days} days"),
    };
    let then = if *notice == 0 { "requests for it may fail" } else { "requests for it will fail then" };
    format!(
        "{when}: {then}; send another model, map the name to another one in `providers.{provider}.models`, or correct \
         `providers.{provider}.retires`"
    )
}

/// What is near of a file, as far as the file alone tells.
#[must_use]
pub fn of_file(policy: &Policy, now: UnixMillis) -> Vec<String> {
    near(policy, |_, _| false, now).iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_when_and_what_to_do() {
        let said = |notice, days| {
            let (provider, model) = ("openai".to_owned(), "gpt-4o".to_owned());
            sentence(&Retirement { provider, model, at: UnixMillis(1_799_884_800_000), notice, days })
        };
        assert_eq!(
            said(30, 29),
            "openai retires `gpt-4o` on 2027-01-14, in 29 days: requests for it will fail then; send another model, map \
             the name to another one in `providers.openai.models`, or correct `providers.openai.retires`"
        );
        assert!(
            said(7, 1).contains("in 1 day:") && said(0, 0).contains("today (2027-01-14): requests for it may fail")
        );
        assert!(said(0, 1).contains("on 2027-01-14, 1 day ago:") && said(0, 2).contains("2 days ago:"));
    }
}

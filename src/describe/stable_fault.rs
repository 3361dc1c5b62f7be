//! Sentences for a stable that does not serve its users, with a remedy.
//!
//! Status, readiness and the log use the same sentence. The remedy is that of the most frequent failure. Counts are
//! inserted unchanged.

use crate::decide::stable_fault::{NoAnswer, StableFault};

#[must_use]
pub fn sentence(fault: &StableFault) -> String {
    match fault {
        StableFault::Unusable { provider, why } => format!("{provider} cannot be used: {why}"),
        StableFault::Unanswered { provider, attempts } => {
            let all: u64 = attempts.iter().map(|(_, count)| count).sum();
            let commonest = attempts.iter().max_by_key(|(_, count)| *count).map(|(kind, _)| *kind);
            let parts: Vec<String> = attempts.iter().map(|(kind, count)| format!("{}: {count}", what(*kind))).collect();
            format!(
                "{provider} answered none of the last {all} attempts ({}); {}; `serin check --probe` shows more",
                parts.join(", "),
                remedy(commonest.unwrap_or(NoAnswer::Error))
            )
        }
    }
}

const fn what(kind: NoAnswer) -> &'static str {
    match kind {
        NoAnswer::NoConnection => "no connection",
        NoAnswer::KeyRefused => "its key is refused",
        NoAnswer::NotItsApi => "no response of its API",
        NoAnswer::Refused => "refused",
        NoAnswer::Error => "an error",
        NoAnswer::Silence => "silence",
    }
}

const fn remedy(kind: NoAnswer) -> &'static str {
    match kind {
        NoAnswer::NoConnection => "check its `base_url` (host, port, http or https), DNS and the network",
        NoAnswer::KeyRefused => "check its `api_keys` and its `auth`",
        NoAnswer::NotItsApi => "check its `base_url`: another service answers there",
        NoAnswer::Refused => "check the path of its `base_url`, and which key is sent",
        NoAnswer::Error | NoAnswer::Silence => "see its status page, and check its `base_url`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_the_commonest_failure_is_told() {
        let sentence_of = |attempts: &[(NoAnswer, u64)]| {
            sentence(&StableFault::Unanswered { provider: "openai".into(), attempts: attempts.into() })
        };
        assert_eq!(
            sentence_of(&[(NoAnswer::NoConnection, 2), (NoAnswer::Refused, 3)]),
            "openai answered none of the last 5 attempts (no connection: 2, refused: 3); check the path of its \
             `base_url`, and which key is sent; `serin check --probe` shows more"
        );
        assert!(
            sentence_of(&[(NoAnswer::KeyRefused, 4), (NoAnswer::Silence, 3)])
                .contains("check its `api_keys` and its `auth`")
        );
        let unusable = StableFault::Unusable { provider: "openai".into(), why: "no key".into() };
        assert_eq!(sentence(&unusable), "openai cannot be used: no key");
    }
}

//! Sentences for why stable could not take everybody back, and for what fits into a provider's limits.
//!
//! Each reason is a fragment without the provider's name, so that several of them follow it. Status, `why`, the log and
//! what a promotion waits for use the same. Decides nothing.

use super::format::{grouped, percent, time};
use crate::decide::plan::fits::Fit;
use crate::decide::rollback_ready::{KeyCounts, Limit, LimitSource, NotReady};

/// All reasons; empty: there is none.
#[must_use]
pub fn reasons(found: &[NotReady]) -> String {
    found.iter().map(reason).collect::<Vec<_>>().join("; ")
}

/// One of them.
#[must_use]
pub fn reason(found: &NotReady) -> String {
    match found {
        NotReady::Down => "it answers no requests now".to_owned(),
        NotReady::Keys(KeyCounts { resting: 0, refused, .. }) => {
            format!("{} refused: replace {}", of_keys(*refused, "is", "are"), if *refused == 1 { "it" } else { "them" })
        }
        NotReady::Keys(KeyCounts { resting, refused: 0, .. }) => {
            format!("{} (its quota is spent)", of_keys(*resting, "rests", "rest"))
        }
        NotReady::Keys(KeyCounts { resting, refused, .. }) => {
            format!("none of its keys is usable: {refused} refused, {resting} resting")
        }
        NotReady::Throttled { throttled, requests } => {
            format!("it answers {} of {} requests with 429", grouped(throttled), grouped(requests))
        }
        NotReady::Requests { limit, sent } => {
            format!("it allows {} requests a minute{}, and {} are sent", grouped(limit.most), by(*limit), grouped(sent))
        }
        NotReady::Tokens { limit, sent } => {
            format!("it allows {} tokens a minute{}, and {} are used", grouped(limit.most), by(*limit), grouped(sent))
        }
        NotReady::InFlight { most, open } => {
            format!("it allows {most} requests at a time (rate_limit), and {open} are under way")
        }
        NotReady::Silent(silent) => {
            format!("it has answered neither a request nor a probe for {}", time(silent.duration().as_secs_f64()))
        }
        NotReady::Slow { usual, now } => {
            format!("its median first output takes {now}, usually {usual}")
        }
    }
}

/// What part of the traffic of a canary's rollouts its limits let pass.
#[must_use]
pub fn fit(fit: &Fit) -> String {
    let Fit { canary, rollouts, limit, sent, part } = fit;
    let part = if *part >= 1.0 { "all".to_owned() } else { percent(*part) };
    format!(
        "{canary} allows {} {} a minute{}: {part} of the traffic of {} ({} a minute) fits",
        grouped(limit.1.most),
        limit.0.as_str(),
        by(limit.1),
        rollouts.join(", "),
        grouped(sent)
    )
}

const fn by(limit: Limit) -> &'static str {
    match limit.source {
        LimitSource::File => " (rate_limit)",
        LimitSource::Headers => " (by its headers)",
    }
}

fn of_keys(keys: usize, is: &str, are: &str) -> String {
    match keys {
        1 => format!("its only key {is}"),
        keys => format!("all of its {keys} keys {are}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::plan::fits::FitUnit;
    use crate::decide::units::Millis;

    #[test]
    fn every_reason_says_what_is_known_and_what_is_sent() {
        let file = Limit { most: 600, source: LimitSource::File };
        let told = Limit { most: 40_000, source: LimitSource::Headers };
        let keys = |resting, refused| NotReady::Keys(KeyCounts { usable: 0, resting, refused });
        let cases = [
            (NotReady::Down, "it answers no requests now"),
            (keys(0, 1), "its only key is refused: replace it"),
            (keys(0, 3), "all of its 3 keys are refused: replace them"),
            (keys(1, 0), "its only key rests (its quota is spent)"),
            (keys(2, 0), "all of its 2 keys rest (its quota is spent)"),
            (keys(2, 1), "none of its keys is usable: 1 refused, 2 resting"),
            (NotReady::Throttled { throttled: 30, requests: 1200 }, "it answers 30 of 1,200 requests with 429"),
            (
                NotReady::Requests { limit: file, sent: 2000 },
                "it allows 600 requests a minute (rate_limit), and 2,000 are sent",
            ),
            (
                NotReady::Tokens { limit: told, sent: 50_000 },
                "it allows 40,000 tokens a minute (by its headers), and 50,000 are used",
            ),
            (
                NotReady::InFlight { most: 8, open: 9 },
                "it allows 8 requests at a time (rate_limit), and 9 are under way",
            ),
            (NotReady::Silent(Millis(720_000)), "it has answered neither a request nor a probe for 12m"),
            (
                NotReady::Slow { usual: Millis(400), now: Millis(2000) },
                "its median first output takes 2s, usually 400ms",
            ),
        ];
        for (found, sentence) in &cases {
            assert_eq!(reason(found), *sentence);
        }
        assert_eq!(
            reasons(&[cases[0].0, cases[1].0]),
            "it answers no requests now; its only key is refused: replace it"
        );
        assert_eq!(reasons(&[]), "");
    }

    #[test]
    fn what_fits_is_a_share_of_the_traffic_of_all_rollouts_with_that_canary() {
        let fits = |part| {
            fit(&Fit {
                canary: "new".to_owned(),
                rollouts: vec!["chat".to_owned(), "search".to_owned()],
                limit: (FitUnit::Requests, Limit { most: 600, source: LimitSource::File }),
                sent: 2000,
                part,
            })
        };
        assert_eq!(
            fits(0.3),
            "new allows 600 requests a minute (rate_limit): 30% of the traffic of chat, search (2,000 a minute) fits"
        );
        assert!(fits(1.0).contains(": all of the traffic of chat, search"));
    }
}

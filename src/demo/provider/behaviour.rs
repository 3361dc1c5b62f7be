//! How an embedded provider behaves: how fast, how often it fails, and what its failures look like.
//!
//! Plain values; the draw of failures is a function of the request's number, so that a run can be repeated.
//! Failures concern generating requests (POST) only: a provider that fails half of its answers still lists its
//! models.

use std::str::FromStr;

use crate::decide::units::{Millis, Percent};

/// How a provider behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Share of the generating requests that fail.
    pub failures: Percent,
    /// What a failure looks like.
    pub failure: Failure,
    /// Which requests fail.
    pub draw: Draw,
    /// From the request's last byte to the response head.
    pub latency: Millis,
    /// Between two events of a stream.
    pub gap: Millis,
    /// How many words an answer has at least.
    pub words: u16,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            failures: Percent::ZERO,
            failure: Failure::Status(500),
            draw: Draw::Even,
            latency: Millis(0),
            gap: Millis(0),
            words: 8,
        }
    }
}

impl Behaviour {
    /// Fails this share of its requests, with a 500, and is well otherwise.
    #[must_use]
    pub fn failing(failures: Percent) -> Behaviour {
        Behaviour { failures, ..Behaviour::default() }
    }

    /// Whether the generating request of this number (0, 1, ...) fails.
    #[must_use]
    pub fn fails(&self, number: u64) -> bool {
        let share = u64::from(self.failures.hundredths());
        match self.draw {
            Draw::Even => (number % 10_000 + 1) * share / 10_000 > (number % 10_000) * share / 10_000,
            Draw::Seeded(seed) => {
                let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                random.u64(0..10_000) < share
            }
        }
    }
}

/// Which requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Spread evenly: at 50% every other one, exactly.
    Even,
    /// Drawn, the same ones for the same seed.
    Seeded(u64),
}

/// What a failure looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This status with an error body.
    Status(u16),
    /// The connection ends without an answer.
    Reset,
    /// No answer ever comes.
    Silent,
    /// The answer ends in its middle, with the connection.
    Cut,
    /// The answer falls silent in its middle.
    Stall,
    /// A stream carries an error event in its middle; a plain answer is a 500.
    ErrorEvent,
}

/// Text that names no failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a failure: use a status such as 500, or reset, silent, cut, stall, error-event")]
pub struct ParseFailure(String);

/// `500`, `429`, `reset`, `silent`, `cut`, `stall`, `error-event`.
impl FromStr for Failure {
    type Err = ParseFailure;

    fn from_str(text: &str) -> Result<Failure, ParseFailure> {
        match text {
            "reset" => Ok(Failure::Reset),
            "silent" => Ok(Failure::Silent),
            "cut" => Ok(Failure::Cut),
            "stall" => Ok(Failure::Stall),
            "error-event" => Ok(Failure::ErrorEvent),
            status => match status.parse() {
                Ok(status @ 400..=599) => Ok(Failure::Status(status)),
                _ => Err(ParseFailure(text.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(share: u16, draw: Draw) -> Behaviour {
        Behaviour { draw, ..Behaviour::failing(Percent::from_hundredths(share).unwrap()) }
    }

    #[test]
    fn an_even_draw_fails_exactly_its_share_and_spreads_it() {
        for share in [0, 1, 333, 5000, 10_000] {
            let behaviour = failing(share, Draw::Even);
            assert_eq!((0..20_000).filter(|&n| behaviour.fails(n)).count(), 2 * usize::from(share));
        }
        let half = failing(5000, Draw::Even);
        assert!((0..100).all(|n| half.fails(n) != half.fails(n + 1)));
    }

    #[test]
    fn a_seeded_draw_repeats_itself() {
        let draw = |seed| (0..1000).map(|n| failing(2000, Draw::Seeded(seed)).fails(n)).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((150..250).contains(&draw(7).iter().filter(|&&fails| fails).count()));
    }

    #[test]
    fn failures_are_read_and_refused_by_name() {
        assert_eq!("cut".parse(), Ok(Failure::Cut));
        assert_eq!("429".parse(), Ok(Failure::Status(429)));
        for bad in ["200", "boom", ""] {
            let error = bad.parse::<Failure>().unwrap_err().to_string();
            assert!(error.contains("is not a failure: use a status such as 500"), "{error}");
        }
    }
}

//! `serin sleep`: waits, as `sleep` does where there is a shell.
//!
//! For the preStop hook of a container that has nothing but this binary: the endpoint of a pod goes away some seconds
//! after the pod was told to end. Touches nothing; a signal ends it at once.

use std::time::Duration;

use clap::Args;

use super::{Exit, Outcome};
use crate::clock;

/// A day: longer than any pod is given to end.
const LONGEST: f64 = 86_400.0;

/// Arguments of `serin sleep`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  serin sleep 5\n  serin sleep 0.5")]
pub struct SleepArgs {
    /// Number of seconds; fractions are allowed.
    #[arg(value_name = "SECONDS", value_parser = seconds)]
    seconds: Duration,
}

/// Reads a number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let read = text.parse().ok().filter(|seconds| (0.0..=LONGEST).contains(seconds));
    read.map(Duration::from_secs_f64).ok_or_else(|| "write a number of seconds from 0 to 86400".to_owned())
}

/// Waits.
///
/// # Errors
/// None.
pub fn run(args: &SleepArgs) -> Outcome {
    let end = clock::instant() + args.seconds;
    loop {
        let left = end.saturating_duration_since(clock::instant());
        if left.is_zero() {
            return Ok(Exit::Done);
        }
        // It may return early.
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_nothing_else_is() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "5s", "-1", "nan", "inf", "86401"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_waits_as_long_as_it_was_told() {
        let began = clock::instant();
        assert_eq!(run(&SleepArgs { seconds: Duration::from_millis(60) }).unwrap(), Exit::Done);
        assert!(began.elapsed() >= Duration::from_millis(60));
    }
}

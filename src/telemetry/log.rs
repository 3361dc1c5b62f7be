//! The log: lines on standard error, for people or as JSON, from a plain level up.
//!
//! Only Serin's own lines follow the chosen level; libraries are heard from `warn` up, so that `trace` never shows
//! what travels in a header. Set once, by main's commands; a library user who has a subscriber keeps it.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, sentence, fields.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting of the log that is not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("SERIN_LOG: `{0}` is not a level; it is one of off, error, warn, info, debug, trace")]
pub struct NoLevel(String);

/// Reads a level: one word, in any case; empty is `info`.
pub fn level(text: &str) -> Result<LevelFilter, NoLevel> {
    match text.trim() {
        "" => Ok(LevelFilter::INFO),
        // Numbers parse as levels too and tell a reader nothing.
        word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            LevelFilter::from_str(word).map_err(|_| NoLevel(text.to_owned()))
        }
        _ => Err(NoLevel(text.to_owned())),
    }
}

/// Starts the log. A subscriber that is already there stays.
pub fn start(format: Format, level: LevelFilter) {
    let heard = Targets::new().with_target("serin", level).with_default(level.min(LevelFilter::WARN));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_target(false).with_ansi(colour).with_filter(heard).boxed()
        }
        Format::Json => lines.json().flatten_event(true).with_ansi(false).with_filter(heard).boxed(),
    };
    // Fails only where a subscriber is set already, which then keeps its lines.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_plain_word() {
        assert_eq!(level(""), Ok(LevelFilter::INFO));
        assert_eq!(level(" Debug "), Ok(LevelFilter::DEBUG));
        assert_eq!(level("off"), Ok(LevelFilter::OFF));
    }

    #[test]
    fn anything_else_is_refused_with_the_list() {
        for wrong in ["loud", "3", "serin=debug"] {
            assert_eq!(
                level(wrong).unwrap_err().to_string(),
                format!("SERIN_LOG: `{wrong}` is not a level; it is one of off, error, warn, info, debug, trace")
            );
        }
    }
}

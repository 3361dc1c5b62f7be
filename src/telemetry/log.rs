//! The log: lines on standard error, for people or as JSON, from a plain level up.
//!
//! Only Serin's own lines follow the chosen level; libraries are heard from `warn` up, so that `trace` never shows what
//! travels in a header. Set once, by main's commands; a library user who has a subscriber keeps it. Nobody waits for
//! standard error: lines go through a [queue](super::log_queue).

use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::log_queue::Queue;
use crate::decide::printable::printable_lines;

/// How long the end of a process waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();

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
    if let Ok(queue) = Queue::start(std::io::stderr()) {
        // Only a second start finds one there.
        let _ = QUEUE.set(queue);
    }
    let lines = fmt::layer().with_writer(|| Printable(Out(QUEUE.get().cloned())));
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

/// Waits, for a bounded time, until what was logged so far is written.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(LAST_LINES);
    }
}

/// Where lines go: into the queue, or to standard error itself where there is no thread for one.
struct Out(Option<Queue>);

impl Write for Out {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(queue) => queue.write(line),
            None => io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes whole lines of the log without anything in them that a terminal or a reader of lines would obey. Of what an
/// event says itself nothing is left that looks like Serin's own colours: the layer has written those out by then.
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    // The layer hands over an event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut shown = printable_lines(&line.replace('\n', " "));
        shown.push('\n');
        self.0.write_all(shown.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_that_nobody_is_deceived_by() {
        let mut out = Vec::new();
        let event = b"WARN a\nINFO forged \x1b[2J\xe2\x80\xae \xff end\n";
        Printable(&mut out).write_all(event).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "WARN a INFO forged \\u001b[2J\\u202e \u{fffd} end\n");
    }

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

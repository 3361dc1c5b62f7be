//! How far a long command is, on one line of a terminal that is wiped at its end.
//!
//! Shown on standard error and only where a person looks; told by any thread, drawn by one at a time and ten times a
//! second at most, so that it costs nothing beside the work. A run that is over within its first quarter of a second
//! shows no bar at all.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use crate::clock;
use crate::decide::units::Millis;
use crate::describe::format;

const FIRST: Millis = Millis(250);
const BETWEEN: Millis = Millis(100);
const WIDTH: usize = 30;

/// A bar.
pub(super) struct Progress {
    all: usize,
    what: &'static str,
    begun: Millis,
    // When it was drawn last; `None` inside: nobody looks.
    drawn: Option<Mutex<Option<Millis>>>,
}

impl Progress {
    /// Of so many of these; invisible where standard error is no terminal.
    pub(super) fn on_terminal(all: usize, what: &'static str, quiet: bool) -> Progress {
        let seen = !quiet && std::io::stderr().is_terminal();
        Progress { all, what, begun: clock::now(), drawn: seen.then(|| Mutex::new(None)) }
    }

    /// So many are done.
    pub(super) fn report(&self, done: usize) {
        let Some(drawn) = &self.drawn else { return };
        // Whoever comes while another draws has nothing newer to say.
        let Ok(mut drawn) = drawn.try_lock() else { return };
        let now = clock::now();
        let due = match *drawn {
            None => now.since(self.begun) >= FIRST,
            Some(before) => now.since(before) >= BETWEEN,
        };
        if due {
            *drawn = Some(now);
            let line = bar(done, self.all, self.what, now.since(self.begun));
            let _ = write!(std::io::stderr().lock(), "\r{line}\x1b[K");
        }
    }

    /// Wipes the line.
    pub(super) fn end(&self) {
        let drawn = self.drawn.as_ref().and_then(|drawn| drawn.lock().ok()).is_some_and(|drawn| drawn.is_some());
        if drawn {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn bar(done: usize, all: usize, what: &str, passed: Millis) -> String {
    let full = (done * WIDTH).checked_div(all).unwrap_or(WIDTH).min(WIDTH);
    let (filled, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
    let left = passed.0 as f64 / 1000.0 * (all - done.min(all)) as f64 / done.max(1) as f64;
    format!("{filled}{empty}  {done} of {all} {what}, {} left", format::time(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_it_is_and_how_long_it_takes() {
        let half = bar(500, 1000, "rollouts", Millis(60_000));
        assert_eq!(half, format!("{}{}  500 of 1000 rollouts, 1m left", "█".repeat(15), "░".repeat(15)));
        assert!(bar(0, 0, "requests", Millis(1)).ends_with("0 of 0 requests, 0s left"));
    }

    #[test]
    fn where_nobody_looks_nothing_is_drawn() {
        let progress = Progress::on_terminal(10, "rollouts", true);
        progress.report(5);
        progress.end();
        assert!(progress.drawn.is_none());
    }
}

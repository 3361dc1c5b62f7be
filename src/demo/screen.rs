//! Where the view of the demo goes: a terminal, which is redrawn, or a text, which grows.
//!
//! Owns what is on the terminal now. What is shown is [`view`]'s. Invariant: the cursor is visible again
//! once the screen is closed.

use std::io::{self, Write};

use super::view::{self, ViewData};

/// Where the view goes.
pub(super) struct Screen {
    pub(super) terminal: bool,
    pub(super) colour: bool,
    pub(super) drawn: Option<ViewData>,
}

impl Screen {
    pub(super) fn show(&mut self, facts: ViewData) {
        if self.terminal {
            let frame = view::frame(&facts, self.colour);
            let back = if self.drawn.is_some() { format!("\x1b[{}A", frame.lines().count()) } else { String::new() };
            // Without line wrap, so that the frame has as many rows as lines on a narrow terminal too.
            let lines = frame.replace('\n', "\x1b[K\n");
            say(&format!("\x1b[?25l\x1b[?7l{back}{lines}\x1b[?7h"));
        } else {
            for line in view::changes(self.drawn.as_ref(), &facts) {
                say(&format!("{line}\n"));
            }
        }
        self.drawn = Some(facts);
    }

    pub(super) fn close(&self) {
        if self.terminal {
            say("\x1b[?25h");
        }
    }
}

/// A reader that has gone away (`serin demo | head`) does not end the demo.
pub(super) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

//! A terminal that a frame is drawn on, again and again, without flicker.
//!
//! Uses the alternate screen, so that what was there comes back at the end. A frame is written over the one before, line
//! by line, and only if it differs. Plain ANSI sequences that every terminal of today knows. Invariant: dropping it
//! restores the terminal, also when the command ends by a failure.

use std::io::{self, Write};

use crate::decide::printable::printable_lines;

/// Columns and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

pub(super) struct Screen {
    shown: (Size, Vec<String>),
}

impl Screen {
    pub(super) fn open() -> Screen {
        // Alternate screen, and no cursor.
        // A terminal that is gone is found out by the first frame.
        let _ = write("\x1b[?1049h\x1b[?25l\x1b[2J");
        Screen { shown: (Size { columns: 0, lines: 0 }, Vec::new()) }
    }

    /// Draws what fits.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub(super) fn draw(&mut self, frame: impl FnOnce(Size) -> Vec<String>) -> io::Result<()> {
        let size = size();
        let lines = fitted(frame(size), size);
        let frame = (size, lines);
        if frame != self.shown {
            write(&drawing(&self.shown, &frame))?;
            self.shown = frame;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write("\x1b[?25h\x1b[?1049l");
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The size of the terminal; one that does not tell has the usual size.
fn size() -> Size {
    let told = rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or(Size { columns: 80, lines: 24 }, |size| Size {
        columns: usize::from(size.ws_col),
        lines: usize::from(size.ws_row),
    })
}

/// Lines that are neither too long nor too many; the last one says what is left out.
fn fitted(lines: Vec<String>, size: Size) -> Vec<String> {
    let all = lines.len();
    let mut lines: Vec<String> =
        lines.iter().take(size.lines).map(|line| clipped(&printable_lines(line), size.columns)).collect();
    if all > size.lines && size.lines > 0 {
        lines[size.lines - 1] = clipped(&format!("... {} more lines", all - size.lines + 1), size.columns);
    }
    lines
}

/// As many characters as fit, and the colour ended. Colours take no room.
fn clipped(line: &str, columns: usize) -> String {
    let mut out = String::new();
    let (mut room, mut in_colour, mut has_colour) = (columns, false, false);
    for c in line.chars() {
        if c == '\x1b' {
            (in_colour, has_colour) = (true, true);
        }
        if in_colour {
            out.push(c);
            in_colour = c != 'm';
        } else if room > 0 {
            out.push(c);
            room -= 1;
        } else {
            break;
        }
    }
    if has_colour && !out.ends_with("\x1b[0m") {
        out.push_str("\x1b[0m");
    }
    out
}

/// What changes one frame into the next: the lines that differ, each at its place.
fn drawing((before_size, before): &(Size, Vec<String>), (size, lines): &(Size, Vec<String>)) -> String {
    let mut text = String::new();
    let all = before_size != size;
    if all {
        text.push_str("\x1b[2J");
    }
    for (row, line) in lines.iter().enumerate() {
        if all || before.get(row) != Some(line) {
            text.push_str(&format!("\x1b[{};1H{line}\x1b[K", row + 1));
        }
    }
    if before.len() > lines.len() {
        text.push_str(&format!("\x1b[{};1H\x1b[J", lines.len() + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 10, lines: 3 };

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn only_lines_that_differ_are_written() {
        let (old, new) = ((SIZE, lines(&["a", "b", "c"])), (SIZE, lines(&["a", "B"])));
        assert_eq!(drawing(&old, &new), "\x1b[2;1HB\x1b[K\x1b[3;1H\x1b[J");
        assert_eq!(drawing(&new, &new), "");
        let resized = (Size { columns: 9, ..SIZE }, lines(&["a", "B"]));
        assert_eq!(drawing(&new, &resized), "\x1b[2J\x1b[1;1Ha\x1b[K\x1b[2;1HB\x1b[K");
    }

    #[test]
    fn a_frame_fits_a_small_terminal() {
        let found = fitted(lines(&["0123456789abc", "\x1b[31mred\x1b[0m", "x", "y"]), SIZE);
        assert_eq!(found, ["0123456789", "\x1b[31mred\x1b[0m", "... 2 more"]);
        assert_eq!(fitted(lines(&["a"]), Size { columns: 1, lines: 1 }), ["a"]);
        assert_eq!(fitted(lines(&["a", "b"]), Size { columns: 0, lines: 0 }), Vec::<String>::new());
        assert_eq!(fitted(lines(&["a\x1b[2Jb"]), SIZE), ["a\\u001b[2J"]);
    }
}

//! Every reference page, by its path below docs/, with its text.
//!
//! Pure: the same code gives the same pages. What a page says besides the keys, commands and metrics themselves is in
//! `sections` (flags.yaml) and beside the lists.

mod commands;
mod keys;
mod kinds;
mod metrics;
mod sections;

/// The first line of every page: an edit there is lost.
const WRITTEN: &str = "<!-- Written by `make reference` from the code: change the code and not this page. -->\n\n";

/// Every page.
#[must_use]
pub(crate) fn all() -> Vec<(String, String)> {
    let mut pages = keys::pages();
    pages.push(("commands.md".to_owned(), commands::page()));
    pages.push(("metrics.md".to_owned(), metrics::page()));
    pages.into_iter().map(|(name, text)| (name, format!("{WRITTEN}{}\n", text.trim_end()))).collect()
}

/// A paragraph in lines of at most 120 characters, as the other pages have them.
fn filled(paragraph: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(last) if line == 0 => last.push_str(word),
            Some(last) if line + 1 + word.chars().count() <= 120 => last.push_str(&format!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

//! The charts of a page on their way into it: their specs, their numbers in few digits, and their places.
//!
//! Owns the numbering. A chart's title and sentence stand above it and are its text for those who do not see it. What
//! a chart shows is the business of the files that make the specs; how it looks is the script's and the style sheet's.

use serde_json::Value;

use crate::decide::printable::html as escape;
use crate::describe::page;

/// The charts of a page so far.
#[derive(Debug, Default)]
pub(super) struct Specs(pub(super) Vec<Value>);

impl Specs {
    /// Takes a chart, and gives its place in the page. Without `shown`, its title and sentence stand there already.
    pub(super) fn figure(&mut self, title: &str, sentence: &str, shown: bool, mut spec: Value) -> String {
        spec["title"] = title.into();
        spec["description"] = sentence.into();
        self.0.push(spec);
        let place = page::place(self.0.len() - 1);
        if !shown {
            return format!("<figure>{place}</figure>\n");
        }
        let (title, sentence) = (escape(title), escape(sentence));
        format!("<figure><figcaption><h3>{title}</h3><p class=\"sub\">{sentence}</p></figcaption>{place}</figure>\n")
    }
}

/// Seconds as the charts take moments.
pub(super) fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round()
}

/// A part of 1 as percent, in as many digits as anybody could see.
pub(super) fn percent(part: f64) -> f64 {
    (part * 100_000.0).round() / 1000.0
}
